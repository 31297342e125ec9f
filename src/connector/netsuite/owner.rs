//! Whose a document is: a payment is of the one whose document it pays, and what a number has found
//! that others give, too, is written only where it is of the same one.

use serde_json::Value;

use super::directory::folded;
use super::record::EXTERNAL_ID;
use super::reference::{Reference, by_id, first_id};
use super::suiteql::Row;
use super::unified::{Kind, Paid};
use crate::connector::contract::Write;
use crate::json::exact;
use crate::json::fields::Fields;
use crate::record::ExternalId;

/// Whom a transaction is of.
pub(super) const ENTITY: &str = "entity";
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
