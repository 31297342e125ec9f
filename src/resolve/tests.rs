//! Which plan follows from what is known.

use std::sync::Arc;

use super::*;
use crate::config::OnDoubt;
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
        partial: None,
        fingerprint: Fingerprint([1; 32]),
        body: "{}".into(),
        kept: None,
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
            trims: false,
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
            parents: None,
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
    let first_millis = first_millis / 60_000 * 60_000;
    Doubt { first_millis, last_millis: 0, fingerprint, parents: None, key, remote_id: None }
}

#[test]
fn a_create_in_doubt_is_sent_again_only_as_the_remote_knows_it_or_the_user_wants() {
    let minutes = |minutes: u64| Some(std::time::Duration::from_secs(60 * minutes));
    let that_remembers =
        |idempotent_create| Capabilities { idempotent_create, ..capabilities(false, false) };
    let keeper = record(that_remembers(minutes(5)), Some("a"));
    let key = CreateKey::of(&keeper, &doubt(Some("k")), Instant::now());
    assert_eq!(key.map(|key| key.text), Some("k".into()));
    assert!(!is_held(&keeper, &doubt(Some("k"))));
    assert!(is_held(&keeper, &doubt(None)), "a doubt from before there were keys");
    let other = Doubt { fingerprint: Some(Fingerprint([2; 32])), ..doubt(Some("k")) };
    assert!(is_held(&keeper, &other), "other content is another create");
    let old = Doubt { first_millis: 0, ..doubt(Some("k")) };
    assert!(is_held(&keeper, &old), "the remote has forgotten the key");
    let ahead = Doubt { first_millis: i64::MAX, ..doubt(Some("k")) };
    assert!(is_held(&keeper, &ahead), "the clock cannot say that it remembers");
    let mut told = record(capabilities(false, false), Some("a"));
    Arc::get_mut(&mut told.stream).unwrap().options.on_doubt = OnDoubt::Resend;
    assert!(!is_held(&told, &doubt(None)));
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

/// Made, and not with all that belongs to it: finished where it can be changed, in mode `insert` too.
#[test]
fn what_is_unfinished_is_finished_under_its_id() {
    let id = RemoteId::from("8");
    let unfinished = Doubt { remote_id: Some(id.clone()), ..doubt(None) };
    let of_map = Known { doubt: Some(unfinished.clone()), ..mapped("8", 1) };
    let of_content =
        Known { written: Some(Written::InDoubt(unfinished.clone())), ..Known::default() };
    let update = Plan::Write(Action::Update, Some(id.clone()));
    for mode in [Mode::Upsert, Mode::Insert] {
        for (external, known) in [(Some("a"), &of_map), (None, &of_content)] {
            let mut record = record(capabilities(true, true), external);
            Arc::get_mut(&mut record.stream).unwrap().options.mode = mode;
            assert_eq!(plan(&record, known), update, "{mode:?} {external:?}");
        }
    }
    let again = Capabilities { update: None, creates_again: true, ..capabilities(false, false) };
    let create = Plan::Write(Action::Create, Some(id.clone()));
    assert_eq!(plan(&record(again, Some("a")), &of_map), create);
    // What cannot be changed is there all the same, and is not made again.
    let only_made = Capabilities { update: None, ..capabilities(false, false) };
    assert!(matches!(plan(&record(only_made, None), &of_content), Plan::Skip(..)));
    // Deleted in the meantime, it is made anew; whether it was made is in no doubt.
    for external in [Some("a"), None] {
        let record = record(capabilities(false, false), external);
        let anew = Plan::Write(Action::Create, None);
        assert_eq!(plan_missing(&record, &id, Some(&unfinished)), anew, "{external:?}");
    }
}

#[test]
fn several_matches_and_missing_ones() {
    let record = record(capabilities(false, true), Some("a"));
    let ids = [RemoteId::from("1"), RemoteId::from("2")];
    assert!(
        matches!(plan_found(&record, &ids), Plan::Refuse(trouble) if &*trouble.code == "ambiguous")
    );
    assert_eq!(plan_found(&record, &[]), Plan::Write(Action::Create, None));
    assert_eq!(plan_missing(&record, &ids[0], None), Plan::Lookup);
    assert_eq!(plan_exists(&record, None), Plan::Lookup);
}
