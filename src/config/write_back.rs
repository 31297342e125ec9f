//! New tokens are written back into the file that the old ones came from.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use secrecy::ExposeSecret;
use serde::Serialize as _;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::wrong::without_value;
use crate::file::{Access, replace};
use crate::text::without_mark;
use crate::vault::{Vault, is_sealed};

/// A file with a JSON object in it: a config, or tokens alone.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    /// What it is encrypted with, under its own name.
    vault: Option<Arc<Vault>>,
}

impl From<PathBuf> for TokenFile {
    /// One that everybody reads who may.
    fn from(path: PathBuf) -> Self {
        Self { path, vault: None }
    }
}

impl TokenFile {
    /// One that is encrypted where there is a vault.
    pub fn new(path: PathBuf, vault: Option<Arc<Vault>>) -> Self {
        Self { path, vault }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn place(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The JSON object in it, its values as they stand there. One that is not encrypted yet is read too.
    ///
    /// # Errors
    /// When it cannot be read, or is no JSON object.
    pub fn read(&self) -> io::Result<IndexMap<String, Box<RawValue>>> {
        let bytes = std::fs::read(&self.path)?;
        let text = without_mark(&bytes);
        let sealed = std::str::from_utf8(text).ok().filter(|text| is_sealed(text));
        let parsed = match (sealed, &self.vault) {
            (None, _) => serde_json::from_slice(text),
            (Some(sealed), Some(vault)) => {
                let opened = vault.open(&self.place(), sealed).map_err(io::Error::other)?;
                serde_json::from_str(opened.expose_secret())
            }
            (Some(_), None) => return Err(io::Error::other("it is encrypted")),
        };
        parsed.map_err(|error| io::Error::other(without_value(&error)))
    }

    /// Sets `values` in the JSON object in it, keeps all other keys, their order and their values to the
    /// letter, and replaces the file at once, readable by its owner alone.
    ///
    /// The file is read anew, so that what somebody else changed since the start stays. Where it cannot
    /// be replaced but written into, as one that alone is mounted into a container, that is done: a
    /// machine that fails at this moment may leave half of it.
    ///
    /// # Errors
    /// When it cannot be read, is no JSON object any more, or cannot be written.
    pub fn write(&self, values: &Map<String, Value>) -> io::Result<()> {
        self.put(self.read()?, values)
    }

    /// Makes it with `values` in it, readable by its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make(&self, values: &Map<String, Value>) -> io::Result<()> {
        self.put(IndexMap::new(), values)
    }

    fn put(
        &self,
        mut config: IndexMap<String, Box<RawValue>>,
        values: &Map<String, Value>,
    ) -> io::Result<()> {
        for (key, value) in values {
            config.insert(key.clone(), to_raw_value(value)?);
        }
        let mut text = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        config.serialize(&mut serde_json::Serializer::with_formatter(&mut text, format))?;
        text.push(b'\n');
        if let Some(vault) = &self.vault {
            let plain = String::from_utf8(text).map_err(io::Error::other)?;
            text = vault.seal(&self.place(), &plain).map_err(io::Error::other)?.into_bytes();
        }
        match replace(&self.path, Access::Owner, |out| out.write_all(&text)) {
            // A full disk, say, has no room for what is written into the file either.
            Err(error) if is_of_the_folder(&error) => overwrite(&self.path, &text),
            other => other,
        }
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
        TokenFile::from(path.clone()).write(new.as_object().unwrap()).unwrap();
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

    #[test]
    fn what_is_encrypted_is_read_by_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let vault = |key: &str| Some(Arc::new(Vault::new(&key.repeat(32).into()).unwrap()));
        let file = TokenFile::new(path.clone(), vault("a"));
        file.make(&Map::new()).unwrap();
        for value in ["first", "second"] {
            let tokens = serde_json::json!({"refresh_token": value});
            file.write(tokens.as_object().unwrap()).unwrap();
            assert_eq!(file.read().unwrap()["refresh_token"].get(), format!("\"{value}\""));
            assert!(is_sealed(&std::fs::read_to_string(&path).unwrap()));
        }
        TokenFile::new(path.clone(), vault("b")).read().unwrap_err();
        TokenFile::from(path.clone()).read().unwrap_err();
        // It was encrypted under its name.
        let moved = folder.path().join("others.json");
        std::fs::rename(&path, &moved).unwrap();
        TokenFile::new(moved, vault("a")).read().unwrap_err();
    }
}
