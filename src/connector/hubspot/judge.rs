//! From the answer to a batch to what became of each of its records.
//!
//! Results come in any order, and some may be missing. A record's is known by its trace id; where the
//! remote does not tell that again, by its id, or by the values that it was to have. What the answer
//! does not name is in doubt.

use std::collections::HashMap;

use serde_json::Value;

use super::batch::{input_id, trace};
use super::find::folded;
use super::part::Part;
use super::problem::{Problem, list};
use crate::connector::contract::{Action, Rejection, Verdict, Write};
use crate::connector::http::{Answer, Redactor};
use crate::json::exact;
use crate::json::fields::Fields;
use crate::record::RemoteId;

/// What was sent.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) action: Action,
    /// Where external ids are kept.
    pub(super) property: Option<&'a str>,
    pub(super) inputs: &'a [(&'a Write, &'a Part)],
}

/// A verdict for each record; `None` where the answer speaks of none of them.
pub(super) fn verdicts(
    sent: &Sent<'_>,
    answer: &Answer,
    redactor: &Redactor,
) -> Option<Vec<Verdict>> {
    let body = exact::parse(&answer.body).ok()?;
    let (results, errors) = (list(&body, "results"), list(&body, "errors"));
    let is_traced = |error: &Value| Problem(error).context(TRACE).next().is_some();
    let speaks = answer.is_success() || !results.is_empty() || errors.iter().any(is_traced);
    if !speaks {
        // Of a call with one record, what is said of the call is said of that.
        let verdict = Problem(&body).verdict(sent.action, sent.property, redactor);
        let is_told = matches!(verdict, Verdict::Exists(_) | Verdict::Missing);
        return (is_told && sent.inputs.len() == 1).then(|| vec![verdict]);
    }
    let places = Places::new(sent);
    let mut verdicts: Vec<Option<Verdict>> = vec![None; sent.inputs.len()];
    let mut unknown = Vec::new();
    for result in results {
        match places.of_result(result, &verdicts) {
            Some(place) => verdicts[place] = Some(written(sent.action, result, redactor)),
            None => unknown.push(result),
        }
    }
    let mut unplaced = Vec::new();
    for error in errors {
        let named = places.of_error(Problem(error));
        if named.is_empty() {
            unplaced.push(error);
        }
        for place in named {
            let verdict = Problem(error).verdict(sent.action, sent.property, redactor);
            verdicts[place].get_or_insert(verdict);
        }
    }
    // The values that it was to have, for a remote that names nothing.
    for result in unknown {
        if let Some(place) = places.by_content(result, &verdicts) {
            verdicts[place] = Some(written(sent.action, result, redactor));
        }
    }
    let open = verdicts.iter().filter(|verdict| verdict.is_none()).count();
    let left = of_unplaced(sent, &unplaced, open, redactor);
    Some(verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| left.clone())).collect())
}

/// What is said of the `open` records that nothing names. Where there is a refusal for each of them,
/// none was applied, though nobody knows which refusal is whose.
fn of_unplaced(sent: &Sent<'_>, unplaced: &[&Value], open: usize, redactor: &Redactor) -> Verdict {
    let mut told: Vec<Verdict> = unplaced
        .iter()
        .map(|error| Problem(error).verdict(sent.action, sent.property, redactor))
        .collect();
    told.dedup();
    match told.as_slice() {
        [only] if unplaced.len() >= open => match only {
            // The id is that of one of them.
            Verdict::Exists(Some(_)) if open > 1 => {}
            told => return told.clone(),
        },
        [Verdict::Rejected(first), ..]
            if unplaced.len() >= open
                && told.iter().all(|verdict| matches!(verdict, Verdict::Rejected(_))) =>
        {
            let messages = told.iter().filter_map(|verdict| match verdict {
                Verdict::Rejected(rejection) => Some(&*rejection.message),
                _ => None,
            });
            let message = messages.collect::<Vec<_>>().join("; or: ").into();
            return Verdict::Rejected(Rejection { message, ..first.clone() });
        }
        _ => {}
    }
    Verdict::InDoubt("the answer does not name it".into())
}

const TRACE: &str = "objectWriteTraceId";

/// What a result says of the record that it is of.
pub(super) fn written(action: Action, result: &Value, redactor: &Redactor) -> Verdict {
    let id = result.get("id").and_then(exact::text).and_then(|id| redactor.unless_secret(id));
    let id = id.map(RemoteId::new);
    match (action, result.get("new").and_then(Value::as_bool)) {
        (Action::Create, _) | (Action::Upsert, Some(true)) => Verdict::Created(id),
        (Action::Update, _) | (Action::Upsert, Some(false)) => Verdict::Updated(id),
        (Action::Upsert, None) => Verdict::Upserted(id),
        (Action::Delete, _) => Verdict::Deleted,
    }
}

/// Which record is meant.
struct Places<'a> {
    sent: &'a Sent<'a>,
    traces: HashMap<String, usize>,
    /// By the id that the input had, as HubSpot spells it.
    ids: HashMap<String, usize>,
}

impl<'a> Places<'a> {
    fn new(sent: &'a Sent<'a>) -> Self {
        let traces = (0..sent.inputs.len()).map(|place| (trace(place), place)).collect();
        let ids = sent.inputs.iter().enumerate();
        let ids = ids.filter_map(|(place, (write, _))| {
            Some((folded(sent.property, input_id(sent.action, write)?), place))
        });
        Self { sent, traces, ids: ids.collect() }
    }

    fn of_id(&self, id: &str) -> Option<usize> {
        self.ids.get(&folded(self.sent.property, id)).copied()
    }

    fn of_result(&self, result: &Value, taken: &[Option<Verdict>]) -> Option<usize> {
        let free = |place: &usize| taken[*place].is_none();
        if let Some(trace) = result.get(TRACE).and_then(Value::as_str) {
            return self.traces.get(trace).copied().filter(free);
        }
        let id = match self.sent.action {
            Action::Create => None,
            Action::Update | Action::Delete => result.get("id").and_then(exact::text),
            Action::Upsert => {
                let property = self.sent.property?;
                result.get("properties")?.get(property).and_then(exact::text)
            }
        };
        self.of_id(&id?).filter(free)
    }

    fn of_error(&self, problem: Problem<'_>) -> Vec<usize> {
        let traced = problem.context(TRACE).filter_map(|trace| self.traces.get(trace));
        let traced: Vec<usize> = traced.copied().collect();
        if !traced.is_empty() {
            return traced;
        }
        problem.ids().filter_map(|id| self.of_id(id)).collect()
    }

    /// The first open record all of whose values the result has. Of two that are alike, either may
    /// have either id.
    fn by_content(&self, result: &Value, taken: &[Option<Verdict>]) -> Option<usize> {
        if result.get(TRACE).is_some() || self.sent.action != Action::Create {
            return None;
        }
        let held = result.get("properties")?;
        let has_all = |part: &Part| {
            Fields::of_text(&part.properties).is_ok_and(|fields| {
                !fields.0.is_empty()
                    && fields.0.iter().all(|(name, value)| {
                        let sent: Option<String> = serde_json::from_str(value.get()).ok();
                        held.get(&**name).and_then(exact::text) == sent
                    })
            })
        };
        let mut open =
            self.sent.inputs.iter().enumerate().filter(|(place, _)| taken[*place].is_none());
        open.find(|(_, (_, part))| has_all(part)).map(|(place, _)| place)
    }
}
