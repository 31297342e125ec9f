//! Finds records: by ids, by an external id field, by any field that can be asked for. What SOQL shows
//! is what was written, at once; what was deleted it does not show.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Salesforce;
use super::describe::{Description, Field};
use super::ids::{spelled_id, told_id};
use super::paths::Paths;
use super::soql;
use crate::connector::contract::{By, Found, Question, RequestError, Row};
use crate::json::exact;

/// Digits of a number that tell it from any other: it is kept as a double.
const MAX_DIGITS: usize = 15;
/// Pages of an answer, at most.
const MAX_PAGES: usize = 50;
/// Keys of one lookup. It takes several questions where they are long.
pub(super) const MAX_KEYS: usize = 200;

impl Salesforce {
    /// Answers a question about records of an object. `property`: where external ids are kept.
    pub(super) async fn find(
        &self,
        description: &Description,
        property: Option<&str>,
        question: &Question,
    ) -> Result<Found, RequestError> {
        if let Some(next) = &question.next {
            let body = self.next_page(next).await?;
            let keys = Keys::new(question, asked_for(description, property, question)?);
            return self.page(&keys, &body);
        }
        let field = asked_for(description, property, question)?;
        let asked = question.keys.iter().filter(|key| !is_inexact(field, key));
        let values = asked.map(|key| literal(field, key));
        let values: Vec<String> = values.collect::<Result<_, _>>()?;
        let mut wanted: Vec<&str> = vec!["Id"];
        let own = question.want.iter().filter_map(|name| description.field(name));
        wanted.extend(own.map(|field| field.name.as_str()).filter(|name| *name != "Id"));
        if !wanted.contains(&field.name.as_str()) {
            wanted.push(&field.name);
        }
        let keys = Keys::new(question, field);
        let mut found = Found::default();
        let questions = soql::questions(&description.name, &wanted, &field.name, &values);
        for (at, question) in questions.iter().enumerate() {
            let mut body = self.query(question).await?;
            for read in 1.. {
                let page = self.page(&keys, &body)?;
                found.rows.extend(page.rows);
                let Some(next) = page.next else { break };
                if at + 1 == questions.len() {
                    found.next = Some(next);
                    break;
                }
                if read == MAX_PAGES {
                    return Err(too_many(&description.name));
                }
                body = self.next_page(&next).await?;
            }
        }
        Ok(found)
    }

    /// All pages of an answer about records of an object.
    pub(super) async fn find_all(
        &self,
        object: &str,
        property: Option<&str>,
        mut question: Question,
    ) -> Result<Vec<Row>, RequestError> {
        let description = self.describe(object).await?;
        let mut rows = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.find(&description, property, &question).await?;
            rows.extend(page.rows);
            question.next = page.next;
            if question.next.is_none() {
                return Ok(rows);
            }
        }
        Err(too_many(object))
    }

    /// The records of all pages of an answer.
    pub(super) async fn ask_all(&self, question: &str) -> Result<Vec<Value>, RequestError> {
        let mut body = self.query(question).await?;
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            all.extend(records(&body)?.iter().cloned());
            let Some(next) = next(&body) else { return Ok(all) };
            body = self.next_page(next).await?;
        }
        Err(RequestError::never_sent(&format!("an answer has more than {MAX_PAGES} pages")))
    }

    /// The first page of the answer to a question in SOQL.
    pub(super) async fn query(&self, question: &str) -> Result<Value, RequestError> {
        let mut url = self.url(&["query"]).await?;
        url.query_pairs_mut().append_pair("q", question);
        self.read(url).await
    }

    async fn next_page(&self, next: &str) -> Result<Value, RequestError> {
        self.read(Paths::told(&self.instance().await?, next)?).await
    }

    fn page(&self, keys: &Keys<'_>, body: &Value) -> Result<Found, RequestError> {
        let mut found = Found::default();
        for record in records(body)? {
            let id = told_id(record.get("Id"), self.client.redactor());
            let Some(id) = id else { continue };
            let Some(value) = record.get(&keys.field.name).and_then(exact::text) else { continue };
            let mut fields = Map::new();
            for name in &keys.question.want {
                if let Some((_, value)) = record
                    .as_object()
                    .into_iter()
                    .flatten()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name))
                {
                    fields.insert(name.to_string(), value.clone());
                }
            }
            for key in keys.of(&value) {
                found.rows.push(Row {
                    key: Arc::clone(key),
                    remote_id: id.clone(),
                    version: None,
                    fields: fields.clone(),
                    altered: None,
                });
            }
        }
        found.next = next(body).map(Arc::from);
        Ok(found)
    }
}

fn too_many(object: &str) -> RequestError {
    let why = format!("more than {MAX_PAGES} pages of {object} have one of these values");
    RequestError::never_sent(&why)
}

/// The records of a page.
fn records(body: &Value) -> Result<&[Value], RequestError> {
    let records = body["records"].as_array().map(Vec::as_slice);
    records.ok_or_else(|| RequestError::Protocol("the answer has no list of records".into()))
}

/// Where the next page is, if there is one.
fn next(body: &Value) -> Option<&str> {
    body["nextRecordsUrl"].as_str().filter(|_| body["done"] == false)
}

/// The field that a question is about.
fn asked_for<'a>(
    description: &'a Description,
    property: Option<&str>,
    question: &Question,
) -> Result<&'a Field, RequestError> {
    let name = match &question.by {
        By::RemoteId => "Id",
        By::ExternalId => {
            property.ok_or_else(|| RequestError::never_sent("no field keeps external ids"))?
        }
        By::Field(name) => name,
    };
    let field = description.field(name).filter(|field| soql::is_name(&field.name));
    field.ok_or_else(|| {
        let object = &description.name;
        RequestError::never_sent(&format!("{object} has no field `{name}` to find records by"))
    })
}

/// The keys of a question, by how Salesforce compares them.
struct Keys<'a> {
    question: &'a Question,
    field: &'a Field,
    spelled: HashMap<String, Vec<&'a Arc<str>>>,
}

impl<'a> Keys<'a> {
    fn new(question: &'a Question, field: &'a Field) -> Self {
        let mut spelled: HashMap<String, Vec<&Arc<str>>> = HashMap::new();
        for key in question.keys.iter().filter(|key| !is_inexact(field, key)) {
            spelled.entry(spell(field, key)).or_default().push(key);
        }
        Self { question, field, spelled }
    }

    fn of(&self, value: &str) -> impl Iterator<Item = &'a Arc<str>> {
        self.spelled.get(&spell(self.field, value)).into_iter().flatten().copied()
    }
}

/// Whether a number has more digits than Salesforce keeps: it finds others by it, too.
fn is_inexact(field: &Field, value: &str) -> bool {
    let mantissa = value.trim().split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    field.is_number() && digits.trim_start_matches('0').len() > MAX_DIGITS
}

/// Texts are compared without regard to case, but for those of a field that says otherwise.
fn spell(field: &Field, value: &str) -> String {
    match field.kind.as_str() {
        "id" | "reference" => spelled_id(value).to_owned(),
        _ if field.is_number() => value
            .trim()
            .parse::<f64>()
            .map_or_else(|_| value.to_owned(), |number| number.to_string()),
        _ if field.case_sensitive => value.trim().to_owned(),
        _ => value.trim().to_lowercase(),
    }
}

/// A value in a question.
fn literal(field: &Field, value: &str) -> Result<String, RequestError> {
    let plain = |is: bool| {
        if is {
            return Ok(value.trim().to_owned());
        }
        let what = format!("`{value}` is no value of the field `{}`", field.name);
        Err(RequestError::never_sent(&what))
    };
    match field.kind.as_str() {
        _ if field.is_number() => {
            let is_number =
                |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
            plain(
                value.trim().parse::<f64>().is_ok_and(f64::is_finite)
                    && value.trim().chars().all(is_number),
            )
        }
        "boolean" => plain(matches!(value.trim(), "true" | "false")),
        "date" | "datetime" | "time" => plain(
            value.trim().len() >= 8
                && value
                    .trim()
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z' | '+' | '.')),
        ),
        _ => Ok(soql::quoted(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Salesforce keeps as one number is not told apart by it.
    #[test]
    fn numbers_with_more_digits_than_are_kept_find_nobody() {
        let number = Field { kind: "double".to_owned(), ..Field::default() };
        for (value, told) in [
            ("9007199254740993", true),
            ("0.1234567890123456", true),
            ("123456789012345", false),
            ("-000123456789012345.0e3", true),
            ("1.5e300", false),
        ] {
            assert_eq!(is_inexact(&number, value), told, "{value}");
        }
        let text = Field { kind: "string".to_owned(), ..Field::default() };
        assert!(!is_inexact(&text, "9007199254740993"));
        assert_eq!(spell(&number, " 1.50 "), spell(&number, "15e-1"));
    }
}
