//! Numbers as Python reads and prints them.

use std::io::{self, Write};

use super::Huge;

/// Writes a JSON number: an integer with all its digits, anything else as `repr(float(number))`.
pub(super) fn write(out: &mut dyn Write, number: &str, huge: Huge) -> io::Result<()> {
    if !number.contains(['.', 'e', 'E']) {
        // Python's integers have no negative zero.
        let integer = if number == "-0" { "0" } else { number };
        return out.write_all(integer.as_bytes());
    }
    match number.parse::<f64>() {
        Ok(float) if float.is_finite() || huge == Huge::Infinity => write_float(out, float),
        Ok(_) | Err(_) => out.write_all(number.as_bytes()),
    }
}

/// With fewer digits than this, no float lies halfway between two that could be printed for it:
/// half a unit of the last digit would be more than half the way to the next float.
const TIE: usize = 16;

/// Writes a float as Python's `repr`: the fewest digits that read back as the same value, with an
/// exponent below 10⁻⁴ and from 10¹⁶ on.
///
/// Where two texts of the fewest digits are equally near, Python takes the one whose last digit is
/// even, as Rust does only when it is told how many digits to print.
fn write_float(out: &mut dyn Write, float: f64) -> io::Result<()> {
    if float.is_infinite() {
        return out.write_all(if float > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
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
