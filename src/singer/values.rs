//! How many values a JSON text has.

/// Values in one record, at most. Each is held several times while the record is made ready, and
/// takes up to a hundred times the memory of the two bytes that it may have.
pub const MAX_VALUES: usize = 500_000;

/// The values of `json`, names not counted, about: what follows a comma or opens.
pub fn count(json: &[u8]) -> usize {
    let mut values = 0;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b',' | b'[' | b'{' => values += 1,
            b'"' => at = after_text(json, at),
            _ => {}
        }
    }
    values
}

/// Whether `json` has more than `most` values; the shortest that has takes two bytes for each.
pub fn is_over(json: impl AsRef<[u8]>, most: usize) -> bool {
    let json = json.as_ref();
    json.len() / 2 > most && count(json) > most
}

/// Where the text is over that begins at `at`.
fn after_text(json: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', &json[at.min(json.len())..]) {
        if json[at + found] == b'"' {
            return at + found + 1;
        }
        at += found + 2;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_text_is_no_value() {
        for (json, values) in [
            ("{}", 1),
            ("[1,2,[3]]", 4),
            (r#"{"a,\"[":"{,\\","b":[{}]}"#, 4),
            (r#"["open,"#, 1),
            (r#"["\"#, 1),
        ] {
            assert_eq!(count(json.as_bytes()), values, "{json}");
        }
        assert!(is_over("[1,1,1,1]", 3) && !is_over("[1,1,1,1]", 5));
    }
}
