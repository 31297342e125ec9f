//! JSON as Python's `json.dumps` prints it, for readers that compare or hash bytes.
//!
//! `", "` and `": "` between values, keys in the order they came in, everything beyond printable
//! ASCII as `\uXXXX`, integers with all their digits, floats as Python's `repr` has them. A record
//! hashed here and by the hosted platform has the same hash only because both print the same text.
//!
//! Nothing recurses and no tree is built: `RawValue` does not limit how deep its text is nested.

mod number;
mod twins;

use std::io::{self, Write};

use number::Floats;
use twins::{Edit, Twins};

/// Writes what `json.dumps(json.loads(json))` prints, but for what Python loses on the way: what
/// is written for two values is the same only where they are equal. This is for hashes.
///
/// A number that is not what Python would print of it is written with all its digits, and of keys
/// that come twice both values are, at their own places: no text that Python prints is like that.
/// `1` and `1.0` are two values here, as are `0.0` and `-0.0`, and objects whose keys come in
/// another order. How a number is spelled is lost, zeros at the end and the exponent, but for
/// exponents past 64 bits.
///
/// Takes linear time. `json` must be one valid JSON text, such as a `RawValue` holds; of any other
/// text the output is unspecified. Lone surrogates (`"\ud800"`) are printed as they are.
///
/// # Errors
/// What `out` says.
pub fn write_exact<W: Write + ?Sized>(out: &mut W, json: &str) -> io::Result<()> {
    let mut at = 0;
    while at < json.len() {
        let end = token(json.as_bytes(), at);
        write_token(out, json.get(at..end).unwrap_or_default(), Floats::Exact)?;
        at = end;
    }
    Ok(())
}

/// Writes what `json.dumps(json.loads(json))` prints, as JSON in any case: a number beyond Python's
/// floats stands as it came, where Python prints `Infinity`.
///
/// Takes linear time, and the same texts as [`write_exact`]. Of keys that come twice the last value
/// is printed, in the place of the first.
///
/// # Errors
/// What `out` says.
pub fn write_readable<W: Write + ?Sized>(out: &mut W, json: &str) -> io::Result<()> {
    let twins = Twins::find(json.as_bytes());
    // Ranges still to be printed, innermost last. There is one more for each value that stands in
    // for an earlier one.
    let mut ranges = vec![(0, json.len())];
    while let Some((at, end)) = ranges.pop() {
        if at >= end {
            continue;
        }
        match twins.edit(at) {
            Some(Edit::Skip { to }) => ranges.push((to, end)),
            Some(Edit::Replace { to, with }) => {
                ranges.push((to, end));
                ranges.push(with);
            }
            None => {
                let token = token(json.as_bytes(), at);
                write_token(out, json.get(at..token).unwrap_or_default(), Floats::Nearest)?;
                ranges.push((token, end));
            }
        }
    }
    Ok(())
}

/// Writes `text` as a JSON string, with its quotes.
///
/// # Errors
/// What `out` says.
pub fn write_text<W: Write + ?Sized>(out: &mut W, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    write_plain(out, text)?;
    out.write_all(b"\"")
}

/// Where the token ends that begins at `at`: a string, a number or a word, or else one byte.
fn token(json: &[u8], at: usize) -> usize {
    let length = match json.get(at) {
        Some(b'"') => return string_end(json, at),
        Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => json[at..]
            .iter()
            .take_while(|c| matches!(c, b'-' | b'+' | b'.') || c.is_ascii_alphanumeric())
            .count(),
        _ => 1,
    };
    at + length
}

/// Where the string ends whose opening quote is at `at`.
fn string_end(json: &[u8], at: usize) -> usize {
    let mut from = at + 1;
    while let Some(next) = json.get(from..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        from += next;
        if json[from] == b'"' {
            return from + 1;
        }
        from += 2;
    }
    json.len()
}

fn write_token<W: Write + ?Sized>(out: &mut W, token: &str, floats: Floats) -> io::Result<()> {
    match token.as_bytes() {
        [b' ' | b'\t' | b'\n' | b'\r'] => Ok(()),
        [b','] => out.write_all(b", "),
        [b':'] => out.write_all(b": "),
        [b'"', ..] => write_string(out, token),
        [b'-' | b'0'..=b'9', ..] => number::write(out, token, floats),
        other => out.write_all(other),
    }
}

/// Writes a JSON string anew; it comes with its quotes and escapes.
fn write_string<W: Write + ?Sized>(out: &mut W, string: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut rest = string.get(1..string.len().saturating_sub(1)).unwrap_or_default();
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (plain, escape) = rest.split_at(at);
        write_plain(out, plain)?;
        let length = match escape.as_bytes() {
            [_, b'/', ..] => {
                out.write_all(b"/")?;
                2
            }
            [_, b'u', ..] => {
                let unit = escape.get(2..6).and_then(|hex| u16::from_str_radix(hex, 16).ok());
                // Python joins the two halves of a surrogate pair and splits them again.
                write_unit(out, unit.unwrap_or(0xfffd))?;
                6
            }
            [_, short, ..] => {
                out.write_all(&[b'\\', *short])?;
                2
            }
            _ => break,
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    write_plain(out, rest)?;
    out.write_all(b"\"")
}

/// Writes the inside of a string that holds no escapes.
fn write_plain<W: Write + ?Sized>(out: &mut W, text: &str) -> io::Result<()> {
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_until(rest.as_bytes()));
        out.write_all(plain.as_bytes())?;
        let mut chars = special.chars();
        let Some(char) = chars.next() else { return Ok(()) };
        for unit in char.encode_utf16(&mut [0; 2]) {
            write_unit(out, *unit)?;
        }
        rest = chars.as_str();
    }
}

/// Where the first byte stands that is not printed as it is.
fn plain_until(text: &[u8]) -> usize {
    // Whole blocks without a way out are what compilers make vector instructions of.
    let is_plain_block = |block: &[u8]| block.iter().fold(true, |all, byte| all & is_plain(*byte));
    let blocks = text.chunks_exact(16).take_while(|block| is_plain_block(block)).count();
    let from = blocks * 16;
    from + text[from..].iter().take_while(|byte| is_plain(**byte)).count()
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Writes one UTF-16 unit of a string.
fn write_unit<W: Write + ?Sized>(out: &mut W, unit: u16) -> io::Result<()> {
    let short = match unit {
        0x08 => b"\\b",
        0x09 => b"\\t",
        0x0a => b"\\n",
        0x0c => b"\\f",
        0x0d => b"\\r",
        0x22 => b"\\\"",
        0x5c => b"\\\\",
        _ => {
            return match u8::try_from(unit) {
                Ok(byte) if is_plain(byte) => out.write_all(&[byte]),
                _ => {
                    let digit = |shift: u16| b"0123456789abcdef"[usize::from(unit >> shift & 0xf)];
                    out.write_all(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)])
                }
            };
        }
    };
    out.write_all(short)
}

#[cfg(test)]
mod tests;
