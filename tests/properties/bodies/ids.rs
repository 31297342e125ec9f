//! Ids from elsewhere: snapshots in both formats, and states that an earlier job printed.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use target_upsert::snapshot::{self, Format, Row, SnapshotError};
use target_upsert::state::previous::{self, Entry};

use super::drip::Drip;
use super::model::scalars;

#[cfg(feature = "parquet")]
const FORMATS: &[Format] = &[Format::Csv, Format::Parquet];
#[cfg(not(feature = "parquet"))]
const FORMATS: &[Format] = &[Format::Csv];
/// More are not gone through: a few bytes can stand for a great many.
const MAX_ROWS: usize = 100_000;

/// - Rows have both ids, and an error names the file.
/// - What was read and is written again is read as the same, in either format.
///
/// What begins as Parquet does is read as that, all else as CSV.
pub fn snapshot(data: &[u8]) {
    let format = if data.starts_with(b"PAR1") { Format::Parquet } else { Format::Csv };
    let folder = tempfile::tempdir().unwrap();
    let path = snapshot::path(folder.path(), "s", None, format).unwrap();
    File::create(&path).unwrap().write_all(data).unwrap();
    match read(&path) {
        Err(error) => assert!(error.to_string().contains("s_None.snapshot"), "{error}"),
        Ok(rows) if rows.len() > MAX_ROWS => {}
        Ok(rows) => {
            for row in &rows {
                assert!(!row.input_id.is_empty() && !row.remote_id.is_empty());
            }
            for format in FORMATS {
                assert_eq!(read_again(&rows, *format), rows, "{format:?}");
            }
        }
    }
}

/// Writes the rows and reads them.
pub fn read_again(rows: &[Row], format: Format) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let path = snapshot::path(folder.path(), "s", None, format).unwrap();
    let all = rows.iter().cloned().map(Ok::<_, SnapshotError>);
    snapshot::write_file(&path, format, all).unwrap();
    read(&path).unwrap()
}

fn read(path: &Path) -> Result<Vec<Row>, SnapshotError> {
    let mut rows = Vec::new();
    let enough = || SnapshotError::Name(String::new());
    let count = snapshot::read(path, |row| {
        rows.push(row);
        if rows.len() > MAX_ROWS { Err(enough()) } else { Ok(()) }
    });
    match count {
        Err(SnapshotError::Name(_)) => {}
        Err(error) => return Err(error),
        Ok(count) => assert_eq!(count, rows.len() as u64),
    }
    Ok(rows)
}

/// - What is read does not depend on the pieces that it comes in.
/// - Ids stand in the state to the letter, and are not empty.
pub fn state(data: &[u8]) {
    let all = entries(data, usize::MAX);
    assert_eq!(all, entries(data, 1));
    let known = scalars(&String::from_utf8_lossy(data));
    for (_, entry) in all.into_iter().flatten() {
        let external = entry.external_id.map(|id| id.to_string());
        let remote = entry.remote_id.map(|id| id.to_string());
        for id in [external, remote].into_iter().flatten() {
            assert!(!id.is_empty() && known.contains(&id), "{id} does not stand there");
        }
    }
}

/// The entries of a state that comes in pieces of `step` bytes, with their streams.
pub fn entries(data: &[u8], step: usize) -> Result<Vec<(String, Entry)>, String> {
    let mut all = Vec::new();
    previous::read(Drip::new(data, step), &mut |stream, piece| {
        all.extend(piece.into_iter().map(|entry| (stream.to_owned(), entry)));
        Ok(())
    })?;
    Ok(all)
}
