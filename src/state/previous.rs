//! Reads a state that an earlier job printed, ours or the hosted platform's, and the platform's
//! `incremental_target_state.json`: successes are not written again; failures and what was deleted
//! are.
//!
//! Such a file may have a line of a gigabyte with an entry for each record, so it is read as a
//! stream and handed on in pieces.

use std::cell::RefCell;
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::record::{ExternalId, Fingerprint, RemoteId};

/// Entries handed on at once.
const PIECE: usize = 4096;

/// What an earlier state tells of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The user's id.
    pub external_id: Option<ExternalId>,
    /// The remote's id.
    pub remote_id: Option<RemoteId>,
    /// Of what was written.
    pub fingerprint: Option<Fingerprint>,
    /// How it stands.
    pub standing: Standing,
}

/// How a record stands at the remote, as an earlier state tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it was written.
    Written,
    /// It was not written this time: what stands there is what was written before, or it is not.
    Unsure,
    /// Not any more.
    Deleted,
}

/// Takes entries of one stream.
pub type Sink<'a> = dyn FnMut(&str, Vec<Entry>) -> Result<(), String> + 'a;

/// Reads a state from `input`; hands what it tells of records to `sink`, a piece at a time.
///
/// An empty input, `{}`, and a state of a tap alone have none.
///
/// # Errors
/// For people: what is wrong with it, or what `sink` says.
pub fn read(input: impl Read, sink: &mut Sink<'_>) -> Result<(), String> {
    let sink = RefCell::new(sink);
    let mut json = serde_json::Deserializer::from_reader(input);
    match (State { sink: &sink }).deserialize(&mut json) {
        Ok(()) => Ok(()),
        Err(error) if error.is_eof() && error.line() <= 1 && error.column() == 0 => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The platform writes ids as texts or numbers; as text in the file, a number keeps its digits.
type Id = Box<RawValue>;

fn text(id: &RawValue) -> Option<String> {
    match id.get().as_bytes().first()? {
        b'"' => serde_json::from_str(id.get()).ok().filter(|text: &String| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(id.get().to_owned()),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Bookmark {
    #[serde(default)]
    success: Option<Value>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    id: Option<Id>,
    #[serde(default, rename = "externalId")]
    external_id: Option<Id>,
}

#[derive(Deserialize)]
struct Mapping {
    #[serde(default, rename = "InputId")]
    input_id: Option<Id>,
    #[serde(default, rename = "RemoteId")]
    remote_id: Option<Id>,
}

/// The outermost object; also `{"tap":…,"target":{…}}` of a streaming job.
struct State<'a, 'b> {
    sink: &'a RefCell<&'a mut Sink<'b>>,
}

impl<'de> DeserializeSeed<'de> for State<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for State<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a state: a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "bookmarks" => map.next_value_seed(Streams::<Bookmark>::new(self.sink))?,
                "mappings" => map.next_value_seed(Streams::<Mapping>::new(self.sink))?,
                "target" => map.next_value_seed(State { sink: self.sink })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// What stands in the lists of a state.
trait Row: for<'de> Deserialize<'de> {
    fn entry(self) -> Option<Entry>;
}

impl Row for Bookmark {
    fn entry(self) -> Option<Entry> {
        let standing = match (self.success, self.deleted) {
            (Some(Value::Bool(true)), false) => Standing::Written,
            (Some(Value::Bool(true)), true) => Standing::Deleted,
            (Some(Value::Bool(false)), _) => Standing::Unsure,
            _ => return None,
        };
        Some(Entry {
            standing,
            external_id: self.external_id.as_deref().and_then(text).map(ExternalId::new),
            remote_id: self.id.as_deref().and_then(text).map(RemoteId::new),
            fingerprint: self.hash.as_deref().and_then(Fingerprint::from_hex),
        })
    }
}

impl Row for Mapping {
    fn entry(self) -> Option<Entry> {
        Some(Entry {
            external_id: Some(ExternalId::new(text(self.input_id.as_deref()?)?)),
            remote_id: Some(RemoteId::new(text(self.remote_id.as_deref()?)?)),
            fingerprint: None,
            standing: Standing::Written,
        })
    }
}

/// An object of lists, one a stream. What is no list is a tap's own bookmark and passed over.
struct Streams<'a, 'b, R> {
    sink: &'a RefCell<&'a mut Sink<'b>>,
    row: std::marker::PhantomData<R>,
}

impl<'a, 'b, R> Streams<'a, 'b, R> {
    fn new(sink: &'a RefCell<&'a mut Sink<'b>>) -> Self {
        Self { sink, row: std::marker::PhantomData }
    }
}

impl<'de, R: Row> DeserializeSeed<'de> for Streams<'_, '_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Row> Visitor<'de> for Streams<'_, '_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of streams")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(stream) = map.next_key::<String>()? {
            let rows = Rows::<R> { sink: self.sink, stream, row: std::marker::PhantomData };
            map.next_value_seed(rows)?;
        }
        Ok(())
    }
}

struct Rows<'a, 'b, R> {
    sink: &'a RefCell<&'a mut Sink<'b>>,
    stream: String,
    row: std::marker::PhantomData<R>,
}

impl<'de, R: Row> DeserializeSeed<'de> for Rows<'_, '_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Row> Visitor<'de> for Rows<'_, '_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut piece = Vec::new();
        let hand_on = |piece: Vec<Entry>| {
            (self.sink.borrow_mut())(&self.stream, piece).map_err(A::Error::custom)
        };
        while let Some(row) = seq.next_element::<Box<RawValue>>()? {
            // A tap's own lists may hold anything.
            if let Ok(row) = serde_json::from_str::<R>(row.get()) {
                piece.extend(row.entry());
            }
            if piece.len() >= PIECE {
                hand_on(std::mem::take(&mut piece))?;
            }
        }
        if piece.is_empty() { Ok(()) } else { hand_on(piece) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(state: &str) -> Result<Vec<(String, Entry)>, String> {
        let mut all = Vec::new();
        read(state.as_bytes(), &mut |stream, piece| {
            all.extend(piece.into_iter().map(|entry| (stream.to_owned(), entry)));
            Ok(())
        })?;
        Ok(all)
    }

    fn entry(external: Option<&str>, remote: Option<&str>, hash: Option<u8>) -> Entry {
        Entry {
            external_id: external.map(ExternalId::from),
            remote_id: remote.map(RemoteId::from),
            fingerprint: hash.map(|byte| Fingerprint([byte; 32])),
            standing: Standing::Written,
        }
    }

    #[test]
    fn successes_and_mappings_of_any_form() {
        let hash = "01".repeat(32);
        let state = format!(
            r#"{{"bookmarks": {{"a": [{{"success": true, "hash": "{hash}", "id": 7, "externalId": "007"}},
                {{"success": false, "hash": "{hash}", "externalId": "x"}}, {{"error": "no"}},
                {{"success": true, "deleted": true, "hash": "{hash}", "externalId": "d"}}],
                "tap": {{"cursor": [1]}}, "other": null}},
                "mappings": {{"a": [{{"InputId": "b", "RemoteId": "8", "CustomData": {{}}}}]}}, "tap": {{}}}}"#
        );
        let a = |entry| ("a".to_owned(), entry);
        let not = |id, standing| Entry { standing, ..entry(Some(id), None, Some(1)) };
        let expected = [
            a(entry(Some("007"), Some("7"), Some(1))),
            a(not("x", Standing::Unsure)),
            a(not("d", Standing::Deleted)),
            a(entry(Some("b"), Some("8"), None)),
        ];
        assert_eq!(entries(&state).unwrap(), expected);
        assert_eq!(entries(&format!(r#"{{"tap": 1, "target": {state}}}"#)).unwrap(), expected);
    }

    #[test]
    fn ids_keep_their_digits_whatever_else_a_row_holds() {
        let ids = ["12345678901234567890123", "1e2", "0.10"];
        let row = |id: &str| {
            format!(
                r#"{{"success": true, "id": {id}, "externalId": {id}, "customData": {{"n": 1e400}}}},
                {{"error": "\ud800", "success": false}}"#
            )
        };
        let rows: Vec<_> = ids.iter().map(|id| row(id)).collect();
        let state = format!(r#"{{"bookmarks": {{"a": [{}]}}}}"#, rows.join(", "));
        let expected = ids.map(|id| ("a".to_owned(), entry(Some(id), Some(id), None)));
        let mut told = entries(&state).unwrap();
        told.retain(|(_, entry)| entry.standing == Standing::Written);
        assert_eq!(told, expected);
    }

    #[test]
    fn nothing_in_it_is_nothing_and_no_json_is_told() {
        for empty in [
            "",
            "{}",
            r#"{"bookmarks": null}"#,
            r#"{"currently_syncing": "a"}"#,
            r#"{"bookmarks": {"a": [1, "x"]}}"#,
        ] {
            assert_eq!(entries(empty).unwrap(), []);
        }
        assert!(entries("{\"bookmarks\": {\"a\": [").unwrap_err().contains("EOF"));
        entries("[1]").unwrap_err();
    }
}
