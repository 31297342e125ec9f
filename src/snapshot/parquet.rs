//! Snapshots as Parquet, read as pandas writes them: a type per column, nulls, row groups.

use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnDescriptor;

use super::{Row, SnapshotError, columns};

/// Rows that are read at once.
const READ_ROWS: usize = 1024;
/// Rows of a row group that is written, at most; they are in memory together.
const GROUP_ROWS: usize = 65_536;
/// Bytes of a row group that is written, about.
const GROUP_BYTES: usize = 16 << 20;
/// From here on neighbouring integers are one and the same `f64`.
const INEXACT: f64 = 9_007_199_254_740_992.0;

/// See [`read`](super::read).
///
/// Pandas turns a column of integers with a null among them into doubles, so a double without a
/// fraction is read as the integer that it was; one so large that digits may have been lost on
/// that way is an error, for it would be somebody else's id.
pub(super) fn read<E: From<SnapshotError>>(
    path: &Path,
    mut each: impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let file = File::open(path).map_err(|error| SnapshotError::read(path, error))?;
    let mut row = 0_u64;
    let broken =
        |row: u64, problem: &str| SnapshotError::content(path, format!("row {}", row + 1), problem);
    let reader = guarded(|| SerializedFileReader::new(file).map_err(|error| describe(&error)));
    let reader = reader.map_err(|problem| broken(0, &problem))?;
    let descriptor = reader.metadata().file_metadata().schema_descr();
    let names: Vec<String> =
        descriptor.columns().iter().map(|column| column.path().string()).collect();
    let (input_id, remote_id, custom_data) = columns(path, &names)?;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(|error| broken(row, &describe(&error)))?;
        let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let open = |column: usize| {
            let opened = guarded(|| {
                let reader = group.get_column_reader(column).map_err(|error| describe(&error))?;
                Texts::new(reader, &descriptor.column(column))
            });
            opened.map_err(|problem| broken(row, &problem))
        };
        let mut input_ids = open(input_id)?;
        let mut remote_ids = open(remote_id)?;
        let mut custom = custom_data.map(open).transpose()?;
        while left > 0 {
            let count = left.min(READ_ROWS);
            let next = |texts: &mut Texts| {
                let next = guarded(|| Ok(texts.next(count)));
                let next = next.map_err(|problem| broken(row, &problem))?;
                next.map_err(|(at, problem)| broken(row + at, &problem))
            };
            let remote = next(&mut remote_ids)?;
            let custom = match &mut custom {
                Some(custom) => next(custom)?,
                None => vec![None; count],
            };
            for ((input, remote), custom) in
                next(&mut input_ids)?.into_iter().zip(remote).zip(custom)
            {
                each(Row {
                    input_id: input.unwrap_or_default(),
                    remote_id: remote.unwrap_or_default(),
                    custom_data: custom.filter(|text| !text.is_empty()),
                })?;
            }
            row += count as u64;
            left -= count;
        }
    }
    Ok(())
}

/// The library panics at some damaged files, where it should say so. What it read from is not used
/// again.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the file is damaged".to_owned()))
}

fn describe(error: &ParquetError) -> String {
    error.to_string()
}

/// A column, read as texts.
struct Texts {
    reader: ColumnReader,
    is_unsigned: bool,
    max_level: i16,
}

impl Texts {
    fn new(reader: ColumnReader, column: &ColumnDescriptor) -> Result<Self, String> {
        let is_known = matches!(
            reader,
            ColumnReader::Int32ColumnReader(_)
                | ColumnReader::Int64ColumnReader(_)
                | ColumnReader::DoubleColumnReader(_)
                | ColumnReader::ByteArrayColumnReader(_)
        );
        let converted = column.converted_type();
        let is_plain = match column.logical_type_ref() {
            // Whatever has a logical type beyond these is no id: a date, a decimal.
            Some(
                LogicalType::String
                | LogicalType::Enum
                | LogicalType::Json
                | LogicalType::Integer(_)
                | LogicalType::Unknown,
            ) => true,
            Some(_) => false,
            None => !matches!(
                converted,
                ConvertedType::DECIMAL
                    | ConvertedType::DATE
                    | ConvertedType::TIME_MILLIS
                    | ConvertedType::TIME_MICROS
                    | ConvertedType::TIMESTAMP_MILLIS
                    | ConvertedType::TIMESTAMP_MICROS
                    | ConvertedType::BSON
                    | ConvertedType::INTERVAL
            ),
        };
        if !is_known || !is_plain || column.max_rep_level() > 0 {
            let kind = column.logical_type_ref().map_or_else(
                || format!("{:?}", column.physical_type()),
                |logical| format!("{logical:?}").split('(').next().unwrap_or_default().to_owned(),
            );
            return Err(format!(
                "the column `{}` holds neither texts nor numbers but {kind}",
                column.name(),
            ));
        }
        let is_unsigned = matches!(
            converted,
            ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64
        );
        Ok(Self { reader, is_unsigned, max_level: column.max_def_level() })
    }

    /// The next `count` values. An error comes with the row's place among them.
    fn next(&mut self, count: usize) -> Result<Vec<Option<String>>, (u64, String)> {
        let is_unsigned = self.is_unsigned;
        let level = self.max_level;
        match &mut self.reader {
            ColumnReader::Int32ColumnReader(reader) => values(reader, level, count, |value| {
                Ok(if is_unsigned { value.cast_unsigned().to_string() } else { value.to_string() })
            }),
            ColumnReader::Int64ColumnReader(reader) => values(reader, level, count, |value| {
                Ok(if is_unsigned { value.cast_unsigned().to_string() } else { value.to_string() })
            }),
            ColumnReader::DoubleColumnReader(reader) => values(reader, level, count, double),
            ColumnReader::ByteArrayColumnReader(reader) => values(reader, level, count, |value| {
                let text = value.as_utf8().map_err(|_| "a text is not UTF-8".to_owned())?;
                Ok(text.to_owned())
            }),
            _ => Err((0, "the column holds neither texts nor numbers".to_owned())),
        }
    }
}

fn double(value: f64) -> Result<String, String> {
    if value.is_nan() {
        return Ok(String::new());
    }
    if value.abs() >= INEXACT {
        return Err(format!(
            "{value} is too large for a double to hold all its digits; write the column as texts"
        ));
    }
    // `-0.0` is pandas's zero.
    Ok((value + 0.0).to_string())
}

fn values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    max_level: i16,
    count: usize,
    text: impl Fn(T::T) -> Result<String, String>,
) -> Result<Vec<Option<String>>, (u64, String)> {
    let mut levels = Vec::with_capacity(count);
    let mut values = Vec::with_capacity(count);
    let definition = (max_level > 0).then_some(&mut levels);
    let (records, _, _) = reader
        .read_records(count, definition, None, &mut values)
        .map_err(|error| (0, describe(&error)))?;
    if records != count {
        return Err((records as u64, "the column ends before the row group does".to_owned()));
    }
    let mut values = values.into_iter();
    (0..count)
        .map(|at| match levels.get(at) {
            Some(level) if *level < max_level => Ok(None),
            _ => values.next().map(&text).transpose().map_err(|problem| (at as u64, problem)),
        })
        .collect()
}

/// Writes three columns of optional texts, compressed with Snappy.
pub(super) fn write(
    out: &mut (dyn Write + Send),
    rows: &mut dyn Iterator<Item = Row>,
) -> io::Result<()> {
    write_groups(out, rows).map_err(|error| match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        other => io::Error::other(other),
    })
}

fn write_groups(
    out: &mut (dyn Write + Send),
    rows: &mut dyn Iterator<Item = Row>,
) -> ParquetResult<()> {
    let schema = parse_message_type(
        "message schema {
            OPTIONAL BYTE_ARRAY InputId (UTF8);
            OPTIONAL BYTE_ARRAY RemoteId (UTF8);
            OPTIONAL BYTE_ARRAY CustomData (UTF8);
        }",
    )?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
    loop {
        let mut columns: [(Vec<ByteArray>, Vec<i16>); 3] = Default::default();
        let mut bytes = 0;
        while columns[0].1.len() < GROUP_ROWS && bytes < GROUP_BYTES {
            let Some(row) = rows.next() else { break };
            let custom_data = row.custom_data.filter(|text| !text.is_empty());
            let fields = [Some(row.input_id), Some(row.remote_id), custom_data];
            for ((values, levels), text) in columns.iter_mut().zip(fields) {
                levels.push(i16::from(text.is_some()));
                if let Some(text) = text {
                    bytes += text.len();
                    values.push(text.into_bytes().into());
                }
            }
        }
        if columns[0].1.is_empty() {
            break;
        }
        let mut group = writer.next_row_group()?;
        for (values, levels) in &columns {
            let Some(mut column) = group.next_column()? else { break };
            column.typed::<ByteArrayType>().write_batch(values, Some(levels), None)?;
            column.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}
