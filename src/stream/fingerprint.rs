//! The hash that tells whether a record has changed: the hosted platform's own, bit for bit.
//!
//! It is SHA-256 over what Python's `json.dumps` prints of the prepared record, `externalId` last.
//! The platform parses date fields with `dateutil` before that, so they are hashed in Python's
//! `isoformat`. Where hashes agree, a stream can move here from the platform, and back, without
//! all its records being written again.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::python_json::{write_json, write_text};
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
    let mut hasher = Hasher(Sha256::new());
    if let Err(error) = write_record(&mut hasher, fields, external_id) {
        unreachable!("a hasher takes every byte: {error}");
    }
    Fingerprint(hasher.0.finalize().into())
}

/// Feeds what is written to the hash.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_record<'a>(
    out: &mut dyn Write,
    fields: impl Iterator<Item = (&'a str, &'a RawValue, Option<Temporal>)>,
    external_id: Option<&RawValue>,
) -> io::Result<()> {
    let mut separator: &[u8] = b"{";
    for (name, value, temporal) in fields {
        out.write_all(std::mem::replace(&mut separator, b", "))?;
        write_text(out, name)?;
        out.write_all(b": ")?;
        match temporal.and_then(|_| moment(value)) {
            Some(moment) => moment.write(out)?,
            None => write_json(out, value.get())?,
        }
    }
    out.write_all(if separator == b"{" || external_id.is_some() { separator } else { b"" })?;
    if let Some(external_id) = external_id {
        out.write_all(b"\"externalId\": ")?;
        write_json(out, external_id.get())?;
    }
    out.write_all(b"}")
}

fn moment(value: &RawValue) -> Option<Moment> {
    let inside = value.get().strip_prefix('"')?.strip_suffix('"')?;
    let text = if inside.contains('\\') {
        Cow::Owned(serde_json::from_str::<String>(value.get()).ok()?)
    } else {
        Cow::Borrowed(inside)
    };
    // Python has no leap seconds.
    Moment::parse(&text).filter(|moment| moment.second < 60)
}

/// Whether `text` is a `date-time` of a schema: RFC 3339, and beyond it what the platform takes: a
/// space for the `T`, no offset, no seconds, or a date alone.
pub fn is_date_time(text: &str) -> bool {
    Moment::parse(text).is_some()
}

/// Whether `text` is a `date` of a schema: `2026-01-02`, and a day that exists.
pub fn is_date(text: &str) -> bool {
    let mut rest = text.as_bytes();
    date(&mut rest).is_some() && rest.is_empty()
}

/// Whether `text` is a `time` of a schema: RFC 3339, and also without an offset.
pub fn is_time(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let moment = Moment::default();
    moment.with_time(&mut rest, true).and_then(|moment| moment.with_offset(&mut rest)).is_some()
        && rest.is_empty()
}

/// A day and time as written, and its offset from UTC if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moment {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    /// 60 in leap seconds.
    second: u32,
    micros: u32,
    /// Minutes east.
    offset: Option<i32>,
}

impl Moment {
    /// Reads the ISO 8601 part of what `dateutil.parser.parse` reads, in the extended format.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim_ascii().as_bytes();
        let (year, month, day) = date(&mut rest)?;
        let mut moment = Self { year, month, day, ..Self::default() };
        if rest.is_empty() {
            return Some(moment);
        }
        if !(take(&mut rest, b'T') || take(&mut rest, b't')) {
            (rest.first()? == &b' ').then_some(())?;
            rest = rest.trim_ascii_start();
        }
        moment = moment.with_time(&mut rest, false)?;
        rest = rest.trim_ascii_start();
        moment = moment.with_offset(&mut rest)?;
        rest.is_empty().then_some(moment)
    }

    /// `03:04:05.678`; down to the hour alone unless it must be whole.
    fn with_time(mut self, rest: &mut &[u8], is_whole: bool) -> Option<Self> {
        self.hour = digits(rest, 2).filter(|hour| *hour < 24)?;
        if take(rest, b':') {
            self.minute = digits(rest, 2).filter(|minute| *minute < 60)?;
            if take(rest, b':') {
                self.second = digits(rest, 2).filter(|second| *second <= 60)?;
                if take(rest, b'.') || take(rest, b',') {
                    self.micros = micros(rest)?;
                }
                return Some(self);
            }
        }
        (!is_whole).then_some(self)
    }

    /// `Z`, `+02:00`, `+0200`, `+02`, or nothing at all.
    fn with_offset(mut self, rest: &mut &[u8]) -> Option<Self> {
        let sign = match rest.first() {
            None => return Some(self),
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => {
                matches!(*rest, b"Z" | b"z" | b"UTC" | b"GMT").then(|| *rest = &[])?;
                self.offset = Some(0);
                return Some(self);
            }
        };
        *rest = &rest[1..];
        let hours = digits(rest, 2).filter(|hours| *hours < 24)?;
        let minutes = if take(rest, b':') || !rest.is_empty() {
            digits(rest, 2).filter(|minutes| *minutes < 60)?
        } else {
            0
        };
        self.offset = Some(sign * i32::try_from(hours * 60 + minutes).ok()?);
        Some(self)
    }

    /// Python's `datetime.isoformat()` as a JSON string.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { year, month, day, hour, minute, second, .. } = self;
        write!(out, "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.micros > 0 {
            write!(out, ".{:06}", self.micros)?;
        }
        if let Some(offset) = self.offset {
            let sign = if offset < 0 { '-' } else { '+' };
            let size = offset.abs();
            write!(out, "{sign}{:02}:{:02}", size / 60, size % 60)?;
        }
        out.write_all(b"\"")
    }
}

/// `2026-01-02`, a day that exists since the year 1, which is Python's first.
fn date(rest: &mut &[u8]) -> Option<(u32, u32, u32)> {
    let year = digits(rest, 4).filter(|year| *year > 0)?;
    take(rest, b'-').then_some(())?;
    let month = digits(rest, 2)?;
    take(rest, b'-').then_some(())?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let day = digits(rest, 2).filter(|day| (1..=days).contains(day))?;
    Some((year, month, day))
}

/// The digits of a fraction of a second; those beyond microseconds are cut off.
fn micros(rest: &mut &[u8]) -> Option<u32> {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, after) = rest.split_at(count);
    *rest = after;
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(6);
    (count > 0).then(|| digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// Takes exactly `count` digits.
fn digits(rest: &mut &[u8], count: usize) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    digits
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// Takes `byte` if it comes next.
fn take(rest: &mut &[u8], byte: u8) -> bool {
    let is_next = rest.first() == Some(&byte);
    *rest = &rest[usize::from(is_next)..];
    is_next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::fields::Fields;

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

    fn read(date: &str) -> String {
        let record = serde_json::json!({ "d": date }).to_string();
        let out = text(&record, &[("d", Temporal::DateTime)], None);
        assert_eq!(out, text(&record, &[("d", Temporal::Date)], None));
        serde_json::from_slice::<serde_json::Value>(&out).unwrap()["d"].as_str().unwrap().to_owned()
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

    /// The right side is what `dateutil` 2.9 and Python 3.11 make of the left one.
    #[test]
    fn moments_are_read_as_dateutil_does() {
        for (text, isoformat) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02t03:04:05z", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02 03:04:05", "2026-01-02T03:04:05"),
            ("2026-01-02  03:04:05 Z", "2026-01-02T03:04:05+00:00"),
            (" 2026-01-02T03:04:05Z ", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02T03:04", "2026-01-02T03:04:00"),
            ("2026-01-02T03:04-02:00", "2026-01-02T03:04:00-02:00"),
            ("2026-01-02T03", "2026-01-02T03:00:00"),
            ("2026-01-02T03Z", "2026-01-02T03:00:00+00:00"),
            ("2026-01-02", "2026-01-02T00:00:00"),
            ("2026-01-02T03:04:05.1", "2026-01-02T03:04:05.100000"),
            ("2026-01-02T03:04:05,5", "2026-01-02T03:04:05.500000"),
            ("2026-01-02T03:04:05.1234567899Z", "2026-01-02T03:04:05.123456+00:00"),
            ("2026-01-02T03:04:05.9999999", "2026-01-02T03:04:05.999999"),
            ("2026-01-02T03:04:05.0000009Z", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02T03:04:05+02", "2026-01-02T03:04:05+02:00"),
            ("2026-01-02T03:04:05+0530", "2026-01-02T03:04:05+05:30"),
            ("2026-01-02T03:04:05.1 +02:00", "2026-01-02T03:04:05.100000+02:00"),
            ("2026-01-02T03:04:05-23:59", "2026-01-02T03:04:05-23:59"),
            ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05+00:00"),
            ("2026-01-02T03:04:05 UTC", "2026-01-02T03:04:05+00:00"),
            ("0001-01-02T03:04:05", "0001-01-02T03:04:05"),
            ("2024-02-29", "2024-02-29T00:00:00"),
        ] {
            assert_eq!(read(text), isoformat, "{text}");
        }
        let escaped = text(r#"{"d":"2026-01-02T03:04:05\u005a"}"#, &[("d", Temporal::Date)], None);
        assert_eq!(escaped, br#"{"d": "2026-01-02T03:04:05+00:00"}"#);
    }

    #[test]
    fn what_is_no_moment_stays_as_it_is() {
        for text in [
            "",
            "soon",
            "2026-02-29",
            "2100-02-29",
            "2026-13-01",
            "2026-04-31",
            "0000-01-02T03:04:05",
            "10000-01-01",
            "2026-01-02T24:00:00",
            "2026-01-02T03:04:60Z",
            "2026-01-02T03:60:00",
            "2026-01-02T03:04:",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05+24:00",
            "2026-01-02T03:04:05+02:00:30",
            "2026-01-02T03:04:05+000",
            "2026-01-02Z",
            "2026-01-02+02:00",
            "2026-01-02T03:04:05 é",
        ] {
            assert_eq!(read(text), text);
        }
        let other = text(r#"{"d":1.50,"e":{"d":"2026-01-02"}}"#, &[("d", Temporal::Date)], None);
        assert_eq!(other, br#"{"d": 1.5, "e": {"d": "2026-01-02"}}"#);
    }

    #[test]
    fn formats_of_schemas() {
        for good in ["1985-04-12T23:20:50.52Z", "1990-12-31T23:59:60Z", "2026-01-02 03:04:05"] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in ["not-a-date", "2026-02-30T00:00:00Z", "2026-01-02T03:04:61Z", "12:00:00"] {
            assert!(!is_date_time(bad), "{bad}");
        }
        assert!(is_date("2024-02-29") && is_date("0001-01-01"));
        for bad in ["2023-02-29", "2026-1-2", "20260102", " 2026-01-02", "2026-01-02T00:00:00", ""]
        {
            assert!(!is_date(bad), "{bad}");
        }
        for good in ["03:04:05", "03:04:05Z", "23:59:60Z", "03:04:05.678+02:00"] {
            assert!(is_time(good), "{good}");
        }
        for bad in ["03:04", "24:00:00Z", "03:04:05 Z", "03:04:05+24:00", "", "3:4:5"] {
            assert!(!is_time(bad), "{bad}");
        }
    }
}
