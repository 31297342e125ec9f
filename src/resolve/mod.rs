//! A record's ids are found, and with them what is to happen to it.
//!
//! In this order: the record's own remote id, the id map, the remote's native external id (an
//! upsert in one call), a lookup, and where none of them finds it: create.

pub mod claims;
pub mod empty;
pub mod gate;
pub mod relations;

use std::sync::Arc;

use crate::config::stream::{LookupMethod, Mode};
use crate::config::{OnAmbiguous, OnDoubt, OnMissing, StreamOptions};
use crate::connector::contract::{Action, Capabilities};
use crate::outcome::Trouble;
use crate::record::RemoteId;
use crate::store::doubts::{Doubt, Written};
use crate::store::id_map::Mapped;
use crate::stream::{Record, Stream};

/// What is to happen to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: it is what was written last.
    Unchanged(Option<RemoteId>),
    /// It is sent; with a remote id for an update, and for an upsert where it is known.
    Write(Action, Option<RemoteId>),
    /// The remote is asked for it first.
    Lookup,
    /// In this stream's mode nothing is to be done for it.
    Skip(Trouble),
    /// It was to be deleted, and is not there any more.
    Gone(RemoteId),
    /// It cannot be written at all.
    Refuse(Trouble),
    /// It was sent before, nobody knows whether it was applied, and nothing can tell.
    InDoubt(Doubt),
}

/// What is known of a record before it is planned.
#[derive(Debug, Default)]
pub struct Known {
    /// The id map's entry.
    pub mapped: Option<Mapped>,
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
}

/// How a create in doubt may be sent again although nothing can tell whether it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend {
    /// Under this key, by which the remote knows it.
    Under(Arc<str>),
    /// The user wants it so.
    AsTold,
}

/// Whether and how a create in doubt may be sent again.
pub fn may_resend(record: &Record, doubt: &Doubt) -> Option<Resend> {
    let Stream { capabilities, options, .. } = &*record.stream;
    let is_same = doubt.fingerprint == Some(record.fingerprint);
    let is_known = capabilities.idempotent_create.is_some_and(|life| doubt.since_first() < life);
    match &doubt.key {
        Some(key) if is_same && is_known => Some(Resend::Under(Arc::clone(key))),
        _ if options.on_doubt == OnDoubt::Resend => Some(Resend::AsTold),
        _ => None,
    }
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
    let open = known.doubt.as_ref().filter(|_| capabilities.creates_again);
    if skip_unchanged
        && is_same_id
        && open.is_none()
        && mapped.is_some_and(|mapped| mapped.fingerprint == Some(record.fingerprint))
    {
        return Plan::Unchanged(mapped.and_then(|mapped| mapped.remote_id.clone()));
    }
    if let Some(doubt) = open
        && matches!(mode, Mode::Upsert | Mode::Update)
        && may_resend(record, doubt).is_none()
    {
        return Plan::InDoubt(doubt.clone());
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
            Some(Written::Yes(remote_id)) if skip_unchanged => Plan::Unchanged(remote_id.clone()),
            _ if has_values => Plan::Lookup,
            Some(Written::InDoubt(doubt)) if may_resend(record, doubt).is_none() => {
                Plan::InDoubt(doubt.clone())
            }
            _ => create(capabilities),
        };
    }
    // Written by an upsert that tells no id.
    if mode == Mode::Insert && mapped.is_some_and(|mapped| mapped.fingerprint.is_some()) {
        return exists("it was written before");
    }
    find(record, known.doubt.as_ref())
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
    } else if let Some(doubt) = doubt.filter(|doubt| may_resend(record, doubt).is_none()) {
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
    Plan::Skip(Trouble::other("exists", format!("not inserted: {how}")))
}

fn create(capabilities: &Capabilities) -> Plan {
    if capabilities.create.is_some() {
        return Plan::Write(Action::Create, None);
    }
    let why = if capabilities.upsert.is_some() {
        "the record has no external id, and the remote writes records by external id only"
    } else {
        "the remote cannot create records of this stream"
    };
    Plan::Refuse(Trouble::payload("no_external_id", why))
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
            Plan::Skip(Trouble::other("not_there", "the remote does not have it"))
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
        [remote_id] => found(record, remote_id.clone()),
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

/// Plans a record whose remote id the remote does not have (any more).
pub fn plan_missing(record: &Record, remote_id: &RemoteId) -> Plan {
    let options = &record.stream.options;
    if options.mode == Mode::Delete {
        return Plan::Gone(remote_id.clone());
    }
    if options.on_missing == OnMissing::Recreate && record.external_id.is_some() {
        return find(record, None);
    }
    let why = format!("the remote has no record with the id `{remote_id}`");
    Plan::Refuse(Trouble::payload("missing", why))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::connector::contract::{CallLimits, Lookup};
    use crate::record::{ExternalId, Fingerprint, StreamName};
    use crate::stream::Stream;

    fn record(capabilities: Capabilities, external_id: Option<&str>) -> Record {
        Record {
            position: 1,
            stream: Arc::new(Stream {
                index: 0,
                name: StreamName::from("s"),
                options: crate::config::StreamOptions::default(),
                capabilities,
                schema_line: "".into(),
                version: 0,
            }),
            external_id: external_id.map(ExternalId::from),
            remote_id: None,
            lookup_values: Vec::new(),
            half: None,
            fingerprint: Fingerprint([1; 32]),
            body: "{}".into(),
            source: "{}".into(),
            custom_data: None,
            stands_in: false,
        }
    }

    fn capabilities(upsert: bool, lookup: bool) -> Capabilities {
        let limits = Some(CallLimits {
            max_records: 10,
            max_bytes: 1000,
            envelope_bytes: 0,
            reads_first: false,
            reads_after: false,
        });
        Capabilities {
            create: limits,
            update: limits,
            upsert: limits.filter(|_| upsert),
            lookup: lookup.then_some(Lookup {
                max_ids: 10,
                lag: std::time::Duration::ZERO,
                ignores_case: false,
            }),
            ..Capabilities::default()
        }
    }

    fn mapped(id: &str, fingerprint: u8) -> Known {
        Known {
            mapped: Some(Mapped {
                remote_id: Some(RemoteId::from(id)),
                fingerprint: Some(Fingerprint([fingerprint; 32])),
                custom_data: None,
            }),
            ..Known::default()
        }
    }

    #[test]
    fn the_order_of_finding() {
        let update = |id: &str| Plan::Write(Action::Update, Some(RemoteId::from(id)));
        let mut own = record(capabilities(true, true), Some("a"));
        own.remote_id = Some(RemoteId::from("7"));
        assert_eq!(plan(&own, &mapped("8", 1)), update("7"));
        assert_eq!(plan(&own, &mapped("7", 1)), Plan::Unchanged(Some(RemoteId::from("7"))));
        let both = record(capabilities(true, true), Some("a"));
        assert_eq!(plan(&both, &mapped("8", 2)), update("8"));
        assert_eq!(plan(&both, &mapped("8", 1)), Plan::Unchanged(Some(RemoteId::from("8"))));
        assert_eq!(plan(&both, &Known::default()), Plan::Write(Action::Upsert, None));
        let search = record(capabilities(false, true), Some("a"));
        assert_eq!(plan(&search, &Known::default()), Plan::Lookup);
        let blind = record(capabilities(false, false), Some("a"));
        assert_eq!(plan(&blind, &Known::default()), Plan::Write(Action::Create, None));
        let known = Known { doubt: Some(doubt(None)), ..Known::default() };
        assert_eq!(plan(&blind, &known), Plan::InDoubt(doubt(None)));
        assert_eq!(plan(&search, &known), Plan::Lookup);
    }

    fn doubt(key: Option<&str>) -> Doubt {
        let fingerprint = Some(Fingerprint([1; 32]));
        let first_millis = chrono::Utc::now().timestamp_millis() - 5_000;
        let key = key.map(Arc::from);
        Doubt { first_millis: first_millis / 60_000 * 60_000, last_millis: 0, fingerprint, key }
    }

    #[test]
    fn a_create_in_doubt_is_sent_again_only_as_the_remote_knows_it_or_the_user_wants() {
        let minutes = |minutes: u64| Some(std::time::Duration::from_secs(60 * minutes));
        let that_remembers =
            |idempotent_create| Capabilities { idempotent_create, ..capabilities(false, false) };
        let keeper = record(that_remembers(minutes(5)), Some("a"));
        let under = Some(Resend::Under("k".into()));
        assert_eq!(may_resend(&keeper, &doubt(Some("k"))), under);
        assert_eq!(may_resend(&keeper, &doubt(None)), None, "a doubt from before there were keys");
        let other = Doubt { fingerprint: Some(Fingerprint([2; 32])), ..doubt(Some("k")) };
        assert_eq!(may_resend(&keeper, &other), None, "other content is another create");
        let old = Doubt { first_millis: 0, ..doubt(Some("k")) };
        assert_eq!(may_resend(&keeper, &old), None, "the remote has forgotten the key");
        let ahead = Doubt { first_millis: i64::MAX, ..doubt(Some("k")) };
        assert_eq!(may_resend(&keeper, &ahead), None, "the clock cannot say that it remembers");
        let mut told = record(capabilities(false, false), Some("a"));
        Arc::get_mut(&mut told.stream).unwrap().options.on_doubt = OnDoubt::Resend;
        assert_eq!(may_resend(&told, &doubt(None)), Some(Resend::AsTold));
        let known = Known { doubt: Some(doubt(None)), ..Known::default() };
        assert_eq!(plan(&told, &known), Plan::Write(Action::Create, None));
    }

    #[test]
    fn what_is_changed_by_another_create() {
        let post = Capabilities { update: None, creates_again: true, ..capabilities(false, false) };
        let record = record(post, Some("a"));
        let again = Plan::Write(Action::Create, Some(RemoteId::from("8")));
        assert_eq!(plan(&record, &mapped("8", 2)), again);
        assert_eq!(plan(&record, &mapped("8", 1)), Plan::Unchanged(Some(RemoteId::from("8"))));
        // A doubt is about the content too: neither is it sent again, nor is it what the map has.
        for fingerprint in [1, 2] {
            let known = Known { doubt: Some(doubt(None)), ..mapped("8", fingerprint) };
            assert_eq!(plan(&record, &known), Plan::InDoubt(doubt(None)));
        }
    }

    #[test]
    fn a_record_without_ids_is_known_by_its_content() {
        let record = record(capabilities(true, true), None);
        let known = |written| Known { written, ..Known::default() };
        assert_eq!(plan(&record, &known(None)), Plan::Write(Action::Create, None));
        assert_eq!(plan(&record, &known(Some(Written::Yes(None)))), Plan::Unchanged(None));
        let open = known(Some(Written::InDoubt(doubt(None))));
        assert_eq!(plan(&record, &open), Plan::InDoubt(doubt(None)));
    }

    #[test]
    fn several_matches_and_missing_ones() {
        let record = record(capabilities(false, true), Some("a"));
        let ids = [RemoteId::from("1"), RemoteId::from("2")];
        assert!(
            matches!(plan_found(&record, &ids), Plan::Refuse(trouble) if &*trouble.code == "ambiguous")
        );
        assert_eq!(plan_found(&record, &[]), Plan::Write(Action::Create, None));
        assert_eq!(plan_missing(&record, &ids[0]), Plan::Lookup);
        assert_eq!(plan_exists(&record, None), Plan::Lookup);
    }
}
