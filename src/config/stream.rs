//! The options of one stream.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The options of one stream; in `streams`, under its name or `*`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StreamOptions {
    /// The remote's name for what this stream writes to. Default: as the connector derives it.
    pub object: Option<String>,
    /// What is done with records.
    pub mode: Mode,
    /// The field, or fields, that hold the external id. Over `identity`.
    pub external_id: Option<Fields>,
    /// The field that holds the remote id. Over `identity`.
    pub remote_id: Option<String>,
    /// Where the remote keeps the external id, so that a lost id map can be rebuilt from it.
    /// Default: as the connector declares.
    pub external_id_property: Option<String>,
    /// What goes out under which name, see [`FieldRule`]. Fields that are not named go out as
    /// they are, unless `"*": null` is there.
    pub fields: IndexMap<String, Option<FieldRule>>,
    /// A record whose content is what was written last is not written again. Default true.
    pub skip_unchanged: bool,
    /// What happens when a record is mapped to a remote id that the remote no longer has.
    pub on_missing: OnMissing,
    /// What happens when a lookup finds several records of one external id.
    pub on_ambiguous: OnAmbiguous,
    /// Over `batch.records`.
    pub batch_records: Option<usize>,
    /// Over `batch.bytes`.
    pub batch_bytes: Option<usize>,
    /// Over `batch.secs`.
    pub batch_secs: Option<f64>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            object: None,
            mode: Mode::default(),
            external_id: None,
            remote_id: None,
            external_id_property: None,
            fields: IndexMap::new(),
            skip_unchanged: true,
            on_missing: OnMissing::default(),
            on_ambiguous: OnAmbiguous::default(),
            batch_records: None,
            batch_bytes: None,
            batch_secs: None,
        }
    }
}

/// What is done with records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Created where the remote has none of this external id, updated otherwise.
    #[default]
    Upsert,
    /// Created where the remote has none of this external id; skipped otherwise.
    Insert,
    /// Updated where the remote has one of this external id; skipped otherwise.
    Update,
    /// Deleted where the remote has one of this external id; skipped otherwise.
    Delete,
}

/// One field name, or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fields {
    /// One.
    One(String),
    /// Several, which together make the id, in this order.
    Several(Vec<String>),
}

impl Fields {
    /// As a list, at least one long unless the user wrote `[]`.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// What stands under one outgoing name. `null` in its place drops the incoming field of that
/// name. Exactly one of the keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum FieldRule {
    /// The value of this incoming field, which then does not go out under its own name. Its
    /// digits stay as they are.
    From(String),
    /// A Jinja template over the incoming fields, such as `{{ first_name }} {{ last_name }}`; the
    /// result is a text, or the value itself when the template is one expression.
    Template(String),
    /// This value.
    Constant(Value),
}

/// What happens when a mapped record is gone at the remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMissing {
    /// It is looked for again by its external id, and created where it is not found.
    #[default]
    Recreate,
    /// It is rejected.
    Fail,
}

/// What happens when a lookup finds several records of one external id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnAmbiguous {
    /// The record is rejected, and none of them is touched.
    #[default]
    Fail,
    /// The one that the remote tells first is taken, and stays the record's own in the id map.
    First,
}
