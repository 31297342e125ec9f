//! `POST /query/v1/suiteql`: queries over all records, as tables of texts.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_157909186990.html>
//!
//! - [`parse`]: a query, read by a parser of SQL, put into terms of the tables that there are; of
//!   what SuiteQL has, the part that looks records up.
//! - [`tables`], [`derived`]: the tables; [`value`]: how values compare; [`eval`]: expressions;
//!   [`run`]: joins, filters, order.

mod derived;
mod eval;
mod parse;
mod run;
mod tables;
mod value;

use serde::Deserialize;

use super::list::Page;
use super::problem::Problem;
use super::{base, reading};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};

#[derive(Deserialize)]
struct Body {
    q: String,
}

/// `POST /query/v1/suiteql?limit=&offset=`
pub(super) fn query(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let prefer = request.header("prefer").unwrap_or_default();
    if !prefer.split([',', ';']).any(|part| part.trim() == "transient") {
        let detail = "The required header 'Prefer: transient' is missing or not valid.";
        return Err(Problem::bad("INVALID_HEADER", detail).header("Prefer").into());
    }
    let page = Page::parse(request, faults)?;
    let Body { q } = serde_json::from_slice(&request.body).map_err(|_| Problem::body())?;
    let address = format!("{}/services/rest/query/v1/suiteql", base(request));
    Ok(reading(move |world, now| {
        let rows = run::run(world, &q, now)?;
        Ok(page.answer(&address, rows))
    }))
}

/// A query that cannot be answered.
fn refused(what: &str) -> Problem {
    let detail = format!("Invalid search query. Detailed unprocessed description follows. {what}");
    Problem::bad("INVALID_PARAMETER", detail).parameter("q")
}

/// A query that is beyond what there is, or is no query.
fn unsupported() -> Problem {
    refused("Search error occurred: Invalid or unsupported search.")
}
