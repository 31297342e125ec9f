//! Questions in SuiteQL: every value in them is quoted, whatever it says. All values of an answer are
//! texts, under names in lower case; what is empty is left out.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_157909186990.html>

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::NetSuite;
use super::directory::folded;
use crate::connector::contract::RequestError;
use crate::connector::http::Redactor;
use crate::json::exact;

/// Rows of a page, at most.
const PAGE: usize = 1000;
/// Pages of an answer, at most: NetSuite tells no more than 100,000 rows of one question.
const MAX_PAGES: usize = 100;
/// Bytes of all rows of one question, at most.
const MAX_BYTES: usize = 64 << 20;
/// Bytes that a cell takes beside its texts, about.
const ROW_BYTES: usize = 64;
/// Values of one question, at most: a list in it takes a thousand.
pub(super) const MAX_VALUES: usize = 500;
/// Questions are answered with `transient` alone; `respond-async` makes a job of a call.
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");

/// A row of an answer: texts by the names of their columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row(BTreeMap<String, String>);

impl Row {
    /// Without what is a secret.
    fn read(row: &Value, redactor: &Redactor) -> Self {
        let cells = row.as_object().into_iter().flatten();
        let told = cells.filter_map(|(name, value)| {
            Some((name.to_ascii_lowercase(), redactor.unless_secret(exact::text(value)?)?))
        });
        Self(told.collect())
    }

    /// What of it is asked for, with the column `id`.
    pub(super) fn only(mut self, columns: &[(&str, &str)]) -> Self {
        self.0.retain(|own, _| own == "id" || columns.iter().any(|(name, _)| name == own));
        self
    }

    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len() + ROW_BYTES).sum()
    }

    /// Takes a cell out.
    pub(super) fn forget(&mut self, column: &str) {
        self.0.remove(column);
    }

    pub(super) fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Row {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(cells: I) -> Self {
        Self(cells.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Row {
    type Item = (&'a String, &'a String);
    type IntoIter = std::collections::btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A value, between quotes.
pub(super) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// `{column} IN ({values})`, each of them quoted.
pub(super) fn one_of<'a>(column: &str, values: impl Iterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.map(quoted).collect();
    format!("{column} IN ({})", values.join(","))
}

/// The same of external ids, as NetSuite compares them.
pub(super) fn one_external_id_of<'a>(
    column: &str,
    values: impl Iterator<Item = &'a str>,
) -> String {
    let values: Vec<String> = values.map(folded).collect();
    one_of(&format!("LOWER({column})"), values.iter().map(String::as_str))
}

impl NetSuite {
    /// All rows that answer a question, which has its `ORDER BY`: without one, pages may overlap.
    ///
    /// # Errors
    /// As of a lookup.
    pub(super) async fn ask(&self, question: &str) -> Result<Vec<Row>, RequestError> {
        let (mut rows, mut page, mut bytes) = (Vec::new(), PAGE, 0);
        for _ in 0..MAX_PAGES {
            let body = self.ask_page(question, rows.len(), page).await?;
            let items = body["items"]
                .as_array()
                .ok_or_else(|| RequestError::Protocol("the answer has no list of rows".into()))?;
            if items.len() > page {
                return Err(RequestError::Protocol("a page has more rows than were asked".into()));
            }
            for row in items {
                let row = Row::read(row, self.client.redactor());
                bytes += row.size();
                rows.push(row);
            }
            if bytes > MAX_BYTES {
                let why = format!("the rows of one question are more than {MAX_BYTES} bytes");
                return Err(RequestError::Protocol(why.into()));
            }
            if body["hasMore"] != true {
                return Ok(rows);
            }
            if items.is_empty() {
                return Err(RequestError::Protocol("a page without rows has one after it".into()));
            }
            // A page begins at a multiple of its length, and NetSuite may give fewer rows than asked.
            page = page.min(items.len());
        }
        Err(RequestError::Protocol(format!("an answer has more than {MAX_PAGES} pages").into()))
    }

    /// A page of them.
    pub(super) async fn ask_page(
        &self,
        question: &str,
        offset: usize,
        limit: usize,
    ) -> Result<Value, RequestError> {
        let mut url = self.paths.suiteql();
        url.query_pairs_mut()
            .append_pair("limit", &limit.to_string())
            .append_pair("offset", &offset.to_string());
        let body = Bytes::from(json!({"q": question}).to_string());
        let prefer = (PREFER, HeaderValue::from_static("transient"));
        let answer = self.send_with(Method::POST, url, body, true, None, vec![prefer]).await?;
        self.body_of(&answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_quotes() {
        assert_eq!(quoted("O'Brien"), "'O''Brien'");
        assert_eq!(quoted("' OR 1=1 --"), "''' OR 1=1 --'");
        assert_eq!(one_of("tranid", ["a", "b'c"].into_iter()), "tranid IN ('a','b''c')");
    }

    #[test]
    fn a_row_has_texts_by_names_in_lower_case() {
        let row = Row::read(
            &json!({"links": [], "ID": "12", "companyName": "Acme", "count": 3, "x": null}),
            &Redactor::default(),
        );
        assert_eq!(row.get("id"), Some("12"));
        assert_eq!(
            (row.get("companyname"), row.get("count"), row.get("x")),
            (Some("Acme"), Some("3"), None)
        );
        assert_eq!(row.get("links"), None);
    }
}
