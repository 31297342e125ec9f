//! Payments that come with a bill or an invoice: written after it, each once. One is there already
//! where a payment of its external id, or else of its amount and day, was applied to the document.
//!
//! A call that NetSuite is still at work on shows nothing yet. So each payment has an external id, of
//! the user's or one that follows from what it is: where NetSuite has it, it makes no second one.

use std::collections::HashMap;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::NetSuite;
use super::directory::folded;
use super::record::EXTERNAL_ID;
use super::reference::{by_id, references};
use super::suiteql::{Row, quoted};
use super::unified::{AMOUNT, DATE, Kind, Paid};
use crate::connector::contract::{Action, RequestError, Verdict, Write, WriteAnswer};
use crate::connector::parts::{is_no, not_finished, written_id};
use crate::json::exact;
use crate::json::fields::{Fields, finish_object, push_field};
use crate::record::RemoteId;

/// A payment that was applied to a document.
#[derive(Debug)]
struct Held {
    row: Row,
    /// What it comes to: in all, and what of it is the document's.
    amounts: Vec<f64>,
}

impl Held {
    /// From a row for each link, those of one payment one after the other.
    fn of(rows: Vec<Row>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for row in rows {
            let amount = |name: &str| row.get(name).and_then(|amount| number(&amount.into()));
            let (total, applied) = (amount("amount"), amount("applied"));
            match all.last_mut().filter(|known| known.row.get("id") == row.get("id")) {
                Some(known) => known.amounts.extend(applied),
                None => all.push(Self { amounts: total.into_iter().chain(applied).collect(), row }),
            }
        }
        all
    }
}

/// What of a payment tells whether NetSuite has it.
struct Related {
    /// The user's.
    external_id: Option<String>,
    amount: Option<f64>,
    day: Option<String>,
}

impl Related {
    fn of(payment: &str) -> Self {
        let payment = exact::parse(payment.as_bytes()).unwrap_or_default();
        Self {
            external_id: exact::text(&payment[EXTERNAL_ID]),
            amount: number(&payment[AMOUNT]),
            day: exact::text(&payment[DATE]),
        }
    }

    /// What it is by its document, its amount and its day. NetSuite takes letters, digits, `_` and
    /// `-` in an external id.
    fn own_id(&self, document: &RemoteId) -> String {
        let (day, amount) =
            (self.day.as_deref().unwrap_or_default(), self.amount.unwrap_or_default());
        let id = format!("payment-of-{}-{amount:.2}-{day}", document.as_str());
        id.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-', "_")
    }

    /// Whether NetSuite has it under the external id that it goes out with; `own_id`: where the
    /// user says none.
    fn has_id(&self, own_id: &str, known: &Held) -> bool {
        let id = self.external_id.as_deref().unwrap_or(own_id);
        known.row.get("externalid").is_some_and(|held| folded(held) == folded(id))
    }

    /// Whether it is the one that NetSuite has: by their external ids, where both have one; else by
    /// amount and day, or by the amount alone of one that says no day, which NetSuite has set. What
    /// is paid out is below 0 there.
    fn is_same(&self, known: &Held) -> bool {
        if let (Some(own), Some(held)) = (&self.external_id, known.row.get("externalid")) {
            return folded(own) == folded(held);
        }
        let is_it = |held: &f64| self.amount.is_some_and(|amount| (amount - held).abs() < 0.005);
        let is_amount = known.amounts.iter().any(is_it);
        is_amount && self.day.as_deref().is_none_or(|day| known.row.get("trandate") == Some(day))
    }
}

/// What became of a payment.
enum Became {
    There,
    /// It is refused: why.
    Refused(String),
    /// Nobody can tell, or not now: why.
    Open(String),
}

impl NetSuite {
    /// Writes the payments of a document that was written, and tells in `answer` where that did not
    /// come to its end. `entity`: whose document it is.
    pub(super) async fn write_payments(
        &self,
        kind: Kind,
        write: &Write,
        payments: &[String],
        entity: Option<&str>,
        answer: &mut WriteAnswer,
    ) {
        let [verdict] = answer.verdicts.as_mut_slice() else { return };
        let is_new = matches!(verdict, Verdict::Created(_));
        let Some(id) = written_id(verdict, write.remote_id.clone(), true) else { return };
        let mut known = match self.payments_of(kind, &id, is_new).await {
            Ok(known) => known,
            Err(error) => {
                let why = format!("its payments cannot be looked for: {error}");
                return *verdict = if is_no(&error) {
                    Verdict::Altered(Some(id), why.into())
                } else {
                    not_finished(verdict, &id, &why)
                };
            }
        };
        let (mut refused, mut alike) = (Vec::new(), HashMap::new());
        for payment in payments {
            let related = Related::of(payment);
            let own_id = related.own_id(&id);
            let nth = alike.entry(own_id.clone()).and_modify(|nth| *nth += 1).or_insert(1);
            if let Some(place) = known.iter().position(|known| related.is_same(known)) {
                known.remove(place);
                continue;
            }
            let own_id = format!("{own_id}-{nth}");
            let is_it = |known: &Held| related.has_id(&own_id, known);
            match self.write_payment(kind, payment, &id, entity, &own_id, is_it).await {
                Became::There => {}
                Became::Refused(why) => refused.push(why),
                Became::Open(why) => {
                    let why = format!("its payment: {why}");
                    return *verdict = not_finished(verdict, &id, &why);
                }
            }
        }
        if !refused.is_empty() {
            let (what, count) = (kind.paid().document, refused.len());
            let done = payments.len() - count;
            let why = format!(
                "the {} itself is written, {done} of its {} payments are there, and {count} not: Error creating \
                 payment for {what}: {}",
                what.to_lowercase(),
                payments.len(),
                refused.join("; ")
            );
            *verdict = Verdict::Altered(Some(id), why.into());
        }
    }

    /// The payments that were applied to a document.
    async fn payments_of(
        &self,
        kind: Kind,
        id: &RemoteId,
        is_new: bool,
    ) -> Result<Vec<Held>, RequestError> {
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
        Ok(Held::of(self.ask(&question).await?))
    }

    /// Writes one; `own_id`: its external id, where the user says none; `is_it`: whether NetSuite
    /// has it under the id that it goes out with.
    async fn write_payment(
        &self,
        kind: Kind,
        payment: &str,
        document: &RemoteId,
        entity: Option<&str>,
        own_id: &str,
        is_it: impl Fn(&Held) -> bool,
    ) -> Became {
        let resolved = match self.resolved(payment, &references(payment), None).await {
            Ok(resolved) => resolved,
            Err(error) => return Became::Open(error.to_string()),
        };
        let Paid { payment: record_type, field, .. } = kind.paid();
        let sent = async {
            let resolved = match resolved {
                Ok(resolved) => resolved,
                Err(verdict) => return Ok(verdict),
            };
            let body = payment_body(&resolved, field, entity, document.as_str(), own_id);
            let url = self.paths.records(record_type)?;
            let answer = self.send(Method::POST, url, Bytes::from(body), false, None).await?;
            self.judge(&answer, Action::Create, None)
        };
        match sent.await {
            Ok(Verdict::Created(_)) => Became::There,
            Ok(Verdict::Rejected(no) | Verdict::NoParent(no)) => {
                Became::Refused(no.message.to_string())
            }
            // By now: it was sent before, and its answer was lost.
            Ok(Verdict::Exists(_)) => match self.payments_of(kind, document, false).await {
                Ok(known) if known.iter().any(&is_it) => Became::There,
                Ok(_) => Became::Refused("there is another one with its id or number".to_owned()),
                Err(error) => Became::Open(error.to_string()),
            },
            Err(error) if is_no(&error) => Became::Refused(error.to_string()),
            // What may be there is looked for when the record is sent again.
            Ok(Verdict::Busy(why) | Verdict::InDoubt(why)) => Became::Open(why.into()),
            Ok(_) => Became::Open("nobody tells of it".to_owned()),
            Err(error) => Became::Open(error.to_string()),
        }
    }
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

/// An amount without its sign.
fn number(value: &Value) -> Option<f64> {
    exact::text(value)?.trim().parse::<f64>().ok().map(f64::abs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(rows: &[&[(&str, &str)]]) -> Held {
        let row = |cells: &&[(&str, &str)]| {
            cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Held::of(rows.iter().map(row).collect()).remove(0)
    }

    fn is_same(payment: &str, known: &Held) -> bool {
        Related::of(payment).is_same(known)
    }

    #[test]
    fn a_payment_of_several_documents_is_known_by_what_this_one_has_of_it() {
        let row =
            |applied| [("id", "1"), ("amount", "-90"), ("applied", applied), ("trandate", "x")];
        let both = held(&[&row("50"), &row("40")]);
        for (amount, is_it) in [(90, true), (50, true), (40, true), (60, false)] {
            let payment = format!(r#"{{"$amount":{amount},"$date":"x"}}"#);
            assert_eq!(is_same(&payment, &both), is_it, "{amount}");
        }
    }

    #[test]
    fn a_payment_is_known_by_its_amount_and_day() {
        let row = |amount: &str, day: &str| held(&[&[("amount", amount), ("trandate", day)]]);
        let payment = r#"{"$amount":50.00,"$date":"2026-05-22","tranDate":"2026-05-22"}"#;
        assert!(is_same(payment, &row("-50", "2026-05-22")));
        assert!(!is_same(payment, &row("-50.01", "2026-05-22")));
        assert!(!is_same(payment, &row("-50", "2026-05-23")));
        assert!(!is_same(r#"{"$date":"2026-05-22"}"#, &row("0", "2026-05-22")));
        assert!(is_same(r#"{"$amount":50}"#, &row("-50", "2026-05-22")));
    }

    #[test]
    fn a_payment_is_known_by_its_external_id_first() {
        let row = held(&[&[("externalid", "p-1"), ("amount", "50"), ("trandate", "2026-05-22")]]);
        assert!(is_same(r#"{"externalId":"P-1","$amount":60}"#, &row));
        assert!(!is_same(r#"{"externalId":"P-2","$amount":50,"$date":"2026-05-22"}"#, &row));
        assert!(is_same(r#"{"$amount":50,"$date":"2026-05-22"}"#, &row));
    }

    #[test]
    fn a_payment_without_an_external_id_gets_one_of_its_own() {
        let id = |payment: &str| Related::of(payment).own_id(&RemoteId::new("12"));
        let payment = r#"{"$amount":50.00,"$date":"2026-05-22"}"#;
        assert_eq!(id(payment), "payment-of-12-50_00-2026-05-22");
        assert_eq!(id(payment), id(r#"{"$date":"2026-05-22","$amount":50.0,"memo":"x"}"#));
        assert_ne!(id(payment), id(r#"{"$amount":50.5,"$date":"2026-05-22"}"#));
    }

    #[test]
    fn a_payment_pays_its_document() {
        let payment = r#"{"$amount":50.00,"$date":"x","tranDate":"2026-05-22"}"#;
        assert_eq!(
            payment_body(payment, "entity", Some("7"), "12", "p-1"),
            r#"{"entity":{"id":"7"},"externalId":"p-1","tranDate":"2026-05-22","apply":{"items":[{"doc":{"id":"12"},"apply":true,"amount":50.00}]}}"#
        );
    }
}
