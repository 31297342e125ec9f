//! Numbers that no machine type holds, for a validator that knows only such.

/// The same JSON with integers beyond 64 bits and numbers beyond `f64` replaced by the nearest
/// that fit, so that a validator without big numbers judges their type, sign and size right.
pub(super) fn clamp_numbers(text: &str) -> String {
    let mut clamped = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' => {
                in_string = !in_string;
                1
            }
            '\\' if in_string => 2,
            '-' | '0'..='9' if !in_string => {
                let end = rest
                    .find(|c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'))
                    .unwrap_or(rest.len());
                let (number, after) = rest.split_at(end);
                clamped.push_str(&clamp_number(number));
                rest = after;
                continue;
            }
            other => other.len_utf8(),
        };
        let (same, after) = rest.split_at(taken);
        clamped.push_str(same);
        rest = after;
    }
    clamped
}

fn clamp_number(number: &str) -> String {
    let is_integer = !number.contains(['.', 'e', 'E']);
    let is_negative = number.starts_with('-');
    if is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
        return if is_negative { i64::MIN.to_string() } else { u64::MAX.to_string() };
    }
    if number.parse::<f64>().is_ok_and(f64::is_infinite) {
        return if is_negative { f64::MIN.to_string() } else { f64::MAX.to_string() };
    }
    number.to_owned()
}
