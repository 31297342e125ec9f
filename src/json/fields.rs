//! The top level of a record: names, and values as raw text, so that numbers keep their digits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Fields in the order of the input. Of a name that comes twice the last value counts, at the
/// first one's place, as JSON readers commonly have it.
#[derive(Debug, Default)]
pub struct Fields<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

/// Above so many fields or names, a map is made of the fields instead of a scan for each.
const FEW: usize = 24;

impl<'a> Fields<'a> {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When it is none, or a name is no Unicode text.
    pub fn parse(object: &'a RawValue) -> serde_json::Result<Self> {
        let mut fields: Self = serde_json::from_str(object.get())?;
        fields.keep_last();
        Ok(fields)
    }

    /// Reads the text of a JSON object.
    ///
    /// # Errors
    /// As [`Fields::parse`].
    pub fn of_text(object: &'a str) -> serde_json::Result<Self> {
        Self::parse(serde_json::from_str(object)?)
    }

    /// The value of `name`, unless it is missing.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The values of `names`, in their order.
    pub fn get_all(&self, names: &[String]) -> Vec<Option<&'a RawValue>> {
        if names.len() <= FEW {
            return names.iter().map(|name| self.get(name)).collect();
        }
        let values: HashMap<&str, &'a RawValue> =
            self.0.iter().map(|(name, value)| (&**name, *value)).collect();
        names.iter().map(|name| values.get(&**name).copied()).collect()
    }

    /// The object as text, with `value` under `name` before all else, and nothing else under it.
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut object = String::new();
        push_field(&mut object, name, value);
        for (own, value) in self.0.iter().filter(|(own, _)| own != name) {
            push_field(&mut object, own, value.get());
        }
        finish_object(object)
    }

    fn keep_last(&mut self) {
        let fields = &mut self.0;
        let is_twice = if fields.len() <= FEW {
            (1..fields.len()).any(|at| fields[..at].iter().any(|(name, _)| *name == fields[at].0))
        } else {
            let mut seen = std::collections::HashSet::with_capacity(fields.len());
            !fields.iter().all(|(name, _)| seen.insert(name.as_ref()))
        };
        if !is_twice {
            return;
        }
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
        let mut kept: Vec<(Cow<'a, str>, &'a RawValue)> = Vec::with_capacity(fields.len());
        for (name, value) in fields.drain(..) {
            if let Some(at) = places.get(&name) {
                kept[*at].1 = value;
            } else {
                places.insert(name.clone(), kept.len());
                kept.push((name, value));
            }
        }
        *fields = kept;
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A name that borrows from the input where it holds no escapes.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The content of a JSON string that holds no escapes; `None` for any other value.
pub fn plain_text(json: &str) -> Option<&str> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    (!inside.contains('\\')).then_some(inside)
}

/// Appends `"name":value` to the text of an object that is being built.
pub fn push_field(object: &mut String, name: &str, value: &str) {
    object.push(if object.is_empty() { '{' } else { ',' });
    push_text(object, name);
    object.push(':');
    object.push_str(value);
}

/// Ends an object begun with [`push_field`].
pub fn finish_object(mut object: String) -> String {
    if object.is_empty() {
        object.push('{');
    }
    object.push('}');
    object
}

/// Appends a JSON string.
pub fn push_text(json: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(String, String)> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        let fields = Fields::parse(raw).unwrap();
        fields.0.iter().map(|(name, value)| (name.to_string(), value.get().to_owned())).collect()
    }

    #[test]
    fn the_last_of_two_counts_at_the_first_ones_place() {
        let few = r#"{"a": 1, "b": 2, "a": 3.10}"#;
        assert_eq!(parse(few), [("a".into(), "3.10".into()), ("b".into(), "2".into())]);
        let mut many = String::from("{\"a\": 1");
        for n in 0..50 {
            many.push_str(&format!(", \"f{n}\": {n}"));
        }
        many.push_str(", \"\\u0061\": 9}");
        let fields = parse(&many);
        assert_eq!((fields.len(), &fields[0]), (51, &("a".to_owned(), "9".to_owned())));
    }

    #[test]
    fn few_and_many_are_found_alike() {
        let names: Vec<String> = (0..100).map(|n| format!("f{n}")).collect();
        let members: Vec<String> = (0..50).map(|n| format!("\"f{}\": {n}", 2 * n)).collect();
        let object = format!("{{{}}}", members.join(", "));
        let fields = Fields::of_text(&object).unwrap();
        let many = fields.get_all(&names);
        let few: Vec<_> = names.chunks(3).flat_map(|names| fields.get_all(names)).collect();
        let text = |values: &[Option<&RawValue>]| {
            values
                .iter()
                .map(|value| value.map_or("", RawValue::get).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(text(&many), text(&few));
        assert_eq!((text(&many)[98].as_str(), text(&many)[99].as_str()), ("49", ""));
    }

    #[test]
    fn a_field_takes_the_place_of_the_one_of_its_name() {
        let fields = Fields::of_text(r#"{"a": 1.50, "b": [2 ]}"#).unwrap();
        assert_eq!(fields.with("b", "3"), r#"{"b":3,"a":1.50}"#);
        assert_eq!(fields.with("c", "\"x\""), r#"{"c":"x","a":1.50,"b":[2 ]}"#);
        assert_eq!(Fields::default().with("c", "{}"), r#"{"c":{}}"#);
    }

    #[test]
    fn objects_are_built_with_names_escaped() {
        let mut object = String::new();
        push_field(&mut object, "a\"b", "1.0");
        push_field(&mut object, "ü", "null");
        assert_eq!(finish_object(object), r#"{"a\"b":1.0,"ü":null}"#);
        assert_eq!(finish_object(String::new()), "{}");
    }
}
