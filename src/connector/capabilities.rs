//! What a remote can do with the object behind a stream, and how it wants it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use md5::{Digest, Md5};
use reqwest::header::HeaderName;

use super::bulk::BulkLimits;
use super::contract::Action;
use crate::config::StreamOptions;
use crate::config::stream::{Fields, LookupMethod, Mode};

/// What a remote can do with one object, and how it wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Capabilities {
    /// What the remote calls the object, where remote ids mean something in their object alone.
    pub object: Option<Arc<str>>,
    /// Makes a record that is not there yet; gives it a remote id.
    pub create: Option<CallLimits>,
    /// Changes the record with a given remote id.
    pub update: Option<CallLimits>,
    /// Finds by external id by itself, and creates or updates: the same call twice leaves one
    /// record.
    pub upsert: Option<CallLimits>,
    /// Removes the record with a given remote id.
    pub delete: Option<CallLimits>,
    /// Looks up by [`By::ExternalId`](super::contract::By::ExternalId).
    pub lookup: Option<Lookup>,
    /// Looks up by [`By::Field`](super::contract::By::Field).
    pub find: Option<Lookup>,
    /// Looks up by [`By::RemoteId`](super::contract::By::RemoteId).
    pub read: Option<Lookup>,
    /// Calls at once, at most; the pipeline starts lower and climbs. At least 1.
    pub max_in_flight: usize,
    /// How long the remote remembers [`Write::key`](super::contract::Write::key): in that time, the
    /// same create with the same key makes one record. `None`: it knows no keys.
    pub idempotent_create: Option<Duration>,
    /// A record that is there is changed by another create, which carries
    /// [`Write::remote_id`](super::contract::Write::remote_id) where that is known. All that holds
    /// of a create holds of it: it is not sent twice.
    pub creates_again: bool,
    /// What belongs to a record is written by calls of their own after it: one whose answer is lost
    /// may lack it.
    pub writes_after: bool,
    /// Calls go out one at a time, in the order of the input, over all streams. Such a remote is
    /// not looked up: a lookup would take its record out of the row.
    pub in_order: bool,
    /// A stream whose SCHEMA came and no record is written as one record without fields, see
    /// [`Write::stands_in`](super::contract::Write::stands_in).
    pub wants_empty: bool,
    /// The platform's `externalId` is a field like any other, beside being the external id.
    pub external_id_is_content: bool,
    /// `id` is a field like any other, and no remote id. A stream that has it needs no `identity`:
    /// there is nothing that could be taken for something else.
    pub id_is_content: bool,
    /// Names of the key properties that may be a remote id by the platform's convention; any where
    /// none is named.
    pub remote_id_names: Vec<String>,
    /// The `lookup_fields` of a stream, as the remote spells them; those of its own where the config
    /// says none. Empty: as the config says.
    pub lookup_fields: Vec<String>,
    /// Large batches go out as bulk jobs.
    pub bulk: Option<BulkLimits>,
    /// Records that are gathered before they are parted into calls, where those that
    /// [lock](super::shape::Shape::locks) the same one are to go out together, or where what they
    /// [name](super::contract::Connector::names_others) is asked for together; 0: no more than a call
    /// takes.
    pub gathers: usize,
    /// The `lookup_method` of a stream where the config says none.
    pub lookup_method: Option<LookupMethod>,
    /// Under which names a record's body has what it is found by, where the connector says that
    /// itself: over the stream's `lookup_fields`.
    pub lookup_names: Vec<String>,
    /// What stands behind this letter in such a value narrows down what the remote finds by it: two
    /// values that are one before it may find one record.
    pub narrowed_behind: Option<char>,
    /// How batches are named, where the remote is told.
    pub batch_ids: Option<BatchIds>,
    /// The field of a record that is its external id, where nothing in the config or the input says
    /// another one. A record may do without.
    pub external_id_field: Option<String>,
    /// The field of a record that is its remote id, by a name that is the remote's alone, where nothing
    /// in the config says another one. A record may do without.
    pub remote_id_field: Option<String>,
    /// How long a call whose answer is lost may still be at work, so that no lookup shows what it
    /// makes; or what it changes, which is then waited for before it is changed again.
    pub settles: Duration,
    /// A record that is found by its `lookup_fields` and has another external id is another one.
    pub spares_others: bool,
    /// Records are changed, and none is made: the mode `upsert` is `update`.
    pub only_updates: bool,
    /// Where the remote keeps the external id, if it does.
    pub external_id_property: Option<String>,
    /// Names under which the connector itself puts ids into a record. A record's own fields of
    /// these names are left out of [`Write::body`](super::contract::Write::body).
    pub reserved_properties: Vec<String>,
}

/// How long remotes remember idempotency keys, where nothing else is said: as Stripe does, at least
/// (<https://docs.stripe.com/api/idempotent_requests>).
pub const KEY_LIFE_SECS: u64 = 24 * 60 * 60;

/// The header in which a remote takes a create's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHeader {
    /// Its name.
    pub name: HeaderName,
    /// How long the remote remembers a key.
    pub life: Duration,
}

impl Capabilities {
    /// How long a record that was written may stay invisible to those lookups that a stream makes:
    /// by the external id, and by its `lookup_fields`, where it has some.
    pub fn lag(&self, options: &StreamOptions) -> Duration {
        let find = self.find.filter(|_| !options.lookup_names().is_empty());
        [self.lookup, find].into_iter().flatten().map(|lookup| lookup.lag).max().unwrap_or_default()
    }

    /// How long a call that was sent may still be at work, so that no lookup shows what it makes,
    /// and what is sent after it may come before it.
    pub fn settled(&self, options: &StreamOptions) -> Duration {
        self.lag(options).max(self.settles)
    }

    /// What a stream's options are, where neither the config nor the stream says.
    pub fn settle(&self, options: &mut StreamOptions) {
        let names = [&self.lookup_names, &self.lookup_fields];
        if let Some(names) = names.into_iter().find(|names| !names.is_empty()) {
            options.lookup_fields = Some(Fields::Several(names.clone()));
        }
        options.lookup_method = options.lookup_method.or(self.lookup_method);
        if self.only_updates && options.mode == Mode::Upsert {
            options.mode = Mode::Update;
        }
    }

    /// What a call takes that does `action`; `None`: the remote cannot do it.
    pub fn limits(&self, action: Action) -> Option<CallLimits> {
        match action {
            Action::Create => self.create,
            Action::Update => self.update,
            Action::Upsert => self.upsert,
            Action::Delete => self.delete,
        }
    }
}

/// Names batches as the platform's `target-api` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchIds {
    /// What stands before the number: the job, and the stream.
    pub prefix: Arc<str>,
}

impl BatchIds {
    /// Bytes of an id.
    pub const BYTES: usize = 32;

    /// The id of the batch with this number in the job, from 0: MD5 in hexadecimal digits.
    pub fn id(&self, number: u64) -> Arc<str> {
        let digest: [u8; 16] = Md5::digest(format!("{}{number}", self.prefix)).into();
        format!("{:032x}", u128::from_be_bytes(digest)).into()
    }
}

/// What one writing call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Records, at least 1. With 1, the call is one of those that write a single record.
    pub max_records: usize,
    /// Bytes of the encoded body, at most, before compression.
    pub max_bytes: usize,
    /// Bytes that a record takes in it beside its own body, at most. Its ids are counted apart.
    pub envelope_bytes: usize,
    /// The record is read before, for [`Write::version`](super::contract::Write::version) or to see
    /// that it is there. Needs [`Capabilities::read`].
    pub reads_first: bool,
    /// The record is read after, since the remote's word cannot be trusted. Needs
    /// [`Capabilities::read`].
    pub reads_after: bool,
}

/// What one looking-up call takes, and how far its answer can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Ids in one call, at least 1.
    pub max_ids: usize,
    /// How long a record that was written may stay invisible to a lookup. "It is not there" is
    /// believed only when the write is older than this.
    pub lag: Duration,
    /// The remote finds texts without regard to upper and lower case.
    pub ignores_case: bool,
    /// It keeps no white space around a text.
    pub trims: bool,
}

impl Lookup {
    /// What two texts have in common that are one to the remote.
    pub fn spelled<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = if self.trims { text.trim() } else { text };
        if self.ignores_case { text.to_lowercase().into() } else { text.into() }
    }
}
