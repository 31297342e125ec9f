//! From the answer to a batch to what became of each of its records.
//!
//! Results come in any order, and some may be missing. A record's is known by its trace id; where the
//! remote does not tell that again, by its id, or by the values that it was to have. What the answer
//! does not name, and what it says two things of, is in doubt.

use std::collections::HashMap;

use indexmap::IndexSet;
use serde_json::Value;

use super::batch::{input_id, trace};
use super::content;
use super::find::{folded, id_of};
use super::part::Part;
use super::problem::{Problem, is_error, is_of_content, list, num_errors};
use crate::connector::contract::{Action, Rejection, Verdict, Write};
use crate::connector::http::{Answer, Redactor};
use crate::json::exact;
use crate::record::RemoteId;

/// What was sent.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) action: Action,
    /// Where external ids are kept.
    pub(super) property: Option<&'a str>,
    pub(super) inputs: &'a [(&'a Write, &'a Part)],
}

/// A verdict for each record; `None` where the answer does not speak of them.
pub(super) fn verdicts(
    sent: &Sent<'_>,
    answer: &Answer,
    redactor: &Redactor,
) -> Option<Vec<Verdict>> {
    let judge = Judge { sent, redactor, places: Places::new(sent) };
    if sent.action == Action::Delete && answer.is_success() {
        return judge.archived(&answer.body);
    }
    let body = exact::parse(&answer.body).ok()?;
    if answer.is_success() || !list(&body, "results").is_empty() {
        return Some(judge.written(&body));
    }
    is_of_content(answer.status).then(|| judge.refused(&body)).flatten()
}

/// What an answer says of one record.
#[derive(Clone, Debug, Default)]
struct Said<'a> {
    results: Vec<&'a Value>,
    errors: Vec<&'a Value>,
}

impl Said<'_> {
    fn is_nothing(&self) -> bool {
        self.results.is_empty() && self.errors.is_empty()
    }
}

/// The ids that an answer tells.
struct Ids {
    /// Of each record, the one that it was written under.
    of: Vec<Option<String>>,
    /// Of how many each is.
    times: HashMap<String, usize>,
}

impl Ids {
    fn new(said: &[Said<'_>]) -> Self {
        let of_one = |said: &Said<'_>| said.results.first().and_then(|result| id_of(result));
        let of: Vec<Option<String>> = said.iter().map(of_one).collect();
        let mut times = HashMap::new();
        for id in of.iter().flatten() {
            *times.entry(id.clone()).or_default() += 1;
        }
        Self { of, times }
    }
}

struct Judge<'a> {
    sent: &'a Sent<'a>,
    redactor: &'a Redactor,
    places: Places<'a>,
}

impl Judge<'_> {
    /// Of a call some of whose records were written.
    fn written(&self, body: &Value) -> Vec<Verdict> {
        let (results, errors) = (list(body, "results"), list(body, "errors"));
        let (said, unplaced) = self.heard(results, errors);
        let open = said.iter().filter(|said| said.is_nothing()).count();
        // One error for each record that has no result: then nothing else can be meant.
        let is_counted =
            results.len() + errors.len() == said.len() && num_errors(body) == Some(errors.len());
        let left = self.of_unplaced(&unplaced, open, is_counted);
        let ids = Ids::new(&said);
        let verdicts = said.iter().enumerate().map(|(place, own)| {
            if own.is_nothing() { left.clone() } else { self.verdict(place, own, &ids) }
        });
        if open > 0 || unplaced.is_empty() {
            return verdicts.collect();
        }
        let why =
            format!("of one record of its call, HubSpot says: {}", self.words(&unplaced, ALL));
        verdicts.map(|verdict| altered(verdict, &why)).collect()
    }

    /// What is said of each record, and the errors that name none.
    fn heard<'b>(
        &self,
        results: &'b [Value],
        errors: &'b [Value],
    ) -> (Vec<Said<'b>>, Vec<&'b Value>) {
        let mut said = vec![Said::default(); self.sent.inputs.len()];
        let (mut unknown, mut unplaced) = (Vec::new(), Vec::new());
        for result in results {
            match self.places.of_result(result) {
                Some(place) => said[place].results.push(result),
                None => unknown.push(result),
            }
        }
        for error in errors {
            let named = self.places.of_error(Problem(error));
            if named.is_empty() {
                unplaced.push(error);
            }
            for place in named {
                said[place].errors.push(error);
            }
        }
        if self.sent.action == Action::Create {
            let is_open = |place: &usize| said[*place].is_nothing();
            let open: Vec<usize> = (0..said.len()).filter(is_open).collect();
            let parts: Vec<&Part> = open.iter().map(|place| self.sent.inputs[*place].1).collect();
            unknown.retain(|result: &&Value| result.get(TRACE).is_none());
            for (place, result) in content::matched(&parts, &unknown) {
                said[open[place]].results.push(result);
            }
        }
        (said, unplaced)
    }

    /// Of a call that is refused as a whole, which applies nothing. It may speak of each record.
    fn refused(&self, body: &Value) -> Option<Vec<Verdict>> {
        let (said, _) = self.heard(&[], list(body, "errors"));
        if !said.iter().any(Said::is_nothing) {
            // What is wrong stands at the record, of what kind it is at the call.
            let code = Problem(body).code(self.redactor);
            let verdicts = said.iter().map(|said| match self.refusal(&said.errors, ALL) {
                Verdict::Rejected(no) => {
                    Verdict::Rejected(Rejection { code: no.code.or_else(|| code.clone()), ..no })
                }
                verdict => verdict,
            });
            return Some(verdicts.collect());
        }
        // Of a call with one record, what is said of the call is said of that.
        let verdict = self.refusal(&[body], ALL);
        let is_told = matches!(verdict, Verdict::Exists(_) | Verdict::Missing);
        (is_told && said.len() == 1).then(|| vec![verdict])
    }

    /// Of records that were archived, which has no answer but to those that were not. To archive
    /// what is gone is no error.
    fn archived(&self, body: &[u8]) -> Option<Vec<Verdict>> {
        if body.trim_ascii().is_empty() {
            return Some(vec![Verdict::Deleted; self.sent.inputs.len()]);
        }
        let body = exact::parse(body).ok()?;
        let errors = list(&body, "errors");
        let (said, unplaced) = self.heard(&[], errors);
        let is_counted = num_errors(&body).is_none_or(|count| count == errors.len());
        let left = if !is_error(&body) || (!errors.is_empty() && unplaced.is_empty() && is_counted)
        {
            Verdict::Deleted
        } else if said.len() == 1 {
            self.refusal(if errors.is_empty() { vec![&body] } else { unplaced }.as_slice(), ALL)
        } else {
            Verdict::InDoubt(UNNAMED.into())
        };
        let verdicts = said.iter().map(|own| {
            if own.is_nothing() { left.clone() } else { self.refusal(&own.errors, ALL) }
        });
        Some(verdicts.collect())
    }

    /// What became of one record that the answer speaks of. `ids`: those that it tells of all.
    fn verdict(&self, place: usize, own: &Said<'_>, ids: &Ids) -> Verdict {
        let Some(result) = own.results.first() else { return self.refusal(&own.errors, ALL) };
        if self.is_contradicted(place, own, ids) {
            return Verdict::InDoubt("the answer contradicts itself".into());
        }
        let verdict = written(self.sent.action, result, self.redactor);
        if own.errors.is_empty() {
            verdict
        } else {
            altered(verdict, &self.words(&own.errors, ALL))
        }
    }

    /// Whether the results of a record are at odds: with each other, with what was sent, or with
    /// those of other records.
    fn is_contradicted(&self, place: usize, said: &Said<'_>, ids: &Ids) -> bool {
        let own = ids.of[place].as_ref();
        if said.results.iter().skip(1).any(|result| id_of(result).as_ref() != own) {
            return true;
        }
        // HubSpot may spell a value otherwise, but not as another's.
        let told = |property: &str| {
            let told = said.results[0].get("properties")?.get(property)?;
            self.places.of_external_id(&exact::text(told)?)
        };
        let told = self.sent.property.filter(|_| self.sent.action != Action::Update).and_then(told);
        if told.is_some_and(|told| told != place) {
            return true;
        }
        let Some(own) = own else { return false };
        if self.sent.action == Action::Update {
            // Records that were merged have the id of one of them. Where that is another's of the
            // call, its own result must say so too.
            let other = self.places.of_id(own).filter(|other| *other != place);
            return other.is_some_and(|other| ids.of[other].as_ref().is_some_and(|id| id != own));
        }
        ids.times.get(own).is_some_and(|times| *times > 1)
    }

    /// What refusals of one record say of it; `between`: how they go together.
    fn refusal(&self, errors: &[&Value], between: &str) -> Verdict {
        let (action, property) = (self.sent.action, self.sent.property);
        let told =
            errors.iter().map(|error| Problem(error).verdict(action, property, self.redactor));
        // What may have been applied is not sent again, whatever else is said.
        let rank = |verdict: &Verdict| match verdict {
            Verdict::InDoubt(_) => 0,
            Verdict::Busy(_) => 1,
            Verdict::Rejected(_) => 3,
            _ => 2,
        };
        match told.min_by_key(rank) {
            Some(Verdict::Rejected(first)) => Verdict::Rejected(Rejection {
                message: self.words(errors, between).into(),
                ..first
            }),
            Some(verdict) => verdict,
            None => Verdict::InDoubt(UNNAMED.into()),
        }
    }

    /// What is said of the `open` records that nothing names. Where there is a refusal for each of
    /// them, none was applied, though nobody knows which refusal is whose.
    fn of_unplaced(&self, unplaced: &[&Value], open: usize, is_counted: bool) -> Verdict {
        let verdict = self.refusal(unplaced, if open == 1 { ALL } else { ONE_OF });
        let is_of_each = match &verdict {
            // The id is that of one of them.
            Verdict::Exists(_) | Verdict::Missing => unplaced.len() == 1,
            Verdict::Rejected(_) => true,
            _ => false,
        };
        if !unplaced.is_empty()
            && is_of_each
            && (open == 1 || (is_counted && unplaced.len() == open))
        {
            return verdict;
        }
        Verdict::InDoubt(UNNAMED.into())
    }

    fn words(&self, errors: &[&Value], between: &str) -> String {
        let words = errors.iter().map(|error| Problem(error).rejection(self.redactor).message);
        words.collect::<IndexSet<_>>().into_iter().collect::<Vec<_>>().join(between)
    }
}

/// Between refusals that all hold, and between those of which one does.
const ALL: &str = "; ";
const ONE_OF: &str = "; or: ";
const TRACE: &str = "objectWriteTraceId";
const UNNAMED: &str = "the answer does not name it";

/// What was written, and not as it was to be.
pub(super) fn altered(verdict: Verdict, why: &str) -> Verdict {
    match verdict {
        Verdict::Created(id) | Verdict::Updated(id) | Verdict::Upserted(id) => {
            Verdict::Altered(id, why.into())
        }
        verdict => verdict,
    }
}

/// What a result says of the record that it is of.
pub(super) fn written(action: Action, result: &Value, redactor: &Redactor) -> Verdict {
    let id = id_of(result).and_then(|id| redactor.unless_secret(id)).map(RemoteId::new);
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
    /// Of records that are made, by the external ids that they were to have.
    external_ids: HashMap<String, usize>,
}

impl<'a> Places<'a> {
    fn new(sent: &'a Sent<'a>) -> Self {
        let traces = (0..sent.inputs.len()).map(|place| (trace(place), place)).collect();
        let (ids, external_ids) = (HashMap::new(), HashMap::new());
        let mut places = Self { sent, traces, ids, external_ids };
        for (place, (write, _)) in sent.inputs.iter().enumerate() {
            if let Some(id) = input_id(sent.action, write) {
                places.ids.insert(places.spelled(id), place);
            }
            if let (Action::Create, Some(_), Some(id)) =
                (sent.action, sent.property, &write.external_id)
            {
                places.external_ids.insert(folded(sent.property, id.as_str()), place);
            }
        }
        places
    }

    fn spelled(&self, id: &str) -> String {
        folded(self.sent.property.filter(|_| self.sent.action == Action::Upsert), id)
    }

    fn of_id(&self, id: &str) -> Option<usize> {
        self.ids.get(&self.spelled(id)).copied()
    }

    fn of_external_id(&self, id: &str) -> Option<usize> {
        match self.sent.action {
            Action::Upsert => self.of_id(id),
            _ => self.external_ids.get(&folded(self.sent.property, id)).copied(),
        }
    }

    fn of_result(&self, result: &Value) -> Option<usize> {
        if let Some(trace) = result.get(TRACE).and_then(Value::as_str) {
            return self.traces.get(trace).copied();
        }
        let id = match self.sent.action {
            Action::Create => None,
            Action::Update | Action::Delete => id_of(result),
            Action::Upsert => {
                let property = self.sent.property?;
                result.get("properties")?.get(property).and_then(exact::text)
            }
        };
        self.of_id(&id?)
    }

    fn of_error(&self, problem: Problem<'_>) -> Vec<usize> {
        let traced = problem.context(TRACE).filter_map(|trace| self.traces.get(&trace).copied());
        let traced: Vec<usize> = traced.collect();
        if !traced.is_empty() {
            return traced;
        }
        problem.ids().filter_map(|id| self.of_id(&id)).collect()
    }
}
