//! From a record of a stream to an object's properties.
//!
//! A record is flat, or has its properties in `properties`, as HubSpot's own records do; whom it is
//! to be associated with stands in `associations`, in the form in which HubSpot takes that of a
//! record that is made. What goes out is flat: properties by their names, which are letters, digits
//! and `_`, and beside them what begins with `$`.

use serde_json::value::RawValue;

use super::associate::Association;
use super::value;
use crate::connector::shape::{Incoming, Outgoing, Shape};
use crate::json::fields::{Fields, finish_object, push_field};
use crate::stream::identity::PLATFORM_EXTERNAL;

/// Whom a record is to be associated with: a list of [`Association`]s.
pub(super) const ASSOCIATIONS: &str = "$associations";

/// The object of a record, where its stream is of several.
pub(super) const OBJECT: &str = "$object";
/// What is written beside its properties: a [`Extras`](super::unified::extras::Extras).
pub(super) const BESIDE: &str = "$beside";

const PROPERTIES: &str = "properties";
const ASSOCIATIONS_IN: &str = "associations";

/// Records as the platform's `target-hubspot-v4` takes them without a unified schema.
#[derive(Debug)]
pub(super) struct Properties;

impl Shape for Properties {
    fn is_platform(&self, properties: &[String]) -> bool {
        properties.iter().any(|name| name == PROPERTIES)
    }

    fn flat(&self, record: &Fields<'_>) -> Result<Option<String>, String> {
        let Some(properties) = record.get(PROPERTIES).filter(|value| is_filled(value)) else {
            return Ok(None);
        };
        let properties =
            Fields::parse(properties).map_err(|_| "its `properties` are no object".to_owned())?;
        // What stands beside the properties goes over what stands among them.
        let beside = |name: &str| name == ASSOCIATIONS_IN || PLATFORM_EXTERNAL.contains(&name);
        let is_over = |name: &str| beside(name) && record.get(name).is_some();
        let mut flat = String::new();
        for (name, value) in properties.0.iter().filter(|(name, _)| !is_over(name)) {
            push_field(&mut flat, name, value.get());
        }
        // As HubSpot shows a record.
        let is_id = |name: &str| name == "id" && properties.get("id").is_none();
        for (name, value) in record.0.iter().filter(|(name, _)| beside(name) || is_id(name)) {
            push_field(&mut flat, name, value.get());
        }
        Ok(Some(finish_object(flat)))
    }

    fn goes_out(&self, name: &str) -> bool {
        name != ASSOCIATIONS_IN && name != "id"
    }

    fn outgoing(&self, fields: &[Incoming<'_>]) -> Result<Outgoing, String> {
        let (mut body, mut hashed) = (String::new(), String::new());
        let mut associations = None;
        for Incoming { name, value, moment, is_id } in fields {
            if *name == ASSOCIATIONS_IN {
                associations = Some(*value).filter(|value| value.get() != "null");
                continue;
            }
            if name.starts_with('$') {
                return Err(format!("`{name}` cannot be the name of a property"));
            }
            let to_hash = moment.map_or_else(|| value::hashed(value), Into::into);
            push_field(&mut hashed, name, &to_hash);
            // No property has this name; a tap's key has it, which is an id of somebody's.
            if !is_id && *name != "id" {
                push_field(&mut body, name, &value::outgoing(value));
            }
        }
        let mut whole = String::new();
        push_field(&mut whole, PROPERTIES, &finish_object(hashed));
        if let Some(associations) = associations {
            let list = Association::read(associations)?;
            push_field(&mut whole, ASSOCIATIONS_IN, associations.get());
            push_field(&mut body, ASSOCIATIONS, &serde_json::to_string(&list).unwrap_or_default());
        }
        Ok(Outgoing { body: finish_object(body), hashed: Some(finish_object(whole)) })
    }

    fn told(&self, body: &str) -> String {
        told(body)
    }
}

/// `{"properties":…,"associations":…}`, as HubSpot takes it.
pub(super) fn told(body: &str) -> String {
    let Ok(fields) = Fields::of_text(body) else { return body.to_owned() };
    let mut properties = String::new();
    for (name, value) in fields.0.iter().filter(|(name, _)| !name.starts_with('$')) {
        push_field(&mut properties, name, value.get());
    }
    let mut whole = String::new();
    push_field(&mut whole, PROPERTIES, &finish_object(properties));
    if let Some(associations) = fields.get(ASSOCIATIONS) {
        push_field(&mut whole, ASSOCIATIONS_IN, associations.get());
    }
    finish_object(whole)
}

/// Whether Python would take it for true.
fn is_filled(value: &RawValue) -> bool {
    !matches!(value.get(), "null" | "{}" | "\"\"" | "[]" | "false" | "0")
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::json::python::write_exact;
    use crate::text::hex;

    fn shaped(record: &str) -> Result<Outgoing, String> {
        let fields = Fields::of_text(record).unwrap();
        let flat = Properties.flat(&fields)?.unwrap_or_else(|| record.to_owned());
        let fields = Fields::of_text(&flat).unwrap();
        let incoming: Vec<Incoming<'_>> = fields
            .0
            .iter()
            .filter(|(name, _)| name != "externalId")
            .map(|(name, value)| Incoming { name, value, moment: None, is_id: name == "id" })
            .collect();
        Properties.outgoing(&incoming)
    }

    fn hash(record: &str) -> String {
        let mut printed = Vec::new();
        write_exact(&mut printed, &shaped(record).unwrap().hashed.unwrap()).unwrap();
        hex(&Sha256::digest(printed))
    }

    /// Hashes that the platform's own target has printed.
    #[test]
    fn hashes_are_the_platforms() {
        assert_eq!(
            hash(
                r#"{"properties":{"id":"55983800892","name":"HGI10572 Batch Company Upsert V2","domain":"hgi10572-batch-mixed-update.example.com"}}"#
            ),
            "e104c5097c0cab78a4226c20a04a30f76dc05e85794ee88ef9e77c17671e9d84"
        );
        assert_eq!(
            hash(
                r#"{"name":"HGI10572-Batch-Mixed-Upsert-Co","domain":"hgi10572-batch-mixed-upsert.example.com"}"#
            ),
            "19aa06f900deb3a6e1dc6bc812410dcd2160ac956df2f5d6b24ebe81a230a59c"
        );
    }

    #[test]
    fn flat_and_wrapped_records_go_out_alike() {
        let to = r#"[{"to":{"id":7,"objectType":"companies"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}]}]"#;
        let flat =
            format!(r#"{{"externalId":"x","id":5,"email":"a@b.c","n":1.0,"associations":{to}}}"#);
        let wrapped = format!(
            r#"{{"externalId":"x","properties":{{"id":5,"email":"a@b.c","n":1.0}},"associations":{to},"else":1}}"#
        );
        let shaped_flat = shaped(&flat).unwrap();
        assert_eq!(shaped_flat, shaped(&wrapped).unwrap());
        assert!(shaped_flat.body.starts_with(r#"{"email":"a@b.c","n":"1.0","$associations":[{"#));
        assert_eq!(
            shaped(r#"{"properties":{}, "name":"a"}"#).unwrap().body,
            r#"{"properties":"{}","name":"a"}"#
        );
        shaped(r#"{"properties":"a"}"#).unwrap_err();
    }

    #[test]
    fn associations_are_checked() {
        for (list, told) in [
            ("{}", "no list"),
            (r#"[{"to":{"objectType":"companies"},"types":[]}]"#, "to id is required"),
            (r#"[{"to":{"id":"1","objectType":"companies"}}]"#, "types is required"),
            (r#"[{"to":{"id":"1"},"types":[{"associationTypeId":"x"}]}]"#, "associationTypeId"),
        ] {
            let error = shaped(&format!(r#"{{"a":1,"associations":{list}}}"#)).unwrap_err();
            assert!(error.contains(told), "{list}: {error}");
        }
    }
}
