//! What `check` looks at: the credential, each stream's record type, and how many calls the account
//! lets through at once.

use super::NetSuite;
use crate::connector::contract::{CheckLine, Connector as _, RequestError};
use crate::record::StreamName;

/// A question that any account answers.
const ANYTHING: &str = "SELECT 1 AS one FROM dual";

impl NetSuite {
    pub(super) async fn check_all(&self, streams: &[StreamName]) -> Vec<CheckLine> {
        let asked = self.ask_page(ANYTHING, 0, 1).await;
        let taken = format!("taken by the account {}", self.account.realm());
        let mut lines = vec![line("credential", asked.as_ref().map(|_| taken))];
        if matches!(asked, Err(RequestError::Unauthorized(_) | RequestError::Unreachable(_))) {
            return lines;
        }
        for stream in streams {
            lines.push(self.check_stream(stream).await);
        }
        // Only an administrator may ask.
        if let Ok(Some(most)) = self.account_limit().await {
            let told =
                format!("{most} calls at once, for all integrations of the account together");
            lines.push(line("limit", Ok(told)));
        }
        lines
    }

    async fn check_stream(&self, stream: &StreamName) -> CheckLine {
        let subject = format!("stream {stream}");
        let learned = self.known(stream);
        let types = learned.record_types();
        for record_type in &types {
            if let Err(error) = self.has_type(record_type).await {
                return line(subject, Err(&error));
            }
        }
        let by = match self.capabilities(stream) {
            Ok(own) if own.upsert.is_some() => "upserted by `externalId`",
            Ok(_) => "unified; found by `externalId`, then made or changed",
            Err(error) => return line(subject, Err(&error)),
        };
        line(subject, Ok(format!("{}; {by}; one record a call", types.join(", "))))
    }

    /// Whether this credential sees records of a type.
    pub(super) async fn has_type(&self, record_type: &str) -> Result<(), RequestError> {
        let mut url = self.paths.records(record_type)?;
        url.query_pairs_mut().append_pair("limit", "1");
        self.body_of(&self.get(url).await?).map(drop)
    }

    async fn account_limit(&self) -> Result<Option<u64>, RequestError> {
        let body = self.body_of(&self.get(self.paths.limits()).await?)?;
        Ok(body["accountConcurrencyLimit"].as_u64())
    }
}

fn line(subject: impl Into<String>, result: Result<String, &RequestError>) -> CheckLine {
    let hint = match result {
        Err(RequestError::Unauthorized(_)) => Some(
            "compare the keys with those in NetSuite, and see its Login Audit Trail (Setup > Users/Roles)",
        ),
        Err(RequestError::Forbidden { .. }) => Some(
            "give the role the permissions REST Web Services and SuiteAnalytics Workbook, and those for the record",
        ),
        Err(RequestError::Refused { .. }) => Some(
            "name the record type as NetSuite does, such as `vendorBill` or `customrecord_x`, with `object`",
        ),
        Err(RequestError::Unreachable(_)) => Some("look at `ns_account` and the network"),
        _ => None,
    };
    let result = result.map_err(ToString::to_string);
    CheckLine { subject: subject.into(), result, hint: hint.map(str::to_owned) }
}
