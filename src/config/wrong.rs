//! What is said of a value that cannot be used: never the value itself. It may be a secret that has
//! come under the wrong key.

use std::fmt::Display;

/// What serde's errors begin with that quote a value.
const QUOTING: [&str; 3] = ["invalid type: ", "invalid value: ", "unknown variant "];

/// An error of serde's without the value that it quotes, and without names of our own: `invalid type:
/// string "…", expected struct Job` becomes `invalid type: string, expected an object`.
pub(crate) fn without_value(error: &impl Display) -> String {
    let told = error.to_string();
    let Some(begin) = QUOTING.iter().find(|begin| told.starts_with(**begin)) else { return told };
    // The value may hold the same words; what is expected stands last.
    let Some((found, expected)) = told.rsplit_once(", expected ") else {
        return begin.trim_end_matches([':', ' ']).to_owned();
    };
    let kind = found.split(['"', '`']).next().unwrap_or_default();
    let kind = if kind.ends_with(": map") { "invalid type: an object" } else { kind.trim_end() };
    format!("{kind}, expected {}", in_json(expected))
}

/// What JSON calls what serde expects.
fn in_json(expected: &str) -> &str {
    match expected {
        "a map" => "an object",
        "a sequence" => "an array",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_left_out_whatever_it_holds() {
        for (told, expected) in [
            (
                r#"invalid type: string "a, expected b", expected u64"#,
                "invalid type: string, expected u64",
            ),
            (
                "invalid type: integer `5`, expected a map",
                "invalid type: integer, expected an object",
            ),
            (
                "invalid type: null, expected struct NewRecord",
                "invalid type: null, expected an object",
            ),
            (
                "invalid type: map, expected a sequence",
                "invalid type: an object, expected an array",
            ),
            ("unknown variant `x`, expected `a` or `b`", "unknown variant, expected `a` or `b`"),
            ("unknown variant `x`, there are no variants", "unknown variant"),
            ("unknown field `x`, expected `a`", "unknown field `x`, expected `a`"),
        ] {
            assert_eq!(without_value(&told), expected);
        }
    }
}
