//! Payments that come with a bill or an invoice: written after it, each once, where they are not
//! [`applied`](super::applied) already.
//!
//! A call that NetSuite is still at work on shows nothing yet. So each payment has an external id, of
//! the user's or one that follows from what it is: where NetSuite has it, it makes no second one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::NetSuite;
use super::applied::{Applied, Related, pair};
use super::lines::items;
use super::paths::Which;
use super::record::EXTERNAL_ID;
use super::reference::{by_id, references};
use super::suiteql::quoted;
use super::unified::{AMOUNT, Kind, Paid};
use crate::connector::contract::{Action, RequestError, THROTTLED, Verdict, Write, WriteAnswer};
use crate::connector::parts::{is_no, not_finished, written_id};
use crate::connector::stop::unless_stopped;
use crate::json::exact;
use crate::json::fields::{Fields, finish_object, push_field};
use crate::record::RemoteId;

/// What became of a payment.
enum Became {
    There,
    /// It is refused: why.
    Refused(String),
    /// Nobody can tell, or not now: why.
    Open(String),
}

/// Documents that were written in this job and whose payments were not all: what was written of
/// each. Until those are, it need not be written again.
#[derive(Debug, Default)]
pub(super) struct Unpaid(Mutex<HashMap<RemoteId, u64>>);

impl Unpaid {
    /// Whether this `content` was written of a document.
    pub(super) fn has(&self, id: Option<&RemoteId>, content: &str) -> bool {
        id.is_some_and(|id| self.known().get(id) == Some(&digest(content)))
    }

    fn add(&self, id: &RemoteId, content: &str) {
        self.known().insert(id.clone(), digest(content));
    }

    fn remove(&self, id: &RemoteId) {
        self.known().remove(id);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<RemoteId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(content: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// A document whose payments are written.
pub(super) struct Payer<'a> {
    pub(super) kind: Kind,
    pub(super) payments: &'a [String],
    /// Whose document it is.
    pub(super) entity: Option<&'a str>,
    /// What was written of the document itself.
    pub(super) content: &'a str,
}

impl NetSuite {
    /// Writes the payments of a document that was written, and tells in `answer` where that did not
    /// come to its end.
    ///
    /// # Errors
    /// NetSuite throttles: a document that was there before is to be sent again. It is
    /// [not written](Unpaid) again then.
    pub(super) async fn write_payments(
        &self,
        payer: &Payer<'_>,
        write: &Write,
        answer: &mut WriteAnswer,
    ) -> Result<(), RequestError> {
        let [verdict] = answer.verdicts.as_mut_slice() else { return Ok(()) };
        let is_new = matches!(verdict, Verdict::Created(_));
        let Some(id) = written_id(verdict, write.remote_id.clone(), true) else { return Ok(()) };
        self.unpaid.add(&id, payer.content);
        match self.write_each(payer, &id, is_new).await {
            Ok(Became::There) => {}
            Ok(Became::Refused(why)) => *verdict = Verdict::Altered(Some(id.clone()), why.into()),
            Ok(Became::Open(why)) => {
                *verdict = not_finished(verdict, &id, &why);
                return Ok(());
            }
            Err(error @ RequestError::Throttled { .. })
                if matches!(verdict, Verdict::Updated(_)) =>
            {
                return Err(error);
            }
            Err(error) => {
                *verdict = not_finished(verdict, &id, &format!("its payments: {error}"));
                if let RequestError::Throttled { retry_after, .. } = error {
                    (answer.status, answer.quiet) = (THROTTLED, retry_after);
                }
                return Ok(());
            }
        }
        self.unpaid.remove(&id);
        Ok(())
    }

    /// Writes those payments of a document that are not there.
    async fn write_each(
        &self,
        payer: &Payer<'_>,
        id: &RemoteId,
        is_new: bool,
    ) -> Result<Became, RequestError> {
        let applied = match self.payments_of(payer.kind, id, is_new).await {
            Err(error) if is_no(&error) => {
                return Ok(Became::Refused(format!("its payments cannot be looked for: {error}")));
            }
            applied => applied?,
        };
        let related = Related::all(payer.payments, id);
        let what = payer.kind.paid().document;
        let mut wrong = Vec::new();
        let pairs = pair(&related, &applied, id);
        for ((payment, related), known) in payer.payments.iter().zip(&related).zip(pairs) {
            if let Some(known) = known.and_then(|known| applied.get(known)) {
                wrong.extend(related.differs(known));
                continue;
            }
            match self.write_payment(payer, payment, id, related).await {
                Err(error) if is_no(&error) => {
                    wrong.push(format!("Error creating payment for {what}: {error}"));
                }
                Err(error) => return Err(error),
                Ok(Became::There) => {}
                Ok(Became::Refused(why)) => {
                    wrong.push(format!("Error creating payment for {what}: {why}"));
                }
                Ok(Became::Open(why)) => return Ok(Became::Open(format!("its payment: {why}"))),
            }
        }
        if wrong.is_empty() {
            return Ok(Became::There);
        }
        let (all, count) = (payer.payments.len(), wrong.len());
        Ok(Became::Refused(format!(
            "the {} itself is written, {} of its {all} payments are there, and {count} not: {}",
            what.to_lowercase(),
            all - count,
            wrong.join("; ")
        )))
    }

    /// The payments that were applied to a document.
    async fn payments_of(
        &self,
        kind: Kind,
        id: &RemoteId,
        is_new: bool,
    ) -> Result<Vec<Applied>, RequestError> {
        if is_new {
            return Ok(Vec::new());
        }
        let Paid { payment_type, .. } = kind.paid();
        let question = format!(
            "SELECT t.id AS id, t.externalid AS externalid, t.foreigntotal AS amount, l.foreignamount AS applied, \
             TO_CHAR(t.trandate, 'YYYY-MM-DD') AS trandate FROM nexttransactionlinelink l INNER JOIN transaction t \
             ON t.id = l.nextdoc WHERE l.previousdoc = {} AND t.type = {} ORDER BY 1",
            id.as_str(),
            quoted(payment_type)
        );
        Ok(Applied::of(&self.ask(&question).await?))
    }

    /// Writes one.
    async fn write_payment(
        &self,
        payer: &Payer<'_>,
        payment: &str,
        document: &RemoteId,
        related: &Related,
    ) -> Result<Became, RequestError> {
        let Paid { payment: record_type, field, .. } = payer.kind.paid();
        let verdict = match self.resolved(payment, &references(payment), None).await? {
            Err(verdict) => verdict,
            Ok(resolved) => {
                let body =
                    payment_body(&resolved, field, payer.entity, document.as_str(), &related.id);
                let url = self.paths.records(record_type)?;
                let answer = self.send(Method::POST, url, Bytes::from(body), false, None).await?;
                self.judge(&answer, Action::Create, None)?
            }
        };
        Ok(match verdict {
            Verdict::Created(_) => Became::There,
            Verdict::Rejected(no) | Verdict::NoParent(no) => {
                Became::Refused(no.message.to_string())
            }
            // By now: it was sent before, and its answer was lost.
            Verdict::Exists(_) if self.is_there(payer.kind, document, related).await? => {
                Became::There
            }
            Verdict::Exists(_) => {
                Became::Refused("there is another one with its id or number".to_owned())
            }
            // What may be there is looked for when the record is sent again.
            Verdict::Busy(why) | Verdict::InDoubt(why) => Became::Open(why.into()),
            _ => Became::Open("nobody tells of it".to_owned()),
        })
    }

    /// Whether a payment that NetSuite does not make again is there. An id that was made here is
    /// nobody else's: the call that has it may still be at work.
    async fn is_there(
        &self,
        kind: Kind,
        document: &RemoteId,
        related: &Related,
    ) -> Result<bool, RequestError> {
        if self.shows(kind, document, related).await? {
            return Ok(true);
        }
        if !related.is_own {
            return Ok(false);
        }
        unless_stopped(tokio::time::sleep(self.settles)).await?;
        self.shows(kind, document, related).await
    }

    /// Whether NetSuite shows a payment of a document under its external id: by a link between
    /// them, which may come later than the payment itself.
    async fn shows(
        &self,
        kind: Kind,
        document: &RemoteId,
        related: &Related,
    ) -> Result<bool, RequestError> {
        let applied = self.payments_of(kind, document, false).await?;
        if applied.iter().any(|known| related.has_id(known)) {
            return Ok(true);
        }
        let which = Which::ExternalId(&related.id);
        let payment = self.read(kind.paid().payment, which, true).await?;
        Ok(payment.is_some_and(|payment| pays(&payment, document.as_str())))
    }
}

/// Whether a payment is applied to a document.
fn pays(payment: &Value, document: &str) -> bool {
    let is_it = |line: &&Value| exact::text(&line["doc"]["id"]).as_deref() == Some(document);
    items(payment, "apply").iter().filter(is_it).any(|line| line["apply"] != false)
}

/// A payment as it goes out: of whom, and for which document; `own_id`: where it has none.
fn payment_body(
    payment: &str,
    field: &str,
    entity: Option<&str>,
    document: &str,
    own_id: &str,
) -> String {
    let mut body = String::with_capacity(payment.len() + 200);
    if let Some(entity) = entity {
        push_field(&mut body, field, &by_id(entity));
    }
    let mut amount = None;
    if let Ok(fields) = Fields::of_text(payment) {
        if fields.get(EXTERNAL_ID).is_none() {
            push_field(&mut body, EXTERNAL_ID, &format!("\"{own_id}\""));
        }
        amount = fields.get(AMOUNT).map(|amount| amount.get().to_owned());
        for (name, value) in fields.0.iter().filter(|(name, _)| !name.starts_with('$')) {
            push_field(&mut body, name, value.get());
        }
    }
    let amount = amount.map(|amount| format!(",\"amount\":{amount}")).unwrap_or_default();
    let applied = format!("{{\"items\":[{{\"doc\":{},\"apply\":true{amount}}}]}}", by_id(document));
    push_field(&mut body, "apply", &applied);
    finish_object(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_pays_its_document() {
        let payment = r#"{"$amount":50.00,"$date":"x","tranDate":"2026-05-22"}"#;
        assert_eq!(
            payment_body(payment, "entity", Some("7"), "12", "p-1"),
            r#"{"entity":{"id":"7"},"externalId":"p-1","tranDate":"2026-05-22","apply":{"items":[{"doc":{"id":"12"},"apply":true,"amount":50.00}]}}"#
        );
    }
}
