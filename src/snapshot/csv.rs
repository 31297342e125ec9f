//! Snapshots as CSV: UTF-8, comma, header line; every field is a text.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Writer};

use super::{CUSTOM_DATA, INPUT_ID, REMOTE_ID, Row, SnapshotError, columns};

/// See [`read`](super::read). A byte order mark is passed over.
pub(super) fn read<E: From<SnapshotError>>(
    path: &Path,
    mut each: impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let file = File::open(path).map_err(|error| SnapshotError::read(path, error))?;
    let mut reader = ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(file);
    let header = reader.headers().map_err(|error| broken(path, error))?;
    let names: Vec<&str> = header.iter().collect();
    let (input_id, remote_id, custom_data) = columns(path, &names)?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| broken(path, error))? {
        let text = |column: usize| record.get(column).unwrap_or_default();
        each(Row {
            input_id: text(input_id).to_owned(),
            remote_id: text(remote_id).to_owned(),
            custom_data: custom_data.map(text).filter(|text| !text.is_empty()).map(str::to_owned),
        })?;
    }
    Ok(())
}

fn broken(path: &Path, error: csv::Error) -> SnapshotError {
    let place = match error.position() {
        Some(position) => format!("line {}", position.line()),
        None => "line 1".to_owned(),
    };
    match error.into_kind() {
        csv::ErrorKind::Io(error) => SnapshotError::read(path, error),
        csv::ErrorKind::Utf8 { .. } => SnapshotError::content(path, place, "it is not UTF-8"),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => SnapshotError::content(
            path,
            place,
            format!("it has {len} fields, and the first line has {expected_len}"),
        ),
        _ => SnapshotError::content(path, place, "it is no CSV"),
    }
}

/// Writes all three columns, whether or not there is custom data: nothing is known of the later
/// rows when the first is written.
pub(super) fn write(out: &mut dyn Write, rows: &mut dyn Iterator<Item = Row>) -> io::Result<()> {
    let mut writer = Writer::from_writer(out);
    writer.write_record([INPUT_ID, REMOTE_ID, CUSTOM_DATA])?;
    for row in rows {
        writer.write_record([
            &*row.input_id,
            &*row.remote_id,
            row.custom_data.as_deref().unwrap_or_default(),
        ])?;
    }
    writer.flush()
}
