//! Records that follow others: written up to 200 a call, each judged for itself. Those that are
//! there already are as good as written, so that to write them again changes nothing.

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::Salesforce;
use super::collections::{MAX_RECORDS, results};
use super::ids::told_id;
use super::problem::{Problem, failure};
use crate::connector::contract::{Action, RequestError, Verdict};
use crate::connector::http::Call;
use crate::connector::parts::{is_no, not_finished};
use crate::record::RemoteId;

/// Bytes of a call's body, at most.
const MAX_BYTES: usize = 5 << 20;

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// Written; under this id, if the answer names it.
    Done(Option<String>),
    /// There already; under this id, if the answer names it.
    Twice(Option<String>),
    /// The remote's no.
    Refused(Box<str>),
    /// Not written this time, or nobody knows.
    Open(Box<str>),
}

impl Salesforce {
    /// Makes records or changes them: JSON with their types, and their ids where they are there.
    pub(super) async fn write_all(&self, action: Action, records: &[String]) -> Vec<Followed> {
        let mut told: Vec<Option<Followed>> = vec![None; records.len()];
        let mut pieces: Vec<std::ops::Range<usize>> = chunks(records);
        pieces.reverse();
        while let Some(piece) = pieces.pop() {
            match self.write_piece(action, &records[piece.clone()]).await {
                Ok(some) => {
                    for (place, one) in piece.zip(some) {
                        told[place] = Some(one);
                    }
                }
                // One that is refused takes none of the others with it.
                Err(error) if is_no(&error) && piece.len() > 1 => {
                    let middle = piece.start + piece.len() / 2;
                    pieces.extend([middle..piece.end, piece.start..middle]);
                }
                Err(error) => {
                    let why: Box<str> = error.to_string().into();
                    let one =
                        if is_no(&error) { Followed::Refused(why) } else { Followed::Open(why) };
                    told[piece].fill(Some(one));
                }
            }
        }
        let untold = || Followed::Open("nothing was said of it".into());
        told.into_iter().map(|one| one.unwrap_or_else(untold)).collect()
    }

    async fn write_piece(
        &self,
        action: Action,
        records: &[String],
    ) -> Result<Vec<Followed>, RequestError> {
        self.quota.refuse_spent()?;
        let url = self.url(&["composite", "sobjects"]).await?;
        let body = format!("{{\"allOrNone\":false,\"records\":[{}]}}", records.join(","));
        let method = if action == Action::Create { Method::POST } else { Method::PATCH };
        let answer = self.send(method, url, Bytes::from(body), false, None).await?;
        let redactor = self.client.redactor();
        if !answer.is_success() {
            return Err(failure(&answer, Call::Write { action, single: false }, redactor));
        }
        let results = results(&answer, records.len())
            .ok_or_else(|| RequestError::Protocol(answer.describe(redactor).into()))?;
        Ok(results.iter().map(|result| self.told(action, result)).collect())
    }

    fn told(&self, action: Action, result: &Value) -> Followed {
        let redactor = self.client.redactor();
        if result["success"] == true {
            let id = told_id(result.get("id"), redactor);
            return Followed::Done(id.map(|id| id.to_string()));
        }
        let Some(error) = result.pointer("/errors/0") else {
            return Followed::Open("the answer does not say whether it was written".into());
        };
        let problem = Problem(error);
        if problem.is_twice() {
            return Followed::Twice(problem.twin());
        }
        match problem.verdict(action, &[], redactor) {
            Verdict::Busy(why) | Verdict::InDoubt(why) => Followed::Open(why),
            _ => Followed::Refused(problem.rejection(redactor).message),
        }
    }
}

/// A record that was written, and what follows it as `told`: what there is to be done.
pub(super) fn not_done(verdict: &mut Verdict, id: &str, what: &str, told: &Followed) {
    let id = RemoteId::new(id);
    match told {
        Followed::Done(Some(_)) | Followed::Twice(_) => {}
        Followed::Refused(why) => add_trouble(verdict, &id, &format!("{what}: {why}")),
        Followed::Open(why) => *verdict = not_finished(verdict, &id, &format!("{what}: {why}")),
        Followed::Done(None) => {
            *verdict =
                not_finished(verdict, &id, &format!("{what}: the answer does not name its id"));
        }
    }
}

/// A record that was written, and something of it was not: why. One that is written once more tells
/// it then.
pub(super) fn add_trouble(verdict: &mut Verdict, id: &RemoteId, why: &str) {
    *verdict = match &*verdict {
        Verdict::Altered(id, told) => Verdict::Altered(id.clone(), format!("{told}; {why}").into()),
        Verdict::Created(_) | Verdict::Updated(_) | Verdict::Upserted(_) => {
            Verdict::Altered(Some(id.clone()), why.into())
        }
        other => other.clone(),
    };
}

/// As few calls as have room for all.
fn chunks(records: &[String]) -> Vec<std::ops::Range<usize>> {
    let (mut all, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (place, record) in records.iter().enumerate() {
        if place - start == MAX_RECORDS || (place > start && bytes + record.len() > MAX_BYTES) {
            all.push(start..place);
            (start, bytes) = (place, 0);
        }
        bytes += record.len();
    }
    if start < records.len() {
        all.push(start..records.len());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_as_few_as_have_room() {
        assert_eq!(chunks(&vec![String::new(); 450]), [0..200, 200..400, 400..450]);
        assert!(chunks(&[]).is_empty());
        let long = vec!["x".repeat(MAX_BYTES - 1), "y".to_owned(), "z".to_owned()];
        assert_eq!(chunks(&long), [0..2, 2..3]);
    }

    #[test]
    fn what_is_open_is_finished_and_what_is_refused_is_told() {
        let id = || Some(RemoteId::new("003"));
        let told = |verdict: Verdict, told: Followed| {
            let mut verdict = verdict;
            not_done(&mut verdict, "003", "the topic", &told);
            verdict
        };
        let open = || Followed::Open("late".into());
        let incomplete = Verdict::Incomplete { remote_id: RemoteId::new("003"), is_new: true };
        assert_eq!(told(Verdict::Created(id()), open()), incomplete);
        assert!(matches!(told(Verdict::Updated(id()), open()), Verdict::Busy(_)));
        let refused = told(Verdict::Created(id()), Followed::Refused("no".into()));
        assert_eq!(refused, Verdict::Altered(id(), "the topic: no".into()));
        let again = told(refused.clone(), Followed::Refused("never".into()));
        assert_eq!(again, Verdict::Altered(id(), "the topic: no; the topic: never".into()));
        assert_eq!(told(Verdict::Created(id()), Followed::Twice(None)), Verdict::Created(id()));
        // What is written once more tells it then.
        assert_eq!(told(incomplete.clone(), Followed::Refused("no".into())), incomplete);
    }
}
