//! What the user wants, from one flat JSON object: our keys beside the connector's.
//!
//! Files are merged in the order given, later ones win; then come the values of the environment
//! ([`environment`]), then the flags. Keys that are not ours belong to the connector and are
//! handed to it as they are.

pub mod environment;
mod keys;
pub mod lenient;
mod load;
pub mod seconds;
pub mod stream;
pub mod write_back;
pub(crate) mod wrong;
pub(crate) mod yaml;

use std::num::NonZeroU32;
use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

pub use load::{Loaded, Source, Values, load, of_values};
pub use seconds::Seconds;
use stream::{Fields, LookupMethod, OnlyEmpty};
pub use stream::{OnAmbiguous, OnDoubt, OnMissing, StreamOptions};

/// The keys that are ours. Everything has a default, except what the connector needs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(title = "target-upsert configuration")]
pub struct Config {
    /// Which remote to write to: a name that `target-upsert connectors` lists. Not needed when
    /// the program is called by a connector's name (`target-rest`), or with `--sandbox`.
    pub connector: Option<String>,
    /// For the `rest` connector: the manifest's path, or the name of a built-in one (`sandbox`).
    pub manifest: Option<String>,
    /// Where the remote is, over the connector's own address: a proxy, a sandbox, a region.
    pub base_url: Option<String>,
    /// Runs against a simulated remote of this name that is started for the job, with its own
    /// address and credentials. Its records are kept beside the store.
    pub sandbox: Option<String>,
    /// Keeps the ids of different accounts apart. Default: the connector, the manifest's `name`,
    /// and the host and path it writes to, such as `rest:my-api@api.example.com`.
    pub namespace: Option<String>,
    /// What the ids of a stream mean. Never guessed: see the README's section on identity.
    pub identity: Option<Identity>,
    /// The store's file, or `:memory:` for none. Default `.target-upsert/store.db`.
    pub store: PathBuf,
    /// What of a record's content the store keeps after the job.
    pub keep: Keep,
    /// How the state line looks.
    pub state: StateOptions,
    /// How records are gathered before a call.
    pub batch: BatchOptions,
    /// How often and how long a call is tried again.
    pub retry: RetryOptions,
    /// At most so many requests, over all streams. Default: what the connector declares.
    pub rate_limit: Option<RateLimit>,
    /// Calls under way at once, at most. Default: what the connector declares.
    pub max_in_flight: Option<usize>,
    /// Seconds, more than none, that one call may take, from sending to the last byte of the
    /// answer. Default 60.
    #[serde(deserialize_with = "seconds::some")]
    pub timeout_secs: Seconds,
    /// The job ends with exit code 1 when more records than this were rejected, failed or are in
    /// doubt. Default: no limit.
    pub max_rejected: Option<u64>,
    /// What happens to a record that its SCHEMA does not allow.
    pub validation: Validation,
    /// What happens at a line that is no Singer message.
    pub on_bad_line: OnBadLine,
    /// The longest line that is read, in bytes. Default 67108864 (64 MiB).
    pub max_line_bytes: usize,
    /// Bytes of records held in memory at once, at most, read but not yet told of. Default
    /// 16777216 (16 MiB): as many records as 100 calls of 100 hold.
    pub max_buffer_bytes: usize,
    /// Keeps the `_sdc_*` fields of records, which are dropped otherwise.
    pub add_record_metadata: bool,
    /// Writes `{stream}_{flow}.snapshot.csv` (or `.parquet`) with the ids at the end.
    pub save_record_ids: bool,
    /// Folder of the snapshots, read at the start and written at the end. Default: the
    /// environment's `SNAPSHOT_DIR`.
    pub snapshot_dir: Option<PathBuf>,
    /// File format of new snapshots.
    pub snapshot_format: SnapshotFormat,
    /// A key that is nearly one of ours or of the connector's, or that belongs under `streams`, is
    /// an error instead of a warning. Any other unknown key may be the manifest's, and is taken.
    /// Default false.
    pub strict_config: bool,
    /// `lookup_fields` of single streams, by name in any case: as the hosted platform's configs
    /// have it.
    #[serde(deserialize_with = "lenient::lookup_fields")]
    pub lookup_fields: IndexMap<String, Fields>,
    /// The `lookup_method` of all streams that have none of their own.
    pub lookup_method: Option<LookupMethod>,
    /// The `only_upsert_empty_fields` of all streams that have none of their own.
    pub only_upsert_empty_fields: Option<OnlyEmpty>,
    /// Options of single streams, by name; `*` for all others.
    pub streams: IndexMap<String, StreamOptions>,
    /// Everything else: the connector's keys.
    #[serde(flatten)]
    #[schemars(skip)]
    pub rest: Values,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connector: None,
            manifest: None,
            base_url: None,
            sandbox: None,
            namespace: None,
            identity: None,
            store: PathBuf::from(DEFAULT_STORE),
            keep: Keep::default(),
            state: StateOptions::default(),
            batch: BatchOptions::default(),
            retry: RetryOptions::default(),
            rate_limit: None,
            max_in_flight: None,
            timeout_secs: Seconds::of(60),
            max_rejected: None,
            validation: Validation::default(),
            on_bad_line: OnBadLine::default(),
            max_line_bytes: 64 << 20,
            max_buffer_bytes: 16 << 20,
            add_record_metadata: false,
            save_record_ids: false,
            snapshot_dir: None,
            snapshot_format: SnapshotFormat::default(),
            strict_config: false,
            lookup_fields: IndexMap::new(),
            lookup_method: None,
            only_upsert_empty_fields: None,
            streams: IndexMap::new(),
            rest: Values::default(),
        }
    }
}

/// Where the store is unless told otherwise.
pub const DEFAULT_STORE: &str = ".target-upsert/store.db";

impl Config {
    /// The options of `stream`: its own, else those of `*`, else the defaults; what these do not
    /// say of lookups is what the config says of all streams.
    pub fn stream(&self, stream: &str) -> StreamOptions {
        let own = self.streams.get(stream).or_else(|| self.streams.get("*"));
        let mut options = own.cloned().unwrap_or_default();
        let mut all = self.lookup_fields.iter();
        let fields = all.find(|(name, _)| name.to_lowercase() == stream.to_lowercase());
        options.lookup_fields = options.lookup_fields.or_else(|| Some(fields?.1.clone()));
        options.lookup_method = options.lookup_method.or(self.lookup_method);
        options.only_upsert_empty_fields =
            options.only_upsert_empty_fields.or_else(|| self.only_upsert_empty_fields.clone());
        options
    }
}

/// What the ids of a stream mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// `externalId` is the external id, `id` (or the key property) the remote id: how the hosted
    /// platform writes streams.
    Platform,
    /// The stream's key properties are the external id, and no field is a remote id: how a tap
    /// writes streams.
    Source,
}

/// What of a record's content the store keeps after the job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Of rejected, failed and doubtful records, so that a retry needs no input.
    #[default]
    Failed,
    /// Of none.
    None,
    /// Of all.
    All,
}

/// How the state line looks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StateOptions {
    /// Which of the three formats.
    pub format: StateFormat,
}

/// The three formats of what goes to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateFormat {
    /// `bookmarks`, `summary`, `mappings` and the tap's last safe STATE.
    #[default]
    Full,
    /// What the hosted platform's own targets print: `bookmarks` and `summary`.
    Platform,
    /// The tap's STATE values as they came, as soon as they are safe; of those that become safe at
    /// once, the last.
    Tap,
}

/// How records are gathered before a call. A connector's own limits are never passed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchOptions {
    /// Records a call, at most. Default: what the remote takes.
    pub records: Option<usize>,
    /// Bytes a call, at most. Default: what the remote takes.
    pub bytes: Option<usize>,
    /// Seconds that a record waits for company, at most, while more input may come. Default 1.
    pub secs: Seconds,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { records: None, bytes: None, secs: Seconds::of(1) }
    }
}

/// How often and how long a call is tried again. Waits are random between zero and a bound that
/// doubles with each try ("full jitter"); what the remote asks for with `Retry-After` is obeyed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryOptions {
    /// Tries of one call, the first included. Being throttled does not count. Default 6: with
    /// the waits below, a remote may be gone for about a quarter of a minute.
    pub attempts: u32,
    /// Bound of the first wait, in milliseconds. Default 500.
    pub base_millis: u64,
    /// Bound of every wait, in seconds, `Retry-After` included: a remote that asks for more, or
    /// that answers no call for longer than this but throttles, ends the job. Default 300.
    pub max_wait_secs: Seconds,
    /// Retries that a job may make for each call that was answered, beyond its first 100; being
    /// throttled does not count. Past that, a call that fails is not tried again. Default 1.
    pub budget: f64,
    /// Calls in a row that fail for good before the job gives up. Default 10.
    pub give_up_after: u32,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts: 6,
            base_millis: 500,
            max_wait_secs: Seconds::of(300),
            budget: 1.0,
            give_up_after: 10,
        }
    }
}

/// At most `requests` in any `per_secs` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests, at least 1.
    pub requests: NonZeroU32,
    /// Seconds, 1 to 2678400 (31 days).
    #[serde(deserialize_with = "seconds::whole")]
    #[schemars(range(min = 1, max = 2_678_400))]
    pub per_secs: u32,
}

/// What happens to a record that its SCHEMA does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// It is rejected, with the reason; the others go on.
    #[default]
    Reject,
    /// A warning is logged, once a stream and reason, and it is written.
    Warn,
    /// Nobody looks.
    Off,
}

/// What happens at a line that is no Singer message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBadLine {
    /// The job ends with exit code 4, after what was read before it has been written and told.
    #[default]
    Fail,
    /// The line is counted and told as rejected; the job goes on.
    Reject,
}

/// File format of new snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotFormat {
    /// Comma-separated text.
    #[default]
    Csv,
    /// Apache Parquet.
    Parquet,
}
