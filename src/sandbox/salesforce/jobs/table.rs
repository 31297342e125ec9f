//! Rows as they are uploaded, and as results tell them.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_prepare_csv.htm>.
//! Lines that end otherwise than was said fail the job as a whole.

use super::job::{Job, LineEnding};

/// What was uploaded.
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Why it cannot be read any further.
    pub(super) error: Option<String>,
}

pub(super) fn read(job: &Job) -> Table {
    let mut table = Table { columns: Vec::new(), rows: Vec::new(), error: None };
    let data = job.data.as_deref().unwrap_or_default();
    // A mark of the byte order is no part of the first name.
    let data = data.strip_prefix('\u{feff}').unwrap_or(data);
    if let Some((line, _)) = data.split_once('\n') {
        let has_carriage_return = line.ends_with('\r');
        if has_carriage_return != (job.line_ending == LineEnding::CrLf) {
            table.error = Some(format!(
                "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting \
                 is {}",
                job.line_ending.as_str()
            ));
        }
    }
    let mut reader =
        csv::ReaderBuilder::new().delimiter(job.delimiter.byte()).from_reader(data.as_bytes());
    if let Ok(headers) = reader.headers() {
        table.columns = headers.iter().map(str::to_owned).collect();
    }
    for row in reader.records() {
        match row {
            Ok(row) => table.rows.push(row.iter().map(str::to_owned).collect()),
            Err(error) => {
                table.error.get_or_insert(format!("InvalidBatch : Failed to parse CSV: {error}"));
                break;
            }
        }
    }
    if table.columns.is_empty() {
        table.error.get_or_insert("InvalidBatch : Failed to parse CSV header.".to_owned());
    }
    table
}

/// The first line of results: names of Salesforce's own in quotes, those of the upload only where
/// they need them.
pub(super) fn head(job: &Job, own: &[&str]) -> String {
    let needs_quotes = |name: &str| {
        name.contains(['"', '\n', '\r', char::from(job.delimiter.byte())]) || name.is_empty()
    };
    let own = own.iter().map(|name| quoted(name));
    let columns = job
        .done
        .columns
        .iter()
        .map(|name| if needs_quotes(name) { quoted(name) } else { name.clone() });
    join(job, own.chain(columns))
}

/// A line of results, everything in quotes, as the job's own lines end and are delimited.
pub(super) fn line<'a>(job: &Job, cells: impl Iterator<Item = &'a str>) -> String {
    join(job, cells.map(quoted))
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

fn join(job: &Job, cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    let end = if job.line_ending == LineEnding::CrLf { "\r\n" } else { "\n" };
    cells.join(char::from(job.delimiter.byte()).encode_utf8(&mut [0; 4])) + end
}
