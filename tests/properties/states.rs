//! States in the formats that they come in, and the state lines that the program itself writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use target_upsert::connector::contract::Action;
use target_upsert::ids::import_state;
use target_upsert::outcome::{Fate, Outcome, Trouble};
use target_upsert::record::{ExternalId, Fingerprint, RemoteId};
use target_upsert::state::line::{self, Shape};
use target_upsert::state::previous::{Entry, Standing};
use target_upsert::store::jobs::{JobId, NewJob};
use target_upsert::store::{Base, Store, id_map, streams};

use crate::almost::{edited, edits, json};
use crate::bodies::{entries, state};
use crate::cases;

const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    "null",
    "\"bookmarks\":{",
    "\"mappings\":{\"a\":[",
    "\"target\":",
    "\"success\":true,",
    "1e400",
    "\\ud800",
    "12345678901234567890123",
];
const NAMESPACE: &str = "n";
const STREAM: &str = "contacts";

/// An id as it may stand in a state, and as it is meant.
fn id() -> impl Strategy<Value = (String, String)> {
    const NUMBERS: &[&str] =
        &["7", "0.10", "-1", "12345678901234567890123", "1e2", "9007199254740993", "1.0"];
    let number = select(NUMBERS).prop_map(|digits| (digits.to_owned(), digits.to_owned()));
    let text = ".{1,9}"
        .prop_map(|text: String| (serde_json::Value::from(text.as_str()).to_string(), text));
    prop_oneof![1 => number, 2 => text]
}

/// One record of a state.
#[derive(Clone, Debug)]
struct Told {
    external_id: Option<(String, String)>,
    remote_id: Option<(String, String)>,
    fingerprint: u8,
    success: bool,
    more: String,
}

fn told() -> impl Strategy<Value = Told> {
    let ids = (prop::option::of(id()), prop::option::of(id()));
    (ids, any::<u8>(), any::<bool>(), json()).prop_map(|(ids, fingerprint, success, more)| Told {
        external_id: ids.0,
        remote_id: ids.1,
        fingerprint,
        success,
        more,
    })
}

impl Told {
    fn bookmark(&self) -> String {
        let hash = Fingerprint([self.fingerprint; 32]);
        let id = |name: &str, id: &Option<(String, String)>| {
            id.as_ref().map_or_else(String::new, |(raw, _)| format!(", \"{name}\": {raw}"))
        };
        let (external_id, remote_id) =
            (id("externalId", &self.external_id), id("id", &self.remote_id));
        let Self { success, more, .. } = self;
        format!(
            "{{\"success\": {success}, \"hash\": \"{hash}\", \"customData\": {more}{remote_id}{external_id}}}"
        )
    }

    fn mapping(&self) -> Option<String> {
        let (Some((external_id, _)), Some((remote_id, _))) = (&self.external_id, &self.remote_id)
        else {
            return None;
        };
        let more = &self.more;
        Some(format!(
            "{{\"InputId\": {external_id}, \"CustomData\": {more}, \"RemoteId\": {remote_id}}}"
        ))
    }

    fn entry(&self, is_bookmark: bool) -> Entry {
        Entry {
            external_id: self.external_id.as_ref().map(|(_, id)| ExternalId::from(id.as_str())),
            remote_id: self.remote_id.as_ref().map(|(_, id)| RemoteId::from(id.as_str())),
            fingerprint: is_bookmark.then_some(Fingerprint([self.fingerprint; 32])),
            standing: match (is_bookmark, self.success) {
                (true, false) => Standing::Unsure,
                _ => Standing::Written,
            },
        }
    }
}

fn bookmarks(all: &[Told]) -> String {
    let all: Vec<_> = all.iter().map(Told::bookmark).collect();
    format!("\"bookmarks\": {{\"{STREAM}\": [{}], \"cursor\": {{\"a\": 1}}}}", all.join(", "))
}

fn mappings(all: &[Told]) -> String {
    let all: Vec<_> = all.iter().filter_map(Told::mapping).collect();
    format!("\"mappings\": {{\"{STREAM}\": [{}]}}", all.join(", "))
}

/// What became of one record of a job: both ids, how it ended, and a byte of its fingerprint.
type Ended = (String, String, Fate, u8);

/// A few records, some of which come twice.
fn ended() -> impl Strategy<Value = Vec<Ended>> {
    let external_id = prop_oneof![select(&["a", "b"][..]).prop_map(str::to_owned), ".{1,9}"];
    prop::collection::vec((external_id, ".{1,9}", select(Fate::ALL.to_vec()), any::<u8>()), 0..12)
}

/// A job that ended so.
async fn job(store: &Store, all: &[Ended]) -> JobId {
    let own = |text: &str| text.to_owned();
    let job = store
        .begin_job(NewJob { uuid: own("u"), namespace: own(NAMESPACE), ..NewJob::default() })
        .await
        .unwrap();
    let stream =
        store.write(|connection| streams::stream_id(connection, NAMESPACE, STREAM)).await.unwrap();
    let outcomes =
        all.iter().zip(1..).map(|((external_id, remote_id, fate, byte), position)| Outcome {
            position,
            stream,
            external_id: Some(ExternalId::from(external_id.as_str())),
            remote_id: Some(RemoteId::from(remote_id.as_str())),
            action: Some(Action::Upsert),
            fate: *fate,
            attempts: 1,
            status: Some(200),
            trouble: fate.is_trouble().then(|| Trouble::other("odd", "\u{7f}\"ä")),
            millis: 1,
            fingerprint: Fingerprint([*byte; 32]),
            parents: None,
            found_by: None,
            custom_data: Some(Arc::from("{\"n\": 1e400}")),
            batch_id: None,
            key: None,
            may_be_resent: false,
            content: None,
        });
    store.record(job, Arc::new(outcomes.collect()), None).await.unwrap();
    job
}

/// What is known of one external id: its remote id, and a byte of the fingerprint where that is
/// known.
type Known = BTreeMap<String, (String, Option<u8>)>;

/// What a store knows.
fn known(store: &Store) -> Known {
    let all = store.read(|connection| {
        let Some(stream) = streams::find_stream(connection, NAMESPACE, STREAM)? else {
            return Ok(Known::new());
        };
        id_map::entries(connection, stream, |entries| {
            let pair = |id_map::Entry { external_id, mapped }: id_map::Entry| {
                let fingerprint = mapped.fingerprint.map(|fingerprint| fingerprint.0[0]);
                (external_id.to_string(), (mapped.remote_id.unwrap().to_string(), fingerprint))
            };
            entries.map(|entry| entry.map(pair)).collect::<Result<_, _>>()
        })?
    });
    all.unwrap()
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn what_a_state_tells_is_read_to_the_letter(
        all in prop::collection::vec(told(), 0..6), tap in json()
    ) {
        let (bookmarks, mappings) = (bookmarks(&all), mappings(&all));
        let platform = format!("{bookmarks}, \"summary\": {{\"{STREAM}\": {{\"fail\": 1}}}}");
        let stream = |entry| (STREAM.to_owned(), entry);
        let written: Vec<_> = all.iter().map(|told| stream(told.entry(true))).collect();
        let mapped = all.iter().filter(|told| told.mapping().is_some());
        let mapped = mapped.map(|told| stream(told.entry(false)));
        let both: Vec<_> = written.iter().cloned().chain(mapped).collect();
        for (text, expected) in [
            (format!("{{{platform}}}"), &written),
            (format!("{{\"tap\": {tap}, \"target\": {{{platform}}}}}"), &written),
            (format!("{{{platform}, {mappings}, \"tap\": {tap}}}"), &both),
        ] {
            prop_assert_eq!(&entries(text.as_bytes(), 100), &Ok(expected.clone()), "{}", text);
        }
    }

    #[test]
    fn a_state_with_damage(all in prop::collection::vec(told(), 0..4), edits in edits(TOKENS)) {
        state(&edited(format!("{{{}, {}}}", bookmarks(&all), mappings(&all)), &edits));
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn a_state_line_of_ours_brings_back_what_was_written_last(all in ended()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = Store::temporary(Base::default()).unwrap();
        let job = runtime.block_on(job(&store, &all));
        let mut line = Vec::new();
        let second = || store.open_reader().ok();
        let written = store
            .read(|connection| Ok(line::write(&mut line, connection, second, job, Shape::Full, None)));
        written.unwrap().unwrap();
        state(&line);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        File::create(&path).unwrap().write_all(&line).unwrap();
        let other = Store::temporary(Base::default()).unwrap();
        import_state(&other, JobId(1), NAMESPACE, &path).unwrap();
        let mut last = Known::new();
        for (external_id, remote_id, fate, byte) in all {
            match fate {
                Fate::Created | Fate::Updated | Fate::Unchanged => {
                    last.insert(external_id, (remote_id, Some(byte)));
                }
                Fate::Deleted => drop(last.remove(&external_id)),
                // It may have been applied: what stands there is not known.
                Fate::Rejected | Fate::Failed | Fate::InDoubt => {
                    if let Some((_, fingerprint)) = last.get_mut(&external_id) {
                        *fingerprint = None;
                    }
                }
                Fate::Skipped => {}
            }
        }
        prop_assert_eq!(known(&other), last);
    }
}
