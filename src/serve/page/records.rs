//! The records of a job: searched, filtered, sorted, page by page.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::job::Head;
use super::told::{counted, fate, number};
use super::{
    Asking, Choice, Frame, Refused, Viewer, address, capital, is_by_htmx, shown, with_status,
};
use crate::outcome::Fate;
use crate::serve::Service;
use crate::serve::api::body::InPath;
use crate::serve::api::{jobs, results};
use crate::serve::queue::Job;
use crate::store::results::{Cursor, Key, Page, Query, Row};
use crate::summary::{Counts, Summary};

/// Characters of a search, at most.
pub(super) const SEARCH: usize = 200;
/// Outcomes that somebody has to look at, and those that are well.
const FAILED: &str = "rejected,failed,in_doubt";
const SUCCEEDED: &str = "created,updated,unchanged,deleted";

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    search: String,
    stream: String,
    outcome: String,
    error: String,
    sort: String,
    rows: String,
    after: String,
    before: String,
    pub(super) format: String,
}

impl Asked {
    /// What a wrong word asks for is nothing; nobody has chosen it.
    pub(super) fn query(&self) -> Query {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let search = self.search.trim().chars().take(SEARCH).collect::<String>();
        let down = self.sort.strip_prefix('-');
        Query {
            stream: some(&self.stream),
            fates: self.outcome.split(',').filter_map(Fate::parse).collect(),
            code: some(&self.error),
            search: some(&search),
            key: Key::parse(down.unwrap_or(&self.sort)).unwrap_or_default(),
            is_descending: down.is_some(),
            after: Cursor::parse(&self.after),
            before: Cursor::parse(&self.before).filter(|_| self.after.is_empty()),
            limit: None,
        }
    }

    fn most(&self) -> u32 {
        if self.rows == "100" { 100 } else { 50 }
    }

    /// The filter with the order, and more.
    fn address(&self, path: &str, sort: &str, more: (&str, &str)) -> String {
        let pairs = [
            ("search", self.search.trim()),
            ("stream", &*self.stream),
            ("outcome", &self.outcome),
            ("error", &self.error),
            ("sort", sort),
            ("rows", &self.rows),
            more,
        ];
        address(path, &pairs)
    }
}

#[derive(Template)]
#[template(path = "records.html", config = "src/serve/page/askama.toml")]
struct RecordsPage {
    frame: Frame,
    head: Head,
    tab: &'static str,
    status: String,
    search: String,
    sort: String,
    choices: Vec<Choice>,
    columns: Vec<Column>,
    rows: Vec<Line>,
    is_filtered: bool,
    problem: Option<String>,
    hint: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    told: String,
    csv: String,
    jsonl: String,
}

#[derive(Debug)]
struct Column {
    key: &'static str,
    label: &'static str,
    href: String,
    /// How it is sorted, as `aria-sort` has it.
    sorted: Option<&'static str>,
    is_number: bool,
}

/// A record of the table.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) cursor: String,
    pub(super) href: String,
    pub(super) external_id: Option<String>,
    pub(super) remote_id: String,
    pub(super) stream: String,
    pub(super) position: String,
    pub(super) action: String,
    pub(super) outcome: &'static str,
    pub(super) tone: &'static str,
    pub(super) code: String,
    pub(super) error: String,
    pub(super) attempts: String,
    pub(super) millis: String,
}

impl Line {
    pub(super) fn of(row: Row, job: &str) -> Self {
        let badge = fate(row.fate);
        let error = row.error.unwrap_or_default();
        Self {
            cursor: row.cursor.to_string(),
            href: format!("/ui/jobs/{job}/records/{}", row.cursor),
            external_id: row.external_id.filter(|id| !id.is_empty()),
            remote_id: row.remote_id.unwrap_or_default(),
            stream: row.stream,
            position: number(row.cursor.position),
            action: row.action.unwrap_or_default(),
            outcome: badge.name,
            tone: badge.tone,
            // An error without a code is told as one.
            code: row
                .code
                .or_else(|| (!error.is_empty()).then(|| "error".to_owned()))
                .unwrap_or_default(),
            error,
            attempts: row.attempts.to_string(),
            millis: number(row.millis),
        }
    }
}

/// A page of them.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    viewer: Viewer,
    InPath(id): InPath<String>,
    headers: HeaderMap,
    Asking(mut asked): Asking<Asked>,
) -> Result<Response, Refused> {
    if asked.query().fates.is_empty() {
        // A wrong word is not shown as if it asked for something.
        asked.outcome.clear();
    }
    let job = jobs::visible(&service, &viewer.caller, &id)?;
    let (query, most) = (asked.query(), asked.most());
    let counts = jobs::counts(&service, &job);
    let (page, problem) = match results::page(&service, &job, query.clone(), most).await {
        Ok(page) => (page, None),
        Err(problem) if problem.status() == StatusCode::SERVICE_UNAVAILABLE => {
            (Page::default(), Some(problem))
        }
        Err(problem) => return Err(problem.into()),
    };
    let place = format!("/ui/jobs/{}/records", job.uuid);
    let files = format!("/ui/jobs/{}/results", job.uuid);
    // The order of the input needs no word.
    let sort = match (query.key, query.is_descending) {
        (Key::Position, false) => String::new(),
        (key, is_descending) => if is_descending { "-" } else { "" }.to_owned() + key.as_str(),
    };
    let to = |name, row: Option<&Row>| {
        row.map(|row| asked.address(&place, &sort, (name, &row.cursor.to_string())))
    };
    let shown_rows = counted(page.rows.len() as u64, "record");
    let total = total(&job, counts.as_ref(), &query);
    let told = total
        .map_or_else(|| shown_rows.clone(), |total| format!("{shown_rows} of {}", number(total)));
    let records = RecordsPage {
        frame: viewer.frame(format!("Records of {}", job.name)),
        head: Head::of(&service, &job),
        tab: "records",
        status: problem
            .as_ref()
            .map_or_else(|| told.clone(), |problem| problem.detail().to_owned()),
        search: query.search.clone().unwrap_or_default(),
        choices: choices(&service, &job, &asked),
        columns: columns(&asked, &query, &place),
        previous: to("before", page.rows.first().filter(|_| page.has_before)),
        next: to("after", page.rows.last().filter(|_| page.has_after)),
        is_filtered: query.is_filtered(),
        problem: problem.as_ref().map(|problem| capital(problem.detail())),
        hint: problem.as_ref().and_then(|problem| problem.hint_text()).map(capital),
        told,
        csv: asked.address(&files, &sort, ("format", "csv")),
        jsonl: asked.address(&files, &sort, ("format", "jsonl")),
        rows: page.rows.into_iter().map(|row| Line::of(row, &job.uuid)).collect(),
        sort,
    };
    // htmx shows nothing of an answer that is an error.
    if problem.is_some() && !is_by_htmx(&headers) {
        return Ok(with_status(StatusCode::SERVICE_UNAVAILABLE, &records));
    }
    Ok(shown(&records))
}

/// How many records there are in all pages, where that is known without counting them.
fn total(job: &Job, counts: Option<&Counts>, query: &Query) -> Option<u64> {
    if query.search.is_some() || !job.state.is_end() {
        return None;
    }
    let summary = || serde_json::from_str::<Summary>(job.summary.as_deref()?).ok();
    let counts = match &query.stream {
        None => counts?.clone(),
        Some(stream) => summary()?.streams.get(stream)?.counts.clone(),
    };
    if let Some(code) = &query.code {
        let is_whole = query.fates.is_empty()
            || FAILED.split(',').filter_map(Fate::parse).all(|fate| query.fates.contains(&fate));
        // The kind that takes in all others is none.
        if !is_whole || code == "other" {
            return None;
        }
        let summary = summary()?;
        let of = |stream: &String| query.stream.as_ref().is_none_or(|wanted| wanted == stream);
        let groups = summary.errors.iter().filter(|group| group.code == *code && of(&group.stream));
        return Some(groups.map(|group| group.count).sum());
    }
    let of = |fate: &Fate| match fate {
        Fate::Created => counts.created,
        Fate::Updated => counts.updated,
        Fate::Unchanged => counts.unchanged,
        Fate::Deleted => counts.deleted,
        Fate::Rejected => counts.rejected,
        Fate::Failed => counts.failed,
        Fate::Skipped => counts.skipped,
        Fate::InDoubt => counts.in_doubt,
    };
    let fates = if query.fates.is_empty() { &Fate::ALL[..] } else { &query.fates };
    Some(fates.iter().map(of).sum())
}

/// What can be chosen: what the job has.
fn choices(service: &Service, job: &Job, asked: &Asked) -> Vec<Choice> {
    let so_far = service.progress.so_far(&job.uuid).unwrap_or_default();
    let summary =
        job.summary.as_deref().and_then(|text| serde_json::from_str::<Summary>(text).ok());
    let mut streams: BTreeSet<String> = so_far.streams.into_keys().collect();
    let mut codes: BTreeSet<String> = so_far.errors.into_iter().map(|group| group.code).collect();
    if let Some(summary) = summary {
        streams.extend(summary.streams.into_keys());
        codes.extend(summary.errors.into_iter().map(|group| group.code));
    }
    let named = |values: BTreeSet<String>| {
        let all = [(String::new(), "All".to_owned())];
        let named = values.into_iter().filter(|value| !value.is_empty());
        all.into_iter().chain(named.map(|value| (value.clone(), value)))
    };
    let groups = [("", "All"), (SUCCEEDED, "All that succeeded"), (FAILED, "All that failed")];
    let groups = groups.map(|(value, label)| (value.to_owned(), label.to_owned()));
    let fates = Fate::ALL.map(|one| (one.as_str().to_owned(), capital(fate(one).name)));
    let rows = ["50", "100"].map(|rows| (rows.to_owned(), rows.to_owned()));
    let chosen_rows = asked.most().to_string();
    vec![
        Choice::of("outcome", "Outcome", groups.into_iter().chain(fates), &asked.outcome),
        Choice::of("error", "Error", named(codes), &asked.error),
        Choice::of("stream", "Stream", named(streams), &asked.stream),
        Choice::of("rows", "Rows", rows, &chosen_rows),
    ]
}

fn columns(asked: &Asked, query: &Query, place: &str) -> Vec<Column> {
    let all = [
        (Key::ExternalId, "External id", false),
        (Key::RemoteId, "Remote id", false),
        (Key::Position, "Stream, place", false),
        (Key::Action, "Action", false),
        (Key::Outcome, "Outcome", false),
        (Key::Error, "Error", false),
        (Key::Attempts, "Attempts", true),
        (Key::Millis, "ms", true),
    ];
    let column = |(key, label, is_number): (Key, &'static str, bool)| {
        let is_sorted = query.key == key;
        // Whoever looks at a number looks for the great ones.
        let is_down = if is_sorted { !query.is_descending } else { is_number };
        let sort = if is_down { "-" } else { "" }.to_owned() + key.as_str();
        let direction = if query.is_descending { "descending" } else { "ascending" };
        Column {
            key: key.as_str(),
            label,
            href: asked.address(place, &sort, ("", "")),
            sorted: is_sorted.then_some(direction),
            is_number,
        }
    };
    all.into_iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::super::jobs::succeeded;
    use super::*;

    #[test]
    fn what_is_asked_for_stays_in_every_address() {
        let asked = Asked {
            search: " a&b ".to_owned(),
            outcome: FAILED.to_owned(),
            rows: "100".to_owned(),
            ..Asked::default()
        };
        assert_eq!(
            asked.address("/x", "-millis", ("after", "1-2")),
            "/x?search=a%26b&outcome=rejected%2Cfailed%2Cin_doubt&sort=-millis&rows=100&after=1-2"
        );
        let query = asked.query();
        assert_eq!(query.fates, [Fate::Rejected, Fate::Failed, Fate::InDoubt]);
        assert_eq!((query.search.as_deref(), asked.most()), (Some("a&b"), 100));
        let odd =
            Asked { outcome: "x".into(), sort: "-x".into(), after: "x".into(), ..asked }.query();
        assert!(odd.fates.is_empty() && odd.key == Key::Position && odd.after.is_none());
    }

    #[test]
    fn what_succeeded_is_what_is_chosen_by_that_name() {
        let counts =
            Counts { created: 1, updated: 2, unchanged: 3, deleted: 4, ..Counts::default() };
        assert_eq!(succeeded(&counts), 10);
        let fates: Vec<_> = SUCCEEDED.split(',').map(|name| Fate::parse(name).unwrap()).collect();
        assert!(Fate::ALL.iter().all(|fate| fate.is_success() == fates.contains(fate)));
        let fates: Vec<_> = FAILED.split(',').map(|name| Fate::parse(name).unwrap()).collect();
        assert!(Fate::ALL.iter().all(|fate| fate.is_trouble() == fates.contains(fate)));
    }
}
