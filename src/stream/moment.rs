//! Days and times as `dateutil` reads them for the hosted platform, and as Python prints them.
//!
//! Of what it reads, Python loses one thing: the digits of a fraction below the microsecond. They
//! are kept here.

use std::io::{self, Write};

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
pub(super) struct Moment<'a> {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    /// 60 in leap seconds.
    second: u32,
    micros: u32,
    /// The digits of the fraction after those of the microseconds, less the zeros at the end.
    below_micros: &'a [u8],
    /// Minutes east.
    offset: Option<i32>,
}

impl<'a> Moment<'a> {
    /// Reads what Python can hold: it has no leap seconds.
    pub(super) fn of_python(text: &'a str) -> Option<Self> {
        Self::parse(text).filter(|moment| moment.second < 60)
    }

    /// Reads the ISO 8601 part of what `dateutil.parser.parse` reads, in the extended format.
    fn parse(text: &'a str) -> Option<Self> {
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
    fn with_time(mut self, rest: &mut &'a [u8], is_whole: bool) -> Option<Self> {
        self.hour = digits(rest, 2).filter(|hour| *hour < 24)?;
        if take(rest, b':') {
            self.minute = digits(rest, 2).filter(|minute| *minute < 60)?;
            if take(rest, b':') {
                self.second = digits(rest, 2).filter(|second| *second <= 60)?;
                if take(rest, b'.') || take(rest, b',') {
                    (self.micros, self.below_micros) = fraction(rest)?;
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

    /// Python's `datetime.isoformat()` as a JSON string, with more than its six digits of a
    /// fraction where there are more.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut text = *b"\"0000-00-00T00:00:00";
        let Self { year, month, day, hour, minute, second, .. } = *self;
        for (at, number) in [
            (1, year / 100),
            (3, year % 100),
            (6, month),
            (9, day),
            (12, hour),
            (15, minute),
            (18, second),
        ] {
            text[at..at + 2].copy_from_slice(&two(number));
        }
        out.write_all(&text)?;
        if self.micros > 0 || !self.below_micros.is_empty() {
            write!(out, ".{:06}", self.micros)?;
            out.write_all(self.below_micros)?;
        }
        if let Some(offset) = self.offset {
            let sign = if offset < 0 { b'-' } else { b'+' };
            let size = offset.unsigned_abs();
            let [hours, minutes] = [size / 60, size % 60].map(two);
            out.write_all(&[sign, hours[0], hours[1], b':', minutes[0], minutes[1]])?;
        }
        out.write_all(b"\"")
    }
}

/// Two decimal digits, of a number below 100.
fn two(number: u32) -> [u8; 2] {
    [number / 10 % 10, number % 10].map(|digit| b"0123456789"[digit as usize])
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

/// A fraction of a second: its microseconds, and the digits below them less the zeros at the end.
fn fraction<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, after) = rest.split_at(count);
    *rest = after;
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(6);
    let micros = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let end = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    (count > 0).then(|| (micros, fraction.get(6..end).unwrap_or_default()))
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

    fn read(text: &str) -> Option<String> {
        let mut out = Vec::new();
        Moment::of_python(text)?.write(&mut out).unwrap();
        Some(serde_json::from_slice(&out).unwrap())
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
            assert_eq!(read(text).as_deref(), Some(isoformat), "{text}");
        }
    }

    #[test]
    fn digits_below_the_microsecond_are_kept() {
        for (text, printed) in [
            ("2026-01-02T03:04:05.1234567899Z", "2026-01-02T03:04:05.1234567899+00:00"),
            ("2026-01-02T03:04:05.12345678990Z", "2026-01-02T03:04:05.1234567899+00:00"),
            ("2026-01-02T03:04:05.9999999", "2026-01-02T03:04:05.9999999"),
            ("2026-01-02T03:04:05,0000009Z", "2026-01-02T03:04:05.0000009+00:00"),
            ("2026-01-02T03:04:05.1000001-02:00", "2026-01-02T03:04:05.1000001-02:00"),
            ("2026-01-02T03:04:05.123456000Z", "2026-01-02T03:04:05.123456+00:00"),
            ("2026-01-02T03:04:05.100000000", "2026-01-02T03:04:05.100000"),
            ("2026-01-02T03:04:05.000000000", "2026-01-02T03:04:05"),
        ] {
            assert_eq!(read(text).as_deref(), Some(printed), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment() {
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
            assert_eq!(read(text), None, "{text}");
        }
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
