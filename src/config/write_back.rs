//! New tokens are written back into the config file that the old ones came from.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value};

use crate::file::{Access, replace};

/// Sets `values` in the JSON object in `path`, keeps all other keys and their order, and
/// replaces the file at once, readable by its owner alone.
///
/// The file is read anew, so that what somebody else changed since the start stays.
///
/// # Errors
/// When the file cannot be read, is no JSON object any more, or cannot be replaced.
pub fn write_back(path: &Path, values: &Map<String, Value>) -> io::Result<()> {
    // A pipe would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let text = std::fs::read(path)?;
    let mut config: Map<String, Value> = serde_json::from_slice(&text)?;
    for (key, value) in values {
        config.insert(key.clone(), value.clone());
    }
    replace(path, Access::Owner, |out| {
        let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut writer = serde_json::Serializer::with_formatter(&mut *out, format);
        serde::Serialize::serialize(&config, &mut writer)?;
        out.write_all(b"\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_keys_and_their_order_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        replace(&path, Access::Everyone, |out| {
            out.write_all(br#"{"z": 1, "access_token": "old", "a": [1.50]}"#)
        })
        .unwrap();
        let new = serde_json::json!({"access_token": "new", "expires_in": 9});
        write_back(&path, new.as_object().unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "{\n    \"z\": 1,\n    \"access_token\": \"new\",\n    \"a\": [\n        1.5\n    ],\n    \"expires_in\": 9\n}\n"
        );
    }
}
