//! Finds records: by ids, by external ids, by any column of their table. What SuiteQL shows is what was
//! written.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Map;

use super::NetSuite;
use super::directory::spelled;
use super::numbered::NUMBERED;
use super::paths::{Which, is_number, is_type};
use super::stream::Learned;
use super::suiteql::{Row as Told, one_external_id_of, one_of};
use super::table::Place;
use crate::connector::contract::{By, Found, Question, RequestError, Row};
use crate::record::RemoteId;

/// The column of external ids.
const EXTERNAL_ID: &str = "externalid";

impl NetSuite {
    /// Answers a question about records of a stream.
    pub(super) async fn find(
        &self,
        learned: &Learned,
        question: &Question,
    ) -> Result<Found, RequestError> {
        if question.by == By::RemoteId && !question.want.is_empty() {
            return self.read_each(learned, question).await;
        }
        let place = learned.place();
        let column = match &question.by {
            By::RemoteId => "id",
            By::ExternalId => EXTERNAL_ID,
            By::Field(name) => name,
        };
        if let Learned::Unified(unified) = learned
            && column == NUMBERED
        {
            return self.find_numbered(unified.kind, question).await;
        }
        if !is_type(column) {
            let why = format!("NetSuite has no column `{column}` to find records by");
            return Err(RequestError::never_sent(&why));
        }
        let column = column.to_ascii_lowercase();
        let keys = Keys::new(&column, &question.keys);
        let mut found = Found::default();
        if keys.by_value.is_empty() {
            return Ok(found);
        }
        for row in self.ask(&keys.question(&place)).await? {
            found.rows.extend(keys.rows(question, &row));
        }
        Ok(found)
    }

    /// Reads records one by one, with the fields that are wanted: SuiteQL has other names for them.
    async fn read_each(
        &self,
        learned: &Learned,
        question: &Question,
    ) -> Result<Found, RequestError> {
        let mut found = Found::default();
        for key in question.keys.iter().filter(|key| is_number(key)) {
            let read = self.read(learned.record_type(), Which::Id(key), false).await?;
            let Some(body) = read else { continue };
            let wanted = |name: &&Arc<str>| body.get(&***name).is_some();
            let fields = question.want.iter().filter(wanted);
            found.rows.push(Row {
                key: Arc::clone(key),
                remote_id: RemoteId::from(&**key),
                version: None,
                fields: fields.map(|name| (name.to_string(), body[&**name].clone())).collect(),
                altered: None,
            });
        }
        Ok(found)
    }
}

/// The keys of a question, by how NetSuite compares them.
struct Keys<'a> {
    column: String,
    by_value: HashMap<String, Vec<&'a Arc<str>>>,
}

impl<'a> Keys<'a> {
    fn new(column: &str, keys: &'a [Arc<str>]) -> Self {
        let mut by_value: HashMap<String, Vec<&Arc<str>>> = HashMap::new();
        // What is no number is nobody's id, and would spoil the whole question.
        for key in keys.iter().filter(|key| column != "id" || is_number(key)) {
            by_value.entry(spelled(column, key)).or_default().push(key);
        }
        Self { column: column.to_owned(), by_value }
    }

    fn question(&self, place: &Place) -> String {
        let mut values: Vec<&str> = self.by_value.keys().map(String::as_str).collect();
        values.sort_unstable();
        let any = match self.column.as_str() {
            "id" => format!("id IN ({})", values.join(",")),
            EXTERNAL_ID => one_external_id_of(EXTERNAL_ID, values.into_iter()),
            column => one_of(column, values.into_iter()),
        };
        let asked = match self.column.as_str() {
            "id" | EXTERNAL_ID => "id, externalid".to_owned(),
            column => format!("id, externalid, {column}"),
        };
        format!("SELECT {asked} FROM {}{any} ORDER BY id", place.filtered())
    }

    /// The rows of the keys that a record answers to.
    fn rows(&self, question: &Question, row: &Told) -> Vec<Row> {
        let Some(value) = row.get(&self.column) else { return Vec::new() };
        let keys = self.by_value.get(&spelled(&self.column, value));
        keys.into_iter().flatten().filter_map(|key| found_row(key, row, question)).collect()
    }
}

/// What a row of NetSuite's says of the record that a key has found.
pub(super) fn found_row(key: &Arc<str>, row: &Told, question: &Question) -> Option<Row> {
    let id = row.get("id").filter(|id| is_number(id))?;
    let mut fields = Map::new();
    for name in &question.want {
        if let Some(value) = row.get(&name.to_ascii_lowercase()) {
            fields.insert(name.to_string(), value.into());
        }
    }
    let (key, remote_id) = (Arc::clone(key), RemoteId::from(id));
    Some(Row { key, remote_id, version: None, fields, altered: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_a_question() {
        let keys: Vec<Arc<str>> = ["B", "a'x", "b"].map(Arc::from).to_vec();
        let question = Keys::new("externalid", &keys).question(&Place::of("vendorBill"));
        assert_eq!(
            question,
            "SELECT id, externalid FROM transaction WHERE recordtype = 'vendorbill' AND LOWER(externalid) IN \
             ('a''x','b') ORDER BY id"
        );
        let ids: Vec<Arc<str>> = ["12", "x", "1) OR (1=1"].map(Arc::from).to_vec();
        let question = Keys::new("id", &ids).question(&Place::of("customer"));
        assert_eq!(question, "SELECT id, externalid FROM customer WHERE id IN (12) ORDER BY id");
        let names: Vec<Arc<str>> = vec![Arc::from("Acme")];
        let question = Keys::new("companyname", &names).question(&Place::of("customer"));
        assert!(
            question
                .contains("SELECT id, externalid, companyname FROM customer WHERE companyname IN")
        );
    }
}
