//! A record's ids are found, and with them what is to happen to it.
//!
//! In this order: the record's own remote id, the id map, the remote's native external id (an
//! upsert in one call), a lookup, and where none of them finds it: create.

pub mod claims;
pub mod empty;
pub mod found_by;
pub mod gate;
pub mod relations;
pub mod resend;
#[cfg(test)]
mod tests;
pub mod turns;

use std::sync::Arc;
use std::time::Instant;

use resend::{CreateKey, may_be_resent};
use sha2::{Digest, Sha256};

use crate::config::stream::{LookupMethod, Mode};
use crate::config::{OnAmbiguous, OnMissing, StreamOptions};
use crate::connector::contract::{Action, Capabilities};
use crate::outcome::Trouble;
use crate::record::RemoteId;
use crate::store::doubts::{Doubt, Written};
use crate::store::id_map::Mapped;
use crate::stream::Record;

/// What is to happen to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: it is what was written last.
    Unchanged(Option<RemoteId>),
    /// It is sent; with a remote id for an update, and for an upsert where it is known.
    Write(Action, Option<RemoteId>),
    /// The remote is asked for it first.
    Lookup,
    /// In this stream's mode nothing is to be done for it; with the remote id where a lookup told
    /// it.
    Skip(Trouble, Option<RemoteId>),
    /// It was to be deleted, and is not there any more.
    Gone(RemoteId),
    /// It cannot be written at all.
    Refuse(Trouble),
    /// It cannot be written now.
    Fail(Trouble),
    /// It was sent before, nobody knows whether it was applied, and nothing can tell.
    InDoubt(Doubt),
}

/// What is known of a record before it is planned.
#[derive(Debug, Default)]
pub struct Known {
    /// The id map's entry.
    pub mapped: Option<Mapped>,
    /// That entry tells that the record was written.
    pub was_mapped: bool,
    /// For a record without an external id: whether its like was written.
    pub written: Option<Written>,
    /// A create of its external id is in doubt from an earlier job.
    pub doubt: Option<Doubt>,
}

impl Known {
    /// The doubt about a create of the record, or of its like where it has no external id.
    pub fn doubt(&self) -> Option<&Doubt> {
        match &self.written {
            Some(Written::InDoubt(doubt)) => Some(doubt),
            _ => self.doubt.as_ref(),
        }
    }

    /// Under which id the record was made, where something of it may be lacking.
    fn unfinished(&self) -> Option<&RemoteId> {
        self.doubt()?.remote_id.as_ref()
    }

    /// The same, to be corrected.
    pub fn doubt_mut(&mut self) -> Option<&mut Doubt> {
        match &mut self.written {
            Some(Written::InDoubt(doubt)) => Some(doubt),
            _ => self.doubt.as_mut(),
        }
    }
}

/// Whether nothing can tell of a create, and it must not be sent again.
fn is_held(record: &Record, doubt: &Doubt) -> bool {
    let now = Instant::now();
    !may_be_resent(record, CreateKey::of(record, doubt, now).as_ref(), now)
}

/// The first bytes of a hash: as many as what it tells apart needs.
pub fn first_bytes<const N: usize>(hash: Sha256) -> [u8; N] {
    let mut first = [0; N];
    first.iter_mut().zip(hash.finalize()).for_each(|(byte, of_hash)| *byte = of_hash);
    first
}

/// Plans one record.
pub fn plan(record: &Record, known: &Known) -> Plan {
    let capabilities = &record.stream.capabilities;
    let mode = record.stream.options.mode;
    // What is to be deleted is not compared with what was written.
    let skip_unchanged = record.stream.options.skip_unchanged && mode != Mode::Delete;
    let mapped = known.mapped.as_ref();
    let is_same_id = match (&record.remote_id, mapped) {
        (Some(own), Some(mapped)) => mapped.remote_id.as_ref() == Some(own),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    // What was sent last, and may have been applied, is not what the map has.
    if skip_unchanged
        && is_same_id
        && known.doubt.is_none()
        && mapped.is_some_and(|mapped| mapped.fingerprint == Some(record.fingerprint))
    {
        return Plan::Unchanged(mapped.and_then(|mapped| mapped.remote_id.clone()));
    }
    if let Some(doubt) = known.doubt.as_ref().filter(|doubt| doubt.remote_id.is_none())
        && capabilities.creates_again
        && matches!(mode, Mode::Upsert | Mode::Update)
        && is_held(record, doubt)
    {
        return Plan::InDoubt(doubt.clone());
    }
    if let Some(remote_id) = known.unfinished().filter(|_| record.remote_id.is_none())
        && matches!(mode, Mode::Upsert | Mode::Insert)
    {
        // To finish it is part of making it.
        let plan = update(record, remote_id.clone());
        if !matches!(plan, Plan::Refuse(_)) {
            return plan;
        }
    }
    let remote_id =
        record.remote_id.clone().or_else(|| mapped.and_then(|mapped| mapped.remote_id.clone()));
    if let Some(remote_id) = remote_id {
        return found(record, remote_id);
    }
    if record.external_id.is_none() {
        let has_values = has_values(&record.stream.options, &record.lookup_values);
        if !has_values && matches!(mode, Mode::Update | Mode::Delete) {
            let why = "the record has neither an external id nor a remote id to find it by";
            return Plan::Refuse(Trouble::payload("no_external_id", why));
        }
        return match &known.written {
            // What it is found by, another record may have been too, and was written over it.
            _ if has_values => Plan::Lookup,
            Some(Written::Yes(remote_id)) if skip_unchanged => Plan::Unchanged(remote_id.clone()),
            Some(Written::InDoubt(Doubt { remote_id: Some(id), .. })) => {
                exists(&format!("the remote has it as `{id}`, and cannot be told to change it"))
            }
            Some(Written::InDoubt(doubt)) if is_held(record, doubt) => Plan::InDoubt(doubt.clone()),
            _ => create(capabilities),
        };
    }
    // Written by an upsert that tells no id, or that had no answer.
    if mode == Mode::Insert
        && let Some(mapped) = mapped
    {
        if mapped.fingerprint.is_some() {
            return exists("it was written before");
        }
        if !can_look_up(record) {
            return exists("an earlier job has sent it, and it may be there");
        }
    }
    let plan = find(record, known.doubt.as_ref());
    if plan == Plan::Write(Action::Create, None) && mapped.is_some() && !capabilities.creates_again
    {
        let why = "the record was written before, and the remote never told its id to change it by";
        return Plan::Refuse(Trouble::payload("cannot_update", why));
    }
    plan
}

/// Plans a record with an external id that no remote id is known of.
fn find(record: &Record, doubt: Option<&Doubt>) -> Plan {
    let capabilities = &record.stream.capabilities;
    let options = &record.stream.options;
    let mode = options.mode;
    let has_values = has_values(options, &record.lookup_values);
    // A native upsert finds by the external id alone, and does not tell what was there before.
    let looks_first = has_values || (options.only_empty() && capabilities.lookup.is_some());
    if mode == Mode::Upsert && capabilities.upsert.is_some() && !looks_first {
        Plan::Write(Action::Upsert, None)
    } else if capabilities.lookup.is_some() || has_values {
        Plan::Lookup
    } else if matches!(mode, Mode::Update | Mode::Delete) {
        let why = "no remote id is known of the record, and the remote cannot be asked for it";
        Plan::Refuse(Trouble::payload("cannot_find", why))
    } else if let Some(doubt) = doubt.filter(|doubt| is_held(record, doubt)) {
        Plan::InDoubt(doubt.clone())
    } else {
        create(capabilities)
    }
}

/// Plans a record whose remote id is known.
fn found(record: &Record, remote_id: RemoteId) -> Plan {
    match record.stream.options.mode {
        Mode::Upsert | Mode::Update => update(record, remote_id),
        Mode::Insert => exists(&format!("the remote has it as `{remote_id}`")),
        Mode::Delete if record.stream.capabilities.delete.is_some() => {
            Plan::Write(Action::Delete, Some(remote_id))
        }
        Mode::Delete => {
            let why = format!(
                "the remote cannot delete records of this stream (remote id `{remote_id}`)"
            );
            Plan::Refuse(Trouble::payload("cannot_delete", why))
        }
    }
}

/// Whether a record has the values that the `lookup_fields` need.
pub fn has_values(options: &StreamOptions, values: &[Option<Arc<str>>]) -> bool {
    match options.lookup_method.unwrap_or_default() {
        _ if values.is_empty() => false,
        LookupMethod::All => values.iter().all(Option::is_some),
        LookupMethod::Any | LookupMethod::Sequential => values.iter().any(Option::is_some),
    }
}

/// Whether the remote can be asked for a record.
fn can_look_up(record: &Record) -> bool {
    (record.external_id.is_some() && record.stream.capabilities.lookup.is_some())
        || has_values(&record.stream.options, &record.lookup_values)
}

fn exists(how: &str) -> Plan {
    Plan::Skip(Trouble::other("exists", format!("not inserted: {how}")), None)
}

fn create(capabilities: &Capabilities) -> Plan {
    if capabilities.create.is_some() {
        return Plan::Write(Action::Create, None);
    }
    Plan::Refuse(if capabilities.upsert.is_some() {
        let why =
            "the record has no external id, and the remote writes records by external id only";
        Trouble::payload("no_external_id", why)
    } else {
        Trouble::payload("cannot_create", "the remote cannot create records of this stream")
    })
}

fn update(record: &Record, remote_id: RemoteId) -> Plan {
    let capabilities = &record.stream.capabilities;
    if capabilities.update.is_some() {
        Plan::Write(Action::Update, Some(remote_id))
    } else if capabilities.upsert.is_some()
        && record.external_id.is_some()
        && record.stream.options.mode == Mode::Upsert
    {
        Plan::Write(Action::Upsert, Some(remote_id))
    } else if capabilities.creates_again && capabilities.create.is_some() {
        Plan::Write(Action::Create, Some(remote_id))
    } else {
        let why =
            format!("the remote cannot update records of this stream (remote id `{remote_id}`)");
        Plan::Refuse(Trouble::payload("cannot_update", why))
    }
}

/// Plans a record that was written as `remote_id` without some of its relations.
pub fn plan_rest(record: &Record, remote_id: RemoteId) -> Plan {
    update(record, remote_id)
}

/// Plans a record that a lookup has looked for.
pub fn plan_found(record: &Record, ids: &[RemoteId]) -> Plan {
    let mode = record.stream.options.mode;
    match ids {
        [] if matches!(mode, Mode::Update | Mode::Delete) => {
            Plan::Skip(Trouble::other("not_there", "the remote does not have it"), None)
        }
        [] => {
            let capabilities = &record.stream.capabilities;
            match (capabilities.create, capabilities.upsert) {
                // A dry run looks up what it would upsert, an insert what there may be.
                (None, Some(_)) if record.external_id.is_some() => {
                    Plan::Write(Action::Upsert, None)
                }
                _ => create(capabilities),
            }
        }
        [remote_id] => match found(record, remote_id.clone()) {
            Plan::Skip(trouble, _) => Plan::Skip(trouble, Some(remote_id.clone())),
            plan => plan,
        },
        [first, ..] if record.stream.options.on_ambiguous == OnAmbiguous::First => {
            found(record, first.clone())
        }
        [..] if mode == Mode::Insert => exists("the remote has several of this external id"),
        several => {
            let ids: Vec<&str> = several.iter().take(5).map(RemoteId::as_str).collect();
            let what = if has_values(&record.stream.options, &record.lookup_values) {
                "that it could be"
            } else {
                "of this external id"
            };
            let why =
                format!("the remote has {} records {what}: {}", several.len(), ids.join(", "));
            Plan::Refuse(Trouble::payload("ambiguous", why))
        }
    }
}

/// Plans a record whose create found that the remote has it already.
pub fn plan_exists(record: &Record, remote_id: Option<RemoteId>) -> Plan {
    match remote_id {
        Some(remote_id) => found(record, remote_id),
        None if record.stream.options.mode == Mode::Insert => exists("the remote has it already"),
        None if can_look_up(record) => Plan::Lookup,
        None => Plan::Refuse(Trouble::payload(
            "exists",
            "the remote already has this record and does not say under which id",
        )),
    }
}

/// Plans a record whose remote id the remote does not have (any more). `doubt`: about a create of
/// it.
pub fn plan_missing(record: &Record, remote_id: &RemoteId, doubt: Option<&Doubt>) -> Plan {
    let options = &record.stream.options;
    if options.mode == Mode::Delete {
        return Plan::Gone(remote_id.clone());
    }
    if options.on_missing == OnMissing::Recreate {
        // By an earlier job, and not finished: that doubt has ended.
        let is_unfinished = doubt.is_some_and(|doubt| doubt.remote_id.as_ref() == Some(remote_id));
        if record.external_id.is_some() {
            return find(record, doubt.filter(|_| !is_unfinished));
        }
        // A lookup has found it, which may have shown what was there no more.
        if record.remote_id.is_none() && can_look_up(record) {
            return Plan::Lookup;
        }
        if is_unfinished {
            return create(&record.stream.capabilities);
        }
    }
    let why = format!("the remote has no record with the id `{remote_id}`");
    Plan::Refuse(Trouble::payload("missing", why))
}
