//! Which fields of a stream hold its ids. Never guessed: a wrong guess overwrites a stranger's
//! record.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::{Identity, StreamOptions};
use crate::connector::contract::Capabilities;
use crate::error::Error;
use crate::json::fields::Fields;
use crate::record::{ExternalId, RemoteId};

/// The platform's field for the external id, and the alias that it takes too.
pub const PLATFORM_EXTERNAL: [&str; 2] = ["externalId", "externalid"];

/// Key properties that are named where all are at fault.
const MAX_TOLD: usize = 10;

/// Which fields hold the ids of a stream's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdFields {
    /// The external id's fields; the alternatives of the platform, or those that make it together.
    external: External,
    /// The remote id's field.
    remote: Option<String>,
    /// The platform's external id goes out with the other fields.
    external_goes_out: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum External {
    /// `externalId`; a record may do without.
    Platform,
    /// These together; a record without one of them is refused.
    Source(Vec<String>),
    /// This one; a record may do without.
    Field(String),
    /// None: each record stands for itself.
    None,
}

/// The ids of one record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The user's.
    pub external: Option<ExternalId>,
    /// The remote's, where the record says so.
    pub remote: Option<RemoteId>,
}

impl IdFields {
    /// Of records that have none.
    pub fn none() -> Self {
        Self { external: External::None, remote: None, external_goes_out: false }
    }

    /// Settles what the ids of `stream` mean.
    ///
    /// # Errors
    /// Exit code 2, with the two lines that would settle it, when nothing says so.
    pub fn settle(
        stream: &str,
        options: &StreamOptions,
        identity: Option<Identity>,
        is_platform: bool,
        properties: &[String],
        key_properties: &[String],
        capabilities: &Capabilities,
    ) -> Result<Self, Error> {
        let has = |name: &str| properties.iter().any(|property| property == name);
        let has_external = PLATFORM_EXTERNAL.iter().any(|name| has(name));
        let identity = match identity {
            Some(identity) => Some(identity),
            None if has_external || is_platform || capabilities.id_is_content => {
                Some(Identity::Platform)
            }
            None => None,
        };
        let own = capabilities.external_id_field.as_ref().filter(|_| !has_external);
        let own_remote = capabilities.remote_id_field.as_ref().filter(|own| {
            identity.is_none() && !has("id") && key_properties.iter().all(|key| key == *own)
        });
        let is_named = options.external_id.is_some()
            || options.remote_id.is_some()
            || own.is_some()
            || own_remote.is_some();
        if identity == Some(Identity::Source)
            && key_properties.is_empty()
            && has_external
            && !is_named
        {
            return Err(no_source_id(stream));
        }
        let known = &capabilities.remote_id_names;
        let (external, remote) = match identity {
            Some(Identity::Platform) => {
                let key = match key_properties {
                    [key]
                        if !PLATFORM_EXTERNAL.contains(&key.as_str())
                            && !has("id")
                            && (known.is_empty() || known.contains(key)) =>
                    {
                        key
                    }
                    // As the remote spells it.
                    _ if has("id") => "id",
                    _ => known
                        .iter()
                        .find(|name| name.eq_ignore_ascii_case("id") && has(name))
                        .map_or("id", String::as_str),
                };
                let remote = (!capabilities.id_is_content).then(|| key.to_owned());
                (External::Platform, remote)
            }
            Some(Identity::Source) if key_properties.is_empty() => (External::None, None),
            Some(Identity::Source) => (External::Source(key_properties.to_vec()), None),
            None => (External::None, own_remote.cloned()),
        };
        let external_goes_out = capabilities.external_id_is_content;
        let mut fields = Self { external, remote, external_goes_out };
        if let (Some(own), None) = (own, &options.external_id) {
            fields.external = External::Field(own.clone());
        }
        if let Some(names) = &options.external_id {
            fields.external = External::Source(names.names().to_vec());
        }
        if let Some(name) = &options.remote_id {
            fields.remote = Some(name.clone());
        }
        if identity.is_some() || is_named || (key_properties.is_empty() && !has("id")) {
            return Ok(fields);
        }
        Err(ids_of_nobody(stream, key_properties))
    }

    /// Reads the ids of one record.
    ///
    /// # Errors
    /// For people: a key property is missing, or an id is an object or a list.
    pub fn read(&self, fields: &Fields<'_>) -> Result<Ids, String> {
        let external = match &self.external {
            External::None => None,
            External::Platform => PLATFORM_EXTERNAL
                .iter()
                .find_map(|name| fields.get(name).map(|value| id_text(name, value)))
                .transpose()?
                .flatten(),
            External::Source(names) => Some(source_id(names, fields)?),
            External::Field(name) => id_in(fields, name)?,
        };
        let remote = match &self.remote {
            Some(name) => id_in(fields, name)?,
            None => None,
        };
        Ok(Ids { external: external.map(ExternalId::new), remote: remote.map(RemoteId::new) })
    }

    /// Whether records have no ids at all.
    pub fn has_none(&self) -> bool {
        self.external == External::None && self.remote.is_none()
    }

    /// Whether the field is an id and no content, so that it does not go out with the others.
    pub fn is_id(&self, name: &str) -> bool {
        (self.is_platform_external(name) && !self.external_goes_out)
            || self.remote.as_deref() == Some(name)
    }

    /// Whether the field alone is the external id, so that its value goes out as that.
    pub fn is_external_id(&self, name: &str) -> bool {
        match &self.external {
            External::Source(names) => names.len() == 1 && names[0] == name,
            External::Field(own) => own == name,
            External::Platform | External::None => false,
        }
    }

    /// The field that is the platform's external id, which its hash puts last. A record that has
    /// the alias too keeps that as a field.
    pub fn platform_external(&self, fields: &Fields<'_>) -> Option<&'static str> {
        PLATFORM_EXTERNAL
            .into_iter()
            .find(|name| self.is_platform_external(name) && fields.get(name).is_some())
    }

    fn is_platform_external(&self, name: &str) -> bool {
        self.external == External::Platform && PLATFORM_EXTERNAL.contains(&name)
    }
}

/// The external id that one or several key properties make.
fn source_id(names: &[String], fields: &Fields<'_>) -> Result<String, String> {
    let missing = |name: &String| format!("the record misses its key property `{name}`");
    let text = |name: &String, value: Option<&RawValue>| match value {
        Some(value) => id_text(name, value),
        None => Ok(None),
    };
    if let [name] = names {
        return text(name, fields.get(name))?.ok_or_else(|| missing(name));
    }
    let mut parts = Vec::with_capacity(names.len());
    let mut is_empty = true;
    for (name, value) in names.iter().zip(fields.get_all(names)) {
        let part = match (text(name, value)?, value.map(RawValue::get)) {
            // However it was escaped, the same text is the same key.
            (Some(text), Some(raw)) if raw.starts_with('"') => Value::from(text).to_string(),
            (Some(text), _) => text,
            // One part of several may be empty.
            (None, Some("\"\"")) => "\"\"".to_owned(),
            (None, _) => return Err(missing(name)),
        };
        is_empty &= part == "\"\"";
        parts.push(part);
    }
    if is_empty {
        let (names, more) = names.split_at(names.len().min(MAX_TOLD));
        let more = if more.is_empty() { "" } else { " and more" };
        return Err(format!("the key properties `{}`{more} are all empty", names.join("`, `")));
    }
    Ok(format!("[{}]", parts.join(",")))
}

/// The text of the id in the field `name`; `None` also where there is no such field.
///
/// # Errors
/// As [`id_text`].
pub fn id_in(fields: &Fields<'_>, name: &str) -> Result<Option<String>, String> {
    fields.get(name).map_or(Ok(None), |value| id_text(name, value))
}

/// An id's text: a string's content, a number's digits; `None` for null and the empty string.
///
/// # Errors
/// For people: what else stands in the field `name`.
pub fn id_text(name: &str, value: &RawValue) -> Result<Option<String>, String> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => serde_json::from_str::<String>(raw)
            .map(|text| Some(text).filter(|text| !text.is_empty()))
            .map_err(|_| format!("the id in `{name}` is no Unicode text")),
        Some(b'{' | b'[') => {
            Err(format!("the id in `{name}` is neither a text, a number nor a boolean"))
        }
        _ => Ok(Some(raw.to_owned())),
    }
}

/// By `identity: source`, no field of the stream is an id.
fn no_source_id(stream: &str) -> Error {
    Error::usage(format!(
        "stream `{stream}` has `externalId` and no key properties: with `identity: source` its \
         records would have no id, and each run would create all of them again"
    ))
    .hint(format!(
        "leave `identity` out for it, or say which field is the id: \
         {{\"streams\": {{\"{stream}\": {{\"external_id\": \"externalId\"}}}}}}"
    ))
}

/// There are ids, and nothing is guessed.
fn ids_of_nobody(stream: &str, key_properties: &[String]) -> Error {
    let ids = if key_properties.is_empty() { "id".to_owned() } else { key_properties.join("`, `") };
    Error::usage(format!("stream `{stream}` has ids (`{ids}`), but nothing says whose they are"))
        .hint(
            "add one of these lines to the config:\n  \
             \"identity\": \"source\"     the key properties are your ids, as taps have it\n  \
             \"identity\": \"platform\"   `externalId` is your id, `id` the remote's, as the hosted platform has it",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::stream::Fields as Names;

    fn settle(
        identity: Option<Identity>,
        properties: &[&str],
        keys: &[&str],
    ) -> Result<IdFields, Error> {
        let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let options = StreamOptions::default();
        let remote = Capabilities::default();
        IdFields::settle("s", &options, identity, false, &own(properties), &own(keys), &remote)
    }

    fn read(fields: &IdFields, record: &str) -> Result<(Option<String>, Option<String>), String> {
        let raw: &RawValue = serde_json::from_str(record).unwrap();
        let ids = fields.read(&Fields::parse(raw).unwrap())?;
        Ok((ids.external.map(|id| id.to_string()), ids.remote.map(|id| id.to_string())))
    }

    #[test]
    fn nothing_is_guessed() {
        settle(None, &["name"], &[]).unwrap();
        settle(None, &["externalId", "id"], &["id"]).unwrap();
        for (properties, keys) in [(&["id", "name"][..], &[][..]), (&["email"], &["email"])] {
            let error = settle(None, properties, keys).unwrap_err();
            assert_eq!(error.exit, crate::error::ExitCode::Usage);
            assert!(error.hint_text().unwrap().contains("\"identity\": \"source\""));
        }
        let error = settle(Some(Identity::Source), &["externalId"], &[]).unwrap_err();
        assert!(error.hint_text().unwrap().contains("\"external_id\""));
        settle(Some(Identity::Source), &["name"], &[]).unwrap();
        let options = StreamOptions {
            external_id: Some(Names::One("email".into())),
            ..StreamOptions::default()
        };
        let keys = ["id".to_owned()];
        let remote = Capabilities::default();
        let fields = IdFields::settle("s", &options, None, false, &keys, &keys, &remote).unwrap();
        assert_eq!(read(&fields, r#"{"id": 1, "email": "a"}"#), Ok((Some("a".into()), None)));
    }

    #[test]
    fn platform_ids() {
        let fields = settle(Some(Identity::Platform), &["externalId"], &[]).unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read(&fields, r#"{"externalId": "a", "id": 7}"#), Ok((some("a"), some("7"))));
        assert_eq!(read(&fields, r#"{"externalid": 0.10}"#), Ok((some("0.10"), None)));
        assert_eq!(read(&fields, r#"{"externalId": "", "id": null}"#), Ok((None, None)));
        read(&fields, r#"{"externalId": {"a": 1}}"#).unwrap_err();
    }

    /// `Id` is nobody's but the remote's, where that says so.
    #[test]
    fn a_name_of_the_remotes_alone_is_its_id() {
        let remote = Capabilities {
            remote_id_field: Some("Id".to_owned()),
            remote_id_names: vec!["id".to_owned(), "Id".to_owned()],
            ..Capabilities::default()
        };
        let settle = |properties: &[&str], keys: &[&str], identity| {
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let (properties, keys): (Vec<String>, Vec<String>) = (own(properties), own(keys));
            let options = StreamOptions::default();
            IdFields::settle("s", &options, identity, false, &properties, &keys, &remote)
        };
        let some = |text: &str| Some(text.to_owned());
        for keys in [&[][..], &["Id"]] {
            let fields = settle(&["Id", "Name"], keys, None).unwrap();
            assert_eq!(read(&fields, r#"{"Id": "003", "Name": "a"}"#), Ok((None, some("003"))));
        }
        let fields = settle(&["Id"], &["Id"], Some(Identity::Source)).unwrap();
        assert_eq!(read(&fields, r#"{"Id": "003"}"#), Ok((some("003"), None)));
        settle(&["Id", "id"], &["id"], None).unwrap_err();
        // Where something else is meant to be an id, too, nothing is guessed.
        settle(&["Id", "email"], &["email"], None).unwrap_err();
        settle(&["Id", "externalId"], &[], Some(Identity::Source)).unwrap_err();
    }

    #[test]
    fn a_remote_may_take_ids_as_content() {
        let own = |name: &str| vec![name.to_owned()];
        let options = StreamOptions::default();
        let mut remote = Capabilities { id_is_content: true, ..Capabilities::default() };
        let settle = |remote: &Capabilities| {
            IdFields::settle("s", &options, None, false, &own("id"), &own("id"), remote).unwrap()
        };
        let fields = settle(&remote);
        let record = r#"{"externalId": "a", "id": 7}"#;
        assert_eq!(read(&fields, record), Ok((Some("a".into()), None)));
        assert_eq!((fields.is_id("id"), fields.is_id("externalId")), (false, true));
        remote.external_id_is_content = true;
        let fields = settle(&remote);
        assert_eq!(read(&fields, record), Ok((Some("a".into()), None)));
        assert!(!fields.is_id("externalId"));
    }

    #[test]
    fn the_alias_is_a_field_beside_the_platforms_external_id() {
        let platform = settle(Some(Identity::Platform), &["externalId"], &[]).unwrap();
        let source = settle(Some(Identity::Source), &[], &["externalId"]).unwrap();
        for (record, external) in [
            (r#"{"externalid": "x", "externalId": "a"}"#, Some("externalId")),
            (r#"{"externalid": "x"}"#, Some("externalid")),
            ("{}", None),
        ] {
            let fields = Fields::of_text(record).unwrap();
            assert_eq!(platform.platform_external(&fields), external);
            assert_eq!(source.platform_external(&fields), None);
        }
    }

    #[test]
    fn source_ids_keep_digits_and_types_apart_when_several() {
        let fields = settle(Some(Identity::Source), &["id"], &["id"]).unwrap();
        let record = r#"{"id": 12345678901234567890123}"#;
        assert_eq!(read(&fields, record), Ok((Some("12345678901234567890123".into()), None)));
        let fields = settle(Some(Identity::Source), &[], &["a", "b"]).unwrap();
        let record = r#"{"b": 7, "a": "x,\"y"}"#;
        assert_eq!(read(&fields, record), Ok((Some(r#"["x,\"y",7]"#.into()), None)));
        assert!(read(&fields, r#"{"a": 1}"#).unwrap_err().contains("`b`"));
    }

    /// Each of 20,000 key properties was looked for among 20,000 fields: 8 s for a record.
    #[test]
    fn many_key_properties_are_read_in_one_pass() {
        let names: Vec<String> = (0..20_000).map(|n| format!("key_property_{n}")).collect();
        let keys: Vec<&str> = names.iter().map(String::as_str).collect();
        let fields = settle(Some(Identity::Source), &[], &keys).unwrap();
        let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":\"\"")).collect();
        let record = format!("{{{}}}", members.join(","));
        let began = std::time::Instant::now();
        let told = read(&fields, &record).unwrap_err();
        assert!(told.ends_with("`key_property_9` and more are all empty"), "{told}");
        assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    }
}
