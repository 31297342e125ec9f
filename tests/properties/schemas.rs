//! Whether a SCHEMA allows a record: the same as the validator says of a value that it has read by
//! itself.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use serde_json::value::RawValue;
use target_upsert::json::fields::Fields;
use target_upsert::singer::schema::RecordSchema;

use crate::almost::{nested, object_of};
use crate::cases;

const NAMES: &[&str] = &["a", "b", "ab", "ä", "\\u0061"];

/// A keyword of every kind, for whatever stands at a place.
const KEYWORDS: &[&str] = &[
    r#""type": ["object", "integer"]"#,
    r#""type": ["string", "null", "array"]"#,
    r#""type": "number", "multipleOf": 0.5"#,
    r#""minimum": 0, "exclusiveMaximum": 2"#,
    r#""minLength": 1, "maxLength": 2"#,
    r#""pattern": "^a""#,
    r#""format": "date-time""#,
    r#""enum": [1, "a", null, [1.0], {"a": 1}, {"a": [2]}]"#,
    r#""const": {"a": [1, {"b": 2.0}]}"#,
    r#""uniqueItems": true, "maxItems": 2"#,
    r#""items": {"type": "integer"}, "minItems": 1"#,
    r#""contains": {"const": 1}"#,
    r#""required": ["a"], "maxProperties": 2"#,
    r#""additionalProperties": false, "properties": {"a": {}, "ä": {"type": "string"}}"#,
    r#""patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": {"type": "null"}"#,
    r#""propertyNames": {"maxLength": 1}"#,
    r##""properties": {"a": {"$ref": "#"}}"##,
    r#""oneOf": [{"type": "integer"}, {"minimum": 1}]"#,
    r#""not": {"type": "boolean"}"#,
    r#""if": {"required": ["a"]}, "then": {"required": ["b"]}"#,
    r#""dependencies": {"a": ["b"]}"#,
];

fn schema() -> impl Strategy<Value = String> {
    let keywords = prop::collection::vec(select(KEYWORDS), 1..3);
    prop::collection::vec((select(NAMES), keywords), 1..4).prop_map(|properties| {
        let of = |(name, keywords): (&str, Vec<&str>)| {
            let all: Vec<_> = keywords.iter().map(|keyword| format!("{{{keyword}}}")).collect();
            format!("\"{name}\": {{\"allOf\": [{}]}}", all.join(", "))
        };
        let properties: Vec<_> = properties.into_iter().map(of).collect();
        format!("{{\"properties\": {{{}}}}}", properties.join(", "))
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = select(
        &[
            "null",
            "true",
            "0",
            "1",
            "1.0",
            "-2",
            "2",
            "0.25",
            "1e2",
            "\"\"",
            "\"a\"",
            "\"\\u0061b\"",
            "\"äää\"",
            "\"2026-01-02T03:04:05Z\"",
            "18446744073709551615",
        ][..],
    );
    nested(NAMES, leaf.prop_map(str::to_owned))
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_record_is_allowed_where_the_validator_allows_it(schema in schema(), record in object_of(NAMES, value())) {
        let raw: &RawValue = serde_json::from_str(&schema).unwrap();
        let text: &RawValue = serde_json::from_str(&record).unwrap();
        let compiled = RecordSchema::compile(raw).unwrap();
        let told = compiled.check(text, &Fields::parse(text).unwrap());
        let value: Value = serde_json::from_str(&record).unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft7)
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        prop_assert_eq!(told.is_ok(), validator.is_valid(&value), "{:?}", told);
        // Who refuses it also says why.
        prop_assert!(told.err().is_none_or(|why| why.len() > "the schema does not allow it: ".len()));
    }
}
