//! What configs of the hosted platform say in other words than ours: switches as texts, and nothing
//! as an empty list.

use indexmap::IndexMap;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::stream::Fields;

/// A switch that is off where nothing is said of it.
///
/// # Errors
/// It is neither on nor off.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    some_flag(deserializer).map(Option::unwrap_or_default)
}

/// A switch: `true`, `"true"`, 1 and the like; `None` for `null` and the empty text.
///
/// # Errors
/// It is neither on nor off.
pub fn some_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Bool(is_on) => return Ok(Some(is_on)),
        Value::String(text) => text.trim().to_lowercase(),
        value => value.to_string(),
    };
    match text.as_str() {
        "" => Ok(None),
        "true" | "1" | "yes" | "on" => Ok(Some(true)),
        "false" | "0" | "no" | "off" => Ok(Some(false)),
        _ => Err(D::Error::custom("expected true or false")),
    }
}

/// `lookup_fields` by stream; those of a stream, or all of them, may be `null`, and no stream is `[]`
/// too.
///
/// # Errors
/// For people: it is none.
pub(super) fn lookup_fields<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, Fields>, D::Error> {
    let value = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(IndexMap::new()),
        Value::Array(list) if list.is_empty() => return Ok(IndexMap::new()),
        value => value,
    };
    let told = IndexMap::<String, Option<Fields>>::deserialize(value).map_err(|_| {
        D::Error::custom("expected the names of streams, each with a field or a list of fields")
    })?;
    Ok(told.into_iter().filter_map(|(name, fields)| Some((name, fields?))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn switches_are_read_as_people_write_them() {
        let read = |value: Value| some_flag(value).map_err(|error| error.to_string());
        for on in [json!(true), json!("True"), json!(" 1 "), json!(1), json!("yes")] {
            assert_eq!(read(on), Ok(Some(true)));
        }
        for off in [json!(false), json!("false"), json!(0), json!("off")] {
            assert_eq!(read(off), Ok(Some(false)));
        }
        for untold in [json!(null), json!("")] {
            assert_eq!(read(untold), Ok(None));
        }
        for wrong in [json!("maybe"), json!(2), json!([]), json!({})] {
            assert_eq!(read(wrong), Err("expected true or false".to_owned()));
        }
        assert!(!flag(json!(null)).unwrap());
    }

    #[test]
    fn no_lookup_fields_may_be_said_in_any_way() {
        for none in [json!(null), json!([]), json!({}), json!({"Contact": null})] {
            assert_eq!(lookup_fields(none).unwrap(), IndexMap::new());
        }
        let told = lookup_fields(json!({"Contact": ["Email"], "Lead": "Email"})).unwrap();
        assert_eq!(
            (told["Contact"].names(), told["Lead"].names().len()),
            (&["Email".to_owned()][..], 1)
        );
        for wrong in [json!(["Email"]), json!("Email"), json!({"Contact": 1})] {
            lookup_fields(wrong).unwrap_err();
        }
    }
}
