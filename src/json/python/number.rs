//! Numbers as Python reads and prints them.

use std::io::{self, Write};

/// What is written of a number whose value is not that which Python prints of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floats {
    /// What Python prints; the number as it came where that is no JSON.
    Nearest,
    /// All its digits.
    Exact,
}

/// In a number of so many characters, without an exponent, are at most 15 digits: no two such
/// numbers have the same nearest float, so the one that Python prints is the one that was read.
const SURE: usize = 16;

/// Writes a JSON number: an integer with all its digits, anything else as `repr(float(number))`.
pub(super) fn write<W: Write + ?Sized>(
    out: &mut W,
    number: &str,
    floats: Floats,
) -> io::Result<()> {
    if !number.contains(['.', 'e', 'E']) {
        // Python's integers have no negative zero.
        let integer = if number == "-0" { "0" } else { number };
        return out.write_all(integer.as_bytes());
    }
    if let Some(printed) = beginning(number) {
        return out.write_all(printed.as_bytes());
    }
    match number.parse() {
        Ok(float) if floats == Floats::Exact => write_exact(out, number, float),
        Ok(float) if f64::is_finite(float) => write_float(out, float),
        Ok(_) | Err(_) => out.write_all(number.as_bytes()),
    }
}

/// What Python prints of most numbers: their beginning, less the zeros at the end. `None` where that
/// is not sure: more digits than identify a float, an exponent, or so small that it takes one.
fn beginning(number: &str) -> Option<&str> {
    let point = number.find('.')?;
    let (whole, fraction) = (number.get(..point)?, number.get(point + 1..)?);
    if number.len() > SURE || fraction.contains(['e', 'E']) {
        return None;
    }
    let digits = fraction.trim_end_matches('0').len();
    if digits > 4 && fraction.starts_with("0000") && matches!(whole, "0" | "-0") {
        return None;
    }
    number.get(..=point + digits.max(1))
}

/// Writes `float`, which `number` is read as, where Python prints it with the value of `number`;
/// else that value, alike for all spellings of it.
fn write_exact<W: Write + ?Sized>(out: &mut W, number: &str, float: f64) -> io::Result<()> {
    if number.len() <= SURE && !number.contains(['e', 'E']) {
        return write_float(out, float);
    }
    let Some(exact) = Decimal::read(number) else {
        return out.write_all(number.as_bytes());
    };
    if float.is_finite() {
        let mut printed = Vec::with_capacity(24);
        write_float(&mut printed, float)?;
        if str::from_utf8(&printed).ok().and_then(Decimal::read).as_ref() == Some(&exact) {
            return out.write_all(&printed);
        }
    }
    let Decimal { is_negative, digits, exponent } = exact;
    out.write_all(if is_negative { b"-" } else { b"" })?;
    out.write_all(&digits)?;
    write!(out, "e{exponent}")
}

/// A number's exact value.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; none for zero.
    digits: Vec<u8>,
    /// The power of ten of the last digit; 0 for zero.
    exponent: i64,
}

impl Decimal {
    /// Reads a JSON number; `None` where its exponent is past 64 bits.
    fn read(number: &str) -> Option<Self> {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let is_negative = mantissa.starts_with('-');
        let after_point = mantissa.split_once('.').map_or(0, |(_, after)| after.len());
        let digits = mantissa.bytes().filter(u8::is_ascii_digit);
        let mut digits: Vec<u8> = digits.skip_while(|digit| *digit == b'0').collect();
        let length = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        if length == 0 {
            return Some(Self { is_negative, digits: Vec::new(), exponent: 0 });
        }
        let zeros = i64::try_from(digits.len() - length).ok()?;
        digits.truncate(length);
        let exponent = exponent.parse::<i64>().ok()?.checked_add(zeros)?;
        let exponent = exponent.checked_sub(i64::try_from(after_point).ok()?)?;
        Some(Self { is_negative, digits, exponent })
    }
}

/// With fewer digits than this, no float lies halfway between two that could be printed for it:
/// half a unit of the last digit would be more than half the way to the next float.
const TIE: usize = 16;

/// Writes a finite float as Python's `repr`: the fewest digits that read back as the same value,
/// with an exponent below 10⁻⁴ and from 10¹⁶ on.
///
/// Where two texts of the fewest digits are equally near, Python takes the one whose last digit is
/// even, as Rust does only when it is told how many digits to print.
fn write_float<W: Write + ?Sized>(out: &mut W, float: f64) -> io::Result<()> {
    let shortest = format!("{float:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let after_point = digits.split_once('.').map_or(0, |(_, after)| after.len());
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let may_tie = after_point + 1 >= TIE;
    if float == 0.0 || (-4..16).contains(&exponent) {
        let decimals =
            usize::try_from(i64::try_from(after_point).unwrap_or(0) - i64::from(exponent));
        let even = match decimals {
            Ok(decimals @ 1..) if may_tie => Some(format!("{float:.decimals$}")),
            _ => None,
        };
        return match even.filter(|even| even.parse() == Ok(float)) {
            Some(even) => out.write_all(even.as_bytes()),
            None => write!(out, "{float:?}"),
        };
    }
    let even = may_tie.then(|| format!("{float:.after_point$e}"));
    let even = even.filter(|even| even.parse() == Ok(float)).unwrap_or(shortest);
    let digits = even.split_once('e').map_or(&*even, |(digits, _)| digits);
    let sign = if exponent < 0 { '-' } else { '+' };
    write!(out, "{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(number: &str) -> String {
        let mut printed = Vec::new();
        write_float(&mut printed, number.parse().unwrap()).unwrap();
        String::from_utf8(printed).unwrap()
    }

    /// Every number of up to five digits that has a point; then longer ones.
    #[test]
    fn what_is_taken_as_printed_is_what_is_printed() {
        let digits = |count: usize| 0..10_usize.pow(u32::try_from(count).unwrap());
        let mut taken = 0;
        for (whole, fraction) in
            [(1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (3, 1), (1, 4), (2, 3), (3, 2), (4, 1)]
        {
            for (one, other) in
                digits(whole).flat_map(|one| digits(fraction).map(move |f| (one, f)))
            {
                for sign in ["", "-"] {
                    let number = format!("{sign}{one}.{other:0fraction$}");
                    assert_eq!(beginning(&number), Some(&*printed(&number)), "{number}");
                    taken += 1;
                }
            }
        }
        let mut chance = 7_u64;
        for _ in 0..50_000 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let digits = (chance >> 11) % 10_u64.pow(1 + u32::try_from(chance % 15).unwrap());
            let point = 10_u64.pow(u32::try_from(chance % 9).unwrap());
            let width = usize::try_from(chance % 9).unwrap();
            let number = format!("{}.{:0width$}", digits / point, digits % point);
            if let Some(told) = beginning(&number) {
                assert_eq!(told, printed(&number), "{number}");
                taken += 1;
            }
        }
        assert!(taken > 800_000, "{taken}");
    }

    #[test]
    fn what_is_not_sure_is_printed_anew() {
        for (number, taken) in [
            ("1234567890123.45", Some("1234567890123.45")),
            ("-123456789012.40", Some("-123456789012.4")),
            ("0.12345678901234", Some("0.12345678901234")),
            ("0.0000000", Some("0.0")),
            ("-0.00", Some("-0.0")),
            ("0.0001", Some("0.0001")),
            ("10.00001", Some("10.00001")),
            ("0.00001", None),
            ("-0.00001", None),
            ("1.0e5", None),
            ("1234567890123.456", None),
            ("7", None),
        ] {
            assert_eq!(beginning(number), taken, "{number}");
        }
    }
}
