//! The rows of a job under way: written bit by bit, in batches that go on side by side, so that
//! children of one parent can be in each other's way, and an abort finds some of them written.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_understanding_bulk2_ingest.htm>

use std::collections::VecDeque;
use std::time::Instant;

use super::super::catalog::Kind;
use super::super::collections::{number, twice, update_one, upsert_one};
use super::super::draft::{Column, Draft};
use super::super::ids;
use super::super::problem::Problem;
use super::super::rules::{self, Of, Writer};
use super::job::{Job, Operation};
use super::table::{self, Table};
use crate::sandbox::world::World;

/// Rows that are written at once: of those, no two may be of one record.
const CHUNK: usize = 200;

/// What is left to do.
#[derive(Debug)]
pub(super) struct Work {
    columns: Vec<Column>,
    /// Each with its writer, as it were a call of its own.
    batches: VecDeque<(Writer, VecDeque<Vec<String>>)>,
    /// Chunks in all, to tell how far it has come.
    chunks: u32,
    written: u32,
}

/// What became of a job's rows.
#[derive(Debug, Default)]
pub(in super::super) struct Done {
    /// Why all of it failed.
    pub(super) error: Option<String>,
    /// Of what was uploaded.
    pub(super) columns: Vec<String>,
    /// Id, whether it is new, and the row.
    pub(super) successful: Vec<Vec<String>>,
    /// Id or nothing, what is wrong, and the row.
    pub(super) failed: Vec<Vec<String>>,
    pub(super) unprocessed: Vec<Vec<String>>,
}

/// Reads what was uploaded and parts it into batches.
///
/// # Errors
/// A column that is not known, or rows that cannot be read: none of them is written.
pub(super) fn begin(world: &mut World, job: &mut Job, now: Instant) -> Result<Work, ()> {
    let Table { columns, rows, error } = table::read(job);
    job.data = None;
    let known = match error {
        Some(error) => Err(error),
        None => known(world, job, &columns),
    };
    job.done.columns = columns;
    let columns = match known {
        Ok(known) => known,
        Err(error) => {
            job.done.error = Some(error);
            job.done.unprocessed = rows;
            return Err(());
        }
    };
    let size = world.faults.salesforce.job_batch_rows.max(1);
    let mut batches = VecDeque::new();
    let mut chunks = 0;
    let mut rows = rows.into_iter();
    loop {
        let batch: VecDeque<Vec<String>> = rows.by_ref().take(size).collect();
        if batch.is_empty() {
            break;
        }
        let writer = Writer::new(world, job.allows_duplicates, now);
        chunks += u32::try_from(batch.len().div_ceil(CHUNK)).unwrap_or(u32::MAX);
        batches.push_back((writer, batch));
    }
    world.salesforce.batches += batches.len() as u64;
    Ok(Work { columns, batches, chunks, written: 0 })
}

impl Work {
    /// Writes what is to be written by now, `share` of the whole; at most `rows` of them. Each batch
    /// goes on by one chunk after the other.
    pub(super) fn go_on(
        &mut self,
        world: &mut World,
        job: &mut Job,
        share: f64,
        mut rows: usize,
        now: Instant,
    ) {
        while f64::from(self.written) < share * f64::from(self.chunks) && rows > 0 {
            let Some((writer, mut left)) = self.batches.pop_front() else { return };
            let writer = writer.at(now);
            let count = CHUNK.min(rows).min(left.len());
            let chunk: Vec<Vec<String>> = left.drain(..count).collect();
            rows -= count;
            self.written += 1;
            self.write(world, job, writer, chunk);
            if !left.is_empty() {
                self.batches.push_back((writer, left));
            }
        }
    }

    /// The rows that are left.
    pub(super) fn rest(self) -> Vec<Vec<String>> {
        self.batches.into_iter().flat_map(|(_, rows)| rows).collect()
    }

    pub(super) fn is_done(&self) -> bool {
        self.batches.is_empty()
    }

    fn write(&self, world: &mut World, job: &mut Job, writer: Writer, chunk: Vec<Vec<String>>) {
        let drafts: Vec<Result<Draft, Problem>> = chunk
            .iter()
            .map(|row| Draft::of_row(&self.columns, row.iter().map(String::as_str)))
            .collect();
        let twice = job.key.map(|key| twice(key, drafts.iter().flatten())).unwrap_or_default();
        for (row, draft) in chunk.into_iter().zip(drafts) {
            let given = draft.as_ref().ok().and_then(|draft| draft.id.clone());
            let written =
                draft.map_err(Vec::from).and_then(|draft| write(world, writer, job, &twice, draft));
            match written {
                Ok((id, is_new)) => {
                    job.done.successful.push([vec![id, is_new.to_string()], row].concat());
                }
                Err(problems) => {
                    let told: Vec<String> = problems.iter().map(Problem::in_bulk).collect();
                    let id = given.unwrap_or_default();
                    job.done.failed.push([vec![id, told.join(";")], row].concat());
                }
            }
        }
    }
}

fn write(
    world: &mut World,
    writer: Writer,
    job: &Job,
    twice: &[String],
    draft: Draft,
) -> Result<(String, bool), Vec<Problem>> {
    let object = world.salesforce.org.now(job.object);
    match (job.operation, job.key) {
        (Operation::Insert, _) => {
            if draft.id.is_some() {
                let message = "cannot specify Id in an insert call";
                return Err(Problem::of("INVALID_FIELD_FOR_INSERT_UPDATE", &["Id"], message).into());
            }
            let number = rules::write(world, writer, object, Of::New, draft)?;
            Ok((ids::long(object.prefix, number), true))
        }
        (Operation::Upsert, Some(key)) if key.kind != Kind::Id => {
            upsert_one(world, writer, object, key, twice, draft)
        }
        (Operation::Upsert, _) if draft.id.is_none() => {
            let number = rules::write(world, writer, object, Of::New, draft)?;
            Ok((ids::long(object.prefix, number), true))
        }
        (Operation::Upsert | Operation::Update, _) => update_one(world, writer, object, draft),
        (Operation::Delete, _) => {
            let id = draft.id.ok_or_else(|| {
                Problem::of("MISSING_ARGUMENT", &["Id"], "Id not specified in a delete call")
            })?;
            let number = number(world, object, &id)?;
            rules::delete(world, object, number)?;
            Ok((ids::long(object.prefix, number), false))
        }
    }
}

/// What each column is, if all are known and none is missing.
fn known(world: &World, job: &Job, columns: &[String]) -> Result<Vec<Column>, String> {
    let org = &world.salesforce.org;
    let object = org.now(job.object);
    let not_found = |name: &str| format!("InvalidBatch : Field name not found : {name}");
    let known: Vec<Column> = columns
        .iter()
        .map(|name| Column::parse(org, object, name.trim()).ok_or_else(|| not_found(name)))
        .collect::<Result<_, _>>()?;
    let needed = match job.operation {
        Operation::Insert => return Ok(known),
        Operation::Update | Operation::Delete => "Id",
        Operation::Upsert => job.key.map_or("Id", |key| key.name),
    };
    let has_needed =
        known.iter().any(|column| matches!(column, Column::Field(field) if field.name == needed));
    if has_needed { Ok(known) } else { Err(not_found(needed)) }
}
