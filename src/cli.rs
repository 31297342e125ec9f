//! The command line: types only. Every flag's text here is its documentation everywhere.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::config::Source;
use crate::outcome::Fate;

/// Reads a Singer stream on stdin and upserts its records into a business system's API.
///
/// Without a subcommand it is a Singer target: records in, the state on stdout, all talk on
/// stderr. Exit codes: 0 done, 1 more records rejected than `max_rejected`, 2 usage or
/// configuration, 3 remote out of reach or credential refused, 4 input that is not Singer, 5 our
/// fault or this machine's.
#[derive(Debug, Parser)]
#[command(name = "target-upsert", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of running as a target.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run as a target.
    #[command(flatten)]
    pub run: Run,
    /// How to talk.
    #[command(flatten)]
    pub talk: Talk,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Talk {
    /// How log lines look on stderr
    #[arg(long, value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
}

/// Options that say which remote and which store.
#[derive(Clone, Debug, Default, Args)]
pub struct Configured {
    /// A config file, or the word ENV for the environment's `TARGET_UPSERT_*`; may be repeated,
    /// later ones win
    #[arg(long, short, value_name = "FILE|ENV")]
    pub config: Vec<String>,
    /// Use a simulated remote of this name, without any account
    #[arg(long, value_name = "NAME")]
    pub sandbox: Option<String>,
    /// The store's file, or :memory: for none [default: the config's, or .target-upsert/store.db]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

impl Configured {
    /// Where the config's values come from, in their order.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        self.config.iter().map(|name| match name.as_str() {
            "ENV" => Source::Environment,
            path => Source::File(PathBuf::from(path)),
        })
    }
}

/// Options of a run as a target.
#[derive(Clone, Debug, Default, Args)]
pub struct Run {
    /// Which configuration.
    #[command(flatten)]
    pub configured: Configured,
    /// A state that an earlier job printed; what it tells as written is not written again
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Read the stream from a file instead of stdin
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Plan and look up only: tell what would be created and updated, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write only the first N records of each stream; no STATE behind them is passed on
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Write the job summary, a JSON document
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Write what became of each record, as .jsonl or .csv
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// Write what was rejected or failed, as a Singer stream to be mended and sent again
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Show progress on stderr
    #[arg(long, value_enum, default_value_t)]
    pub progress: Progress,
    /// Describe this target and its settings, and exit
    #[arg(long)]
    pub about: bool,
    /// How --about looks
    #[arg(long, value_enum, value_name = "FORMAT", requires = "about")]
    pub format: Option<AboutFormat>,
    /// Refresh the access token, write it back to the config file, print it as JSON, and exit
    #[arg(long)]
    pub access_token: bool,
}

/// When progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// When stderr is a terminal
    #[default]
    Auto,
    /// Always, a line a second where there is no terminal
    Always,
    /// Never
    Never,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// How `--about` looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AboutFormat {
    /// Lines `Key: value`
    #[default]
    Text,
    /// A JSON document
    Json,
    /// A page
    Markdown,
}

/// What to do instead of running as a target.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Ask the remote whether it can be reached, takes the credential, and has the objects
    Check {
        /// Which configuration.
        #[command(flatten)]
        configured: Configured,
        /// Make the properties that `external_id_property` names, with unique values, where they are not
        /// there
        #[arg(long)]
        create: bool,
        /// Streams whose objects to look for
        streams: Vec<String>,
    },
    /// List the connectors that are built in, with their limits
    Connectors,
    /// Look at or change the id map: which remote id belongs to which external id
    Ids {
        /// What to do with it.
        #[command(subcommand)]
        command: Ids,
        /// The store's file [default: .target-upsert/store.db]
        #[arg(long, value_name = "FILE", global = true)]
        store: Option<PathBuf>,
    },
    /// Look at past jobs and what became of their records
    Jobs {
        /// What to look at; without, the list of jobs.
        #[command(subcommand)]
        command: Option<Jobs>,
        /// The store's file [default: .target-upsert/store.db]
        #[arg(long, value_name = "FILE", global = true)]
        store: Option<PathBuf>,
    },
    /// Serve simulated remotes on this machine, to try things on
    Sandbox {
        /// Which remotes; without, all
        names: Vec<String>,
        /// Port on 127.0.0.1; 0 takes a free one
        #[arg(long, default_value_t = 8765)]
        port: u16,
        /// What is to go wrong, a YAML file
        #[arg(long, value_name = "FILE")]
        faults: Option<PathBuf>,
        /// Keep the records in this file between two starts
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
    },
    /// Write over HTTP what products send, and tell what became of every record
    Serve {
        /// The service's configuration, a YAML file
        #[arg(long, short, value_name = "FILE", default_value = "serve.yaml")]
        config: PathBuf,
        /// Address and port to listen on, over the file's; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<std::net::SocketAddr>,
    },
    /// Print a completion script
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Write the files of `schemas/`, which are made from the types, into a folder
    #[command(hide = true)]
    Schemas {
        /// The folder
        folder: PathBuf,
    },
}

/// What to do with the id map.
#[derive(Clone, Debug, Subcommand)]
pub enum Ids {
    /// Streams and how many ids each has; with --stream, its ids
    List {
        /// Which stream
        #[arg(long)]
        stream: Option<String>,
        /// Which namespace, if several have the stream
        #[arg(long)]
        namespace: Option<String>,
    },
    /// Creates that are in doubt: sent, and nothing tells whether they were applied
    Doubts {
        /// Of this stream alone
        #[arg(long)]
        stream: Option<String>,
    },
    /// Take ids from a snapshot file (.csv or .parquet: InputId, RemoteId)
    Import {
        /// The file
        file: PathBuf,
        /// For which stream
        #[arg(long)]
        stream: String,
        /// In which namespace; needed for a stream that no job has written yet
        #[arg(long)]
        namespace: Option<String>,
    },
    /// Write a stream's ids to a snapshot file (.csv or .parquet)
    Export {
        /// The file
        file: PathBuf,
        /// Of which stream
        #[arg(long)]
        stream: String,
        /// Which namespace, if several have the stream
        #[arg(long)]
        namespace: Option<String>,
    },
    /// Forget ids, and what is in doubt of them: their records are looked for, or created, when
    /// they come again
    #[command(group = ArgGroup::new("what").args(["ids", "all", "doubts"]).required(true))]
    Forget {
        /// External ids
        ids: Vec<String>,
        /// All ids of the stream, and all that is in doubt
        #[arg(long)]
        all: bool,
        /// All that is in doubt, also of records without an external id, and no id
        #[arg(long)]
        doubts: bool,
        /// Of which stream
        #[arg(long)]
        stream: String,
        /// Which namespace, if several have the stream
        #[arg(long)]
        namespace: Option<String>,
    },
}

/// What to look at of past jobs. A job is named by its id, the beginning of it, or `last`.
#[derive(Clone, Debug, Subcommand)]
pub enum Jobs {
    /// The newest jobs
    List {
        /// How many, at most
        #[arg(long, default_value_t = 20)]
        most: u32,
    },
    /// A job's summary
    Show {
        /// Which job
        #[arg(default_value = "last")]
        job: String,
    },
    /// What became of each record
    Results {
        /// Which job
        #[arg(default_value = "last")]
        job: String,
        /// As .jsonl or .csv
        #[arg(long, value_enum, default_value_t)]
        format: ResultsFormat,
        /// Only records with this outcome
        #[arg(long, value_parser = Fate::ALL.map(Fate::as_str))]
        outcome: Option<String>,
    },
    /// What was rejected or failed, as a Singer stream
    Rejects {
        /// Which job
        #[arg(default_value = "last")]
        job: String,
    },
    /// The state line of a job, also of one that was killed
    State {
        /// Which job
        #[arg(default_value = "last")]
        job: String,
    },
    /// Write again what was rejected or failed, without the input
    Retry {
        /// Which job
        #[arg(default_value = "last")]
        job: String,
        /// The configuration to run with
        #[command(flatten)]
        run: Box<Run>,
    },
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ResultsFormat {
    /// One JSON object a line
    #[default]
    Jsonl,
    /// Comma-separated, with a header
    Csv,
}
