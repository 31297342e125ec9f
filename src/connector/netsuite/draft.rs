//! A unified record on its way out: whom it names found, its lines compared with those that NetSuite
//! has, its taxes reckoned; then written, and what belongs to it after it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::NetSuite;
use super::directory::Found;
use super::lines::{Going, going, has_address, is_as_held, items, whole, with_key};
use super::numbered::NUMBERED;
use super::owner::{ENTITY, document, entity, is_own, set_payer};
use super::paths::{Which, is_number};
use super::payments::Payer;
use super::record::{known, only, refused, unsent, with_external_id};
use super::reference::{By, Reference, first_id, references};
use super::tax::{Tax, detail};
use super::unified::{ADDRESSES, Kind, PAYMENTS, TAX, TYPE};
use crate::connector::contract::{Action, RequestError, Verdict, Write, WriteAnswer, WriteBatch};
use crate::connector::parts::not_sent;
use crate::connector::stop::unless_stopped;
use crate::json::exact;
use crate::json::fields::{Fields, finish_object, push_field};

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
                NUMBERED => {}
                _ => push_field(&mut draft.body, name, value.get()),
            }
        }
        draft.body = finish_object(draft.body);
        Ok(draft)
    }

    /// Whether what NetSuite has of it must be known before it is changed; `named`: whom it names.
    fn is_compared(&self, named: &[Reference]) -> bool {
        let Ok(fields) = Fields::of_text(&self.body) else { return false };
        let has = |name: &str| fields.get(name).is_some();
        let is_scoped = named.iter().any(|reference| reference.within) && !has("subsidiary");
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
        let named = references(&draft.body);
        let is_known = batch.action != Action::Create;
        let mut whom = if is_known { whom(write)? } else { Vec::new() };
        let is_compared = batch.action == Action::Update && draft.is_compared(&named);
        let mut held = None;
        if is_known && (is_compared || kind.is_held_by_others() || kind == Kind::JournalEntry) {
            let Some((which, read)) = self.first_of(&draft.record_type, &whom).await? else {
                return Ok(unsent(Verdict::Missing));
            };
            whom = vec![which];
            held = Some(read);
        }
        let held = held.as_ref();
        if let Err(verdict) = self.complete(kind, write, &mut draft, &named, held).await? {
            return Ok(unsent(verdict));
        }
        if batch.action == Action::Delete {
            return self.write_any(Method::DELETE, &draft.record_type, &whom, "", batch).await;
        }
        if !is_known && let Some(verdict) = self.is_made(kind, batch, &draft.body).await? {
            return Ok(unsent(verdict));
        }
        if let Some(held) = held.filter(|_| kind == Kind::JournalEntry) {
            // What is posted is not changed. That it is there as it was to be is no mistake.
            return Ok(unsent(if is_as_held(&draft.body, held) {
                Verdict::Updated(write.remote_id.clone())
            } else {
                // In the platform's words.
                refused("exists", "Record already exists", self.client.redactor())
            }));
        }
        let content = draft.body.clone();
        let mut answer = if is_known && self.unpaid.has(write.remote_id.as_ref(), &content) {
            unsent(Verdict::Updated(write.remote_id.clone()))
        } else {
            let appends = match self.put_lines(&mut draft, held) {
                Ok(appends) => appends,
                Err(why) => {
                    return Ok(unsent(refused("invalid_line", &why, self.client.redactor())));
                }
            };
            let body = with_external_id(&draft.body, write, batch.action);
            let written = if is_known {
                self.write_any(Method::PATCH, &draft.record_type, &whom, &body, batch).await
            } else {
                let url = self.paths.records(&draft.record_type)?;
                self.write_one(Method::POST, url, body, batch).await
            };
            match written {
                Err(error) if is_known && appends && may_come(&error) => {
                    // Before it is compared again, NetSuite has come to its end with it: what it
                    // appends late would be appended twice.
                    unless_stopped(tokio::time::sleep(self.settles)).await.ok();
                    return Err(in_doubt(error));
                }
                written => written?,
            }
        };
        self.doubt_named(&answer, &named);
        if !draft.payments.is_empty() {
            let entity = entity(&content, ENTITY, held);
            let (payments, entity) = (draft.payments.as_slice(), entity.as_deref());
            let payer = Payer { kind, payments, entity, content: &content };
            self.write_payments(&payer, write, &mut answer).await?;
        }
        Ok(answer)
    }

    /// The first of several addresses that a record is at, and the record.
    async fn first_of<'a>(
        &self,
        record_type: &str,
        whom: &[Which<'a>],
    ) -> Result<Option<(Which<'a>, Value)>, RequestError> {
        for which in whom {
            if let Some(read) = self.read(record_type, *which, true).await.map_err(not_sent)? {
                return Ok(Some((*which, read)));
            }
        }
        Ok(None)
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
            answer = self.write_one(method.clone(), url, body, batch).await?;
            if answer.verdicts != [Verdict::Missing] {
                break;
            }
        }
        Ok(answer)
    }

    /// Puts into a draft's body what must be known to write it; `named`: whom it names; `held`:
    /// what NetSuite has of it.
    ///
    /// # Errors
    /// When nobody can tell now; within, the verdict on a record that cannot be written.
    async fn complete(
        &self,
        kind: Kind,
        write: &Write,
        draft: &mut Draft,
        named: &[Reference],
        held: Option<&Value>,
    ) -> Result<Result<(), Verdict>, RequestError> {
        let taxes = taxes(&draft.body);
        self.look_for(&taxes, false).await.map_err(not_sent)?;
        let document = document(&draft.body);
        let scope = held.and_then(|held| first_id(&held["subsidiary"].to_string()));
        draft.body = match self.resolved(&draft.body, named, scope.as_deref()).await? {
            Ok(body) => body,
            Err(verdict) => return Ok(Err(verdict)),
        };
        let mut checked = Ok(());
        if let Some(document) = document
            && let Found::One(row) = self.directory.find(&document, None)
        {
            checked = set_payer(kind, &mut draft.body, &document, &row);
        }
        if let Some(held) = held.filter(|_| kind.is_held_by_others()) {
            checked = checked.and_then(|()| is_own(kind, write, &draft.body, held));
        }
        let redactor = self.client.redactor();
        Ok(checked.map_err(|why| refused("other_entity", &why, redactor)))
    }

    /// Leaves the lines that go out, with their taxes; and the addresses that are not there. Tells
    /// whether any of them is new.
    fn put_lines(&self, draft: &mut Draft, held: Option<&Value>) -> Result<bool, String> {
        let unreadable = |error: serde_json::Error| error.to_string();
        let fields = Fields::of_text(&draft.body).map_err(unreadable)?;
        let (mut details, mut appends) = (Vec::new(), false);
        let text = held.map(Value::to_string).unwrap_or_default();
        let is_used = |reference: &str| text.contains(&json!(reference).to_string());
        let mut body = String::with_capacity(draft.body.len());
        for (name, value) in &fields.0 {
            let lines = Fields::parse(value).ok().and_then(|own| own.get("items"));
            let lines: Vec<&RawValue> = match lines {
                Some(lines) => serde_json::from_str(lines.get()).map_err(unreadable)?,
                None => Vec::new(),
            };
            let is_compared = name == ADDRESSBOOK || SUBLISTS.iter().any(|(own, _)| own == name);
            let lines_held = match held.filter(|_| is_compared) {
                Some(held) => whole(held, name)?,
                None => &[],
            };
            if name == ADDRESSBOOK {
                let own = lines.iter().filter(|line| !has_address(lines_held, line));
                let own: Vec<String> = own.map(|line| line.get().to_owned()).collect();
                if !own.is_empty() {
                    appends = true;
                    push_field(&mut body, name, &format!("{{\"items\":[{}]}}", own.join(",")));
                }
                continue;
            }
            let Some((_, known_as)) = SUBLISTS.iter().find(|(own, _)| own == name) else {
                push_field(&mut body, name, value.get());
                continue;
            };
            // Behind those that were made before.
            let mut references = (lines_held.len()..)
                .map(|number| format!("{known_as}_{number}"))
                .filter(|reference| !is_used(reference));
            let mut own = Vec::new();
            for (place, (line, going)) in lines.iter().zip(going(&lines, lines_held)).enumerate() {
                match going {
                    Going::No => {}
                    Going::Unsure => {
                        return Err(format!(
                            "line {} of its `{name}` has no description, and may be one that NetSuite shows \
                             in another form (rounded, or without its time): to add it might double it. \
                             Give it a description, or what NetSuite shows",
                            place + 1
                        ));
                    }
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
                        appends = true;
                        let reference = references.next().unwrap_or_default();
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
        Ok(appends)
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

/// Whether what was sent may be applied all the same, now or later. A gateway answers for NetSuite,
/// which may be at work on it.
fn may_come(error: &RequestError) -> bool {
    match error {
        RequestError::InDoubt { .. } | RequestError::Protocol(_) => true,
        RequestError::Throttled { status, .. } => *status >= 500,
        _ => false,
    }
}

/// The same, as what it is.
fn in_doubt(error: RequestError) -> RequestError {
    match error {
        RequestError::Throttled { retry_after, .. } => {
            RequestError::InDoubt { why: error.to_string().into(), retry_after }
        }
        error => error,
    }
}

/// How a record is addressed that is known by the platform's `id`: NetSuite's; or else the user's, where
/// the record itself says it, and no other id of the user's.
fn whom(write: &Write) -> Result<Vec<Which<'_>>, RequestError> {
    let id = known(write)?;
    let own = (write.says_id && write.external_id.is_none()) || !is_number(id);
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
        of: None,
    }
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
