//! Whether a record keeps to what its stream's SCHEMA promised.
//!
//! JSON Schema draft 4 to 2020-12. References are resolved within the schema alone: a tap's
//! `$ref` never makes us open a file or a URL. Formats are checked, dates and times in the
//! lenient sense that the platform reads them in (a space for the `T`, no offset).

use std::sync::OnceLock;

use jsonschema::json::Json;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use serde_json::value::RawValue;

use super::clamp::clamp_numbers;
use super::extent::{self, Extent, extent};
use super::tree::{Tree, TreeJson};
use super::values;
use crate::json::fields::Fields;
use crate::stream::fingerprint::Temporal;
use crate::stream::moment::{is_date, is_date_time, is_time};
use crate::text::cut;

/// At most so many violations are told of one record.
const MAX_TOLD: usize = 3;
/// At most so many characters of each.
const MAX_CHARS: usize = 300;

/// Stack of a thread that checks records: the deepest value that can be read, against the deepest
/// schema that is taken.
pub const STACK_BYTES: usize = 64 << 20;
/// Values of a record times the parts of its schema that each is held against, at most: some
/// seconds.
const MAX_STEPS: usize = 1_000_000_000;
/// The same where all violations are gathered: each may be one, and takes some 500 bytes.
const MAX_EXPLAINED: usize = 500_000;

/// Steps back that a pattern takes in one text, at most. What needs more is told as a violation.
const MAX_BACKTRACKS: usize = 10_000;
/// Bytes of a record times the parts of a schema with such a pattern, at most. Each step back may
/// look at all of a text again: some tenths of a second.
const MAX_BACKTRACKED_BYTES: usize = 100_000;

/// A compiled SCHEMA.
#[derive(Debug)]
pub struct RecordSchema {
    validator: Validator<TreeJson>,
    /// Tells what a record violates, in the validator's own representation: of another one, each
    /// violation would hold a copy. Made for the first record that is refused.
    explainer: OnceLock<Option<Validator>>,
    schema: Value,
    draft: Draft,
    extent: Extent,
    /// A pattern of it can take far longer than its text is long.
    backtracks: bool,
    /// By name.
    temporal: Vec<(String, Temporal)>,
    properties: Vec<String>,
}

impl RecordSchema {
    /// Compiles a SCHEMA message's schema.
    ///
    /// # Errors
    /// Why it is no JSON Schema that can be used here, for people.
    pub fn compile(schema: &RawValue) -> Result<Self, String> {
        if values::is_over(schema.get(), extent::MAX_NODES) {
            return Err(format!("it has more than {} values", extent::MAX_NODES));
        }
        let mut schema: Value =
            serde_json::from_str(schema.get()).map_err(|error| error.to_string())?;
        let extent = extent(&schema)?;
        let draft = draft_of(&schema);
        if let Some(object) = schema.as_object_mut() {
            // The draft is settled; an address of a meta-schema that nobody knows must not hinder.
            object.remove("$schema");
        }
        let built = validator(&schema, draft, false);
        // A pattern looks around or back; or the schema is wrong, and says so once more.
        let backtracks = built.is_err();
        let validator = built
            .or_else(|_| validator(&schema, draft, true))
            .map_err(|error| cut(&error.to_string(), MAX_CHARS))?;
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut temporal: Vec<_> = properties
            .into_iter()
            .flatten()
            .filter_map(|(name, property)| Some((name.clone(), temporal(property)?)))
            .collect();
        temporal.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let properties = properties.into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let explainer = OnceLock::new();
        Ok(Self { validator, explainer, schema, draft, extent, backtracks, temporal, properties })
    }

    /// Names of the top-level properties, in the schema's order.
    pub fn properties(&self) -> &[String] {
        &self.properties
    }

    /// How a top-level field is read as a date, if it is one.
    pub fn temporal(&self, field: &str) -> Option<Temporal> {
        // Most schemas have few, and each field of each record is looked for.
        let at = self.temporal.binary_search_by(|(name, _)| (**name).cmp(field)).ok()?;
        Some(self.temporal[at].1)
    }

    /// Checks one record, which has these fields.
    ///
    /// # Errors
    /// What it violates, for people: the first few violations with their places.
    pub fn check(&self, record: &RawValue, fields: &Fields<'_>) -> Result<(), String> {
        if values::is_over(record.get(), MAX_STEPS / self.extent.width()) {
            return Err("record and schema are too large together to be checked".to_owned());
        }
        if self.backtracks && record.get().len() > MAX_BACKTRACKED_BYTES / self.extent.width() {
            return Err(
                "the record is too large to be checked against a pattern that looks around or \
                        back (`(?=`, `(?!`, `(?<`, `\\1`)"
                    .to_owned(),
            );
        }
        match Tree::of(fields) {
            Ok(value) if self.validator.is_valid(&value) => Ok(()),
            // Numbers past what `f64` or draft 4 can take are looked at once more, clamped.
            // Under draft 4 `1.0` is no integer, so a number that `f64` alone can hold must not be
            // mistaken for one.
            Ok(value) if self.draft != Draft::Draft4 => Err(self.explain(&value, record)),
            Ok(_) => self.check_clamped(record),
            Err(error) if error.to_string().starts_with("number out of range") => {
                self.check_clamped(record)
            }
            Err(error) if error.to_string().starts_with("recursion limit") => {
                Err("the record is nested deeper than 127 levels".to_owned())
            }
            Err(error) => Err(format!("the record cannot be read: {error}")),
        }
    }

    fn check_clamped(&self, record: &RawValue) -> Result<(), String> {
        let clamped = clamp_numbers(record.get());
        let value = Fields::of_text(&clamped).and_then(|fields| Tree::of(&fields));
        let value = value.map_err(|error| format!("the record cannot be read: {error}"))?;
        if self.validator.is_valid(&value) { Ok(()) } else { Err(self.explain(&value, record)) }
    }

    /// What `value`, as which `record` was read, violates. All violations are gathered before the
    /// first can be told, and nothing is remembered meanwhile: where that could be too much, it is
    /// told that there are some.
    fn explain(&self, value: &Tree<'_>, record: &RawValue) -> String {
        let most = MAX_EXPLAINED / self.extent.width();
        if self.extent.loops > 1 || values::is_over(record.get(), most) {
            return "the schema does not allow it; schema and record are too large to tell where"
                .to_owned();
        }
        let mut told: Vec<String> = Vec::new();
        let mut more = 0;
        let explainer = self
            .explainer
            .get_or_init(|| validator(&self.schema, self.draft, self.backtracks).ok());
        let value = value.to_json();
        for error in explainer.iter().flat_map(|explainer| explainer.iter_errors(&value)) {
            if told.len() == MAX_TOLD {
                more += 1;
                continue;
            }
            let path = error.instance_path().to_string();
            let place = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
            told.push(cut(&format!("{place}{error}"), MAX_CHARS));
        }
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("the schema does not allow it: {}{rest}", told.join("; "))
    }
}

/// A validator that reads values as `F` has them.
fn validator<F: Json>(
    schema: &Value,
    draft: Draft,
    backtracks: bool,
) -> Result<Validator<F>, ValidationError<'static>> {
    let options = jsonschema::options_for::<F>()
        .with_draft(draft)
        .should_validate_formats(true)
        .with_format("date-time", is_date_time)
        .with_format("date", is_date)
        .with_format("time", is_time)
        // A format of newer drafts, which taps use in schemas of any draft.
        .with_format("uuid", is_uuid);
    if backtracks {
        let fancy = PatternOptions::fancy_regex().backtrack_limit(MAX_BACKTRACKS);
        options.with_pattern_options(fancy).build(schema)
    } else {
        options.with_pattern_options(PatternOptions::regex()).build(schema)
    }
}

/// RFC 9562, section 4: 8-4-4-4-12 hexadecimal digits, of either case.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// The draft that `$schema` names; else draft 4 where only that can be meant; else draft 7, which
/// is what taps mean.
fn draft_of(schema: &Value) -> Draft {
    let named = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let drafts = [
        ("draft-04", Draft::Draft4),
        ("draft-06", Draft::Draft6),
        ("draft-07", Draft::Draft7),
        ("2019-09", Draft::Draft201909),
        ("2020-12", Draft::Draft202012),
    ];
    if let Some((_, draft)) = drafts.iter().find(|(name, _)| named.contains(name)) {
        return *draft;
    }
    if has_boolean_bound(schema) { Draft::Draft4 } else { Draft::Draft7 }
}

/// `exclusiveMinimum: true` exists in draft 4 only; later it is a number.
fn has_boolean_bound(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.iter().any(|(key, value)| {
            (matches!(key.as_str(), "exclusiveMinimum" | "exclusiveMaximum") && value.is_boolean())
                || has_boolean_bound(value)
        }),
        Value::Array(items) => items.iter().any(has_boolean_bound),
        _ => false,
    }
}

/// The date kind of a property: its own `format`, or that of one of its alternatives.
fn temporal(property: &Value) -> Option<Temporal> {
    match property.get("format").and_then(Value::as_str) {
        Some("date-time") => return Some(Temporal::DateTime),
        Some("date") => return Some(Temporal::Date),
        _ => {}
    }
    property.get("anyOf")?.as_array()?.iter().find_map(temporal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, record: &str) -> Result<(), String> {
        let schema: &RawValue = serde_json::from_str(schema).unwrap();
        let record: &RawValue = serde_json::from_str(record).unwrap();
        let fields = Fields::parse(record).unwrap();
        RecordSchema::compile(schema).unwrap().check(record, &fields)
    }

    #[test]
    fn every_draft_has_its_own_meaning() {
        let bound = r#"{"properties": {"n": {"minimum": 5, "exclusiveMinimum": true}}}"#;
        check(bound, r#"{"n": 6}"#).unwrap();
        check(bound, r#"{"n": 5}"#).unwrap_err();
        let bound = r#"{"properties": {"n": {"exclusiveMinimum": 5}}}"#;
        check(bound, r#"{"n": 5}"#).unwrap_err();
        let newer = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema",
            "properties": {"t": {"prefixItems": [{"type": "string"}]}}}"#;
        check(newer, r#"{"t": [1]}"#).unwrap_err();
        check(&newer.replace("2020-12", "2019-09"), r#"{"t": [1]}"#).unwrap();
    }

    #[test]
    fn big_numbers_are_numbers() {
        let integer = r#"{"properties": {"n": {"type": "integer"}}}"#;
        let draft4 = r#"{"$schema": "http://json-schema.org/draft-04/schema#",
            "properties": {"n": {"type": ["integer", "null"]}}}"#;
        for schema in [integer, draft4] {
            check(schema, r#"{"n": 12345678901234567890123}"#).unwrap();
            check(schema, r#"{"n": -12345678901234567890123}"#).unwrap();
            check(schema, r#"{"n": 1.5, "big": 12345678901234567890123}"#).unwrap_err();
        }
        let number =
            r#"{"properties": {"n": {"type": "number", "maximum": 10}, "s": {"type": "string"}}}"#;
        check(number, r#"{"n": -1e400, "s": "1e400 \" 2"}"#).unwrap();
        check(number, r#"{"n": 1e400}"#).unwrap_err();
    }

    #[test]
    fn formats_are_checked_and_dates_leniently() {
        let schema = r#"{"properties": {"d": {"format": "date-time"}, "e": {"format": "email"}}}"#;
        check(schema, r#"{"d": "2026-01-02 03:04:05", "e": "a@example.com"}"#).unwrap();
        check(schema, r#"{"d": "not-a-date"}"#).unwrap_err();
        check(schema, r#"{"e": "nobody"}"#).unwrap_err();
    }

    /// Each text took a second, and a line may hold hundreds of thousands.
    #[test]
    fn a_pattern_that_looks_back_is_bounded() {
        let slow = r#"{"properties": {"v": {"items": {"pattern": "^(?:(a)|(aa)|(aaa))*\\1b$"}}}}"#;
        let list = |text: &str, count: usize| format!("{{\"v\": {:?}}}", vec![text; count]);
        let text = "a".repeat(60) + "!";
        let start = std::time::Instant::now();
        let problem = check(slow, &list(&text, 200)).unwrap_err();
        assert!(problem.contains("backtracking"), "{problem}");
        let problem = check(slow, &list(&text, 100_000)).unwrap_err();
        assert!(problem.contains("looks around or back"), "{problem}");
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
        // What a password has to have.
        let around = r#"{"properties": {"v": {"pattern": "^(?=.*[0-9])(?!.*x).{8,}$"}}}"#;
        check(around, r#"{"v": "abcdefg7"}"#).unwrap();
        check(around, r#"{"v": "abcdefgx7"}"#).unwrap_err();
        // The others take as long as they may.
        let plain = r#"{"properties": {"v": {"items": {"pattern": "^a+!$"}}}}"#;
        check(plain, &list(&text, 10_000)).unwrap();
    }

    #[test]
    fn a_record_and_a_schema_that_are_too_large_together_are_told_so() {
        let each = vec![r#"{"type": "integer"}"#; 10_000].join(",");
        let schema = format!(r#"{{"properties": {{"v": {{"items": {{"allOf": [{each}]}}}}}}}}"#);
        let list = |count: usize| format!("{{\"v\": [{}1]}}", "1,".repeat(count - 1));
        check(&schema, &list(1000)).unwrap();
        let problem = check(&schema, &list(100_000)).unwrap_err();
        assert!(problem.contains("too large together"), "{problem}");
    }

    /// Each level names the next one twice: 2^30 ways to the same type.
    #[test]
    fn a_schema_that_stands_for_too_much_is_refused() {
        let mut schema = String::from(
            r##"{"properties": {"v": {"$ref": "#/definitions/d0"}}, "definitions": {"##,
        );
        for n in 0..30 {
            let next = format!(r##"{{"$ref": "#/definitions/d{}"}}"##, n + 1);
            schema += &format!(r#""d{n}": {{"allOf": [{next}, {next}]}}, "#);
        }
        schema += r#""d30": {"type": "integer"}}}"#;
        let schema: &RawValue = serde_json::from_str(&schema).unwrap();
        let problem = RecordSchema::compile(schema).unwrap_err();
        assert!(problem.contains("more than 100000 values"), "{problem}");
    }

    /// A value of a hundred levels, which each level of the schema looks at twice.
    #[test]
    fn a_schema_that_names_itself_is_bounded_by_the_value() {
        let twice = r##"{"properties": {"a": {"$ref": "#"}, "b": {"type": "integer"}}}"##;
        let schema = format!(r#"{{"allOf": [{twice}, {twice}, {{"type": "object"}}]}}"#);
        let deep = |inner: &str| format!("{}{inner}{}", r#"{"a":"#.repeat(100), "}".repeat(100));
        check(&schema, &deep("{}")).unwrap();
        for bad in [&deep(r#"{"b": "x"}"#), &deep("7")] {
            let problem = check(&schema, bad).unwrap_err();
            assert!(problem.contains("too large to tell where"), "{problem}");
        }
        let tree = r##"{"definitions": {"node": {"properties": {"v": {"type": "integer"},
            "all": {"items": {"$ref": "#/definitions/node"}}}}},
            "properties": {"root": {"$ref": "#/definitions/node"}}}"##;
        let problem = check(tree, r#"{"root": {"all": [{"v": 1}, {"v": "x"}]}}"#).unwrap_err();
        assert!(problem.contains("`/root/all/1/v`"), "{problem}");
        // In a circle that no value comes out of.
        let circle = r##"{"definitions": {"a": {"$ref": "#/definitions/b"},
            "b": {"allOf": [{"$ref": "#/definitions/a"}]}}, "properties": {"v": {"$ref": "#/definitions/a"}}}"##;
        check(circle, r#"{"v": 1}"#).unwrap();
    }

    /// As deep as a schema may be and as a value can be, on the stack of the thread that reads.
    #[test]
    fn the_deepest_of_both_fits_the_stack() {
        let mut schema = String::from(
            r##"{"properties": {"a": {"$ref": "#/definitions/d0"}}, "definitions": {"##,
        );
        for n in 0..40 {
            schema +=
                &format!(r##""d{n}": {{"allOf": [{{"$ref": "#/definitions/d{}"}}]}}, "##, n + 1);
        }
        schema += r##""d40": {"properties": {"a": {"$ref": "#/definitions/d0"}}}}}"##;
        let deep = format!("{}{}", r#"{"a":"#.repeat(125) + "1", "}".repeat(125));
        let checked = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            check(&schema, &deep).unwrap();
            check(&schema.replace("\"allOf\"", "\"anyOf\""), &deep).unwrap();
        });
        checked.unwrap().join().unwrap();
    }

    #[test]
    fn a_record_may_have_127_levels() {
        let nested =
            |levels: usize| format!("{}{}{}", r#"{"a":"#.repeat(levels), 1, "}".repeat(levels));
        check("{}", &nested(127)).unwrap();
        serde_json::from_str::<Value>(&nested(127)).unwrap();
        let problem = check("{}", &nested(128)).unwrap_err();
        assert!(problem.contains("deeper than 127 levels"), "{problem}");
    }

    #[test]
    fn many_violations_are_told_by_a_few() {
        let schema = r#"{"properties": {"v": {"items": {"type": "integer"}}}}"#;
        let list = |count: usize| format!("{{\"v\": [{}\"x\"]}}", "\"x\",".repeat(count - 1));
        let problem = check(schema, &list(1000)).unwrap_err();
        assert!(problem.ends_with("; and 997 more") && problem.len() < 400, "{problem}");
        let problem = check(schema, &list(400_000)).unwrap_err();
        assert!(problem.contains("too large to tell where"), "{problem}");
    }

    #[test]
    fn a_violation_names_its_place() {
        let schema = r#"{"properties": {"a": {"properties": {"b": {"type": "integer"}}}}}"#;
        let message = check(schema, r#"{"a": {"b": "x"}}"#).unwrap_err();
        assert!(message.contains("`/a/b`") && message.contains("integer"), "{message}");
    }

    #[test]
    fn nothing_outside_the_schema_is_opened() {
        for target in ["http://127.0.0.1:1/schema.json", "file:///etc/passwd", "other.json"] {
            let schema = format!(r#"{{"properties": {{"a": {{"$ref": "{target}"}}}}}}"#);
            let schema: &RawValue = serde_json::from_str(&schema).unwrap();
            RecordSchema::compile(schema).unwrap_err();
        }
    }
}
