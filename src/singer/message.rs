//! What a line says: the envelope borrowed from it, the record as raw text.
//!
//! Singer specification: <https://hub.meltano.com/singer/spec>.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One message of the stream. Texts point into the line where they can.
#[derive(Debug)]
pub enum Message<'a> {
    /// What the records of a stream look like from here on.
    Schema(Schema<'a>),
    /// One record.
    Record(Record<'a>),
    /// The tap's bookmark: all before it has been read.
    State(&'a RawValue),
    /// The records of this version are now all that there is.
    ActivateVersion {
        /// Which stream.
        stream: Cow<'a, str>,
    },
    /// Records in files beside the stream.
    Batch {
        /// Which stream.
        stream: Cow<'a, str>,
        /// `encoding`: format and compression.
        encoding: &'a RawValue,
        /// Paths or `file://` URLs.
        manifest: Vec<String>,
    },
    /// A type that the specification does not have.
    Unknown {
        /// As it stands in `type`.
        kind: Cow<'a, str>,
    },
}

/// A SCHEMA message.
#[derive(Debug)]
pub struct Schema<'a> {
    /// Which stream.
    pub stream: Cow<'a, str>,
    /// A JSON Schema.
    pub schema: &'a RawValue,
    /// Empty when the stream has none.
    pub key_properties: Vec<String>,
    /// The platform's extension, `x-hotglue`.
    pub extension: Option<&'a RawValue>,
}

/// A RECORD message.
#[derive(Debug)]
pub struct Record<'a> {
    /// Which stream.
    pub stream: Cow<'a, str>,
    /// A JSON object as text.
    pub record: &'a RawValue,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    #[serde(borrow)]
    key_properties: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow, rename = "x-hotglue")]
    extension: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding: Option<&'a RawValue>,
    #[serde(borrow)]
    manifest: Option<&'a RawValue>,
}

/// Reads one line.
///
/// # Errors
/// What is wrong with it, for people, without the line's content.
pub fn parse(line: &[u8]) -> Result<Message<'_>, String> {
    let text = std::str::from_utf8(line).map_err(|error| {
        format!("the line is not UTF-8: a wrong byte at column {}", error.valid_up_to() + 1)
    })?;
    if !text.trim_start().starts_with('{') {
        return Err("the line is not a JSON object".to_owned());
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| explain(&error))?;
    let kind = envelope.kind.ok_or("the message has no `type`")?;
    let missing = |field: &str| format!("the {kind} message has no `{field}`");
    let stream = || envelope.stream.clone().ok_or_else(|| missing("stream"));
    match &*kind {
        "RECORD" => {
            let record = envelope.record.ok_or_else(|| missing("record"))?;
            if !record.get().starts_with('{') {
                return Err("the RECORD message's `record` is not a JSON object".to_owned());
            }
            Ok(Message::Record(Record { stream: stream()?, record }))
        }
        "SCHEMA" => {
            let schema = envelope.schema.ok_or_else(|| missing("schema"))?;
            let key_properties = match envelope.key_properties {
                None => Vec::new(),
                Some(raw) => serde_json::from_str::<Option<Vec<String>>>(raw.get())
                    .map_err(|_| {
                        "the SCHEMA message's `key_properties` is not a list of names".to_owned()
                    })?
                    .unwrap_or_default(),
            };
            let extension = envelope.extension;
            Ok(Message::Schema(Schema { stream: stream()?, schema, key_properties, extension }))
        }
        "STATE" => Ok(Message::State(envelope.value.ok_or_else(|| missing("value"))?)),
        "ACTIVATE_VERSION" => Ok(Message::ActivateVersion { stream: stream()? }),
        "BATCH" => {
            let manifest = envelope.manifest.ok_or_else(|| missing("manifest"))?;
            let manifest = serde_json::from_str(manifest.get())
                .map_err(|_| "the BATCH message's `manifest` is not a list of paths".to_owned())?;
            let encoding = envelope.encoding.ok_or_else(|| missing("encoding"))?;
            Ok(Message::Batch { stream: stream()?, encoding, manifest })
        }
        _ => Ok(Message::Unknown { kind: kind.clone() }),
    }
}

/// The parser's words without its line number, which counts within our one line.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    if error.is_eof() {
        return format!("the line ends too early: {what}, at column {}", error.column());
    }
    format!("the line is not valid JSON: {what}, at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_its_text() {
        let line = br#"{"type":"RECORD","stream":"a\u0062","record":{"n":1e400, "d":0.10},"time_extracted":"x","version":3}"#;
        let Message::Record(record) = parse(line).unwrap() else { panic!("not a record") };
        assert_eq!(record.stream, "ab");
        assert_eq!(record.record.get(), r#"{"n":1e400, "d":0.10}"#);
    }

    #[test]
    fn each_bad_line_says_what_is_wrong() {
        let cases: &[(&[u8], &str)] = &[
            (b"nonsense", "not a JSON object"),
            (b"[1]", "not a JSON object"),
            (b"{\"type\":\"RECORD\"", "ends too early"),
            (b"{\"type\":1}", "not valid JSON"),
            (b"{\"stream\":\"a\"}", "no `type`"),
            (b"{\"type\":\"RECORD\",\"record\":{}}", "no `stream`"),
            (b"{\"type\":\"RECORD\",\"stream\":\"a\"}", "no `record`"),
            (b"{\"type\":\"RECORD\",\"stream\":\"a\",\"record\":[1]}", "not a JSON object"),
            (b"{\"type\":\"STATE\"}", "no `value`"),
            (b"{\"type\":\"SCHEMA\",\"stream\":\"a\"}", "no `schema`"),
            (
                b"{\"type\":\"SCHEMA\",\"stream\":\"a\",\"schema\":{},\"key_properties\":7}",
                "not a list",
            ),
            (b"{\"type\":\"RECORD\",\"stream\":\"\xff\"}", "not UTF-8: a wrong byte at column 28"),
        ];
        for (line, expected) in cases {
            let message = parse(line).unwrap_err();
            assert!(message.contains(expected), "{message} should say {expected}");
        }
    }

    #[test]
    fn null_state_and_null_keys() {
        assert!(matches!(
            parse(br#"{"type":"STATE","value":null}"#),
            Err(_) | Ok(Message::State(_))
        ));
        let line = br#"{"type":"SCHEMA","stream":"a","schema":{},"key_properties":null}"#;
        let Message::Schema(schema) = parse(line).unwrap() else { panic!("not a schema") };
        assert!(schema.key_properties.is_empty());
    }
}
