//! What became of a job's rows: those that were written, those that were refused, and those that
//! nobody has looked at. In no order.

use hyper::StatusCode;

use super::super::problem::Problem;
use super::super::reading;
use super::table;
use super::work::Done;
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Content, Plan, Request, Row, Rows};

/// `GET …/jobs/ingest/{job}/successfulResults`
pub(in super::super) fn successful(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    results(request, &["sf__Id", "sf__Created"], |done| &done.successful)
}

/// `GET …/jobs/ingest/{job}/failedResults`
pub(in super::super) fn failed(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    results(request, &["sf__Id", "sf__Error"], |done| &done.failed)
}

/// `GET …/jobs/ingest/{job}/unprocessedrecords`
pub(in super::super) fn unprocessed(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    results(request, &[], |done| &done.unprocessed)
}

/// Rows below the columns of what was uploaded.
fn results(
    request: &Request,
    own: &'static [&'static str],
    of: fn(&Done) -> &[Vec<String>],
) -> Result<Plan, Answer> {
    let number = super::number(request)?;
    Ok(reading(move |world, _| {
        let job = world.salesforce.jobs.get(&number).ok_or_else(Problem::no_resource)?;
        if !job.is_over() {
            let message = "The job has no results before it is complete";
            return Err(Problem::bad("INVALIDJOBSTATE", message).into());
        }
        let applied = own.last() == Some(&"sf__Created");
        let verdicts = of(&job.done)
            .iter()
            .map(|cells| Row { json: table::line(job, cells.iter().map(String::as_str)), applied });
        let blanks = own.len() + job.done.columns.len();
        let rows = Rows {
            verdicts: verdicts.collect(),
            stranger: table::line(job, std::iter::repeat_n("", blanks)),
            any_order: true,
            head: table::head(job, own),
            media_type: "text/csv",
            envelope: |head, rows| {
                let mut text = head.to_owned();
                text.extend(rows.iter().map(|row| row.json.as_str()));
                text
            },
        };
        Ok(Answer {
            status: StatusCode::OK,
            headers: Vec::new(),
            content: Content::Rows(Box::new(rows)),
        })
    }))
}
