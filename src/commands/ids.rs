//! `ids`: which remote id belongs to which external id, to look at and to mend.

use std::io::Write;
use std::path::Path;

use comfy_table::{Table, presets};

use super::{print, setup, tell};
use crate::cli::Ids;
use crate::config::{DEFAULT_STORE, SnapshotFormat};
use crate::error::{Error, ExitCode};
use crate::ids;
use crate::record::ExternalId;
use crate::store::doubts::{self, OpenDoubt};
use crate::store::id_map::{self, Forget};
use crate::store::imports::Doubts;
use crate::store::jobs::at_millis;
use crate::store::lock::StoreLock;
use crate::store::report::TellError;
use crate::store::streams::{self, KnownStream};
use crate::store::{Store, open_for_reading, recovery, unreadable};
use crate::text::printable;

pub(super) fn run(command: Ids, store: Option<&Path>) -> Result<ExitCode, Error> {
    let path = store.unwrap_or(Path::new(DEFAULT_STORE));
    setup::refuse_no_file(path)?;
    match command {
        Ids::List { stream: None, namespace } => list_streams(path, namespace.as_deref()),
        Ids::List { stream: Some(stream), namespace } => {
            list_ids(path, &stream, namespace.as_deref())
        }
        Ids::Doubts { stream } => list_doubts(path, stream.as_deref()),
        Ids::Import { file, stream, namespace } => {
            import(path, &file, &stream, namespace.as_deref())
        }
        Ids::Export { file, stream, namespace } => {
            let connection = open_for_reading(path)?;
            let format = format_of(&file)?;
            let known = choose(known_streams(path)?, &stream, namespace.as_deref())?;
            ids::export_file(&connection, known.id, &file, format)?;
            tracing::info!(path = %file.display(), ids = known.ids, "Written.");
            Ok(ExitCode::Done)
        }
        Ids::Forget { ids, all, doubts, stream, namespace } => {
            let what = match (all, doubts) {
                (true, _) => Forget::All,
                (_, true) => Forget::Doubts,
                _ => Forget::Ids(ids.into_iter().map(ExternalId::new).collect()),
            };
            forget(path, what, &stream, namespace.as_deref())
        }
    }
}

fn list_streams(path: &Path, namespace: Option<&str>) -> Result<ExitCode, Error> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["namespace", "stream", "ids"]);
    let is_wanted = |known: &KnownStream| {
        !known.stream.is_empty() && namespace.is_none_or(|name| name == known.namespace)
    };
    for known in known_streams(path)?.into_iter().filter(is_wanted) {
        let (namespace, stream) = (printable(&known.namespace), printable(&known.stream));
        table.add_row([&*namespace, &*stream, &known.ids.to_string()]);
    }
    print(format!("{table}\n").as_bytes())
}

/// The ids as CSV, as a snapshot has them.
fn list_ids(path: &Path, stream: &str, namespace: Option<&str>) -> Result<ExitCode, Error> {
    let known = choose(known_streams(path)?, stream, namespace)?;
    let connection = open_for_reading(path)?;
    let written = id_map::entries(&connection, known.id, |entries| {
        tell_csv(&["InputId", "RemoteId"], |out| {
            for entry in entries {
                let entry = entry?;
                let remote_id = entry.mapped.remote_id.as_ref().map_or("", |id| id.as_str());
                out.write_record([entry.external_id.as_str(), remote_id])?;
            }
            Ok(())
        })
    });
    written.map_err(unreadable)?
}

/// The doubts as CSV.
fn list_doubts(path: &Path, stream: Option<&str>) -> Result<ExitCode, Error> {
    let connection = open_for_reading(path)?;
    tell_csv(&["namespace", "stream", "InputId", "first_sent", "last_sent"], |out| {
        let mut tell = |doubt: OpenDoubt| {
            if stream.is_some_and(|name| name != doubt.stream) {
                return Ok(());
            }
            let id = doubt.external_id.as_deref().unwrap_or_default();
            let (first, last) = (at_millis(doubt.first_millis), at_millis(doubt.last_millis));
            Ok(out.write_record([&doubt.namespace, &doubt.stream, id, &first, &last])?)
        };
        doubts::open(&connection, &mut tell)?;
        // What a job that runs has under way is in no doubt yet.
        if StoreLock::is_taken(path) { Ok(()) } else { recovery::left(&connection, tell) }
    })
}

/// Rows as CSV, on stdout.
fn tell_csv(
    header: &[&str],
    rows: impl FnOnce(&mut csv::Writer<&mut dyn Write>) -> Result<(), TellError>,
) -> Result<ExitCode, Error> {
    tell(|out| {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(header)?;
        rows(&mut csv)?;
        Ok(csv.flush()?)
    })
}

fn import(
    path: &Path,
    file: &Path,
    stream: &str,
    namespace: Option<&str>,
) -> Result<ExitCode, Error> {
    format_of(file)?;
    if namespace.is_none() {
        // In the wrong folder, a new store would be made of it.
        open_for_reading(path)?;
    }
    let store = Store::open(path)?;
    let known = store.read(streams::known_streams)?;
    let id = match (choose(known, stream, namespace), namespace) {
        (Ok(known), _) => known.id,
        (Err(_), Some(namespace)) => {
            let (namespace, stream) = (namespace.to_owned(), stream.to_owned());
            store.write_blocking(move |transaction| {
                streams::stream_id(transaction, &namespace, &stream)
            })?
        }
        (Err(error), None) => {
            return Err(error.hint(
                "say with `--namespace` which connector and account the ids are of, as the \
                 summary of a job names it, such as `rest:my-api@api.example.com`",
            ));
        }
    };
    let rows = ids::import_file(&store, id.into(), file, Doubts::End)?;
    tracing::info!(rows, "Taken in.");
    Ok(ExitCode::Done)
}

fn forget(
    path: &Path,
    what: Forget,
    stream: &str,
    namespace: Option<&str>,
) -> Result<ExitCode, Error> {
    let known = choose(known_streams(path)?, stream, namespace)?;
    let (forgotten, doubts) = Store::open(path)?
        .write_blocking(move |transaction| id_map::forget(transaction, known.id, &what))?;
    if forgotten + doubts == 0 {
        tracing::warn!(
            "Nothing was forgotten: the store knows none of this; see `target-upsert ids list \
             --stream {stream}` and `target-upsert ids doubts`."
        );
    } else {
        tracing::info!(
            "Forgotten: {forgotten} ids, {doubts} doubts. Their records are looked for when they come \
             again, where the remote can be asked, and created otherwise: by the same input, or by \
             `target-upsert jobs retry last --config FILE`."
        );
    }
    Ok(ExitCode::Done)
}

fn format_of(file: &Path) -> Result<SnapshotFormat, Error> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(SnapshotFormat::Csv),
        Some("parquet") => Ok(SnapshotFormat::Parquet),
        _ => {
            Err(Error::usage(format!("`{}` ends neither in .csv nor in .parquet", file.display()))
                .hint("name the file so that its ending says the format"))
        }
    }
}

fn known_streams(path: &Path) -> Result<Vec<KnownStream>, Error> {
    let connection = open_for_reading(path)?;
    streams::known_streams(&connection).map_err(unreadable)
}

/// The one stream that is meant.
fn choose(
    known: Vec<KnownStream>,
    stream: &str,
    namespace: Option<&str>,
) -> Result<KnownStream, Error> {
    let names: Vec<String> = known.iter().map(|known| known.stream.clone()).collect();
    let mut meant: Vec<KnownStream> = known
        .into_iter()
        .filter(|known| {
            known.stream == stream && namespace.is_none_or(|name| name == known.namespace)
        })
        .collect();
    match (meant.pop(), meant.is_empty()) {
        (Some(known), true) => Ok(known),
        (Some(last), false) => {
            let namespaces: Vec<_> =
                meant.iter().chain([&last]).map(|known| format!("`{}`", known.namespace)).collect();
            Err(Error::usage(format!("several accounts have a stream `{stream}`"))
                .hint(format!("choose with `--namespace`: {}", namespaces.join(", "))))
        }
        (None, _) => Err(Error::usage(format!("the store has no ids of a stream `{stream}`"))
            .hint(format!("it knows: {}", names.join(", ")))),
    }
}
