//! Documents whose numbers others give: found by their number, and whose they are.
//!
//! Whose one is may be known only once it was looked for, or be another by then. So it is remembered
//! of whom a number was asked for that found nothing: what is about to be made of another is looked
//! for once more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::NetSuite;
use super::directory::folded;
use super::find::found_row;
use super::owner::{ENTITY, entity};
use super::record::EXTERNAL_ID;
use super::reference::{Reference, fill, first_id, references};
use super::suiteql::{Row as Told, one_of};
use super::table::Place;
use super::unified::Kind;
use crate::connector::contract::{By, Found, Question, RequestError, Row, Verdict, WriteBatch};
use crate::connector::parts::not_sent;
use crate::json::exact;
use crate::json::fields::Fields;
use crate::record::ExternalId;

/// What stands in a body for what it is found by beside its ids, as text: [`Numbered`].
pub(super) const NUMBERED: &str = "$numbered";
/// Behind it stands in that text whose the document is. No JSON has it in a text.
pub(super) const WHOSE: char = '\n';
/// Numbers that are remembered, at most. One that is forgotten is asked for again.
const MAX_ASKED: usize = 10_000;

/// A document by its number, and whose it is, if that is said: as in its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    number: String,
    of: Option<String>,
}

impl Numbered {
    /// Of a body; `field`: whose it is.
    pub(super) fn of(body: &Map<String, Value>, field: &str) -> Option<Self> {
        let number = body.get("tranId")?.as_str()?.to_owned();
        Some(Self { number, of: body.get(field).map(ToString::to_string) })
    }

    /// The number as JSON, and behind [`WHOSE`] the one it is of.
    pub(super) fn text(&self) -> String {
        let number = Value::from(self.number.as_str());
        self.of.as_ref().map_or_else(|| number.to_string(), |of| format!("{number}{WHOSE}{of}"))
    }

    fn read(text: &str) -> Option<Self> {
        let (number, of) = match text.split_once(WHOSE) {
            Some((number, of)) => (number, Some(of.to_owned())),
            None => (text, None),
        };
        Some(Self { number: serde_json::from_str(number).ok()?, of })
    }
}

/// Of whom numbers were asked for that found nothing.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<Missed>);

/// By what a document is, and its number; `None`: of anybody.
type Missed = HashMap<(Kind, Arc<str>), Option<String>>;

impl Asked {
    fn known(&self) -> MutexGuard<'_, Missed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, kind: Kind, key: &Arc<str>) {
        self.known().remove(&(kind, Arc::clone(key)));
    }

    fn found_nothing(&self, kind: Kind, key: &Arc<str>, owner: Option<String>) {
        let mut known = self.known();
        if known.len() >= MAX_ASKED {
            known.clear();
        }
        known.insert((kind, Arc::clone(key)), owner);
    }

    /// Whether a number was asked for that found nothing of `owner`.
    fn has_missed(&self, kind: Kind, key: &Arc<str>, owner: Option<&str>) -> bool {
        let known = self.known();
        let of = known.get(&(kind, Arc::clone(key)));
        of.is_some_and(|of| of.is_none() || of.as_deref() == owner)
    }
}

impl NetSuite {
    /// Answers a question about documents by their numbers. Whose they are is found first; of somebody
    /// who is not there, there is none yet.
    pub(super) async fn find_numbered(
        &self,
        kind: Kind,
        question: &Question,
    ) -> Result<Found, RequestError> {
        /// Keys, and whose a document is to be.
        type Keys<'a> = Vec<(&'a Arc<str>, Option<String>)>;
        let mut by_number: HashMap<String, Keys<'_>> = HashMap::new();
        let keys: Vec<(&Arc<str>, Numbered)> =
            question.keys.iter().filter_map(|key| Some((key, Numbered::read(key)?))).collect();
        let named = keys.iter().filter_map(|(_, numbered)| Some(references(numbered.of.as_ref()?)));
        let named: Vec<Reference> = named.flatten().collect();
        self.look_for(&named, true).await?;
        for (key, Numbered { number, of }) in keys {
            self.asked.forget(kind, key);
            let owner = match of {
                Some(of) => match fill(&of, None, &|one, scope| self.id_of(one, scope)) {
                    Ok(of) => first_id(&of),
                    Err(_) => continue,
                },
                None => None,
            };
            by_number.entry(number).or_default().push((key, owner));
        }
        let mut found = Found::default();
        if by_number.is_empty() {
            return Ok(found);
        }
        let mut numbers: Vec<&str> = by_number.keys().map(String::as_str).collect();
        numbers.sort_unstable();
        let any = one_of("tranid", numbers.into_iter());
        let place = Place::of(kind.record_type());
        let asked = format!(
            "SELECT id, externalid, tranid, entity FROM {}{any} ORDER BY id",
            place.filtered()
        );
        let mut rows: HashMap<String, Vec<Told>> = HashMap::new();
        for row in self.ask(&asked).await? {
            if let Some(number) = row.get("tranid").map(str::to_owned) {
                rows.entry(number).or_default().push(row);
            }
        }
        for (number, keys) in by_number {
            let rows = rows.get(&number).map(Vec::as_slice).unwrap_or_default();
            for (key, owner) in keys {
                let is_own = |row: &&Told| {
                    owner.as_deref().is_none_or(|owner| row.get(ENTITY) == Some(owner))
                };
                let before = found.rows.len();
                let own = rows.iter().filter(is_own);
                found.rows.extend(own.filter_map(|row| found_row(key, row, question)));
                if found.rows.len() == before {
                    self.asked.found_nothing(kind, key, owner);
                }
            }
        }
        Ok(found)
    }

    /// What is to be said of a document that is about to be made, with this `body`, and is there: it
    /// was looked for before it was known whose it is.
    ///
    /// # Errors
    /// When nobody can tell now.
    pub(super) async fn is_made(
        &self,
        kind: Kind,
        batch: &WriteBatch,
        body: &str,
    ) -> Result<Option<Verdict>, RequestError> {
        let [write] = batch.writes.as_slice() else { return Ok(None) };
        let Some(key) = key(&write.body) else { return Ok(None) };
        let owner = entity(body, kind.owner(), None);
        if self.asked.has_missed(kind, &key, owner.as_deref()) {
            return Ok(None);
        }
        let by = By::Field(NUMBERED.into());
        let mut question = Question::of_ids(batch.stream.clone(), by, vec![Arc::clone(&key)]);
        question.want.push(EXTERNAL_ID.into());
        let mut found = self.find_numbered(kind, &question).await.map_err(not_sent)?.rows;
        if found.is_empty() && !self.asked.has_missed(kind, &key, owner.as_deref()) {
            return Ok(Some(Verdict::Busy("whose it is has changed just now".into())));
        }
        found.retain(|row| !is_another(row, write.external_id.as_ref()));
        Ok(match found.as_slice() {
            [] => None,
            [row] => Some(Verdict::Exists(Some(row.remote_id.clone()))),
            _ => Some(Verdict::Exists(None)),
        })
    }
}

/// Whether a document has an external id, and not this one.
fn is_another(row: &Row, external_id: Option<&ExternalId>) -> bool {
    let held = row.fields.get(EXTERNAL_ID).and_then(exact::text);
    external_id.zip(held).is_some_and(|(own, held)| folded(own.as_str()) != folded(&held))
}

/// What a record is found by, by its body.
fn key(body: &str) -> Option<Arc<str>> {
    let fields = Fields::of_text(body).ok()?;
    serde_json::from_str::<String>(fields.get(NUMBERED)?.get()).ok().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(body: &Value) -> String {
        Numbered::of(body.as_object().unwrap(), "entity").unwrap().text()
    }

    #[test]
    fn whose_a_number_is_stands_behind_it() {
        let named = text(&json!({"tranId": "7\n\"7", "entity": {"id": "1\n2"}}));
        let bare = text(&json!({"tranId": "7\n\"7"}));
        assert_eq!(named.split_once(WHOSE).unwrap().0, bare);
        let read = Numbered::read(&named).unwrap();
        assert_eq!((&*read.number, read.of.as_deref()), ("7\n\"7", Some(r#"{"id":"1\n2"}"#)));
        assert_eq!(Numbered::read(&bare).unwrap(), Numbered { of: None, ..read });
        assert_eq!(Numbered::read("x"), None);
    }

    #[test]
    fn what_was_asked_for_of_another_was_not_asked_for() {
        let asked = Asked::default();
        let key: Arc<str> = "77".into();
        let is = |owner| asked.has_missed(Kind::Bill, &key, owner);
        assert!(!is(Some("1")));
        asked.found_nothing(Kind::Bill, &key, Some("1".to_owned()));
        assert!(is(Some("1")) && !is(Some("2")) && !is(None));
        assert!(!asked.has_missed(Kind::VendorCredit, &key, Some("1")));
        asked.found_nothing(Kind::Bill, &key, None);
        assert!(is(Some("2")) && is(None));
        asked.forget(Kind::Bill, &key);
        assert!(!is(None));
    }
}
