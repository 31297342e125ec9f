//! Files that others read are replaced as a whole: written beside, synced, renamed. What is no
//! file, as a pipe or `/dev/stdout`, is written into.

use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::OFlags;

use crate::crash::point;

/// Who may read the file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The owner alone (mode 0600): for files that may hold secrets or records.
    Owner,
    /// As the process's umask says, starting from 0644.
    Everyone,
}

/// Replaces `path` by what `write` writes; folders on the way are made.
///
/// Either the old file or the whole new one stands there at any instant, also after a crash. A
/// symbolic link is followed, so that it still points to the new content. A pipe or a device is
/// written into: it would be gone, and nothing where its reader waits.
///
/// # Errors
/// Whatever the file system says, and whatever `write` says; the old file is left as it was. Where
/// only the folder cannot be synced, the new one stands there, as long as the machine does not
/// fail.
pub fn replace(
    path: &Path,
    access: Access,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    if is_no_file(path) {
        let place = open_place(path)?;
        let mut out = BufWriter::new(&place);
        write(&mut out)?;
        return out.flush();
    }
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace_itself(&path, access, write)
}

/// Whether something stands at `path` that takes what is written and keeps none of it. So does what
/// is open already, as `/dev/stderr`: where that is a file, others write to it too.
pub(crate) fn is_no_file(path: &Path) -> bool {
    let is_open = path.starts_with("/dev") || path.starts_with("/proc");
    std::fs::metadata(path).is_ok_and(|place| !place.is_dir() && (is_open || !place.is_file()))
}

/// The file that stands beside `path` under the same name with `end` behind it.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Whether pipes are waited for that nobody reads yet.
static IS_HURRIED: AtomicBool = AtomicBool::new(false);

/// From now on a pipe that nobody reads is an error, also where somebody waits for its reader.
pub fn wait_no_more() {
    IS_HURRIED.store(true, Ordering::Relaxed);
}

/// Opens what is no file. The system itself would wait for the reader of a pipe, and for nothing
/// else.
fn open_place(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
    const PAUSE: Duration = Duration::from_millis(50);
    let mut options = File::options();
    options.append(true);
    if !std::fs::metadata(path)?.file_type().is_fifo() {
        return options.open(path);
    }
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let nobody = Some(rustix::io::Errno::NXIO.raw_os_error());
    loop {
        match options.open(path) {
            Err(error) if error.raw_os_error() != nobody => return Err(error),
            Err(_) if IS_HURRIED.load(Ordering::Relaxed) => {
                return Err(io::Error::other("nobody reads this pipe"));
            }
            Err(_) => std::thread::sleep(PAUSE),
            Ok(pipe) => {
                rustix::fs::fcntl_setfl(&pipe, OFlags::APPEND)?;
                return Ok(pipe);
            }
        }
    }
}

/// As [`replace`], for a place that others can write to: a symbolic link that somebody has put
/// there is replaced, and what it points to is left as it was.
///
/// # Errors
/// As [`replace`].
pub fn replace_itself(
    path: &Path,
    access: Access,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".target-upsert-");
    #[cfg(unix)]
    if access == Access::Everyone {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    let beside = builder.tempfile_in(folder)?;
    let mut out = BufWriter::new(beside.as_file());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    beside.as_file().sync_all()?;
    point("replacing");
    beside.persist(path).map_err(|error| error.error)?;
    // The rename itself is durable once the folder is.
    File::open(folder)?.sync_all()?;
    point("replaced");
    Ok(())
}

/// Makes a folder, and those above it, for their owner alone, unless they are there.
///
/// # Errors
/// The disk says no.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens the file whose lock keeps other processes off something, and makes it where it is missing.
///
/// # Errors
/// Whatever the file system says, and for a symbolic link: somebody may have put it there, and what it
/// leads to would be written over.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/config.json");
        replace(&path, Access::Owner, |out| out.write_all(b"old")).unwrap();
        replace(&path, Access::Owner, |out| {
            out.write_all(b"ne")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_a_place_that_others_can_write_to_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let (theirs, link) = (folder.path().join("theirs"), folder.path().join("link"));
        replace(&theirs, Access::Owner, |out| out.write_all(b"old")).unwrap();
        std::os::unix::fs::symlink(&theirs, &link).unwrap();
        replace(&link, Access::Everyone, |out| out.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&theirs).unwrap(), b"new");
        replace_itself(&link, Access::Everyone, |out| out.write_all(b"newer")).unwrap();
        assert_eq!(std::fs::read(&theirs).unwrap(), b"new");
        assert_eq!(std::fs::read(&link).unwrap(), b"newer");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_is_written_into_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        replace(&pipe, Access::Owner, |out| out.write_all(b"new")).unwrap();
        assert_eq!(reader.join().unwrap(), b"new");
        let device = folder.path().join("device");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        replace(&device, Access::Owner, |out| out.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_for_the_owner_alone_has_mode_0600() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        replace(&path, Access::Owner, |out| out.write_all(b"{}")).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
