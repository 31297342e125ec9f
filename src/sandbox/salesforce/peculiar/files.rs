//! Files: the first version of one makes its document, and the link to where it is put; a further
//! one is the newest of its document. A document takes its versions and links with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::catalog::Object;
use super::super::problem::Problem;
use super::super::rules::Writer;
use super::super::state::Values;
use super::super::{held, ids, rules};
use crate::sandbox::record::Fields;
use crate::sandbox::world::World;
use crate::text::hex;

/// # Errors
/// The file is there already.
pub(super) fn judge_link(
    world: &mut World,
    object: &'static Object,
    given: &Values,
) -> Result<(), Problem> {
    if !super::has_all(world, object, given, &["ContentDocumentId", "LinkedEntityId"]) {
        return Ok(());
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let message = format!(
        "Document with ID: {} is already linked with the entity with ID: {}",
        text("ContentDocumentId"),
        text("LinkedEntityId")
    );
    Err(Problem::of("DUPLICATE_VALUE", &["LinkedEntityId"], message))
}

/// What Salesforce says of a new version.
pub(super) fn derived(world: &World, given: &Values) -> Vec<(&'static str, Value)> {
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let path = text("PathOnClient");
    let extension = path.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    let bytes = STANDARD.decode(text("VersionData")).unwrap_or_default();
    let versions = versions(world, text("ContentDocumentId")).len();
    let kind = if extension.is_empty() { "UNKNOWN".to_owned() } else { extension.to_uppercase() };
    let mut derived = vec![
        ("IsLatest", true.into()),
        ("VersionNumber", (versions + 1).to_string().into()),
        ("ContentSize", bytes.len().into()),
        ("FileExtension", Some(extension).filter(|text| !text.is_empty()).into()),
        ("FileType", kind.into()),
        ("Checksum", hex(&Md5::digest(&bytes)).into()),
    ];
    if text("Title").is_empty() {
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
        derived.push(("Title", name.strip_suffix(&format!(".{extension}")).unwrap_or(name).into()));
    }
    derived
}

/// The numbers of a document's versions.
fn versions(world: &World, document: &str) -> Vec<u64> {
    let Some(object) = Object::find("ContentVersion").filter(|_| !document.is_empty()) else {
        return Vec::new();
    };
    let mut numbers = Vec::new();
    for (number, record) in world.memory.after(&object.records(), 0) {
        let fields = record.fields();
        if fields.id_text("ContentDocumentId").as_deref() == Some(document) {
            numbers.push(number);
        }
    }
    numbers
}

/// What a new version brings with it.
pub(super) fn follow(world: &mut World, writer: Writer, object: &'static Object, number: u64) {
    let (Some(document), Some(link)) =
        (Object::find("ContentDocument"), Object::find("ContentDocumentLink"))
    else {
        return;
    };
    let version = held::get(world, object, number).unwrap_or_default();
    let text = |name: &str| version.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut newest = Fields::default();
    for name in ["Title", "FileExtension", "FileType", "ContentSize"] {
        let value = version.get(name).cloned().unwrap_or_default();
        if let Ok(raw) = serde_json::value::to_raw_value(&value) {
            newest.set(name, raw);
        }
    }
    newest.set_text("LatestPublishedVersionId", text("Id"));
    if let Some(known) = ids::number(document.prefix, text("ContentDocumentId")) {
        world.memory.merge(&document.records(), known, newest);
        for other in versions(world, text("ContentDocumentId")) {
            if other != number {
                let mut older = Fields::default();
                older.set("IsLatest", RawValue::FALSE.to_owned());
                world.memory.merge(&object.records(), other, older);
            }
        }
        return;
    }
    let moment = text("CreatedDate").to_owned();
    let id = super::make(world, writer, document, newest, &moment);
    // Where it is put, and whose file it is.
    let place = Some(text("FirstPublishLocationId")).filter(|place| !place.is_empty());
    let place = place.map(|place| (place.to_owned(), "V"));
    for (entity, share) in place.into_iter().chain([(held::user(), "I")]) {
        let mut fields = Fields::default();
        fields.set_text("LinkedEntityId", &entity);
        fields.set_text("ContentDocumentId", &id);
        fields.set_text("ShareType", share);
        fields.set_text("Visibility", "AllUsers");
        super::make(world, writer, link, fields, &moment);
    }
    let mut fields = Fields::default();
    fields.set_text("ContentDocumentId", &id);
    world.memory.merge(&object.records(), number, fields);
}

/// Deletes the versions and the links of a document.
pub(super) fn follow_deletion(world: &mut World, object: &'static Object, number: u64) {
    let id = ids::long(object.prefix, number);
    for name in ["ContentVersion", "ContentDocumentLink"] {
        let Some(other) = Object::find(name) else { continue };
        let found = world.memory.find(&other.records(), "ContentDocumentId", &id).to_vec();
        for number in found {
            rules::remove(world, other, number);
        }
    }
}
