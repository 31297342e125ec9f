//! Takes the escapes of JSON, addresses and pages off a text, and knows where in it each byte
//! stood.

use std::ops::Range;

/// A text, or what it means once so many layers of escapes are off. Bytes: `%E4` is no UTF-8.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) bytes: Vec<u8>,
    /// What each byte stands for in the text; empty where it stands for itself.
    from: Vec<Range<usize>>,
}

/// What an escape means.
enum Meant {
    Byte(u8),
    Char(char),
}

impl Plain {
    /// `text` as it is.
    pub(super) fn of(text: &str) -> Self {
        Self { bytes: text.into(), from: Vec::new() }
    }

    /// One layer less; `None` when there is none.
    pub(super) fn unescaped(&self) -> Option<Self> {
        memchr::memchr3(b'\\', b'%', b'&', &self.bytes)?;
        let mut plain = Self { bytes: Vec::new(), from: Vec::new() };
        let mut rest = &*self.bytes;
        while let Some(first) = rest.first() {
            let (taken, meant) = escape(rest).unwrap_or((1, Meant::Byte(*first)));
            let at = self.bytes.len() - rest.len();
            let from = self.source(at..at + taken);
            match meant {
                Meant::Byte(byte) => plain.bytes.push(byte),
                Meant::Char(char) => {
                    plain.bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            plain.from.resize(plain.bytes.len(), from);
            rest = rest.get(taken..).unwrap_or_default();
        }
        (plain.bytes.len() < self.bytes.len()).then_some(plain)
    }

    /// What `range`, which is not empty, stands for in the text.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        let last = self.from.get(range.end.saturating_sub(1));
        match (self.from.get(range.start), last) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => range,
        }
    }
}

/// The escape that `text` begins with: its length, and what it means.
fn escape(text: &[u8]) -> Option<(usize, Meant)> {
    let byte = |byte| Some((2, Meant::Byte(byte)));
    match *text {
        [b'%', high, low, ..] => Some((3, Meant::Byte(two_digits(high, low)?))),
        // A byte in Python; a character in JavaScript, which as Latin-1 is the same.
        [b'\\', b'x', high, low, ..] => Some((4, Meant::Byte(two_digits(high, low)?))),
        [b'\\', b'u', ..] => utf16(text),
        [b'\\', same @ (b'/' | b'\\' | b'"' | b'\''), ..] => byte(same),
        [b'\\', b'n', ..] => byte(b'\n'),
        [b'\\', b'r', ..] => byte(b'\r'),
        [b'\\', b't', ..] => byte(b'\t'),
        [b'\\', b'b', ..] => byte(8),
        [b'\\', b'f', ..] => byte(12),
        [b'&', ..] => entity(text),
        _ => None,
    }
}

fn two_digits(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// `\u00e4`, or a pair such as `\ud83d\ude00`.
fn utf16(text: &[u8]) -> Option<(usize, Meant)> {
    let unit = |at: usize| match *text.get(at..at + 6)? {
        [b'\\', b'u', a, b, c, d] => {
            Some(u16::from_be_bytes([two_digits(a, b)?, two_digits(c, d)?]))
        }
        _ => None,
    };
    let units = [unit(0)?, unit(6).unwrap_or_default()];
    let char = char::decode_utf16(units).next()?.ok()?;
    Some((6 * char.len_utf16(), Meant::Char(char)))
}

/// `&amp;`, `&#228;` or `&#xe4;`.
fn entity(text: &[u8]) -> Option<(usize, Meant)> {
    /// Of the longest that is looked for, with some zeros in front.
    const MAX_BYTES: usize = 12;
    let end = memchr::memchr(b';', text.get(..MAX_BYTES.min(text.len()))?)?;
    let name = std::str::from_utf8(text.get(1..end)?).ok()?;
    let char = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(number) => u32::from_str_radix(number, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?)?
        }
    };
    Some((end + 1, Meant::Char(char)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_knows_where_it_stood() {
        let text = r"a\u00e4\/%2525&#x41;\ud83d\ude00\ud83d%zz&nope;\";
        let once = Plain::of(text).unescaped().unwrap();
        assert_eq!(once.bytes, "aä/%25A😀\\ud83d%zz&nope;\\".as_bytes());
        assert_eq!(once.source(1..3), 1..7);
        let twice = once.unescaped().unwrap();
        let percent = twice.bytes.iter().position(|byte| *byte == b'%').unwrap();
        assert_eq!(text.get(twice.source(percent..percent + 1)), Some("%2525"));
        assert!(twice.unescaped().is_none());
    }
}
