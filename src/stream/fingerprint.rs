//! The hash that tells whether a record has changed: the hosted platform's own, bit for bit,
//! wherever that tells.
//!
//! It is SHA-256 over what Python's `json.dumps` prints of the prepared record, `externalId` last.
//! The platform parses date fields with `dateutil` before that, so they are hashed in Python's
//! `isoformat`. Where hashes agree, a stream can move here from the platform, and back, without
//! all its records being written again.
//!
//! Python loses what its floats, moments and dictionaries cannot hold, so that different records
//! have one text: a change would not be written, and of two records without an id one would be
//! lost. What would be lost is hashed too, and the hash of such a record is not the platform's. A
//! value that is only spelled otherwise (`1.50` and `1.5`, `Z` and `+00:00`, a day and its
//! midnight) has not changed; a tap that prints it otherwise one day rewrites nothing.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::moment::Moment;
use crate::json::fields::plain_text;
use crate::json::python::{write_exact, write_text};
use crate::record::Fingerprint;

/// How the schema says that a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporal {
    /// `format: date-time`.
    DateTime,
    /// `format: date`.
    Date,
}

/// The fingerprint of a prepared record: its fields in their order, less the external id's.
///
/// Strings of fields with a [`Temporal`] are hashed as the moment that they tell: the platform
/// reads both kinds alike, a date being its midnight. What cannot be read as a moment is hashed as
/// the text that it is, as are the few forms that `dateutil` completes by today's date.
pub fn fingerprint<'a>(
    fields: impl Iterator<Item = (&'a str, &'a RawValue, Option<Temporal>)>,
    external_id: Option<&RawValue>,
) -> Fingerprint {
    let mut text = Vec::with_capacity(1 << 10);
    if let Err(error) = write_record(&mut text, fields, external_id) {
        unreachable!("memory takes every byte: {error}");
    }
    Fingerprint(Sha256::digest(&text).into())
}

fn write_record<'a>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a str, &'a RawValue, Option<Temporal>)>,
    external_id: Option<&RawValue>,
) -> io::Result<()> {
    let mut separator: &[u8] = b"{";
    for (name, value, temporal) in fields {
        out.write_all(std::mem::replace(&mut separator, b", "))?;
        write_text(out, name)?;
        out.write_all(b": ")?;
        let text = temporal.and_then(|_| text(value));
        match text.as_deref().and_then(Moment::of_python) {
            Some(moment) => moment.write(out)?,
            None => write_exact(out, value.get())?,
        }
    }
    out.write_all(if separator == b"{" || external_id.is_some() { separator } else { b"" })?;
    if let Some(external_id) = external_id {
        out.write_all(b"\"externalId\": ")?;
        write_exact(out, external_id.get())?;
    }
    out.write_all(b"}")
}

/// What the platform prints of a text that tells a moment; `None` for any other value.
pub fn moment_text(value: &RawValue) -> Option<String> {
    let text = text(value)?;
    let moment = Moment::of_python(&text)?;
    let mut printed = Vec::new();
    moment.write(&mut printed).ok()?;
    String::from_utf8(printed).ok()
}

/// A string's content, if it is Unicode text.
fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    match plain_text(value.get()) {
        Some(plain) => Some(Cow::Borrowed(plain)),
        None => serde_json::from_str(value.get()).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::fields::Fields;

    fn text(record: &str, temporal: &[(&str, Temporal)], external_id: Option<&str>) -> Vec<u8> {
        let raw: &RawValue = serde_json::from_str(record).unwrap();
        let fields = Fields::parse(raw).unwrap();
        let external_id: Option<&RawValue> =
            external_id.map(|text| serde_json::from_str(text).unwrap());
        let kind =
            |name: &str| temporal.iter().find(|(key, _)| *key == name).map(|(_, kind)| *kind);
        let with_kind = || fields.0.iter().map(|(name, value)| (&**name, *value, kind(name)));
        let mut out = Vec::new();
        write_record(&mut out, with_kind(), external_id).unwrap();
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&out)), fingerprint(with_kind(), external_id).0);
        out
    }

    fn hashed(record: &str) -> Vec<u8> {
        text(record, &[("d", Temporal::DateTime), ("dd", Temporal::Date)], Some("\"x\""))
    }

    #[test]
    fn the_platforms_example_has_the_platforms_hash() {
        let record = r#"{"s":"Läst","n":1.50,"d":"2026-01-02T03:04:05Z","dd":"2026-01-02"}"#;
        let temporal = [("d", Temporal::DateTime), ("dd", Temporal::Date)];
        let printed = text(record, &temporal, Some(r#""x1""#));
        assert_eq!(
            String::from_utf8(printed.clone()).unwrap(),
            r#"{"s": "L\u00e4st", "n": 1.5, "d": "2026-01-02T03:04:05+00:00", "dd": "2026-01-02T00:00:00", "externalId": "x1"}"#,
        );
        assert_eq!(
            Fingerprint(Sha256::digest(&printed).into()).to_string(),
            "c0539fd15175c790860796654ec8e04847eee447121a3460c7244e289a6c1210",
        );
    }

    #[test]
    fn the_smallest_records() {
        assert_eq!(text("{}", &[], None), b"{}");
        assert_eq!(text("{}", &[], Some("7e1")).as_slice(), br#"{"externalId": 70.0}"#);
    }

    #[test]
    fn moments_are_hashed_in_fields_of_either_kind() {
        let kinds = [Temporal::Date, Temporal::DateTime];
        for (record, printed) in [
            (r#"{"d":"2026-01-02"}"#, r#"{"d": "2026-01-02T00:00:00"}"#),
            (r#"{"d":"2026-01-02T03:04:05\u005a"}"#, r#"{"d": "2026-01-02T03:04:05+00:00"}"#),
            (r#"{"d":"2026-02-29"}"#, r#"{"d": "2026-02-29"}"#),
            (r#"{"d":"2026-01-02T03:04:60Z"}"#, r#"{"d": "2026-01-02T03:04:60Z"}"#),
            (r#"{"d":"\ud800"}"#, r#"{"d": "\ud800"}"#),
            (r#"{"d":1.50,"e":{"d":"2026-01-02"}}"#, r#"{"d": 1.5, "e": {"d": "2026-01-02"}}"#),
        ] {
            for kind in kinds {
                let out = text(record, &[("d", kind)], None);
                assert_eq!(String::from_utf8(out).unwrap(), printed, "{record} {kind:?}");
            }
        }
    }

    #[test]
    fn values_that_python_cannot_tell_apart_are_told_apart() {
        for (one, other) in [
            (r#"{"n":9007199254740993.0}"#, r#"{"n":9007199254740992.0}"#),
            (r#"{"n":12345678901234567890.12}"#, r#"{"n":12345678901234567890.13}"#),
            (r#"{"n":1e400}"#, r#"{"n":2e400}"#),
            (r#"{"n":1e-400}"#, r#"{"n":0.0}"#),
            (r#"{"n":[0.1,0.10000000000000001]}"#, r#"{"n":[0.10000000000000001,0.1]}"#),
            (r#"{"n":{"a":1,"a":2}}"#, r#"{"n":{"a":3,"a":2}}"#),
            (r#"{"n":{"a":1,"a":2}}"#, r#"{"n":{"a":2}}"#),
            (
                r#"{"d":"2026-01-02T03:04:05.123456001Z"}"#,
                r#"{"d":"2026-01-02T03:04:05.123456789Z"}"#,
            ),
            (r#"{"d":"2026-01-02T03:04:05.0000001Z"}"#, r#"{"d":"2026-01-02T03:04:05Z"}"#),
            (r#"{"dd":"2026-01-02T03:04:05.1234567"}"#, r#"{"dd":"2026-01-02T03:04:05.123456"}"#),
        ] {
            assert_ne!(hashed(one), hashed(other), "{one}");
        }
        let id = |id| text("{}", &[], Some(id));
        assert_ne!(id("9007199254740993.0"), id("9007199254740992.0"));
    }

    #[test]
    fn a_value_that_is_spelled_otherwise_is_the_same() {
        for (one, other) in [
            (r#"{"n":1.50}"#, r#"{"n": 1.5}"#),
            (r#"{"n":1e2}"#, r#"{"n":100.0}"#),
            (r#"{"n":9007199254740993.0}"#, r#"{"n":90071992547409930E-1}"#),
            (r#"{"n":"\u0041\/"}"#, r#"{"n":"A/"}"#),
            (
                r#"{"d":"2026-01-02T03:04:05.1234567Z"}"#,
                r#"{"d":"2026-01-02 03:04:05,123456700-00:00"}"#,
            ),
            (r#"{"d":"2026-01-02"}"#, r#"{"d":"2026-01-02T00:00"}"#),
        ] {
            assert_eq!(hashed(one), hashed(other), "{one}");
        }
    }
}
