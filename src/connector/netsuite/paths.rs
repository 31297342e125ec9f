//! Where NetSuite's calls go: `{address}/services/rest/…`.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1544787084.html>

use percent_encoding::utf8_percent_encode;
use url::Url;

use crate::connector::contract::RequestError;
use crate::connector::http::SEGMENT;

/// Paths of one account.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// Ends with `/services/rest`.
    root: Url,
}

/// Which record of a type is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which<'a> {
    /// By NetSuite's id.
    Id(&'a str),
    /// By the user's.
    ExternalId(&'a str),
}

impl Paths {
    pub(super) fn new(mut address: Url) -> Self {
        let own = address.path().trim_end_matches('/').to_owned();
        address.set_path(&format!("{own}/services/rest"));
        Self { root: address }
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        url.set_path(&format!("{}/{path}", self.root.path()));
        url
    }

    /// The token endpoint.
    pub(super) fn token(&self) -> Url {
        self.below("auth/oauth2/v1/token")
    }

    /// All records of a type.
    ///
    /// # Errors
    /// No type has such a name.
    pub(super) fn records(&self, record_type: &str) -> Result<Url, RequestError> {
        if !is_type(record_type) {
            let what = format!("NetSuite has no record type with the name `{record_type}`");
            return Err(RequestError::never_sent(&what));
        }
        Ok(self.below(&format!("record/v1/{record_type}")))
    }

    /// One of them.
    ///
    /// # Errors
    /// As [`records`](Self::records); or no record can have this id.
    pub(super) fn record(&self, record_type: &str, which: Which<'_>) -> Result<Url, RequestError> {
        let all = self.records(record_type)?;
        let segment = match which {
            Which::Id(id) if is_number(id) => id.to_owned(),
            Which::Id(id) => {
                let why = format!("`{id}` is no id of NetSuite's, which are numbers");
                return Err(RequestError::never_sent(&why));
            }
            Which::ExternalId(id) if id.contains('|') => {
                let why = "NetSuite takes the `|` of an external id for a list of several: no record is \
                           found by one that has it";
                return Err(RequestError::never_sent(why));
            }
            Which::ExternalId(id) => format!("eid:{}", utf8_percent_encode(id, SEGMENT)),
        };
        let mut url = all;
        url.set_path(&format!("{}/{segment}", url.path()));
        Ok(url)
    }

    /// Questions in SuiteQL.
    pub(super) fn suiteql(&self) -> Url {
        self.below("query/v1/suiteql")
    }

    /// A job, or what is below it.
    ///
    /// # Errors
    /// One of the segments is none that a job has.
    pub(super) fn job(&self, segments: &[&str]) -> Result<Url, RequestError> {
        let is_good = |segment: &&str| is_number(segment) || is_type(segment);
        if !segments.iter().all(is_good) {
            return Err(RequestError::never_sent("it is no name of a job"));
        }
        Ok(self.below(&format!("async/v1/job/{}", segments.join("/"))))
    }

    /// What the account lets through at once.
    pub(super) fn limits(&self) -> Url {
        self.below("system/v1/governanceLimits")
    }
}

/// Whether a text can be the name of a record type, a table or a column.
pub(super) fn is_type(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a text can be an id of NetSuite's: some of its own records have ids below 0.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number that an address ends in, behind what stands before it.
pub(super) fn numbered(address: &str) -> Option<(&str, &str)> {
    let path = address.split(['?', '#']).next()?.trim_end_matches('/');
    path.rsplit_once('/').filter(|(_, number)| is_number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_address() {
        let paths = Paths::new(Url::parse("http://127.0.0.1:8/proxy/").unwrap());
        let of = |which| paths.record("vendorBill", which).unwrap().path().to_owned();
        let root = "/proxy/services/rest";
        assert_eq!(of(Which::Id("12")), format!("{root}/record/v1/vendorBill/12"));
        assert_eq!(of(Which::ExternalId("B-1")), format!("{root}/record/v1/vendorBill/eid:B-1"));
        assert_eq!(
            of(Which::ExternalId("a/b c?")),
            format!("{root}/record/v1/vendorBill/eid:a%2Fb%20c%3F")
        );
        assert_eq!(paths.suiteql().path(), format!("{root}/query/v1/suiteql"));
        for wrong in ["", "a/b", "..", "1a"] {
            paths.records(wrong).unwrap_err();
        }
        for wrong in ["", "x", "1/2", "..", "--1"] {
            paths.record("customer", Which::Id(wrong)).unwrap_err();
        }
        paths.record("customer", Which::ExternalId("a|b")).unwrap_err();
        assert!(is_number("-5") && !is_number("-"));
    }
}
