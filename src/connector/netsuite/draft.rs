//! A unified record on its way out: whom it names found, its lines compared with those that NetSuite
//! has, its taxes reckoned; then written, and what belongs to it after it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::NetSuite;
use super::directory::Found;
use super::lines::{Going, field, going, is_equal, with_key};
use super::paths::{Which, is_number};
use super::record::{known, only, refused, unsent, with_external_id};
use super::reference::{By, Reference, first_id, references};
use super::tax::{Tax, detail};
use super::unified::{ADDRESSES, Kind, PAYMENTS, Paid, TAX, TYPE};
use crate::connector::contract::{Action, RequestError, Verdict, Write, WriteAnswer, WriteBatch};
use crate::connector::parts::not_sent;
use crate::json::exact;
use crate::json::fields::{Fields, finish_object, push_field};
use crate::record::ExternalId;

/// Sublists whose lines are compared, and what a new line of each is known by in tax details.
const SUBLISTS: [(&str, &str); 2] = [("item", "NEW_ITEM"), ("expense", "NEW_EXPENSE")];
/// The sublist of addresses.
const ADDRESSBOOK: &str = "addressbook";

/// A unified record, taken apart.
struct Draft {
    record_type: String,
    /// Its fields, as text.
    body: String,
    /// As they were made.
    payments: Vec<String>,
}

impl Draft {
    fn read(kind: Kind, write: &Write) -> Result<Self, RequestError> {
        let unreadable = |error: serde_json::Error| RequestError::never_sent(&error.to_string());
        let fields = Fields::of_text(&write.body).map_err(unreadable)?;
        let mut draft = Self {
            record_type: kind.record_type().to_owned(),
            body: String::new(),
            payments: Vec::new(),
        };
        for (name, value) in &fields.0 {
            match &**name {
                TYPE => {
                    draft.record_type = serde_json::from_str(value.get()).map_err(unreadable)?;
                }
                PAYMENTS => {
                    let payments: Vec<&RawValue> =
                        serde_json::from_str(value.get()).map_err(unreadable)?;
                    draft.payments =
                        payments.into_iter().map(|payment| payment.get().to_owned()).collect();
                }
                ADDRESSES => {
                    let items = format!("{{\"items\":{}}}", value.get());
                    push_field(&mut draft.body, ADDRESSBOOK, &items);
                }
                _ => push_field(&mut draft.body, name, value.get()),
            }
        }
        draft.body = finish_object(draft.body);
        Ok(draft)
    }

    /// Whether what NetSuite has of it must be known before it is changed.
    fn is_compared(&self) -> bool {
        let Ok(fields) = Fields::of_text(&self.body) else { return false };
        let has = |name: &str| fields.get(name).is_some();
        let is_scoped =
            references(&self.body).iter().any(|reference| reference.within) && !has("subsidiary");
        is_scoped
            || !self.payments.is_empty()
            || has(ADDRESSBOOK)
            || SUBLISTS.iter().any(|(name, _)| has(name))
    }
}

impl NetSuite {
    /// Writes the one record of a batch, in the platform's unified schema.
    pub(super) async fn write_unified(
        &self,
        kind: Kind,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let write = only(batch)?;
        let mut draft = Draft::read(kind, write)?;
        if batch.action == Action::Delete {
            let whom = whom(write)?;
            return self.write_any(Method::DELETE, &draft.record_type, &whom, "", batch).await;
        }
        if batch.action == Action::Update && kind == Kind::JournalEntry {
            // In the platform's words: what is posted is not changed.
            return Ok(unsent(refused("exists", "Record already exists".to_owned())));
        }
        let mut whom = match batch.action {
            Action::Update => whom(write)?,
            _ => Vec::new(),
        };
        let mut held = None;
        if !whom.is_empty() && draft.is_compared() {
            for which in std::mem::take(&mut whom) {
                held = self.read(&draft.record_type, which, true).await.map_err(not_sent)?;
                if held.is_some() {
                    whom = vec![which];
                    break;
                }
            }
            if held.is_none() {
                return Ok(unsent(Verdict::Missing));
            }
        }
        let named = references(&draft.body);
        if let Err(verdict) = self.complete(kind, write, &mut draft, held.as_ref()).await? {
            return Ok(unsent(verdict));
        }
        let body = with_external_id(&draft.body, write, batch.action);
        let mut answer = if batch.action == Action::Update {
            self.write_any(Method::PATCH, &draft.record_type, &whom, &body, batch).await?
        } else {
            let url = self.paths.records(&draft.record_type)?;
            self.write_one(Method::POST, url, body, batch, write).await?
        };
        self.doubt_named(&answer, &named);
        if !draft.payments.is_empty() {
            let entity = entity(&draft.body, held.as_ref());
            self.write_payments(kind, write, &draft.payments, entity.as_deref(), &mut answer).await;
        }
        Ok(answer)
    }

    /// Writes a record under the first of several addresses that it is at.
    async fn write_any(
        &self,
        method: Method,
        record_type: &str,
        whom: &[Which<'_>],
        body: &str,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let mut answer = unsent(Verdict::Missing);
        for which in whom {
            let url = self.paths.record(record_type, *which)?;
            let body = body.to_owned();
            answer = self.write_one(method.clone(), url, body, batch, only(batch)?).await?;
            if answer.verdicts != [Verdict::Missing] {
                break;
            }
        }
        Ok(answer)
    }

    /// Puts into a draft's body what must be known to write it; `held`: what NetSuite has of it.
    ///
    /// # Errors
    /// When nobody can tell now; within, the verdict on a record that cannot be written.
    async fn complete(
        &self,
        kind: Kind,
        write: &Write,
        draft: &mut Draft,
        held: Option<&Value>,
    ) -> Result<Result<(), Verdict>, RequestError> {
        let taxes = taxes(&draft.body);
        self.look_for(&taxes, false).await.map_err(not_sent)?;
        let document = document(&draft.body);
        let scope = held.and_then(|held| first_id(&held["subsidiary"].to_string()));
        draft.body = match self.resolved(&draft.body, scope.as_deref()).await? {
            Ok(body) => body,
            Err(verdict) => return Ok(Err(verdict)),
        };
        if let Some(document) = document
            && let Found::One(row) = self.directory.find(&document, None)
            && let Err(verdict) = set_payer(kind, &mut draft.body, row.get("entity"))
        {
            return Ok(Err(verdict));
        }
        if let Some(verdict) =
            held.and_then(|held| of_another_vendor(kind, write, &draft.body, held))
        {
            return Ok(Err(verdict));
        }
        Ok(self.put_lines(draft, held).map_err(|why| refused("invalid_line", why)))
    }

    /// Leaves the lines that go out, with their taxes; and the addresses that are not there.
    fn put_lines(&self, draft: &mut Draft, held: Option<&Value>) -> Result<(), String> {
        let unreadable = |error: serde_json::Error| error.to_string();
        let fields = Fields::of_text(&draft.body).map_err(unreadable)?;
        let mut details = Vec::new();
        let mut body = String::with_capacity(draft.body.len());
        for (name, value) in &fields.0 {
            let lines = Fields::parse(value).ok().and_then(|own| own.get("items"));
            let lines: Vec<&RawValue> = match lines {
                Some(lines) => serde_json::from_str(lines.get()).map_err(unreadable)?,
                None => Vec::new(),
            };
            let held = held.map(|held| items(held, name)).unwrap_or_default();
            if name == ADDRESSBOOK {
                let own = lines.iter().filter(|line| !has_address(held, line));
                let own: Vec<String> = own.map(|line| line.get().to_owned()).collect();
                if !own.is_empty() {
                    push_field(&mut body, name, &format!("{{\"items\":[{}]}}", own.join(",")));
                }
                continue;
            }
            let Some((_, known_as)) = SUBLISTS.iter().find(|(own, _)| own == name) else {
                push_field(&mut body, name, value.get());
                continue;
            };
            let mut own = Vec::new();
            for (place, (line, going)) in lines.iter().zip(going(&lines, held)).enumerate() {
                match going {
                    Going::No => {}
                    Going::Changes(_) if line.get().contains(TAX) => {
                        return Err(format!(
                            "line {} of its `{name}` is taxed and differs from the one that is there: the \
                             tax of a line is set when it is made, so change it in NetSuite, or give it \
                             another description",
                            place + 1
                        ));
                    }
                    Going::Changes(key) => own.push(with_key(&plain(line, None), &key)),
                    Going::New => {
                        // Behind those that were made before.
                        let reference = format!("{known_as}_{}", held.len() + place);
                        let detail = self.tax(line, &reference)?;
                        own.push(plain(line, detail.as_ref().map(|_| reference.as_str())));
                        details.extend(detail);
                    }
                }
            }
            if !own.is_empty() {
                push_field(&mut body, name, &format!("{{\"items\":[{}]}}", own.join(",")));
            }
        }
        if !details.is_empty() {
            push_field(&mut body, "taxDetailsOverride", "true");
            push_field(&mut body, "taxDetails", &json!({"items": details}).to_string());
        }
        draft.body = finish_object(body);
        Ok(())
    }

    /// The tax details of a line, if it is taxed.
    fn tax(&self, line: &RawValue, reference: &str) -> Result<Option<Value>, String> {
        let line = exact::parse(line.get().as_bytes()).map_err(|error| error.to_string())?;
        let Some(tax) = line.get(TAX) else { return Ok(None) };
        let tax: Tax = serde_json::from_value(tax.clone()).map_err(|error| error.to_string())?;
        match self.directory.find(&tax_code(&tax), None) {
            Found::One(code) => detail(&tax, &code, reference).map(Some),
            // In the platform's words.
            Found::Nobody(_) => Err(format!("Unable to find tax code: {}", tax.code)),
            Found::Several(why) => Err(why),
        }
    }
}

/// How a record is addressed that is known by the platform's `id`: NetSuite's, or else the user's,
/// where no other id of the user's is said.
fn whom(write: &Write) -> Result<Vec<Which<'_>>, RequestError> {
    let id = known(write)?;
    let own = write.external_id.is_none() || !is_number(id);
    let by_id = is_number(id).then_some(Which::Id(id));
    Ok(by_id.into_iter().chain(own.then_some(Which::ExternalId(id))).collect())
}

/// The tax codes that lines name.
pub(super) fn taxes(body: &str) -> Vec<Reference> {
    let body = exact::parse(body.as_bytes()).unwrap_or_default();
    let mut codes: BTreeMap<String, Reference> = BTreeMap::new();
    for (name, _) in SUBLISTS {
        for line in items(&body, name) {
            if let Ok(tax) = serde_json::from_value::<Tax>(line[TAX].clone()) {
                codes.insert(tax.code.clone(), tax_code(&tax));
            }
        }
    }
    codes.into_values().collect()
}

fn tax_code(tax: &Tax) -> Reference {
    Reference {
        table: "salestaxitem".to_owned(),
        kind: None,
        what: "tax code".to_owned(),
        by: vec![(By::Name, tax.code.clone())],
        within: false,
        or: None,
    }
}

/// The bill or invoice that a payment is for, where that is still to be found.
fn document(body: &str) -> Option<Reference> {
    let body: Value = exact::parse(body.as_bytes()).ok()?;
    let document = body.pointer("/apply/items/0/doc/$find")?;
    serde_json::from_value(document.clone()).ok()
}

/// Whose a payment is: of the one whose document it pays.
fn set_payer(kind: Kind, body: &mut String, owner: Option<&str>) -> Result<(), Verdict> {
    let Paid { field, payer, document, .. } = kind.paid();
    let Ok(fields) = Fields::of_text(body) else { return Ok(()) };
    let given = fields.get(field).and_then(|own| first_id(own.get()));
    match (given, owner) {
        (Some(given), Some(owner)) if given != owner => {
            // In the platform's words.
            let why = format!("The {payer} supplied must be the same {document} {payer}");
            Err(refused("other_entity", why))
        }
        (None, Some(owner)) => {
            let mut whole = String::with_capacity(body.len() + 40);
            push_field(&mut whole, field, &super::reference::by_id(owner));
            for (name, value) in fields.0.iter().filter(|(name, _)| name != field) {
                push_field(&mut whole, name, value.get());
            }
            *body = finish_object(whole);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whom a bill or invoice is of.
fn entity(body: &str, held: Option<&Value>) -> Option<String> {
    let own = Fields::of_text(body).ok()?.get("entity").and_then(|own| first_id(own.get()));
    own.or_else(|| exact::text(&held?["entity"]["id"]))
}

/// A record that was found by a number which is the vendor's own: one of another vendor is another.
fn of_another_vendor(kind: Kind, write: &Write, body: &str, held: &Value) -> Option<Verdict> {
    if !kind.has_vendors_number() {
        return None;
    }
    let own = entity(body, None)?;
    let other = exact::text(&held["entity"]["id"]).filter(|held| *held != own)?;
    let is_by_id = write.external_id.as_ref().is_some_and(|id| {
        exact::text(&held["externalId"])
            .is_some_and(|held| held.eq_ignore_ascii_case(ExternalId::as_str(id)))
    });
    let number = exact::text(&held["tranId"]).unwrap_or_default();
    (!is_by_id).then(|| {
        let why = format!(
            "the one with the number `{number}` is of another vendor, with the id {other}: give the record an \
             `externalId` that is its own"
        );
        refused("other_entity", why)
    })
}

/// The lines of a sublist.
fn items<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    let own = field(body, name).and_then(|own| own["items"].as_array());
    own.map(Vec::as_slice).unwrap_or_default()
}

/// A line without its tax; `reference`: what it is known by in the tax details.
fn plain(line: &RawValue, reference: Option<&str>) -> String {
    let Ok(fields) = Fields::parse(line) else { return line.get().to_owned() };
    let mut plain = String::with_capacity(line.get().len());
    for (name, value) in fields.0.iter().filter(|(name, _)| name != TAX) {
        push_field(&mut plain, name, value.get());
    }
    if let Some(reference) = reference {
        push_field(&mut plain, "taxDetailsReference", &json!(reference).to_string());
    }
    finish_object(plain)
}

/// Whether one of the addresses is this one already: of the same use, and with all that it says.
fn has_address(held: &[Value], address: &RawValue) -> bool {
    let Ok(address) = exact::parse(address.get().as_bytes()) else { return false };
    held.iter().any(|held| is_address(&address, held))
}

fn is_address(address: &Value, held: &Value) -> bool {
    let mut fields = address.as_object().into_iter().flatten();
    fields.all(|(name, value)| match (value, field(held, name)) {
        // Only that it is the default matters: it may be both.
        (Value::Bool(false) | Value::Null, _) => true,
        (Value::Object(_), Some(held)) if value.get("id").is_none() => is_address(value, held),
        (value, Some(held)) => is_equal(value, held),
        (_, None) => false,
    })
}
