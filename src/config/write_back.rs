//! New tokens are written back into the config file that the old ones came from.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::Path;

use indexmap::IndexMap;
use serde::Serialize as _;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::wrong::without_value;
use crate::file::{Access, replace};
use crate::text::without_mark;

/// The JSON object in the file at `path`, its values as they stand there.
///
/// # Errors
/// When the file cannot be read, or is no JSON object.
pub fn read_back(path: &Path) -> io::Result<IndexMap<String, Box<RawValue>>> {
    serde_json::from_slice(without_mark(&std::fs::read(path)?))
        .map_err(|error| io::Error::other(without_value(&error)))
}

/// Sets `values` in the JSON object in `path`, keeps all other keys, their order and their values
/// to the letter, and replaces the file at once, readable by its owner alone.
///
/// The file is read anew, so that what somebody else changed since the start stays. Where it cannot
/// be replaced but written into, as one that alone is mounted into a container, that is done: a
/// machine that fails at this moment may leave half of it.
///
/// # Errors
/// When the file cannot be read, is no JSON object any more, or cannot be written.
pub fn write_back(path: &Path, values: &Map<String, Value>) -> io::Result<()> {
    let mut config = read_back(path)?;
    for (key, value) in values {
        config.insert(key.clone(), to_raw_value(value)?);
    }
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    config.serialize(&mut serde_json::Serializer::with_formatter(&mut text, format))?;
    text.push(b'\n');
    match replace(path, Access::Owner, |out| out.write_all(&text)) {
        // A full disk, say, has no room for what is written into the file either.
        Err(error) if is_of_the_folder(&error) => overwrite(path, &text),
        other => other,
    }
}

fn is_of_the_folder(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

fn overwrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.write_all(text)?;
    // Not before: what is the same in both is never gone.
    file.set_len(text.len() as u64)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // It may be somebody else's.
        drop(file.set_permissions(Permissions::from_mode(0o600)));
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_keys_their_order_and_their_digits_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let old =
            "\u{feff}{\"z\": 1.10, \"access_token\": \"old\", \"a\": [123456789012345678901]}";
        replace(&path, Access::Everyone, |out| out.write_all(old.as_bytes())).unwrap();
        let new = serde_json::json!({"access_token": "new", "expires_in": 9});
        write_back(&path, new.as_object().unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = r#"{
    "z": 1.10,
    "access_token": "new",
    "a": [123456789012345678901],
    "expires_in": 9
}
"#;
        assert_eq!(text, expected);
        overwrite(&path, b"{}").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
    }
}
