//! The options of one stream.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Seconds, lenient};

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
    /// The remote's properties by which a record is found that no remote id is known of, beside its
    /// external id: one, or several. Over the config's own `lookup_fields`.
    pub lookup_fields: Option<Fields>,
    /// How several `lookup_fields` go together. Default `all`; `sequential` for Salesforce.
    pub lookup_method: Option<LookupMethod>,
    /// Of a record that is there, only those fields are written that are empty at the remote:
    /// absent, `null`, or an empty text, list or object. A list: of these fields; all others are
    /// written. Default false.
    pub only_upsert_empty_fields: Option<OnlyEmpty>,
    /// Fields that hold the external ids of records of other streams.
    pub relations: Vec<Relation>,
    /// What goes out under which name, see [`FieldRule`]. Fields that are not named go out as
    /// they are, unless `"*": null` is there.
    pub fields: IndexMap<String, Option<FieldRule>>,
    /// A record whose content is what was written last is not written again. Default true.
    pub skip_unchanged: bool,
    /// What happens when a record is mapped to a remote id that the remote no longer has.
    pub on_missing: OnMissing,
    /// What happens when a lookup finds several records of one external id.
    pub on_ambiguous: OnAmbiguous,
    /// What happens to a create whose answer is lost, where nothing can tell whether it was
    /// applied: neither a lookup nor an idempotency key.
    pub on_doubt: OnDoubt,
    /// Over `batch.records`.
    pub batch_records: Option<usize>,
    /// Over `batch.bytes`.
    pub batch_bytes: Option<usize>,
    /// Over `batch.secs`.
    pub batch_secs: Option<Seconds>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            object: None,
            mode: Mode::default(),
            external_id: None,
            remote_id: None,
            external_id_property: None,
            lookup_fields: None,
            lookup_method: None,
            only_upsert_empty_fields: None,
            relations: Vec::new(),
            fields: IndexMap::new(),
            skip_unchanged: true,
            on_missing: OnMissing::default(),
            on_ambiguous: OnAmbiguous::default(),
            on_doubt: OnDoubt::default(),
            batch_records: None,
            batch_bytes: None,
            batch_secs: None,
        }
    }
}

impl StreamOptions {
    /// The properties by which records are found beside their external id.
    pub fn lookup_names(&self) -> &[String] {
        self.lookup_fields.as_ref().map_or(&[], Fields::names)
    }

    /// What records are found by beside their external id, if anything.
    pub fn lookup_by(&self) -> Option<LookupBy> {
        let (names, method) = (self.lookup_names(), self.lookup_method.unwrap_or_default());
        (!names.is_empty()).then(|| LookupBy { names: names.to_vec(), method })
    }

    /// The same options, with records found by this.
    #[must_use]
    pub fn with_lookup(&self, lookup: Option<LookupBy>) -> Self {
        let lookup_method = lookup.as_ref().map(|lookup| lookup.method);
        let lookup_fields = lookup.map(|lookup| Fields::Several(lookup.names));
        Self { lookup_fields, lookup_method, ..self.clone() }
    }

    /// Whether only what is empty at the remote is written.
    pub fn only_empty(&self) -> bool {
        self.only_upsert_empty_fields.as_ref().is_some_and(OnlyEmpty::is_any)
    }
}

/// The properties by which records are found beside their external id, as a job had them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupBy {
    /// Their names, at least one.
    pub names: Vec<String>,
    /// How they go together.
    pub method: LookupMethod,
}

/// How several lookup fields go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LookupMethod {
    /// All must be the same. The remote is asked by the first, so put the one first that tells
    /// records apart best. A record that lacks one of them is not looked for.
    #[default]
    All,
    /// One of them must be the same; records that are found by different ones are several.
    Any,
    /// One after another: the first that finds exactly one record decides.
    Sequential,
}

/// A field whose value is the external id of a record of another stream, or of the same; or a list
/// of them. It goes out as that record's remote id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Name of the field as it goes out, which is the one that `fields` gives it.
    pub field: String,
    /// The stream of the parent.
    pub stream: String,
    /// How the remote id is written. Default: as a text.
    #[serde(default)]
    pub form: IdForm,
}

/// How a remote id stands in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdForm {
    /// As a JSON string.
    #[default]
    Text,
    /// As a JSON number, for remotes that take nothing else.
    Number,
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

/// Which fields are written only where they are empty at the remote.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum OnlyEmpty {
    /// All of them, or none.
    All(bool),
    /// These: by their names in the record, or by those that they go out under.
    These(Vec<String>),
}

impl OnlyEmpty {
    fn is_any(&self) -> bool {
        match self {
            Self::All(all) => *all,
            Self::These(names) => !names.is_empty(),
        }
    }
}

impl<'de> Deserialize<'de> for OnlyEmpty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.is_array() {
            let names = Vec::<String>::deserialize(value);
            return names
                .map(Self::These)
                .map_err(|_| D::Error::custom("expected names of fields"));
        }
        let all = lenient::flag(value);
        all.map(Self::All).map_err(|_| D::Error::custom("expected true, false or a list of fields"))
    }
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

/// What happens to a create whose fate nothing can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDoubt {
    /// It is told as `in_doubt` and not sent again, in this job or a later one, until `ids forget`
    /// lets it go out: at most once.
    #[default]
    Hold,
    /// It is sent again, at once and by later jobs: at least once, and perhaps twice.
    Resend,
}
