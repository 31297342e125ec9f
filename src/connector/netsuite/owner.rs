//! Whose a document is: a payment is of the one whose document it pays, and a number that others give,
//! too, finds only a document of the same one.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::NetSuite;
use super::directory::folded;
use super::find::found_row;
use super::record::EXTERNAL_ID;
use super::reference::{Reference, by_id, fill, first_id, references};
use super::suiteql::{Row, one_of};
use super::table::Place;
use super::unified::{Kind, Paid};
use crate::connector::contract::{Found, Question, RequestError, Write};
use crate::json::exact;
use crate::json::fields::Fields;
use crate::record::ExternalId;

/// Whom a transaction is of.
pub(super) const ENTITY: &str = "entity";
/// What stands in a body for what it is found by beside its ids, as text: [`Numbered`].
pub(super) const NUMBERED: &str = "$numbered";

/// A document by its number, and whose it is, if that is said: an object as in its body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Numbered {
    number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Value>,
}

impl Numbered {
    /// Of a body; `field`: whose it is.
    pub(super) fn of(body: &Map<String, Value>, field: &str) -> Option<Self> {
        let number = body.get("tranId")?.as_str()?.to_owned();
        Some(Self { number, of: body.get(field).cloned() })
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl NetSuite {
    /// Answers a question about documents by their numbers. Whose they are is found first; of somebody
    /// who is not there, there is none.
    pub(super) async fn find_numbered(
        &self,
        place: &Place,
        question: &Question,
    ) -> Result<Found, RequestError> {
        /// Keys, and whose a document is to be.
        type Keys<'a> = Vec<(&'a Arc<str>, Option<String>)>;
        let mut by_number: HashMap<String, Keys<'_>> = HashMap::new();
        let read = |key: &str| serde_json::from_str::<Numbered>(key).ok();
        let keys: Vec<(&Arc<str>, Numbered)> =
            question.keys.iter().filter_map(|key| Some((key, read(key)?))).collect();
        let named: Vec<Reference> = keys
            .iter()
            .filter_map(|(_, numbered)| Some(references(&numbered.of.as_ref()?.to_string())))
            .flatten()
            .collect();
        self.look_for(&named, false).await?;
        for (key, Numbered { number, of }) in keys {
            let owner = match of.map(|of| of.to_string()) {
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
        let asked = format!(
            "SELECT id, externalid, tranid, entity FROM {}{any} ORDER BY id",
            place.filtered()
        );
        for row in self.ask(&asked).await? {
            let known = row.get("tranid").and_then(|number| by_number.get(number));
            let is_owner = |owner: &Option<String>| {
                owner.as_deref().is_none_or(|owner| row.get(ENTITY) == Some(owner))
            };
            let keys = known.into_iter().flatten().filter(|(_, owner)| is_owner(owner));
            found.rows.extend(keys.filter_map(|(key, _)| found_row(key, &row, question)));
        }
        Ok(found)
    }
}

/// The bill or invoice that a payment is for, where that is still to be found.
pub(super) fn document(body: &str) -> Option<Reference> {
    let body: Value = exact::parse(body.as_bytes()).ok()?;
    let document = body.pointer("/apply/items/0/doc/$find")?;
    serde_json::from_value(document.clone()).ok()
}

/// Whose a payment is: of the one whose document it pays; `row`: the document, by `reference`.
///
/// # Errors
/// For people: it says somebody else; or nobody, and the document was found by less than it says.
pub(super) fn set_payer(
    kind: Kind,
    body: &mut String,
    reference: &Reference,
    row: &Row,
) -> Result<(), String> {
    let Paid { field, payer, document, .. } = kind.paid();
    let Ok(fields) = Fields::of_text(body) else { return Ok(()) };
    let given = fields.get(field).and_then(|own| first_id(own.get()));
    match (given, row.get("entity")) {
        (Some(given), Some(owner)) if given != owner => {
            // In the platform's words.
            Err(format!("The {payer} supplied must be the same {document} {payer}"))
        }
        (None, Some(_)) if !reference.is_confirmed(row) => Err(format!(
            "the {document} of this number does not have the external id that is said, and another one's may \
             have this number: say the {payer} of the payment",
        )),
        (None, Some(owner)) => {
            *body = fields.with(field, &by_id(owner));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whom a document is of, by the field that says so.
pub(super) fn entity(body: &str, field: &str, held: Option<&Value>) -> Option<String> {
    let own = Fields::of_text(body).ok()?.get(field).and_then(|own| first_id(own.get()));
    own.or_else(|| exact::text(&held?[field]["id"]))
}

/// A record that was found by a number which others give, too, must be of the same one.
///
/// # Errors
/// For people: it is another one's.
pub(super) fn is_own(kind: Kind, write: &Write, body: &str, held: &Value) -> Result<(), String> {
    let field = kind.owner();
    let (own, other) = (entity(body, field, None), exact::text(&held[field]["id"]));
    let Some((own, other)) = own.zip(other).filter(|(own, other)| own != other) else {
        return Ok(());
    };
    let is_by_id = write.external_id.as_ref().is_some_and(|id| {
        exact::text(&held[EXTERNAL_ID])
            .is_some_and(|held| folded(&held) == folded(ExternalId::as_str(id)))
    });
    if is_by_id {
        return Ok(());
    }
    let number = exact::text(&held["tranId"]).unwrap_or_default();
    Err(format!(
        "the one with the number `{number}` is of another {}, with the id {other}, and not of {own}: give the \
         record an `externalId` that is its own",
        kind.paid().payer.to_lowercase()
    ))
}
