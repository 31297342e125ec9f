//! What became of every record is kept: one SQLite file, written by one thread, read beside it.
//!
//! [`journal`] has the intents and outcomes, [`doubts`] the creates whose fate is open, [`id_map`]
//! which remote id belongs to which external id (what a job has learned of it stands in [`overlay`]
//! and [`runs`] first), [`jobs`] the jobs. Once a store is open, all writing goes through [`writer`]:
//! work of many tasks is put into one transaction, and a task goes on when that transaction is on
//! disk (WAL, `synchronous=FULL`). Readers, in this process or another, see what is committed and
//! never wait for the writer.

mod base;
pub mod calls;
mod change;
pub mod doubts;
mod error;
mod forgetting;
pub mod history;
pub mod id_map;
pub mod imports;
pub mod jobs;
pub mod journal;
pub mod lock;
mod overlay;
pub mod parking;
pub(crate) mod reader;
pub mod recovery;
pub mod report;
pub mod results;
mod runs;
mod siblings;
pub mod streams;
pub mod tasks;
mod upgrade;
pub(crate) mod writer;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction};

pub use base::Base;
pub use error::{StoreError, unreadable};
use lock::StoreLock;
use overlay::Overlay;
use reader::{Commits, Held, Reader};
use siblings::Siblings;
use streams::StoredStream;
use upgrade::{OLDEST, VERSION};
use writer::Writer;

use crate::config::DEFAULT_STORE;
use crate::error::Error;
use crate::file::{beside, make_private_folder};

/// What stands behind the store's name in those of SQLite's files.
pub const FILES: [&str; 3] = ["", "-wal", "-shm"];
/// Tells our files from other programs' SQLite files: "tups" in ASCII.
const APPLICATION_ID: i64 = 0x7475_7073;
/// Page cache of the connection that writes, in KiB. Bounds memory; the id map's upper levels fit.
const CACHE_KIB: i64 = 8 << 10;
/// The same of each that reads. What it holds is worth nothing once something was written, and it is
/// what is sorted in memory at once.
const READER_CACHE_KIB: i64 = 4 << 10;

/// The store, open for writing.
#[derive(Debug)]
pub struct Store {
    path: Arc<Path>,
    writer: Writer,
    reader: Reader,
    base: Base,
    overlay: Arc<Overlay>,
    /// Whether there may be a doubt about any external id: nearly always there is none, and none
    /// is looked for.
    has_doubts: Arc<AtomicBool>,
    siblings: Mutex<Siblings>,
    // Dropped last: others may open the file only when the writer has ended.
    _folder: Option<tempfile::TempDir>,
    _lock: Option<StoreLock>,
}

impl Store {
    /// Opens or makes the store at `path`, for one process at a time. `:memory:` is a store that
    /// is gone afterwards.
    ///
    /// # Errors
    /// Exit code 2: another process has it, it is of another version, or no store at all. Exit
    /// code 5: the disk.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.as_os_str() == ":memory:" {
            return Self::temporary(Base::default());
        }
        make_folder(path)?;
        // The lock goes by the file's real name, which only a file has.
        make_private_file(path)?;
        let lock = StoreLock::take(path)?;
        let mut connection = open_for_writing(path)?;
        recovery::fold_interrupted(&mut connection).map_err(|error| unusable(path, error))?;
        Self::start(path, connection, Base::default(), None, Some(lock))
    }

    /// A store that is gone afterwards. What `base` knows is found too.
    ///
    /// # Errors
    /// Exit code 5: the disk.
    pub fn temporary(base: Base) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("target-upsert-")
            .tempdir()
            .map_err(|error| Error::ours("cannot make a temporary folder").caused_by(error))?;
        let path = folder.path().join("store.db");
        let connection = open_for_writing(&path)?;
        // Nothing outlives the process here, so nothing need be synced.
        connection
            .pragma_update(None, "synchronous", "OFF")
            .map_err(|error| unusable(&path, error))?;
        Self::start(&path, connection, base, Some(folder), None)
    }

    fn start(
        path: &Path,
        connection: Connection,
        base: Base,
        folder: Option<tempfile::TempDir>,
        lock: Option<StoreLock>,
    ) -> Result<Self, Error> {
        let reader = open_for_reading(path)?;
        let has_doubts = doubts::is_any(&reader).map_err(|error| unusable(path, error))?;
        let has_doubts = Arc::new(AtomicBool::new(has_doubts));
        let siblings = Siblings::read(&reader).map_err(|error| unusable(path, error))?;
        let path: Arc<Path> = path.into();
        let overlay = Arc::new(Overlay::default());
        let commits = Commits::default();
        let (own_overlay, own_commits) = (Arc::clone(&overlay), commits.clone());
        let writer =
            Writer::start(Arc::clone(&path), connection, commits.clone(), move |connection| {
                overlay::make_room_in(connection, &own_overlay, &own_commits);
            });
        let writer = writer
            .map_err(|error| Error::ours("cannot start the store's thread").caused_by(error))?;
        let reader = Reader::new(reader, commits);
        Ok(Self {
            path,
            writer,
            reader,
            base,
            overlay,
            has_doubts,
            siblings: Mutex::new(siblings),
            _folder: folder,
            _lock: lock,
        })
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store that is read beside this one.
    pub fn base(&self) -> Base {
        self.base.clone()
    }

    /// Does `work` in a transaction, maybe together with other work; returns when it is on disk.
    ///
    /// # Errors
    /// When the work or the commit fails; then nothing of it happened.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(work).await
    }

    /// The same for callers that may block.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write_blocking(work)
    }

    /// Reads what is committed.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.reader.read(work).map_err(|error| self.error(error))
    }

    /// Lets what is [read](Store::read) share a transaction, which is quicker; what is committed
    /// meanwhile is seen all the same.
    pub fn hold_reader(&self) -> Held<'_> {
        self.reader.hold()
    }

    /// Another connection that reads what is committed, for a thread of its own.
    ///
    /// # Errors
    /// See [`open_for_reading`].
    pub fn open_reader(&self) -> Result<Connection, Error> {
        open_for_reading(&self.path)
    }

    /// Finds something of `stream`, also in the store that a dry run reads beside its own.
    fn find_in_both<T>(
        &self,
        stream: &StoredStream,
        find: impl Fn(&Connection, i64) -> rusqlite::Result<Option<T>>,
    ) -> Result<Option<T>, StoreError> {
        if let Some(found) = self.read(|connection| find(connection, stream.id))? {
            return Ok(Some(found));
        }
        self.find_in_base(stream, find)
    }

    fn find_in_base<T>(
        &self,
        stream: &StoredStream,
        find: impl Fn(&Connection, i64) -> rusqlite::Result<Option<T>>,
    ) -> Result<Option<T>, StoreError> {
        let Some(id_there) = stream.id_in_base else { return Ok(None) };
        self.base.read(|base| find(base, id_there)).map_err(|error| self.error(error))
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { path: Arc::clone(&self.path), source: Arc::new(error) }
    }
}

/// Opens the store at `path` to look at it, also while another process writes. One of an older
/// version is brought up to this one first.
///
/// # Errors
/// Exit code 2 when there is none, it is of another version, or of an older one and a job of that
/// version has it.
pub fn open_for_reading(path: &Path) -> Result<Connection, Error> {
    if !path.exists() {
        return Err(Error::usage(format!("there is no store at `{}`", path.display()))
            .hint("name the store of the job with `--store`, or run a job first"));
    }
    open_if_used(path)?.ok_or_else(|| {
        Error::usage(format!("the store `{}` holds no job yet", path.display()))
            .hint("run a job first, or name another store with `--store`")
    })
}

/// The same for a file that is there; `None` where it has no tables yet: a first job is about to make
/// them, or has failed to.
fn open_if_used(path: &Path) -> Result<Option<Connection>, Error> {
    // Read-write as a mode of opening, since a WAL file cannot be read otherwise; nothing is
    // written, which `query_only` sees to.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| unusable(path, error))?;
    let prepare = || -> rusqlite::Result<()> {
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        connection.pragma_update(None, "temp_store", "FILE")
    };
    prepare().map_err(|error| unusable(path, error))?;
    if is_unused(path, &connection)? {
        return Ok(None);
    }
    if check_version(path, &connection)? < VERSION {
        drop(connection);
        let _lock = StoreLock::take(path)?;
        drop(open_for_writing(path)?);
        return open_if_used(path);
    }
    Ok(Some(connection))
}

/// Makes the folder of the store at `path`, for its owner alone, unless there is one.
///
/// # Errors
/// Exit code 2: the disk says no.
pub(crate) fn make_folder(path: &Path) -> Result<(), Error> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    make_private_folder(folder).map_err(|error| {
        Error::usage(format!("cannot make the folder `{}` for the store", folder.display()))
            .caused_by(error)
            .hint("name another place with `--store`")
    })?;
    // Others are the user's own, who may have opened them to somebody.
    if path == Path::new(DEFAULT_STORE) {
        make_private(folder, 0o700);
    }
    Ok(())
}

/// Takes from others what they may do with `path`, if it is this user's.
fn make_private(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let Ok(held) = std::fs::metadata(path) else { return };
        let is_ours = held.uid() == rustix::process::geteuid().as_raw();
        if is_ours && held.mode() & 0o777 & !mode != 0 {
            let private = std::fs::Permissions::from_mode(held.mode() & mode);
            // Where the file system knows no modes there is nothing to take.
            drop(std::fs::set_permissions(path, private));
        }
    }
}

fn open_for_writing(path: &Path) -> Result<Connection, Error> {
    make_private_file(path)?;
    let mut connection = Connection::open(path).map_err(|error| unusable(path, error))?;
    let is_new = is_unused(path, &connection)?;
    let version = if is_new { VERSION } else { check_version(path, &connection)? };
    let prepare = |connection: &mut Connection| -> rusqlite::Result<()> {
        if is_new {
            connection.pragma_update(None, "page_size", 8192)?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "temp_store", "FILE")?;
        if is_new {
            let transaction = connection.transaction()?;
            transaction.execute_batch(include_str!("schema.sql"))?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        } else if version < VERSION {
            let transaction = connection.transaction()?;
            upgrade::bring_up(&transaction, version)?;
            transaction.commit()?;
        }
        Ok(())
    };
    prepare(&mut connection).map_err(|error| unusable(path, error))?;
    Ok(connection)
}

/// The store holds records and ids: its owner alone may read it. SQLite gives its side files the
/// same mode.
pub(crate) fn make_private_file(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| {
        Error::usage(format!("cannot open the store `{}`", path.display()))
            .caused_by(error)
            .hint("name another place with `--store`")
    })?;
    for end in FILES {
        make_private(&beside(path, end), 0o600);
    }
    Ok(())
}

/// Whether no store was made in the file yet.
fn is_unused(path: &Path, connection: &Connection) -> Result<bool, Error> {
    let tables = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        .map_err(|error| unusable(path, error))?;
    Ok(tables == 0)
}

/// The version of a store that this program can read.
fn check_version(path: &Path, connection: &Connection) -> Result<i64, Error> {
    let number = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(|error| unusable(path, error))
    };
    if number("application_id")? != APPLICATION_ID {
        return Err(Error::usage(format!("`{}` is not a store of target-upsert", path.display()))
            .hint("name another file with `--store`; this one was left as it is"));
    }
    match number("user_version")? {
        version @ OLDEST..=VERSION => Ok(version),
        other => Err(Error::usage(format!(
            "the store `{}` is of version {other}; this program reads {OLDEST} to {VERSION}",
            path.display()
        ))
        .hint("use the program that wrote it, or name another file with `--store`")),
    }
}

fn unusable(path: &Path, error: rusqlite::Error) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return Error::usage(format!("`{}` is not a store of target-upsert", path.display()))
            .hint("name another file with `--store`; this one was left as it is");
    }
    StoreError::Sqlite { path: path.into(), source: Arc::new(error) }.into()
}
