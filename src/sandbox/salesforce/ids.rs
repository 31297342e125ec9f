//! Ids: three characters for the object, twelve for the record, and three that say in which case the
//! letters before them are, for those who cannot tell `a` from `A`.
//!
//! Both forms are taken everywhere; answers have the long one.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// Which of Salesforce's machines a record was made on; the sandbox is one.
const MACHINE: &str = "Sb0";

/// The long id of a record's number.
pub(super) fn long(prefix: &str, mut number: u64) -> String {
    let mut digits = [b'0'; 9];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(number % 62).unwrap_or_default()];
        number /= 62;
    }
    let short = format!("{prefix}{MACHINE}{}", String::from_utf8_lossy(&digits));
    let check = check(short.as_bytes());
    short + &check
}

/// The number of a record of the object with this prefix. `None` for what is no id of it.
pub(super) fn number(prefix: &str, text: &str) -> Option<u64> {
    let text = text.as_bytes();
    if !is_id(text) {
        return None;
    }
    let short = text.get(..15)?;
    let digits = short.strip_prefix(prefix.as_bytes())?.strip_prefix(MACHINE.as_bytes())?;
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = DIGITS.iter().position(|other| other == digit)? as u64;
        number.checked_mul(62)?.checked_add(value)
    })
}

/// Whether this is an id at all: of 15 letters and digits, or of 18 whose last three fit the others.
pub(super) fn is_id(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_alphanumeric)
        && match text.len() {
            15 => true,
            18 => check(&text[..15]).as_bytes().eq_ignore_ascii_case(&text[15..]),
            _ => false,
        }
}

/// One character for five: which of them are upper case, the first as the lowest bit.
fn check(short: &[u8]) -> String {
    let of_five = |five: &[u8]| {
        let bits = five
            .iter()
            .rev()
            .fold(0, |bits, byte| bits * 2 + usize::from(byte.is_ascii_uppercase()));
        char::from(CHECKS[bits])
    };
    short.chunks(5).map(of_five).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_three_tell_the_case() {
        // Ids of Salesforce's own documentation.
        for known in ["0015000000VALDtAAP", "005D0000001KyEIIA0", "00190000001pPvHAAU"] {
            assert!(is_id(known.as_bytes()), "{known}");
        }
        for wrong in ["0015000000VALDtAAQ", "0015000000VALD", "0015000000VAL-t", ""] {
            assert!(!is_id(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_number_comes_back() {
        for number in [0, 1, 61, 62, 4_000_000_007] {
            let long = long("a0B", number);
            assert_eq!(self::number("a0B", &long), Some(number));
            assert_eq!(self::number("a0B", long.get(..15).unwrap()), Some(number));
            assert_eq!(self::number("001", &long), None);
        }
    }
}
