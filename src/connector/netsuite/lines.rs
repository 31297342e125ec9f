//! Lines of a record that is changed: which of them are there already, which are other by now, which are
//! new; and addresses, which are lines, too.
//!
//! A line is known by what it says of itself (`description`, or `memo`), as the platform's target has
//! it; one that says nothing, by all that the record has of it. What is there and the same does not go
//! out; what is there and other goes out with its key, `line`, which changes it; all else is appended.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::paths::is_number;
use super::unified::TAX;
use crate::json::exact;
use crate::json::fields::Fields;

/// Numbers that are nearer are the same: NetSuite keeps no more digits of a price.
const NEAR: f64 = 1e-8;
/// Names under which a line says what it is.
const SAYS: [&str; 2] = ["description", "memo"];
/// What of a line is no content.
const ASIDE: [&str; 3] = [TAX, "taxDetailsReference", "line"];

/// What goes out of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// It is there, and the same.
    No,
    /// It changes the one with this key.
    Changes(String),
    /// It is new.
    New,
}

/// What is to become of the `lines` of a record whose sublist `held` is what NetSuite has. Two lines
/// are never the same one.
pub(super) fn going(lines: &[&RawValue], held: &[Value]) -> Vec<Going> {
    let lines: Vec<Value> =
        lines.iter().map(|line| exact::parse(line.get().as_bytes()).unwrap_or_default()).collect();
    let mut taken = vec![false; held.len()];
    let mut going = vec![Going::New; lines.len()];
    // Those first that are the same, so that a line is not changed into one that stands beside it.
    for (line, going) in lines.iter().zip(&mut going) {
        let same = |(place, own): (usize, &Value)| !taken[place] && is_same(line, own);
        if let Some(place) = held.iter().enumerate().position(same) {
            taken[place] = true;
            *going = Going::No;
        }
    }
    for (line, going) in lines.iter().zip(&mut going).filter(|(_, going)| **going == Going::New) {
        let Some(said) = says(line) else { continue };
        let is_it =
            |(place, own): (usize, &Value)| !taken[place] && says(own).as_ref() == Some(&said);
        let Some(place) = held.iter().enumerate().position(is_it) else { continue };
        taken[place] = true;
        // Without a key it cannot be changed, and to append it would double it.
        let key = held[place].get("line").and_then(exact::text).filter(|key| is_number(key));
        *going = key.map_or(Going::No, Going::Changes);
    }
    going
}

/// A line with the key of the one that it changes.
pub(super) fn with_key(line: &str, key: &str) -> String {
    Fields::of_text(line).unwrap_or_default().with("line", key)
}

/// What a line says of itself.
fn says(line: &Value) -> Option<String> {
    let said = SAYS.into_iter().find_map(|name| exact::text(line.get(name)?))?;
    // NetSuite trims what it keeps.
    Some(said.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether NetSuite has what a line says, as far as it shows it: of a line's fields it keeps those that
/// the sublist has.
fn is_same(line: &Value, held: &Value) -> bool {
    let said = says(line);
    // NetSuite gives a line that says nothing the words of its item.
    if said.is_some() && said != says(held) {
        return false;
    }
    let mut is_known = said.is_some();
    for (name, value) in line.as_object().into_iter().flatten() {
        let is_content = !ASIDE.contains(&name.as_str()) && !SAYS.contains(&name.as_str());
        let Some(held) = field(held, name).filter(|_| is_content && !value.is_null()) else {
            continue;
        };
        if !is_equal(value, held) {
            return false;
        }
        is_known = true;
    }
    is_known
}

/// A field, in whatever case NetSuite has its name.
pub(super) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let mut fields = object.as_object().into_iter().flatten();
    fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, own)| own)
}

/// Whether a value is the one that NetSuite shows: it shows more of those who are named, and numbers
/// with other digits.
pub(super) fn is_equal(value: &Value, held: &Value) -> bool {
    if let (Some(id), Some(own)) = (value.get("id"), held.get("id")) {
        return exact::text(id) == exact::text(own);
    }
    // A list's value is an object there, and may be its id here.
    let held = if value.is_object() { held } else { held.get("id").unwrap_or(held) };
    match (exact::text(value), exact::text(held)) {
        (Some(one), Some(other)) => {
            let numbers = number(&one).zip(number(&other));
            one == other || numbers.is_some_and(|(one, other)| (one - other).abs() < NEAR)
        }
        (None, None) => value == held,
        _ => false,
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The lines of a sublist.
pub(super) fn items<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    let own = field(body, name).and_then(|own| own["items"].as_array());
    own.map(Vec::as_slice).unwrap_or_default()
}

/// The same, of a record that NetSuite has.
///
/// # Errors
/// For people: it shows a part of them, and to compare with that would make lines twice.
pub(super) fn whole<'a>(held: &'a Value, name: &str) -> Result<&'a [Value], String> {
    let Some(sublist) = field(held, name).filter(|own| !own.is_null()) else { return Ok(&[]) };
    let is_part = sublist["hasMore"] == true
        || (sublist["items"].is_null() && sublist["totalResults"] != json!(0));
    if is_part {
        return Err(format!(
            "NetSuite shows only a part of its `{name}`, so that what is new of it cannot be told: change \
             it in NetSuite"
        ));
    }
    Ok(items(held, name))
}

/// Whether one of the addresses is this one already: of the same use, and with all that it says.
pub(super) fn has_address(held: &[Value], address: &RawValue) -> bool {
    let Ok(address) = exact::parse(address.get().as_bytes()) else { return false };
    held.iter().any(|held| is_address(&address, held))
}

pub(super) fn is_address(address: &Value, held: &Value) -> bool {
    let fields = address.as_object().into_iter().flatten();
    // NetSuite composes the text of an address whose parts it has.
    let has_parts = address.get("addr1").is_some() || address.get("city").is_some();
    let mut fields = fields.filter(|(name, _)| !(has_parts && *name == "addrText"));
    fields.all(|(name, value)| match (value, field(held, name)) {
        // Only that it is the default matters: it may be both.
        (Value::Bool(false) | Value::Null, _) => true,
        (Value::Object(_), Some(held)) if value.get("id").is_none() => is_address(value, held),
        (value, Some(held)) => is_equal(value, held),
        (_, None) => false,
    })
}

/// Whether NetSuite has a record with all lines as a body says it.
pub(super) fn is_as_held(body: &str, held: &Value) -> bool {
    let Ok(fields) = Fields::of_text(body) else { return false };
    fields.0.iter().all(|(name, value)| {
        let lines = Fields::parse(value).ok().and_then(|own| own.get("items"));
        let lines =
            lines.and_then(|lines| serde_json::from_str::<Vec<&RawValue>>(lines.get()).ok());
        if let Some(lines) = lines {
            let held = items(held, name);
            let is_there = going(&lines, held).iter().all(|going| *going == Going::No);
            return lines.len() == held.len() && is_there;
        }
        let value = exact::parse(value.get().as_bytes()).unwrap_or_default();
        field(held, name).is_none_or(|held| is_equal(&value, held))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn going_of(lines: &Value, held: &Value) -> Vec<Going> {
        let texts: Vec<String> =
            lines.as_array().unwrap().iter().map(ToString::to_string).collect();
        let raw: Vec<&RawValue> =
            texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        going(&raw, held.as_array().unwrap())
    }

    fn held() -> Value {
        json!([
            {"line": 1, "item": {"id": "7", "refName": "Bolt"}, "quantity": 2.0, "rate": 1.5, "description": "A"},
            {"line": 2, "item": {"id": "8"}, "quantity": 1, "amount": 10},
        ])
    }

    #[test]
    fn what_is_there_is_not_appended_again() {
        let lines = json!([
            {"item": {"id": "7"}, "quantity": 2, "rate": "1.50", "description": "A", "$tax": {"code": "x"}},
            {"item": {"id": "8"}, "quantity": 1.0, "amount": 10},
            {"item": {"id": "9"}, "quantity": 1},
        ]);
        assert_eq!(going_of(&lines, &held()), [Going::No, Going::No, Going::New]);
    }

    #[test]
    fn what_is_other_by_now_is_changed_by_its_key() {
        let lines = json!([{"item": {"id": "7"}, "quantity": 3, "description": "A"}]);
        assert_eq!(going_of(&lines, &held()), [Going::Changes("1".to_owned())]);
        assert_eq!(with_key(r#"{"quantity":3.50}"#, "1"), r#"{"line":1,"quantity":3.50}"#);
    }

    #[test]
    fn two_lines_are_never_one() {
        let line = json!({"item": {"id": "8"}, "quantity": 1, "amount": 10});
        assert_eq!(going_of(&json!([line, line]), &held()), [Going::No, Going::New]);
        // One that is the same is no place for one that is other.
        let lines = json!([
            {"item": {"id": "7"}, "quantity": 5, "description": "A"},
            {"item": {"id": "7"}, "quantity": 2, "rate": 1.5, "description": "A"},
        ]);
        assert_eq!(going_of(&lines, &held()), [Going::New, Going::No]);
    }

    #[test]
    fn a_sublist_that_is_shown_in_part_is_not_compared() {
        let count = |sublist: Value| whole(&json!({"Item": sublist}), "item").map(<[Value]>::len);
        assert_eq!(count(json!({"items": [1, 2], "hasMore": false, "totalResults": 2})), Ok(2));
        assert_eq!(count(json!({"items": [], "totalResults": 0})), Ok(0));
        assert_eq!(count(json!({"totalResults": 0, "links": []})), Ok(0));
        assert_eq!(count(Value::Null), Ok(0));
        count(json!({"items": [1], "hasMore": true})).unwrap_err();
        count(json!({"links": [{"rel": "self"}]})).unwrap_err();
    }

    #[test]
    fn a_field_that_is_not_shown_is_no_difference() {
        let same = |line: Value, held: Value| is_same(&line, &held);
        let held =
            json!({"line": 1, "ITEM": {"id": "5"}, "quantity": 2.0, "description": " Car  2 "});
        assert!(same(
            json!({"item": {"id": "5"}, "account": {"id": "9"}, "quantity": 2}),
            held.clone()
        ));
        assert!(same(json!({"description": "Car 2", "item": {"id": "5"}}), held.clone()));
        assert!(!same(json!({"item": {"id": "6"}, "account": {"id": "9"}}), held.clone()));
        assert!(!same(json!({"description": "Car 3", "item": {"id": "5"}}), held.clone()));
        // Nothing of it is known.
        assert!(!same(json!({"account": {"id": "9"}}), held));
        assert!(is_equal(&json!("20000000000000.00"), &json!(20_000_000_000_000.0)));
        assert!(!is_equal(&json!("0.00345"), &json!(0.00348)));
    }
}
