//! Payments that were applied to a document, and which of those that come with it they are.

use std::collections::HashMap;

use serde_json::Value;

use super::directory::folded;
use super::record::EXTERNAL_ID;
use super::suiteql::Row;
use super::unified::{AMOUNT, DATE};
use crate::json::exact;
use crate::record::RemoteId;

/// Amounts that are no farther apart are the same: currencies have two places, or round what has
/// more.
const NEAR: f64 = 0.005 + 1e-9;

/// A payment that was applied to a document.
#[derive(Debug, Default)]
pub(super) struct Applied {
    external_id: Option<String>,
    day: Option<String>,
    /// What it comes to in all, for whatever documents.
    total: Option<f64>,
    /// What of it is the document's: one amount for each link between them.
    shares: Vec<f64>,
}

impl Applied {
    /// From a row for each link, in any order.
    pub(super) fn of(rows: &[Row]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut places = HashMap::new();
        for row in rows {
            let text = |name: &str| row.get(name).filter(|text| !text.is_empty());
            let amount = |name: &str| text(name).and_then(|amount| number(&amount.into()));
            let place = *places.entry(text("id")).or_insert(all.len());
            if place == all.len() {
                all.push(Self {
                    external_id: text("externalid").map(folded),
                    day: text("trandate").map(str::to_owned),
                    total: amount("amount"),
                    shares: Vec::new(),
                });
            }
            all[place].shares.extend(amount("applied"));
        }
        all
    }

    /// What the document has of it; all of it, where NetSuite does not tell.
    fn share(&self) -> Option<f64> {
        if self.shares.is_empty() { self.total } else { Some(self.shares.iter().sum()) }
    }

    /// What it comes to, for people, where that is not an `amount`: neither in all nor for the
    /// document.
    fn other_than(&self, amount: f64) -> Option<f64> {
        let is_it = |own: &f64| is_near(*own, amount);
        let is_same = self.shares.iter().chain(&self.total).chain(&self.share()).any(is_it);
        self.share().filter(|_| !is_same)
    }
}

/// What of a payment tells whether NetSuite has it.
#[derive(Debug)]
pub(super) struct Related {
    /// Its external id: the user's, or else one that follows from what it is.
    pub(super) id: String,
    /// The user says none.
    pub(super) is_own: bool,
    amount: Option<f64>,
    day: Option<String>,
}

impl Related {
    /// Of all payments that come with a document. Those that say the same and have no external id
    /// are told apart by how many they are.
    pub(super) fn all(payments: &[String], document: &RemoteId) -> Vec<Self> {
        let mut alike: HashMap<String, usize> = HashMap::new();
        let one = |payment: &String| {
            let payment = exact::parse(payment.as_bytes()).unwrap_or_default();
            let (amount, day) = (number(&payment[AMOUNT]), exact::text(&payment[DATE]));
            let external_id = exact::text(&payment[EXTERNAL_ID]);
            let is_own = external_id.is_none();
            let id = external_id.unwrap_or_else(|| {
                let id = own_id(document, amount, day.as_deref());
                let nth = alike.entry(id.clone()).and_modify(|nth| *nth += 1).or_insert(1);
                format!("{id}-{nth}")
            });
            Self { id, is_own, amount, day }
        };
        payments.iter().map(one).collect()
    }

    /// Whether NetSuite has it under its external id.
    pub(super) fn has_id(&self, known: &Applied) -> bool {
        known.external_id.as_deref() == Some(&*folded(&self.id))
    }

    /// Why it is not as it is to be, for people, though NetSuite has it. Under an id of our own
    /// stands what was sent.
    pub(super) fn differs(&self, known: &Applied) -> Option<String> {
        let amount = self.amount.filter(|_| !self.is_own)?;
        let held = known.other_than(amount)?;
        let id = &self.id;
        Some(format!("its payment `{id}` comes to {held} there, and is not changed to {amount}"))
    }

    /// How sure it is that NetSuite has it as this one; `None`: it is another. By amount and day,
    /// or by the amount alone of one that says no day, which NetSuite has set. What is paid out is
    /// below 0 there.
    fn doubt(&self, known: &Applied, document: &RemoteId) -> Option<Doubt> {
        if self.has_id(known) {
            return Some(Doubt { by: By::Id, has_no_day: false, is_joined: false });
        }
        let made_here = folded(&made_for(document));
        let is_free = known.external_id.as_ref().is_none_or(|id| id.starts_with(&made_here));
        let by = if is_free { By::Content } else { By::ContentOfOther };
        if by == By::ContentOfOther && !self.is_own {
            return None;
        }
        let amount = self.amount?;
        let is_day = self.day.is_none() || self.day == known.day;
        let is_link = known.shares.iter().any(|share| is_near(*share, amount));
        let is_share = is_link || known.share().is_some_and(|share| is_near(share, amount));
        let has_no_day = self.day.is_none();
        (is_day && is_share).then_some(Doubt { by, has_no_day, is_joined: !is_link })
    }
}

/// What a payment is known by, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Id,
    /// NetSuite has it under no external id, or under one that was made here.
    Content,
    /// NetSuite has it under an external id, and the user says none.
    ContentOfOther,
}

/// How sure it is that two payments are one; less is surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Doubt {
    by: By,
    /// One that says its day comes first: any other day is none for it.
    has_no_day: bool,
    /// Only all links together come to its amount.
    is_joined: bool,
}

/// Which of those that were applied each payment is. The surest come first, so that none is taken
/// by another, in whatever order they stand.
pub(super) fn pair(
    payments: &[Related],
    applied: &[Applied],
    document: &RemoteId,
) -> Vec<Option<usize>> {
    let mut pairs = Vec::new();
    for (own, payment) in payments.iter().enumerate() {
        let doubt = |(held, known)| Some((payment.doubt(known, document)?, own, held));
        pairs.extend(applied.iter().enumerate().filter_map(doubt));
    }
    pairs.sort_unstable();
    let (mut found, mut is_taken) = (vec![None; payments.len()], vec![false; applied.len()]);
    for (_, own, held) in pairs {
        if found[own].is_none() && !is_taken[held] {
            (found[own], is_taken[held]) = (Some(held), true);
        }
    }
    found
}

/// How external ids begin that are made here for payments of a document.
fn made_for(document: &RemoteId) -> String {
    plain(&format!("payment-of-{}-", document.as_str()))
}

/// What a payment is by its document, its amount and its day.
fn own_id(document: &RemoteId, amount: Option<f64>, day: Option<&str>) -> String {
    let (amount, day) = (amount.unwrap_or_default(), day.unwrap_or_default());
    plain(&format!("{}{amount:.2}-{day}", made_for(document)))
}

/// NetSuite takes letters, digits, `_` and `-` in an external id.
fn plain(id: &str) -> String {
    id.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-', "_")
}

fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= NEAR
}

/// An amount without its sign.
fn number(value: &Value) -> Option<f64> {
    exact::text(value)?.trim().parse::<f64>().ok().map(f64::abs)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Cells<'a> = &'a [(&'a str, &'a str)];

    fn applied(rows: &[Cells<'_>]) -> Vec<Applied> {
        let row = |cells: &Cells<'_>| {
            cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Applied::of(&rows.iter().map(row).collect::<Vec<Row>>())
    }

    fn paired(payments: &[&str], applied: &[Applied]) -> Vec<Option<usize>> {
        let payments: Vec<String> = payments.iter().map(|payment| (*payment).to_owned()).collect();
        let document = RemoteId::new("12");
        pair(&Related::all(&payments, &document), applied, &document)
    }

    #[test]
    fn a_payment_of_several_documents_is_known_by_what_this_one_has_of_it() {
        let row =
            |id, applied| [("id", id), ("amount", "-90"), ("applied", applied), ("trandate", "x")];
        let held = applied(&[&row("1", "50"), &row("2", "30"), &row("1", "-10")]);
        let of = |amount: u32| format!(r#"{{"$amount":{amount},"$date":"x"}}"#);
        for (amount, place) in
            [(90, None), (50, Some(0)), (10, Some(0)), (60, Some(0)), (30, Some(1)), (40, None)]
        {
            assert_eq!(paired(&[&of(amount)], &held), [place], "{amount}");
        }
        assert_eq!(paired(&[&of(90), &of(50)], &held), [None, Some(0)]);
    }

    #[test]
    fn a_payment_is_known_by_its_amount_and_day() {
        let row = |amount, day| applied(&[&[("amount", amount), ("trandate", day)]]);
        let is_it = |payment: &str, held: &[Applied]| paired(&[payment], held) == [Some(0)];
        let payment = r#"{"$amount":50.00,"$date":"2026-05-22","tranDate":"2026-05-22"}"#;
        assert!(is_it(payment, &row("-50", "2026-05-22")));
        assert!(!is_it(payment, &row("-50.01", "2026-05-22")));
        assert!(!is_it(payment, &row("-50", "2026-05-23")));
        assert!(!is_it(r#"{"$date":"2026-05-22"}"#, &row("0", "2026-05-22")));
        assert!(is_it(r#"{"$amount":50}"#, &row("-50", "2026-05-22")));
        // NetSuite rounds.
        assert!(is_it(r#"{"$amount":50.005}"#, &row("-50.01", "2026-05-22")));
    }

    #[test]
    fn a_payment_is_known_by_its_external_id_first() {
        let row = |id: &'static str, own: &'static str| {
            [("id", id), ("externalid", own), ("amount", "50"), ("trandate", "2026-05-22")]
        };
        let held = applied(&[&row("1", ""), &row("2", "p-1")]);
        let of = |id: &str| format!(r#"{{"externalId":"{id}","$amount":50,"$date":"2026-05-22"}}"#);
        let bare = r#"{"$amount":50,"$date":"2026-05-22"}"#;
        assert_eq!(paired(&[&of("P-1"), &of("P-2")], &held), [Some(1), Some(0)]);
        assert_eq!(paired(&[&of("P-2"), &of("P-1")], &held), [Some(0), Some(1)]);
        assert_eq!(paired(&[&of("P-2"), &of("P-3")], &held), [Some(0), None]);
        assert_eq!(paired(&[bare, bare, bare], &held), [Some(0), Some(1), None]);
        // One that was made here may have the user's id by now.
        let held = applied(&[&row("1", "payment-of-12-50_00-2026-05-22-1")]);
        assert_eq!(paired(&[&of("P-2"), bare], &held), [None, Some(0)]);
        assert_eq!(paired(&[&of("P-2")], &held), [Some(0)]);
        assert_eq!(paired(&[&of("P-2")], &applied(&[&row("1", "payment-of-1-5")])), [None]);
    }

    #[test]
    fn a_payment_that_is_other_by_now_is_told() {
        let held = applied(&[&[("externalid", "p-1"), ("amount", "-90"), ("applied", "50.00")]]);
        let differs = |payment: &str| {
            Related::all(&[payment.to_owned()], &RemoteId::new("12"))[0].differs(&held[0])
        };
        assert_eq!(differs(r#"{"externalId":"p-1","$amount":50}"#), None);
        assert_eq!(differs(r#"{"externalId":"p-1","$amount":90}"#), None);
        assert!(differs(r#"{"externalId":"p-1","$amount":25}"#).unwrap().contains("50"));
    }

    #[test]
    fn a_payment_without_an_external_id_gets_one_of_its_own() {
        let ids = |payments: &[&str]| {
            let payments: Vec<String> = payments.iter().map(|one| (*one).to_owned()).collect();
            let all = Related::all(&payments, &RemoteId::new("12"));
            all.into_iter().map(|one| one.id).collect::<Vec<_>>()
        };
        let (one, same) = (
            r#"{"$amount":50.00,"$date":"2026-05-22"}"#,
            r#"{"$date":"2026-05-22","$amount":50.0,"memo":"x"}"#,
        );
        let all = ids(&[one, r#"{"externalId":"p","$amount":50}"#, same, r#"{"$amount":50.5}"#]);
        let made = [
            "payment-of-12-50_00-2026-05-22-1",
            "p",
            "payment-of-12-50_00-2026-05-22-2",
            "payment-of-12-50_50--1",
        ];
        assert_eq!(all, made);
    }
}
