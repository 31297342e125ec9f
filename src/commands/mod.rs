//! One file a command; beside them the configuration that several commands need first ([`setup`]), how
//! the end of a run as a target is told ([`ending`]), and the [`signals`] that bring it about.

mod about;
mod access_token;
mod check;
mod connectors;
mod ending;
mod ids;
mod jobs;
mod outputs;
mod reference;
mod run;
mod sandbox;
mod schemas;
mod serve;
mod setup;
mod signals;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::{Cli, Command, LogFormat, Talk};
use crate::error::{Error, ExitCode};
use crate::store::report::TellError;
use crate::store::unreadable;
use crate::text::Printable;

pub use schemas::{all as schemas, files as schema_files};

/// How the program was called.
#[derive(Clone, Debug)]
pub struct Called {
    /// The name of the file that was called, such as `target-upsert` or `target-rest`.
    pub name: String,
}

impl Called {
    fn new(arguments: &[OsString]) -> Self {
        let name = arguments.first().and_then(|path| Path::new(path).file_stem());
        let name =
            name.map_or_else(|| "target-upsert".into(), |name| name.to_string_lossy().into_owned());
        Self { name }
    }

    /// The connector that the name stands for: `rest` for `target-rest`.
    pub fn connector(&self) -> Option<&str> {
        let name = self.name.strip_prefix("target-").filter(|name| *name != "upsert")?;
        // The platform's programs carry a version in their names.
        Some(name.split("-v").next().unwrap_or(name))
    }

    /// What config values in the environment begin with.
    pub fn prefix(&self) -> String {
        let name = if self.connector().is_some() { self.name.as_str() } else { "target-upsert" };
        format!("{}_", name.to_uppercase().replace('-', "_"))
    }
}

/// Runs the command that `arguments`, the program's name first, ask for.
///
/// # Errors
/// What ended it; the state and all files that were due are written by then.
pub fn run(arguments: &[OsString]) -> Result<ExitCode, Error> {
    let called = Called::new(arguments);
    let matches = Cli::command().try_get_matches_from(arguments);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match cli {
        Ok(cli) => cli,
        Err(asked) => {
            // Help and version are no errors and go to stdout; the rest tells itself on stderr.
            let code = if asked.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
            return asked.print().map(|()| code).or_else(|error| quiet(&error, code));
        }
    };
    start_log(&cli.talk, &called);
    signals::outlive_file_limit()?;
    match cli.command {
        None => run::run(&cli.run, &called),
        Some(Command::Check { configured, create, streams }) => {
            check::run(&configured, create, &streams, &called)
        }
        Some(Command::Connectors) => connectors::run(),
        Some(Command::Ids { command, store }) => ids::run(command, store.as_deref()),
        Some(Command::Jobs { command, store }) => jobs::run(command, store.as_deref(), &called),
        Some(Command::Sandbox { names, port, faults, data }) => {
            sandbox::run(&names, port, faults.as_deref(), data)
        }
        Some(Command::Serve { config, listen }) => serve::run(&config, listen),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "target-upsert", &mut script);
            print(&script)
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(output_failed)?;
            print(&page)
        }
        Some(Command::Schemas { folder }) => schemas::run(&folder),
    }
}

/// Writes to stdout, for commands whose output is meant for people or pipes.
fn print(bytes: &[u8]) -> Result<ExitCode, Error> {
    tell(|out| Ok(out.write_all(bytes)?))
}

/// The same for what is read from the store row by row.
fn tell(write: impl FnOnce(&mut dyn Write) -> Result<(), TellError>) -> Result<ExitCode, Error> {
    let mut out = io::BufWriter::with_capacity(64 << 10, io::stdout().lock());
    match write(&mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => Ok(ExitCode::Done),
        Err(TellError::Store(error)) => Err(unreadable(error)),
        Err(TellError::Output(error)) => quiet(&error, ExitCode::Done),
    }
}

/// A reader that has seen enough, such as `head`, is no error.
fn quiet(error: &io::Error, code: ExitCode) -> Result<ExitCode, Error> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(code),
        _ => Err(output_failed(error.to_string())),
    }
}

fn output_failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::ours("cannot write to stdout").caused_by(error)
}

/// Log lines go to stderr. The level comes from `TARGET_UPSERT_LOGLEVEL` or `LOGLEVEL`.
fn start_log(talk: &Talk, called: &Called) {
    use tracing_subscriber::Layer as _;
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let level = [format!("{}LOGLEVEL", called.prefix()), "LOGLEVEL".to_owned()]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_default();
    let level = match level.to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "warning" | "warn" => LevelFilter::WARN,
        "error" | "critical" => LevelFilter::ERROR,
        "off" => LevelFilter::OFF,
        _ => LevelFilter::INFO,
    };
    // What the libraries say below that may show a header, and drowns what is told here.
    let others = level.min(LevelFilter::WARN);
    let filter = Targets::new().with_target("target_upsert", level).with_default(others);
    let is_coloured = io::IsTerminal::is_terminal(&io::stderr());
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || Printable { to: io::stderr(), is_coloured })
        .with_target(false)
        .with_ansi(is_coloured);
    let registry = tracing_subscriber::registry();
    // A second start, as in tests that call commands in one process, keeps the first log.
    match talk.log_format {
        LogFormat::Json => drop(registry.with(layer.json().with_filter(filter)).try_init()),
        LogFormat::Text => drop(registry.with(layer.without_time().with_filter(filter)).try_init()),
    }
}

/// Threads that a job has beside those of the runtime: the one that reads, the store's, the state's,
/// and some that files and names are looked up on.
const MORE_THREADS: usize = 5;

/// A runtime for one command.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    try_threads().map_err(|error| {
        Error::ours("cannot start as many threads as are needed")
            .caused_by(error)
            .hint("allow this user more processes (`ulimit -u`) and more memory (`ulimit -v`)")
    })?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::ours("cannot start the runtime").caused_by(error))
}

/// Starts as many threads at once as there will be. Where it cannot start one, the runtime panics,
/// and waits for the others for ever.
fn try_threads() -> io::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let gate = Mutex::new(());
    std::thread::scope(|scope| {
        let _closed = gate.lock();
        let start =
            |_| std::thread::Builder::new().spawn_scoped(scope, || drop(gate.lock())).map(drop);
        (0..workers + MORE_THREADS).try_for_each(start)
    })
}
