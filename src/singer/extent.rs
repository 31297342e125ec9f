//! How large a schema is once each reference is replaced by what it names.
//!
//! A validator may go through all of that for one value, and a few lines can name each other into
//! more than any machine gets through. What names itself, as a tree does, counts once: how often it
//! is gone through depends on the value, and the validator remembers what it has seen.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Values of a schema, at most. Those of the widest tables have a few ten thousand.
pub(super) const MAX_NODES: usize = 100_000;
/// Levels of a schema, at most: each takes stack, for each level of a value.
const MAX_DEPTH: usize = 128;
/// Places that are looked at for what a reference names, at most.
const MAX_LOOKS: usize = 1_000_000;

/// The keys under which a schema names another one.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// The keys under which a schema has a name.
const NAMES: [&str; 4] = ["$id", "id", "$anchor", "$dynamicAnchor"];
/// The keys of schemas for what a value holds; those of all others are for the value itself.
const BELOW: [&str; 10] = [
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
];
/// The keys whose values hold schemas by names that may be any.
const BY_NAME: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "dependencies"];
/// The keys of schemas that count only where they are named.
const ASIDE: [&str; 2] = ["definitions", "$defs"];

/// How large a schema is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Values, each reference replaced by what it names.
    pub(super) nodes: usize,
    /// Those of them that one value is held against.
    here: usize,
    /// The same of one value within that value, at most.
    below: usize,
    /// Levels below it.
    height: usize,
    /// Ways that lead back to a schema from within it.
    pub(super) loops: usize,
}

/// The extent of `schema`.
///
/// # Errors
/// That it is too large for any value to be checked against it, for people.
pub(super) fn extent(schema: &Value) -> Result<Extent, String> {
    let mut measure = Measure { root: schema, named: Vec::new(), known: HashMap::new(), looks: 0 };
    measure.find_names(schema);
    measure.of(schema, 0)
}

struct Measure<'s> {
    root: &'s Value,
    /// Schemas that have a name of their own.
    named: Vec<&'s Value>,
    /// What was measured; `None` while it is.
    known: HashMap<*const Value, Option<Extent>>,
    looks: usize,
}

impl Extent {
    /// A scalar, or what is measured already.
    const ONE: Self = Self { nodes: 1, here: 1, below: 0, height: 0, loops: 0 };

    /// How many parts of the schema one value is held against, at most.
    pub(super) fn width(self) -> usize {
        if self.loops > 0 { self.nodes } else { self.here.max(self.below) }
    }

    /// Adds a part that holds for the same value.
    fn add(&mut self, part: Self) -> Result<(), String> {
        self.here += part.here;
        self.below += part.below;
        self.enclose(part)
    }

    /// Adds parts for what the value holds. `is_one_of`: no value is held against two of them.
    fn add_below(&mut self, parts: &[Self], is_one_of: bool) -> Result<(), String> {
        let widths = parts.iter().map(|part| part.here.max(part.below));
        self.below += if is_one_of { widths.max().unwrap_or(0) } else { widths.sum() };
        parts.iter().try_for_each(|part| self.enclose(*part))
    }

    fn enclose(&mut self, part: Self) -> Result<(), String> {
        self.nodes += part.nodes;
        self.height = self.height.max(part.height + 1);
        self.loops = self.loops.saturating_add(part.loops);
        if self.nodes > MAX_NODES {
            return Err(format!(
                "with all that its references name it has more than {MAX_NODES} values"
            ));
        }
        Ok(())
    }
}

impl<'s> Measure<'s> {
    fn find_names(&mut self, value: &'s Value) {
        match value {
            Value::Object(map) => {
                if NAMES.iter().any(|key| map.get(*key).is_some_and(Value::is_string)) {
                    self.named.push(value);
                }
                map.values().for_each(|value| self.find_names(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.find_names(item)),
            _ => {}
        }
    }

    fn of(&mut self, schema: &'s Value, depth: usize) -> Result<Extent, String> {
        let key = std::ptr::from_ref(schema);
        let extent = match self.known.get(&key) {
            Some(Some(known)) => *known,
            Some(None) => Extent { loops: 1, ..Extent::ONE },
            None if depth > MAX_DEPTH => return Err(too_deep()),
            None => {
                self.known.insert(key, None);
                let extent = self.measure(schema, depth)?;
                self.known.insert(key, Some(extent));
                extent
            }
        };
        if depth + extent.height > MAX_DEPTH { Err(too_deep()) } else { Ok(extent) }
    }

    fn measure(&mut self, schema: &'s Value, depth: usize) -> Result<Extent, String> {
        let mut extent = Extent::ONE;
        match schema {
            Value::Array(items) => {
                for part in self.all(items, depth)? {
                    extent.add(part)?;
                }
            }
            Value::Object(map) => {
                for (key, value) in map.iter().filter(|(key, _)| !ASIDE.contains(&&***key)) {
                    let is_below = BELOW.contains(&&**key);
                    let parts = match value {
                        Value::String(name) if REFERENCES.contains(&&**key) => {
                            vec![self.largest_named(name, depth)?]
                        }
                        Value::Object(by_name) if BY_NAME.contains(&&**key) => {
                            self.all(by_name.values(), depth)?
                        }
                        Value::Array(items) if is_below => self.all(items, depth)?,
                        value => self.all([value], depth)?,
                    };
                    if is_below {
                        extent.add_below(&parts, key == "properties")?;
                    } else {
                        parts.into_iter().try_for_each(|part| extent.add(part))?;
                    }
                }
            }
            _ => {}
        }
        Ok(extent)
    }

    fn all(
        &mut self,
        parts: impl IntoIterator<Item = &'s Value>,
        depth: usize,
    ) -> Result<Vec<Extent>, String> {
        let part = |part: &'s Value| match part {
            Value::Array(_) | Value::Object(_) => self.of(part, depth + 1),
            _ => Ok(Extent::ONE),
        };
        parts.into_iter().map(part).collect()
    }

    /// The largest of the schemas that `reference` may name: which of them it does depends on the
    /// draft and on what stands around it.
    fn largest_named(&mut self, reference: &str, depth: usize) -> Result<Extent, String> {
        let fragment = reference.split_once('#').map_or("", |(_, fragment)| fragment);
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        self.looks += 1 + self.named.len();
        if self.looks > MAX_LOOKS {
            return Err("it has too many names and references".to_owned());
        }
        let places = [self.root].into_iter().chain(self.named.iter().copied());
        let named: Vec<&Value> = if fragment.is_empty() || fragment.starts_with('/') {
            places.filter_map(|place| place.pointer(&fragment)).collect()
        } else {
            let is_meant =
                |place: &&Value| place.as_object().is_some_and(|map| has_name(map, &fragment));
            places.filter(is_meant).collect()
        };
        let mut largest = Extent::default();
        for schema in named {
            let extent = self.of(schema, depth + 1)?;
            largest.nodes = largest.nodes.max(extent.nodes);
            largest.here = largest.here.max(extent.here);
            largest.below = largest.below.max(extent.below);
            largest.height = largest.height.max(extent.height);
            largest.loops = largest.loops.max(extent.loops);
        }
        Ok(largest)
    }
}

fn has_name(schema: &Map<String, Value>, name: &str) -> bool {
    let names = NAMES.iter().filter_map(|key| schema.get(*key)?.as_str());
    names.into_iter().any(|known| known.trim_start_matches('#') == name)
}

fn too_deep() -> String {
    format!("with all that its references name it nests deeper than {MAX_DEPTH} levels")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `levels` definitions, each of which names the next one twice.
    fn doubling(levels: usize) -> Value {
        let mut definitions = json!({});
        for n in 0..levels {
            let next = json!({"$ref": format!("#/definitions/d{}", n + 1)});
            definitions[format!("d{n}")] = json!({"allOf": [next, next]});
        }
        definitions[format!("d{levels}")] = json!({"type": "integer"});
        json!({"definitions": definitions, "properties": {"v": {"$ref": "#/definitions/d0"}}})
    }

    #[test]
    fn references_stand_for_what_they_name() {
        let plain =
            json!({"properties": {"a": {"type": "string"}, "b": {"type": ["null", "string"]}}});
        let plain = extent(&plain).unwrap();
        assert_eq!((plain.nodes, plain.width()), (7, 4));
        let (ten, eleven) = (extent(&doubling(10)).unwrap(), extent(&doubling(11)).unwrap());
        assert!(eleven.nodes > ten.nodes * 19 / 10, "{ten:?} {eleven:?}");
        extent(&doubling(60)).unwrap_err();
    }

    /// A table of many columns is wide, and each of its values is held against one of them.
    #[test]
    fn what_one_value_is_held_against_is_less_than_all() {
        let column = json!({"type": ["null", "string"]});
        let mut table = json!({"properties": {}});
        let mut twice = json!({"allOf": [{"properties": {}}, {"additionalProperties": column}]});
        for n in 0..1000 {
            table["properties"][format!("c{n}")] = column.clone();
            twice["allOf"][0]["properties"][format!("c{n}")] = column.clone();
        }
        assert_eq!(extent(&table).unwrap().width(), 4);
        assert_eq!(extent(&twice).unwrap().width(), 8);
        let many = json!({"items": {"allOf": vec![json!({"type": "string"}); 1000]}});
        assert!(extent(&many).unwrap().width() > 2000);
    }

    #[test]
    fn however_it_is_named_it_counts() {
        for (key, reference, name) in [
            ("$anchor", "#d", "d"),
            ("$id", "#d", "#d"),
            ("id", "#d", "#d"),
            ("$dynamicAnchor", "#d", "d"),
            ("$id", "d.json", "d.json"),
            ("$id", "d.json#/allOf/0", "d.json"),
            ("$comment", "#/%24defs/d%7E1d", "d"),
        ] {
            let part = json!({"allOf": [{"enum": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}], key: name});
            let schema = json!({"$defs": {"d/d": part}, "allOf": [{"$ref": reference}]});
            assert!(extent(&schema).unwrap().nodes >= 14, "{key} {reference}");
        }
    }

    #[test]
    fn what_names_itself_counts_once() {
        let tree = json!({"definitions": {"node": {"properties": {"value": {"type": "string"},
            "children": {"items": {"$ref": "#/definitions/node"}}}}},
            "properties": {"root": {"$ref": "#/definitions/node"}}});
        let tree = extent(&tree).unwrap();
        assert!(tree.nodes < 20 && tree.loops == 1, "{tree:?}");
        let twice = json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}});
        assert_eq!(extent(&twice).unwrap().loops, 2);
    }

    #[test]
    fn a_long_way_is_refused() {
        let mut definitions = json!({"d5000": {}});
        for n in 0..5000 {
            let next = json!({"$ref": format!("#/definitions/d{}", n + 1)});
            definitions[format!("d{n}")] = json!({"allOf": [next]});
        }
        // However it is come to: from its end, each part is short.
        for first in ["d0", "d4999"] {
            let mut all: Vec<Value> = vec![json!({"$ref": format!("#/definitions/{first}")})];
            all.extend((0..5000).rev().map(|n| json!({"$ref": format!("#/definitions/d{n}")})));
            let schema = json!({"definitions": definitions, "allOf": all});
            assert!(extent(&schema).unwrap_err().contains("deeper"));
        }
    }
}
