//! A record of a job: what it was, what became of it and when, and the same id in other jobs.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rusqlite::Connection;
use serde::Deserialize;

use super::records::Line;
use super::told::{At, counted, number};
use super::{Asking, Frame, Refused, Viewer, capital, shown};
use crate::outcome::Fate;
use crate::serve::Service;
use crate::serve::api::body::InPath;
use crate::serve::api::jobs;
use crate::serve::hints;
use crate::serve::problem::Problem;
use crate::serve::queue::Job;
use crate::store::calls::Call;
use crate::store::history::{self, History, Known};
use crate::store::jobs::Job as Run;
use crate::store::results::Cursor;

/// Outcomes of the same id that are shown.
const BEFORE: usize = 20;
/// How long they are looked for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Characters of a record that are shown; files have all of it.
const SHOWN: usize = 100_000;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    history: String,
}

#[derive(Template)]
#[template(path = "record.html", config = "src/serve/page/askama.toml")]
struct RecordPage {
    frame: Frame,
    job: String,
    job_name: String,
    title: String,
    row: Line,
    hint: Option<&'static str>,
    facts: Vec<(&'static str, String)>,
    steps: Vec<Step>,
    contents: Vec<(&'static str, String)>,
    not_kept: &'static str,
    history_href: Option<String>,
    history: Option<Told>,
}

/// Something that happened to a record.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) title: String,
    pub(super) at: Option<At>,
    pub(super) detail: Option<String>,
    pub(super) tone: &'static str,
    /// What went over the wire, and what it is called.
    pub(super) bodies: Vec<(&'static str, String)>,
}

/// What is told of the same id elsewhere.
#[derive(Debug)]
struct Told {
    rows: Vec<Before>,
    told: String,
}

#[derive(Debug)]
struct Before {
    at: String,
    href: Option<String>,
    row: Line,
}

/// A record.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    viewer: Viewer,
    InPath((id, cursor)): InPath<(String, String)>,
    Asking(asked): Asking<Asked>,
) -> Result<Response, Refused> {
    let job = jobs::visible(&service, &viewer.caller, &id)?;
    let missing = || Problem::not_found(format!("there is no record `{cursor}` in this job"));
    let at = Cursor::parse(&cursor).ok_or_else(missing)?;
    let wants_history = !asked.history.is_empty();
    let read = move |connection: &Connection, run: &Run| {
        let known = history::record(connection, run.id, at)?;
        let id = known.as_ref().and_then(|known| known.row.external_id.as_deref());
        let found = match id.filter(|_| wants_history) {
            Some(id) => {
                let look = history::history(connection, run.id, at.stream, id, BEFORE, PATIENCE)?;
                Some(look)
            }
            None => None,
        };
        Ok((known, found))
    };
    let (known, found) = service.read_run(&job, read).await?.unwrap_or_default();
    let known = known.ok_or_else(missing)?;
    let history = found.map(|found| told(&service, &job, found)).transpose()?;
    let href = format!("/ui/jobs/{}/records/{cursor}?history=1#history", job.uuid);
    let has_id = known.row.external_id.is_some();
    let contents = contents(&known);
    let row = known.row.clone();
    let hint = row
        .code
        .as_deref()
        .filter(|_| row.fate.is_trouble())
        .map(|code| hints::of_record(row.class.as_deref(), code));
    let title = match &row.external_id {
        Some(id) if !id.is_empty() => id.clone(),
        _ => format!("Record {}", number(at.position)),
    };
    let page = RecordPage {
        frame: viewer.frame(format!("Record {}", title.chars().take(80).collect::<String>())),
        job: job.uuid.clone(),
        job_name: job.name.clone(),
        facts: facts(&known),
        steps: steps(&job, &known),
        not_kept: if row.fate.is_trouble() {
            "The record itself is not kept: see `keep` in the configuration."
        } else {
            "The record itself is kept only where it was not written, unless `keep` says `all`."
        },
        contents,
        hint,
        title,
        row: Line::of(row, &job.uuid),
        history_href: has_id.then_some(href),
        history,
    };
    Ok(shown(&page))
}

fn facts(known: &Known) -> Vec<(&'static str, String)> {
    let row = &known.row;
    let facts = [
        ("Stream", Some(row.stream.clone()).filter(|name| !name.is_empty())),
        ("Place in the input", Some(number(row.cursor.position))),
        ("External id", row.external_id.clone()),
        ("Remote id", row.remote_id.clone()),
        ("Action", row.action.clone()),
        ("Calls", Some(row.attempts.to_string())),
        ("HTTP status", row.status.map(|status| status.to_string())),
        ("Took", Some(format!("{} ms", number(row.millis))).filter(|_| row.attempts > 0)),
        ("Error class", row.class.clone()),
        ("Batch id", row.batch_id.clone()),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What happened to a record, in order. Each call that it was part of may stand between the first
/// sending and the outcome.
fn steps(job: &Job, known: &Known) -> Vec<Step> {
    let row = &known.row;
    let mut steps = vec![Step {
        title: "The job was accepted".to_owned(),
        at: Some(At::millis(job.created_millis)),
        detail: None,
        tone: "",
        bodies: Vec::new(),
    }];
    if let Some(started) = job.started_millis {
        let (title, at) = ("The job began".to_owned(), Some(At::millis(started)));
        steps.push(Step { title, at, detail: None, tone: "", bodies: Vec::new() });
    }
    let settled = (known.settled_micros > 0).then_some(known.settled_micros / 1000);
    for call in &known.calls {
        steps.extend(exchanges(call, row.cursor.position));
    }
    // Of a bulk job, or one of before calls were kept.
    if row.attempts > 0 && known.calls.is_empty() {
        let sent = settled.zip(i64::try_from(row.millis).ok()).map(|(end, took)| end - took);
        let action = row.action.as_deref().unwrap_or("write");
        steps.push(Step {
            title: format!("First sent, to {action}"),
            at: sent.map(At::millis),
            detail: (row.attempts > 1).then(|| {
                format!("It was part of {} in all.", counted(row.attempts.into(), "call"))
            }),
            tone: "",
            bodies: Vec::new(),
        });
    }
    let badge = super::told::fate(row.fate);
    let detail = match row.fate {
        Fate::Unchanged if row.attempts == 0 => {
            Some("It is what was written last, so it was not sent.".to_owned())
        }
        _ => row.status.map(|status| format!("The last answer had the status {status}.")),
    };
    steps.push(Step {
        title: capital(badge.name),
        at: settled.map(At::millis),
        detail,
        tone: badge.tone,
        bodies: Vec::new(),
    });
    steps
}

/// The requests of a call, each with its answer.
fn exchanges(call: &Call, position: u64) -> impl Iterator<Item = Step> {
    let beside = call.positions.len().saturating_sub(1) as u64;
    call.exchanges.iter().map(move |exchange| {
        let after = i64::try_from(exchange.after_millis).unwrap_or(i64::MAX);
        let (answer, tone) = match (exchange.status, &exchange.error) {
            (Some(status), _) => {
                let tone = if (200..300).contains(&status) { "" } else { "bad" };
                (format!("Answered {status} after {} ms", number(exchange.millis)), tone)
            }
            (None, Some(error)) => (format!("No answer: {error}"), "warn"),
            (None, None) => ("No answer".to_owned(), "warn"),
        };
        let beside = match beside {
            0 => String::new(),
            beside => format!(", sent together with {}", counted(beside, "other record")),
        };
        let request = exchange.request.as_deref().map(|text| {
            call.own_part(text, position).map_or_else(
                || ("Request", pretty(text)),
                |own| ("This record in the request", own),
            )
        });
        let answered = exchange.answer.as_deref().map(|text| ("Answer", pretty(text)));
        Step {
            title: format!("{} {}", exchange.method, exchange.url),
            at: Some(At::millis(call.sent_millis.saturating_add(after))),
            detail: Some(format!("{answer}{beside}.")),
            tone,
            bodies: request.into_iter().chain(answered).collect(),
        }
    })
}

fn contents(known: &Known) -> Vec<(&'static str, String)> {
    let contents = [("As it came in", &known.source), ("As it went out", &known.body)];
    contents.into_iter().filter_map(|(name, text)| Some((name, pretty(text.as_deref()?)))).collect()
}

/// JSON over several lines, its digits as they are.
fn pretty(text: &str) -> String {
    let indented = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
        .ok()
        // Numbers that are more than a float holds would be told otherwise than they are.
        .filter(|map| serde_json::to_string(map).is_ok_and(|again| again == text))
        .and_then(|map| serde_json::to_string_pretty(&map).ok());
    let text = indented.unwrap_or_else(|| text.to_owned());
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => {
            let (start, rest) = text.split_at(end);
            let more = number(rest.chars().count() as u64);
            format!("{start}… and {more} characters more, which the files have")
        }
        None => text,
    }
}

/// What is told of the same id in other jobs.
fn told(service: &Service, job: &Job, found: History) -> Result<Told, Problem> {
    let History { rows, jobs, is_whole } = found;
    let runs: Vec<&str> = rows.iter().map(|before| before.run.as_str()).collect();
    let uuids = service.queue.of_runs(&job.lane, &runs)?;
    let looked = counted(jobs as u64, "other job");
    let told = match (rows.is_empty(), is_whole) {
        (true, true) => format!("It is in none of {looked}."),
        (true, false) => {
            format!("It is in none of the newest {looked}; older ones were not looked through.")
        }
        (false, true) => format!("All there is, from {looked}."),
        (false, false) => format!("The newest, from {looked}; there may be more."),
    };
    let rows = rows.into_iter().map(|before| {
        let uuid = uuids.get(&before.run);
        Before {
            at: match before.settled_micros {
                0 => "–".to_owned(),
                micros => At::millis(micros / 1000).short,
            },
            href: uuid.map(|uuid| format!("/ui/jobs/{uuid}/records/{}", before.row.cursor)),
            row: Line::of(before.row, uuid.map_or("", String::as_str)),
        }
    });
    Ok(Told { rows: rows.collect(), told })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_over_lines_and_its_digits_stay() {
        assert_eq!(pretty(r#"{"a":1,"b":"x"}"#), "{\n  \"a\": 1,\n  \"b\": \"x\"\n}");
        for text in
            [r#"{"a":12345678901234567890123}"#, r#"{"a": 1.50}"#, "no JSON", r#"{"a":1,"a":2}"#]
        {
            assert_eq!(pretty(text), text);
        }
        let long = pretty(&"ü".repeat(SHOWN + 7));
        assert!(
            long.ends_with("ü… and 7 characters more, which the files have"),
            "{} characters",
            long.chars().count()
        );
    }
}
