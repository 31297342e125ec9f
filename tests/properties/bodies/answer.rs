//! Answers of a remote, read as several manifests have it.

use std::collections::HashMap;
use std::sync::OnceLock;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use target_upsert::connector::contract::{
    Action, By, Question, RequestError, Verdict, Write, WriteBatch,
};
use target_upsert::connector::http::Answer;
use target_upsert::connector::rest::Rest;
use target_upsert::record::{ExternalId, RemoteId, StreamName};
use url::Url;

use super::manifest::{TOKEN, settings};
use super::model::{at, id, list, tells};

const SANDBOX: &str = include_str!("../../../src/connector/rest/sandbox.yaml");
const DATASETTE: &str = include_str!("../../../fixtures/manifests/datasette.yaml");
const KINTO: &str = include_str!("../../../fixtures/manifests/kinto.yaml");
const BY_EXT: &str = include_str!("../../../fixtures/manifests/rest-by-ext.yaml");
const BULK: &str = include_str!("../../../fixtures/manifests/rest-lookup-bulk.yaml");
const CONDITIONAL: &str = include_str!("../../../fixtures/manifests/rest-conditional.yaml");
/// A remote that names only what it refuses, and one that answers by remote ids.
const ODD: &str = r#"
version: 1
name: odd
base_url: "{{ config.base_url }}"
streams:
  "*":
    external_id_property: key
    upsert: { method: POST, path: /all, body: "{{ records }}", max_records: 10, unnamed: written,
              failures: { rows: "$.errors[*]", match: external_id, external_id: "$.keys[*]" } }
    delete: { method: POST, path: /gone, body: "{{ remote_ids }}", max_records: 10, rows: "$.gone[*]",
              match: remote_id, remote_id: $.id, error: $.error }
"#;

/// External ids, with the remote ids of those that are there already.
const IDS: [(&str, &str); 3] = [("a", "1"), ("7", "2"), ("ä/\"b", "3")];

/// One operation of a manifest, and how its answers name records, said once more.
pub struct Case {
    manifest: &'static str,
    pub action: Action,
    pub named: Named,
    /// The member of the body that is the list of rows. Empty: the body is the only row.
    pub rows: &'static str,
    /// Where a row tells the user's id, the remote's id and a refusal. Empty: nowhere.
    pub external_id: &'static [&'static str],
    pub remote_id: &'static [&'static str],
    pub error: &'static [&'static str],
}

/// How a row tells which record it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    ExternalId,
    RemoteId,
    Index,
    Position,
    /// The call has one record.
    Alone,
    /// It is in no list of refused ones.
    ByNoRefusal,
}

pub const CASES: &[Case] = &[
    Case { action: Action::Upsert, ..SANDBOX_CASE },
    Case { action: Action::Create, ..SANDBOX_CASE },
    Case { action: Action::Update, ..SANDBOX_CASE },
    Case { action: Action::Delete, external_id: &[], ..SANDBOX_CASE },
    Case {
        manifest: DATASETTE,
        named: Named::ExternalId,
        rows: "rows",
        remote_id: &["ext_id"],
        error: &[],
        ..SANDBOX_CASE
    },
    KINTO_CASE,
    Case { action: Action::Update, ..KINTO_CASE },
    Case { manifest: KINTO, remote_id: &[], action: Action::Delete, ..ALONE_CASE },
    Case { manifest: BULK, action: Action::Create, named: Named::ExternalId, ..SANDBOX_CASE },
    Case { manifest: BULK, action: Action::Update, external_id: &[], ..SANDBOX_CASE },
    Case { manifest: BY_EXT, named: Named::Alone, rows: "", error: &[], ..SANDBOX_CASE },
    Case { action: Action::Create, ..ALONE_CASE },
    Case { action: Action::Update, ..ALONE_CASE },
    Case { action: Action::Delete, remote_id: &[], ..ALONE_CASE },
    Case { manifest: ODD, named: Named::ByNoRefusal, rows: "errors", ..SANDBOX_CASE },
    Case {
        manifest: ODD,
        action: Action::Delete,
        named: Named::RemoteId,
        rows: "gone",
        external_id: &[],
        remote_id: &["id"],
        error: &["error"],
    },
];

const SANDBOX_CASE: Case = Case {
    manifest: SANDBOX,
    action: Action::Upsert,
    named: Named::Index,
    rows: "results",
    external_id: &["ext_id"],
    remote_id: &["id"],
    error: &["error", "message"],
};
const KINTO_CASE: Case = Case {
    manifest: KINTO,
    action: Action::Upsert,
    named: Named::Position,
    rows: "responses",
    external_id: &["body", "data", "id"],
    remote_id: &["body", "data", "id"],
    error: &[],
};
const ALONE_CASE: Case = Case {
    manifest: CONDITIONAL,
    action: Action::Create,
    named: Named::Alone,
    rows: "",
    external_id: &[],
    remote_id: &["id"],
    error: &[],
};

/// - There are as many verdicts as writes.
/// - None is a success but of a record that the answer names, once, and does not refuse; and the
///   remote id that it has is the one that stands there.
/// - A lookup finds only what was asked for, under the id that stands beside it.
/// - Nothing that is told holds the token.
///
/// The bytes are an answer as [`head_and_body`] reads it.
pub fn answer(data: &[u8]) {
    judge_all(data);
    let answer = answered(data);
    let body = std::str::from_utf8(&answer.body).unwrap_or_default();
    look_up(SANDBOX, By::ExternalId, &answer, &rows_of(body, "data", &["ext_id"], &["id"]));
    let email = By::Field("email".into());
    look_up(SANDBOX, email, &answer, &rows_of(body, "data", &["email"], &["id"]));
    look_up(KINTO, By::RemoteId, &answer, &rows_of(body, "data", &["id"], &["id"]));
    look_up(DATASETTE, By::ExternalId, &answer, &rows_of(body, "rows", &["ext_id"], &["ext_id"]));
}

/// Judges the answer in every case; returns how many records stand at the remote by it.
pub fn judge_all(data: &[u8]) -> usize {
    let answer = answered(data);
    CASES.iter().map(|case| case.judge(&answer)).sum()
}

/// Of `207\nname: value\n\nbody` the status, the headers and the body; anything else is the body of
/// a success.
pub fn head_and_body(data: &[u8]) -> (u16, HeaderMap, &[u8]) {
    let parts = data.windows(2).position(|two| two == b"\n\n");
    let parts = parts.and_then(|at| {
        let lines = std::str::from_utf8(&data[..at]).ok()?;
        let (status, headers) = lines.split_once('\n').unwrap_or((lines, ""));
        let status = status.parse().ok().filter(|status| (100..1000).contains(status))?;
        Some((status, headers, &data[at + 2..]))
    });
    let Some((status, lines, body)) = parts else { return (200, HeaderMap::new(), data) };
    let headers = lines.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
    });
    (status, headers.collect(), body)
}

fn answered(data: &[u8]) -> Answer {
    let (status, headers, body) = head_and_body(data);
    Answer::new(status, headers, body.to_vec(), asked())
}

fn asked() -> Url {
    Url::parse("http://127.0.0.1:9/v1/contacts?page=1").unwrap()
}

/// The connector of a manifest that is known to be good.
pub fn rest(manifest: &'static str) -> &'static Rest {
    static KNOWN: OnceLock<HashMap<&'static str, Rest>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let built = |text| (text, Rest::of_text("known.yaml", text, settings()).unwrap());
        [SANDBOX, DATASETTE, KINTO, BY_EXT, BULK, CONDITIONAL, ODD].into_iter().map(built).collect()
    });
    &known[manifest]
}

impl Case {
    fn batch(&self) -> WriteBatch {
        let known = matches!(self.action, Action::Update | Action::Delete);
        let has_one_id = self.remote_id == self.external_id;
        let count = if self.named == Named::Alone { 1 } else { IDS.len() };
        let writes = IDS[..count].iter().map(|(external, remote)| Write {
            external_id: Some(ExternalId::from(*external)),
            remote_id: known.then(|| RemoteId::from(if has_one_id { *external } else { *remote })),
            version: None,
            body: "{\"n\":1}".into(),
            key: (*external).into(),
            says_id: false,
            stands_in: false,
            has_waited: false,
        });
        let stream = StreamName::from("contacts");
        WriteBatch {
            stream,
            action: self.action,
            writes: writes.collect(),
            id: None,
            not_after: None,
        }
    }

    fn judge(&self, answer: &Answer) -> usize {
        let batch = self.batch();
        let verdicts = match rest(self.manifest).verdicts(&batch, answer) {
            Ok(verdicts) => verdicts,
            Err(error) => {
                holds_no_token(&error.to_string());
                return 0;
            }
        };
        assert_eq!(verdicts.len(), batch.writes.len());
        let mut successes = 0;
        for (place, (write, verdict)) in batch.writes.iter().zip(&verdicts).enumerate() {
            let id = match verdict {
                Verdict::Created(id)
                | Verdict::Updated(id)
                | Verdict::Upserted(id)
                | Verdict::Unchanged(id) => id.as_ref(),
                Verdict::Incomplete { remote_id, .. } => Some(remote_id),
                Verdict::Deleted => None,
                Verdict::Busy(told) | Verdict::InDoubt(told) | Verdict::Altered(_, told) => {
                    holds_no_token(told);
                    continue;
                }
                Verdict::Rejected(rejection) | Verdict::NoParent(rejection) => {
                    holds_no_token(&rejection.message);
                    holds_no_token(rejection.code.as_deref().unwrap_or_default());
                    continue;
                }
                Verdict::Exists(_) | Verdict::Missing | Verdict::Changed => continue,
            };
            successes += 1;
            let why = format!("{:?} of {:?}: {verdict:?} of {write:?}", self.action, self.named);
            assert!(self.allows(answer, &batch, place, id), "{why}");
        }
        successes
    }

    /// Whether the answer names the record at `place`, as one that was written under `told`.
    fn allows(
        &self,
        answer: &Answer,
        batch: &WriteBatch,
        place: usize,
        told: Option<&RemoteId>,
    ) -> bool {
        let is_gone = self.action == Action::Delete;
        if is_gone && self.named == Named::Alone && answer.status == 404 {
            return true;
        }
        let Ok(body) = std::str::from_utf8(&answer.body) else { return false };
        if !answer.is_success() {
            return false;
        }
        let knows_id = matches!(self.action, Action::Update | Action::Delete);
        if self.named == Named::Alone && body.is_empty() {
            return is_gone || (self.action == Action::Update && answer.status == 204);
        }
        if serde_json::from_str::<&RawValue>(body).is_err() && !body.is_empty() {
            return false;
        }
        let own = &batch.writes[place];
        let own_ids =
            (own.external_id.as_ref().map_or("", |id| id.as_str()), own.remote_id.as_ref());
        let rows = match self.named {
            Named::Alone => vec![body],
            Named::ByNoRefusal => return self.spares(body, own_ids.0),
            _ => list(body, &[self.rows]).unwrap_or_default(),
        };
        if self.named == Named::Position && rows.len() != batch.writes.len() {
            return false;
        }
        let named = |row: &str, path: &[&str]| id(row, path).filter(|_| !path.is_empty());
        let about = rows.into_iter().enumerate().filter(|(at, row)| {
            let external = named(row, self.external_id);
            let remote = named(row, self.remote_id);
            let is_named = match self.named {
                Named::ExternalId => external.as_deref() == Some(own_ids.0),
                Named::RemoteId => remote.as_deref() == own_ids.1.map(RemoteId::as_str),
                Named::Index => id(row, &["index"]).is_some_and(|at| at.parse() == Ok(place)),
                Named::Position => *at == place,
                Named::Alone | Named::ByNoRefusal => true,
            };
            let is_other = |named: Option<String>, own: Option<&str>| {
                named.is_some_and(|named| own.is_some_and(|own| own != named))
            };
            is_named
                && !is_other(external, Some(own_ids.0))
                && !is_other(remote, own_ids.1.filter(|_| knows_id).map(RemoteId::as_str))
        });
        let [(_, row)] = about.collect::<Vec<_>>()[..] else { return false };
        let is_refused = tells(row, self.error) && !self.error.is_empty();
        let was_gone = is_gone && id(row, &["error", "code"]).as_deref() == Some("NOT_FOUND");
        let status = at(row, &["status"]).and_then(|status| status.parse::<f64>().ok());
        let is_failed =
            self.named == Named::Position && status.is_some_and(|status| status >= 400.0);
        (!is_refused || was_gone)
            && !is_failed
            && (is_gone || named(row, self.remote_id).as_deref() == told.map(RemoteId::as_str))
            && (knows_id || told.is_some())
    }

    /// Whether a list of refused records can be read, and `external_id` is in none of its rows.
    fn spares(&self, body: &str, external_id: &str) -> bool {
        let named = |row: &&str| -> Vec<String> {
            let keys = list(row, &["keys"]).unwrap_or_default();
            keys.into_iter().filter_map(|key| id(key, &[])).collect()
        };
        let is_known = |key: &String| IDS.iter().any(|(known, _)| known == key);
        match list(body, &[self.rows]) {
            Some(rows) => rows.iter().all(|row| {
                let named = named(row);
                named.iter().any(is_known) && named.iter().all(|key| key != external_id)
            }),
            None => !tells(body, &[self.rows]) || at(body, &[self.rows]).is_some_and(is_bare),
        }
    }
}

/// Whether an object has no members.
fn is_bare(json: &str) -> bool {
    serde_json::from_str::<serde_json::Map<_, _>>(json).is_ok_and(|map| map.is_empty())
}

/// The rows of a lookup's answer: key and remote id, where both are told.
fn rows_of(body: &str, rows: &str, key: &[&str], remote_id: &[&str]) -> Vec<(String, String)> {
    let rows = list(body, &[rows]).unwrap_or_default();
    rows.into_iter().filter_map(|row| Some((id(row, key)?, id(row, remote_id)?))).collect()
}

fn look_up(manifest: &'static str, by: By, answer: &Answer, rows: &[(String, String)]) {
    let keys = match by {
        By::RemoteId => IDS.map(|(_, remote)| remote.into()),
        By::ExternalId | By::Field(_) => IDS.map(|(external, _)| external.into()),
    };
    let question = Question {
        stream: StreamName::from("contacts"),
        by,
        keys: keys.to_vec(),
        want: vec!["email".into()],
        sent: HashMap::from([(keys[0].clone(), "{\"email\":\"a@example.com\"}".into())]),
        next: None,
    };
    match rest(manifest).found(&question, answer) {
        Err(error) => {
            holds_no_token(&error.to_string());
            assert!(!matches!(error, RequestError::InDoubt { .. }), "a lookup changes nothing");
        }
        Ok(found) => {
            assert!(found.rows.is_empty() || answer.is_success());
            let mut left = rows.to_vec();
            for row in found.rows {
                let own = (row.key.to_string(), row.remote_id.to_string());
                let at = left.iter().position(|row| *row == own);
                assert!(question.keys.contains(&row.key), "{own:?} was not asked for");
                left.remove(at.unwrap_or_else(|| panic!("{own:?} is in none of {rows:?}")));
                holds_no_token(row.altered.as_deref().unwrap_or_default());
            }
            let next = found.next.filter(|_| manifest == DATASETTE);
            let host = next.map(|next| Url::parse(&next).unwrap().origin());
            assert!(host.is_none_or(|host| host == asked().origin()), "another host");
        }
    }
}

fn holds_no_token(told: &str) {
    assert!(!told.contains(TOKEN), "{told}");
}
