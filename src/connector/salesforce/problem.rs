//! What Salesforce says when it refuses something, in words that a person can act on.
//!
//! A call is refused with a list: `[{"errorCode", "message", "fields"}]`; a record of a Collections call
//! with `[{"statusCode", "message", "fields"}]`. Codes:
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm>

use std::time::Duration;

use serde_json::Value;

use super::ids::{is_id, long_id};
use crate::connector::contract::{Action, ErrorClass, Rejection, RequestError, Verdict};
use crate::connector::http::{Answer, Call, Meaning, Redactor, meaning};
use crate::json::exact;
use crate::record::RemoteId;

/// Characters of a message that are told.
const MAX_CHARS: usize = 1000;
/// The quota is of the last 24 hours.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// For how long too many long calls at once are waited for.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What is said of a person who is a member of a campaign already.
const ALREADY_MEMBER: &str = "Already a campaign member";

/// One refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem<'a>(pub(super) &'a Value);

impl<'a> Problem<'a> {
    pub(super) fn code(self) -> &'a str {
        let code =
            ["statusCode", "errorCode"].into_iter().find_map(|name| self.0.get(name)?.as_str());
        code.unwrap_or_default()
    }

    fn message(self) -> &'a str {
        self.0.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// The fields that it is about.
    pub(super) fn fields(self) -> Vec<String> {
        let fields = self.0.get("fields").and_then(Value::as_array);
        fields.into_iter().flatten().filter_map(exact::text).collect()
    }

    /// The records that a duplicate rule has found.
    pub(super) fn matches(self) -> Vec<String> {
        let results = ["/duplicateResult/matchResults", "/duplicateResut/matchResults"];
        let results = results.into_iter().find_map(|path| self.0.pointer(path)?.as_array());
        let records =
            results.into_iter().flatten().filter_map(|one| one["matchRecords"].as_array());
        records.flatten().filter_map(|one| exact::text(&one["record"]["Id"])).collect()
    }

    fn words(self, redactor: &Redactor) -> Box<str> {
        let mut words = match self.message() {
            "" if self.code().is_empty() => "Salesforce does not say why".to_owned(),
            "" => self.code().to_owned(),
            message => message.to_owned(),
        };
        let unnamed: Vec<String> =
            self.fields().into_iter().filter(|field| !words.contains(field.as_str())).collect();
        if !unnamed.is_empty() {
            words.push_str(&format!(" ({})", unnamed.join(", ")));
        }
        let matches = self.matches();
        if !matches.is_empty() {
            words.push_str(&format!(" (matches: {})", matches.join(", ")));
        }
        if let Some(hint) = hint(self.code()) {
            words.push_str(&format!("; {hint}"));
        }
        redactor.excerpt(&words, MAX_CHARS).into()
    }

    pub(super) fn rejection(self, redactor: &Redactor) -> Rejection {
        let class = match self.code() {
            "INSUFFICIENT_ACCESS_OR_READONLY"
            | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
            | "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY_NO_ACCESS" => ErrorClass::Credentials,
            _ => ErrorClass::Payload,
        };
        let code = Some(self.code()).filter(|code| !code.is_empty());
        let code = code.map(|code| redactor.excerpt(code, MAX_CHARS).into());
        Rejection { class, code, message: self.words(redactor) }
    }

    /// The record that has a value which only one may have, where it is about one of `fields`.
    fn duplicate_of(self, fields: &[&str]) -> Option<RemoteId> {
        // `duplicate value found: Ext__c duplicates value on record with id: 001xx000003DGb2`
        let (names, _) = self.message().split_once("duplicates value on record with id:")?;
        let names = names.rsplit("found:").next()?.trim();
        let is_ours = names
            .split(',')
            .all(|name| fields.iter().any(|field| field.eq_ignore_ascii_case(name.trim())));
        self.twin().filter(|_| is_ours).map(RemoteId::new)
    }

    /// Whether what was to be made is there already.
    pub(super) fn is_twice(self) -> bool {
        self.code() == "DUPLICATE_VALUE" || self.message().contains(ALREADY_MEMBER)
    }

    /// The id of the one that is there, where it is told.
    pub(super) fn twin(self) -> Option<String> {
        let (_, id) = self.message().split_once("on record with id:")?;
        let id: String = id.trim().chars().take_while(char::is_ascii_alphanumeric).collect();
        is_id(&id).then(|| long_id(&id))
    }

    /// What it says of one record that was to be written. `keys`: the fields that tell records apart.
    pub(super) fn verdict(self, action: Action, keys: &[&str], redactor: &Redactor) -> Verdict {
        let is_known = matches!(action, Action::Update | Action::Delete);
        match self.code() {
            "UNABLE_TO_LOCK_ROW"
            | "SERVER_UNAVAILABLE"
            | "REQUEST_RUNNING_TOO_LONG"
            | "REQUEST_LIMIT_EXCEEDED"
            | "LIMIT_EXCEEDED"
            | "ALL_OR_NONE_OPERATION_ROLLED_BACK" => Verdict::Busy(self.words(redactor)),
            "ENTITY_IS_DELETED" | "NOT_FOUND" if is_known => Verdict::Missing,
            "INVALID_CROSS_REFERENCE_KEY" if is_known && self.fields().is_empty() => {
                Verdict::Missing
            }
            // By campaign and person, which the record is found by.
            _ if action == Action::Create && self.message().contains(ALREADY_MEMBER) => {
                Verdict::Exists(None)
            }
            // `Foreign key external ID: x not found for field Ext__c in entity Account`
            "INVALID_FIELD" if self.message().starts_with("Foreign key external ID") => {
                Verdict::NoParent(self.rejection(redactor))
            }
            "DUPLICATE_VALUE" if action == Action::Create => match self.duplicate_of(keys) {
                Some(id) => Verdict::Exists(Some(id)),
                None => Verdict::Rejected(self.rejection(redactor)),
            },
            // Another call has made it a moment ago: by now it is found.
            "DUPLICATE_VALUE" if action == Action::Upsert && self.duplicate_of(keys).is_some() => {
                Verdict::Busy(self.words(redactor))
            }
            "UNKNOWN_EXCEPTION" | "UNEXPECTED_ERROR" => Verdict::InDoubt(self.words(redactor)),
            _ => Verdict::Rejected(self.rejection(redactor)),
        }
    }
}

/// What there is to do about a code that does not say so itself.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "DUPLICATE_EXTERNAL_ID" => {
            "several records have this external id: merge them, or make the field unique"
        }
        "DUPLICATES_DETECTED" => {
            "a duplicate rule of the org keeps it out: change the record that matches"
        }
        "ENTITY_IS_DELETED" => "it lies in the recycle bin",
        "INVALID_CROSS_REFERENCE_KEY" => "nothing has an id that it names",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => "a validation rule of the org says so",
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" => "a trigger or a flow of the org fails on it",
        "UNABLE_TO_LOCK_ROW" => "another call was writing to it, or to its parent",
        _ => return None,
    })
}

/// The refusals of a call: a list, or one of the token endpoint's kind.
pub(super) fn refusals(body: &Value) -> &[Value] {
    body.as_array().map_or_else(|| std::slice::from_ref(body), Vec::as_slice)
}

/// What an answer says that is none of success: of the call as a whole.
pub(super) fn failure(answer: &Answer, call: Call, redactor: &Redactor) -> RequestError {
    let body = exact::parse(&answer.body).unwrap_or_default();
    let problem = Problem(refusals(&body).first().unwrap_or(&Value::Null));
    let throttled =
        |wait| RequestError::Throttled { status: answer.status, retry_after: Some(wait) };
    match problem.code() {
        "REQUEST_LIMIT_EXCEEDED" if problem.message().contains("ConcurrentRequests") => {
            return throttled(AT_ONCE);
        }
        "REQUEST_LIMIT_EXCEEDED" => return throttled(DAY),
        "UNABLE_TO_LOCK_ROW" => return throttled(AT_ONCE),
        _ => {}
    }
    let is_told = !problem.message().is_empty();
    let said = || problem.words(redactor);
    match meaning::meaning(answer, call, redactor) {
        Meaning::Failed(RequestError::Refused { status, code, .. }) if is_told => {
            let own = problem.rejection(redactor);
            RequestError::Refused { status, code: own.code.or(code), message: own.message }
        }
        Meaning::Failed(RequestError::Forbidden { status, .. }) if is_told => {
            RequestError::Forbidden { status, message: said() }
        }
        Meaning::Failed(RequestError::Unauthorized(_)) if is_told => {
            RequestError::Unauthorized(said())
        }
        Meaning::Failed(error) => error,
        _ => RequestError::Protocol(answer.describe(redactor).into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Two calls that upsert one external id: the later one is told that the earlier has made it.
    #[test]
    fn an_upsert_that_meets_its_own_record_is_sent_again() {
        let error = json!({"statusCode": "DUPLICATE_VALUE", "fields": ["Ext__c"],
            "message": "duplicate value found: Ext__c duplicates value on record with id: 001xx000003DGb2"});
        let verdict =
            |action, keys: &[&str]| Problem(&error).verdict(action, keys, &Redactor::default());
        assert!(matches!(verdict(Action::Upsert, &["Ext__c"]), Verdict::Busy(_)));
        assert!(matches!(verdict(Action::Upsert, &["Other__c"]), Verdict::Rejected(_)));
        let there = Verdict::Exists(Some(RemoteId::from(&*long_id("001xx000003DGb2"))));
        assert_eq!(verdict(Action::Create, &["Ext__c"]), there);
    }
}
