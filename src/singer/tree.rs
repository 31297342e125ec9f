//! A record's values as the schema's validator looks at them: texts and names are borrowed from
//! the line, and what [`Fields`] has found already is not looked for again.
//!
//! The validator's own representation has every name and text copied into a hash map, which takes
//! longer than the check itself.

use std::borrow::Cow;
use std::fmt;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, cmp, unique};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use crate::json::fields::{Fields, Name, plain_text};

/// Of a record, itself counted: as many as other readers of it take.
const MAX_LEVELS: usize = 127;

/// One JSON value.
#[derive(Debug, Default)]
pub(super) enum Tree<'a> {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Tree<'a>>),
    /// Sorted by name; each name once.
    Object(Vec<Member<'a>>),
}

type Member<'a> = (Cow<'a, str>, Tree<'a>);

impl<'a> Tree<'a> {
    /// The record that has these fields.
    ///
    /// # Errors
    /// What `serde_json` refuses: numbers beyond `f64`, more than 127 levels, halves of surrogate
    /// pairs.
    pub(super) fn of(fields: &Fields<'a>) -> serde_json::Result<Self> {
        let member = |(name, value): &(Cow<'a, str>, &'a RawValue)| {
            Ok((name.clone(), Self::of_value(value.get())?))
        };
        Ok(object(fields.0.iter().map(member).collect::<serde_json::Result<_>>()?))
    }

    fn of_value(json: &'a str) -> serde_json::Result<Self> {
        if let Some(plain) = plain_text(json) {
            return Ok(Self::Text(Cow::Borrowed(plain)));
        }
        match json {
            "null" => Ok(Self::Null),
            "true" => Ok(Self::Bool(true)),
            "false" => Ok(Self::Bool(false)),
            _ => {
                let value: Self = serde_json::from_str(json)?;
                if value.levels() < MAX_LEVELS {
                    Ok(value)
                } else {
                    Err(serde::de::Error::custom("recursion limit exceeded"))
                }
            }
        }
    }

    fn levels(&self) -> usize {
        let inner = match self {
            Self::List(items) => items.iter().map(Self::levels).max(),
            Self::Object(members) => members.iter().map(|(_, value)| value.levels()).max(),
            _ => return 0,
        };
        1 + inner.unwrap_or(0)
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.clone().into_owned()),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, value)| (&**name, value.to_json())).collect()
            }
        }
    }

    /// As JSON Schema compares values: `1` is `1.0`.
    fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::Number(one), Value::Number(other)) => cmp::equal_numbers(&one, other),
            (Self::Text(one), Value::String(other)) => one == other,
            (Self::List(one), Value::Array(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| one.equals(other))
            }
            (Self::Object(one), Value::Object(other)) => {
                one.len() == other.len()
                    && one.iter().all(|(name, value)| {
                        other.get(&**name).is_some_and(|other| value.equals(other))
                    })
            }
            _ => false,
        }
    }
}

/// Of a name that comes twice the last value counts.
fn object(mut members: Vec<Member<'_>>) -> Tree<'_> {
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    members.dedup_by(|later, kept| {
        let is_same = later.0 == kept.0;
        if is_same {
            std::mem::swap(&mut later.1, &mut kept.1);
        }
        is_same
    });
    Tree::Object(members)
}

impl<'de: 'a, 'a> Deserialize<'de> for Tree<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Tree::Null)
            }

            fn visit_bool<E>(self, bool: bool) -> Result<Self::Value, E> {
                Ok(Tree::Bool(bool))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Tree::Number(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Tree::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Number::from_f64(number).map_or(Tree::Null, Tree::Number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Tree::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Tree::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(object(members))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The validator's name for a [`Tree`].
#[derive(Debug)]
pub(super) struct TreeJson;

impl Json for TreeJson {
    type Node<'a> = &'a Tree<'a>;
    type PreparedKey = Box<str>;
    type StringBuffer = ();

    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> Self::PreparedKey {
        key.into()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Self::Node<'_>) -> T) -> T {
        f(&Tree::Text(Cow::Borrowed(string)))
    }
}

impl<'a> Node<'a, TreeJson> for &'a Tree<'a> {
    type Object = &'a [Member<'a>];
    type Array = &'a [Tree<'a>];
    type Number = &'a Number;

    fn as_object(&self) -> Option<Self::Object> {
        if let Tree::Object(members) = self { Some(members) } else { None }
    }

    fn as_array(&self) -> Option<Self::Array> {
        if let Tree::List(items) = self { Some(items) } else { None }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        if let Tree::Text(text) = self { Some(Cow::Borrowed(text)) } else { None }
    }

    fn as_number(&self) -> Option<Self::Number> {
        if let Tree::Number(number) = self { Some(number) } else { None }
    }

    fn as_boolean(&self) -> Option<bool> {
        if let Tree::Bool(bool) = self { Some(*bool) } else { None }
    }

    fn is_null(&self) -> bool {
        matches!(self, Tree::Null)
    }

    fn json_type(&self) -> JsonType {
        match self {
            Tree::Null => JsonType::Null,
            Tree::Bool(_) => JsonType::Boolean,
            Tree::Number(_) => JsonType::Number,
            Tree::Text(_) => JsonType::String,
            Tree::List(_) => JsonType::Array,
            Tree::Object(_) => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        self.equals(expected)
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(self.to_json())
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref::<Tree<'a>>(self).addr()))
    }
}

impl<'a> Object<'a, TreeJson> for &'a [Member<'a>] {
    type Node = &'a Tree<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn get(&self, key: &Box<str>) -> Option<Self::Node> {
        let at = self.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        Some(&self[at].1)
    }

    fn members(&self) -> Self::MembersIter {
        Members(self.iter())
    }
}

#[derive(Debug)]
pub(super) struct Members<'a>(std::slice::Iter<'a, Member<'a>>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a Tree<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (&**name, value))
    }
}

impl<'a> Array<'a, TreeJson> for &'a [Tree<'a>] {
    type Node = &'a Tree<'a>;
    type ElementsIter = std::slice::Iter<'a, Tree<'a>>;

    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn elements(&self) -> Self::ElementsIter {
        self.iter()
    }

    fn is_unique(&self) -> bool {
        unique::is_unique(&self.iter().map(Tree::to_json).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree<'_> {
        Tree::of(&Fields::of_text(json).unwrap()).unwrap()
    }

    /// The validator's own list of what a representation must keep to.
    #[test]
    fn the_validator_can_read_it() {
        use jsonschema::json::conformance::{assert_conformance, document};

        let text = document().to_string();
        assert_conformance::<TreeJson>(&&tree(&text));
    }

    #[test]
    fn it_is_what_other_readers_make_of_the_text() {
        for json in [
            r#"{"b":1,"a":[null,true,-2,2.50,"x\ny",{"z":"ü","y":[]}],"c":{"d":{}}}"#,
            r#"{"a":1,"b":{"c":1,"\u0063":[2],"c":3},"a":"last","e":"","n":18446744073709551615}"#,
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(tree(json).to_json(), value);
        }
        for refused in [r#"{"a":1e400}"#, r#"{"a":"\ud800"}"#, r#"{"a":[1e400]}"#] {
            Tree::of(&Fields::of_text(refused).unwrap()).unwrap_err();
        }
    }

    #[test]
    fn values_are_compared_as_json_schema_has_it() {
        let long = "x".repeat(1000);
        let many = vec!["[1, 2]"; 1000].join(",");
        let json = format!(r#"{{"long": "{long}", "many": [{many}, [1, 3]], "a": 1}}"#);
        let tree = tree(&json);
        let node = &&tree;
        assert!(node.equals_value(&serde_json::from_str(&json).unwrap()));
        assert!(!node.equals_value(&serde_json::from_str(&json.replace('3', "4")).unwrap()));
        let one = |json: &str, other: &str| {
            let other = serde_json::from_str(other).unwrap();
            Tree::of_value(json).unwrap().equals(&other)
        };
        assert!(one("[1, 2.0, {\"a\": null}]", "[1.0, 2, {\"a\": null}]"));
        for (json, other) in [
            ("1", "\"1\""),
            ("[1]", "[1, 1]"),
            ("[1, 1]", "[1]"),
            ("{\"a\": 1}", "{\"b\": 1}"),
            ("{\"a\": 1}", "{\"a\": 1, \"b\": 1}"),
            ("true", "false"),
            ("null", "0"),
            ("\"a\"", "\"b\""),
        ] {
            assert!(!one(json, other), "{json} {other}");
        }
        let array = |json: &str| {
            let tree = Tree::of_value(json).unwrap();
            (&&tree).as_array().is_some_and(|array| array.is_unique())
        };
        assert!(array("[[1], [2]]") && !array("[1, 2, 1.0]") && !array(&format!("[{many}]")));
    }
}
