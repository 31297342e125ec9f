//! The pieces that each record goes through, one by one and on one thread, to see where time goes:
//!
//! ```text
//! cargo bench --bench pieces
//! ```
//! Those that read take the contacts of the end-to-end benchmark, some 290 bytes each.

#![expect(clippy::unwrap_used, reason = "it ends on the first surprise")]
#![allow(clippy::disallowed_methods, reason = "its files are its own")]
#![allow(unreachable_pub, reason = "it is one binary")]

#[path = "end_to_end/input.rs"]
mod input;

use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use serde_json::value::RawValue;
use target_upsert::config::{OnBadLine, StreamOptions, Validation};
use target_upsert::connector::contract::Action;
use target_upsert::connector::{self, Connector};
use target_upsert::json::fields::Fields;
use target_upsert::outcome::{Fate, Outcome};
use target_upsert::record::{ExternalId, Fingerprint, RemoteId};
use target_upsert::singer::message::{self, Message};
use target_upsert::singer::schema::RecordSchema;
use target_upsert::state::line::{self, Shape};
use target_upsert::store::Store;
use target_upsert::store::jobs::{JobId, NewJob};
use target_upsert::store::streams::StoredStream;
use target_upsert::stream::fingerprint::fingerprint;
use target_upsert::stream::intake::{Intake, IntakeOptions};

const RECORDS: usize = 1_000;

fn main() {
    divan::main();
}

/// The lines of an input.
struct Lines(Vec<String>);

impl Lines {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input.jsonl");
        input::write(&path, "bulk", RECORDS as u64, 0);
        Self(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect())
    }

    fn text(&self) -> String {
        self.0.join("\n")
    }

    fn schema(&self) -> RecordSchema {
        let Ok(Message::Schema(schema)) = message::parse(self.0[0].as_bytes()) else {
            panic!("the first line is a SCHEMA")
        };
        RecordSchema::compile(schema.schema).unwrap()
    }

    fn record(&self) -> &RawValue {
        let Ok(Message::Record(record)) = message::parse(self.0[1].as_bytes()) else {
            panic!("the second line is a RECORD")
        };
        record.record
    }
}

#[divan::bench]
fn line_is_read(bencher: Bencher<'_, '_>) {
    let lines = Lines::new();
    let line = lines.0[1].as_bytes();
    bencher.counter(BytesCount::of_slice(line)).bench(|| message::parse(line).unwrap());
}

#[divan::bench]
fn fields_are_found(bencher: Bencher<'_, '_>) {
    let lines = Lines::new();
    let record = lines.record();
    bencher
        .counter(BytesCount::of_str(record.get()))
        .bench(|| Fields::parse(record).unwrap().0.len());
}

#[divan::bench]
fn record_is_checked(bencher: Bencher<'_, '_>) {
    let lines = Lines::new();
    let schema = lines.schema();
    let record = lines.record();
    let fields = Fields::parse(record).unwrap();
    bencher
        .counter(BytesCount::of_str(record.get()))
        .bench(|| schema.check(record, &fields).unwrap());
}

#[divan::bench]
fn record_is_hashed(bencher: Bencher<'_, '_>) {
    let lines = Lines::new();
    let schema = lines.schema();
    let record = lines.record();
    let fields = Fields::parse(record).unwrap();
    bencher.counter(BytesCount::of_str(record.get())).bench(|| {
        let fields = fields.0.iter();
        fingerprint(fields.map(|(name, value)| (&**name, *value, schema.temporal(name))), None)
    });
}

/// All of what stands above, and the body that goes out.
#[divan::bench]
fn thousand_records_are_prepared(bencher: Bencher<'_, '_>) {
    let text = Lines::new().text();
    let connector = nowhere();
    let options = IntakeOptions {
        identity: None,
        is_platform: false,
        validation: Validation::Reject,
        on_bad_line: OnBadLine::Reject,
        max_line_bytes: 1 << 20,
        keep_metadata: false,
        limit: None,
    };
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let stream = |_: &str| StreamOptions::default();
        let mut intake =
            Intake::new(text.as_bytes(), options.clone(), stream, Arc::clone(&connector));
        let mut items = Vec::new();
        while intake.fill(&mut items).unwrap() {}
        items.len()
    });
}

/// The remote of the end-to-end benchmark; nobody calls it.
fn nowhere() -> Arc<dyn Connector> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benches/end_to_end/manifest.yaml");
    let values = serde_json::json!({ "manifest": manifest, "access_token": "bench" });
    let settings = connector::Settings {
        values: values.as_object().cloned().unwrap(),
        base_url: Some("http://127.0.0.1:9".to_owned()),
        timeout: Duration::from_secs(1),
        user_agent: "bench".to_owned(),
        ..connector::Settings::default()
    };
    connector::build("rest", settings).unwrap().connector
}

/// A store with a job that has written a thousand records.
struct Written {
    runtime: tokio::runtime::Runtime,
    store: Store,
    job: JobId,
    stream: StoredStream,
    next: u64,
    _folder: tempfile::TempDir,
}

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let (job, stream) = runtime.block_on(async {
            let job = store
                .begin_job(NewJob {
                    uuid: "bench".into(),
                    namespace: "bench".into(),
                    ..NewJob::default()
                })
                .await;
            let stream = store.begin_stream(job.clone().unwrap(), "bench", "bulk", None).await;
            (job.unwrap(), stream.unwrap())
        });
        let mut written = Self { runtime, store, job, stream, next: 0, _folder: folder };
        written.record(RECORDS);
        written
    }

    /// Puts the outcomes of so many records on disk that were never seen.
    fn record(&mut self, count: usize) {
        let outcomes = (0..count).map(|_| {
            self.next += 1;
            let id = self.next * 7919 % 1_000_003;
            Outcome {
                position: self.next,
                stream: self.stream.id,
                external_id: Some(ExternalId::new(format!("c-{id}"))),
                remote_id: Some(RemoteId::new(id.to_string())),
                action: Some(Action::Upsert),
                fate: Fate::Created,
                attempts: 1,
                status: Some(200),
                trouble: None,
                millis: 1,
                fingerprint: Fingerprint([7; 32]),
                parents: Some(0),
                found_by: None,
                custom_data: None,
                batch_id: None,
                key: None,
                may_be_resent: false,
                content: None,
            }
        });
        let outcomes = Arc::new(outcomes.collect::<Vec<_>>());
        self.runtime.block_on(self.store.record(self.job, outcomes, None)).unwrap();
    }
}

/// With the sync of the disk that they wait for.
#[divan::bench]
fn hundred_outcomes_are_put_on_disk(bencher: Bencher<'_, '_>) {
    let mut written = Written::new();
    bencher.counter(ItemsCount::new(100_u32)).bench_local(|| written.record(100));
}

#[divan::bench]
fn mapped_id_is_found(bencher: Bencher<'_, '_>) {
    let written = Written::new();
    written.runtime.block_on(written.store.fold()).unwrap();
    let id = ExternalId::new("c-7919");
    let _held = written.store.hold_reader();
    bencher.bench_local(|| written.store.find(&written.stream, &id).unwrap().unwrap());
}

#[divan::bench]
fn state_of_a_thousand_is_printed(bencher: Bencher<'_, '_>) {
    let written = Written::new();
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        let mut out = Vec::new();
        let second = || written.store.open_reader().ok();
        written.store.read(|connection| {
            line::write(&mut out, connection, second, written.job, Shape::Full, None).unwrap();
            Ok(out.len())
        })
    });
}
