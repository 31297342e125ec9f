//! What NetSuite tells beside an answer of success, such as of a field that it has left out: passed on,
//! each thing once.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1544787084.html>

use reqwest::header::HeaderName;

use crate::connector::http::{Answer, Redactor};
use crate::connector::once::Once;

/// Where it warns, of anything and of fields that it does not know.
const WARNINGS: [&str; 2] = ["x-netsuite-warning", "x-netsuite-propertyvalidation"];
/// Characters of one that are told.
const MAX_CHARS: usize = 300;

/// With these as `Error`, NetSuite refuses what it would leave out: fields, and values.
pub(super) const STRICT: [HeaderName; 2] = [
    HeaderName::from_static("x-netsuite-propertynamevalidation"),
    HeaderName::from_static("x-netsuite-propertyvaluevalidation"),
];

/// What was told of.
#[derive(Debug, Default)]
pub(super) struct Warned(Once);

impl Warned {
    /// Passes on what an answer warns of.
    pub(super) fn heed(&self, answer: &Answer, redactor: &Redactor) {
        let warnings = WARNINGS.into_iter().flat_map(|name| answer.headers.get_all(name));
        for warning in warnings {
            let text = String::from_utf8_lossy(warning.as_bytes());
            let text = redactor.excerpt(without_ids(&text), MAX_CHARS);
            if self.0.is_new(&text) {
                tracing::warn!(warning = %text, "NetSuite warns.");
            }
        }
    }
}

/// What is said of a record, without which: `Record type vendorBill with internal id 12: …`.
fn without_ids(text: &str) -> &str {
    let is_of_record = text.starts_with("Record type ");
    text.split_once(": ").filter(|_| is_of_record).map_or(text, |(_, what)| what)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};
    use url::Url;

    use super::*;

    #[test]
    fn a_warning_is_told_once() {
        let warned = Warned::default();
        for record in 1..3 {
            let mut headers = HeaderMap::new();
            let text = format!("Record type customer with internal id {record}: no such field");
            headers.insert(WARNINGS[0], HeaderValue::from_str(&text).unwrap());
            let answer = Answer::new(204, headers, "", Url::parse("http://h").unwrap());
            warned.heed(&answer, &Redactor::default());
        }
        assert!(!warned.0.is_new("no such field"));
    }
}
