//! What `check` looks at: the credential and the org, each stream's object, the field that keeps
//! external ids, and what is left of the day's quota.

use super::Salesforce;
use crate::connector::contract::{CheckLine, RequestError, StreamSchema};
use crate::record::StreamName;

impl Salesforce {
    pub(super) async fn check_all(&self, streams: &[StreamName]) -> Vec<CheckLine> {
        let mut lines = vec![match self.org().await {
            Ok(org) => line("credential", Ok(format!("taken by the org {org}"))),
            Err(error) => return vec![line("credential", Err(&error))],
        }];
        for stream in streams {
            let schema = StreamSchema { stream, properties: &[], keys: &[] };
            let subject = format!("stream {stream}");
            match self.learn_of(&schema).await {
                Ok(learned) => {
                    let Ok(description) = learned.description() else { continue };
                    let (object, count) = (&description.name, description.fields.len());
                    let external: Vec<&str> = description
                        .fields
                        .iter()
                        .filter(|field| field.external_id)
                        .map(|field| field.name.as_str())
                        .collect();
                    let by = match (&learned.property, external.as_slice()) {
                        (Some(property), _) => format!("upserted by `{property}`"),
                        (None, []) => "it has no external id".to_owned(),
                        (None, names) => format!("external ids: {}", names.join(", ")),
                    };
                    let form = if learned.unified.is_some() { ", unified" } else { "" };
                    let found = format!("{object}{form}, {count} fields; {by}; 200 records a call");
                    lines.push(line(subject, Ok(found)));
                }
                Err(error) => lines.push(line(subject, Err(&error))),
            }
        }
        if let Some(used) = self.quota.told() {
            let spent = self.quota.refuse_spent();
            let used = format!("{} of {} calls are used", used.calls, used.most);
            lines.push(line("quota", spent.as_ref().map(|()| used)));
        }
        lines
    }
}

fn line(subject: impl Into<String>, result: Result<String, &RequestError>) -> CheckLine {
    let hint = match result {
        Err(RequestError::Unauthorized(_)) => Some("renew the credential in the config"),
        Err(RequestError::Refused { message, .. }) if message.contains("doesn't exist") => Some(
            "name the object as Salesforce does, such as `Account` or `Invoice__c`, with `object`",
        ),
        Err(RequestError::Refused { .. }) => Some(
            "fields are made in Salesforce's setup, under the object: `check --create` makes none",
        ),
        Err(RequestError::Spent(_)) => Some("wait, or set `quota_percent_total` higher"),
        Err(RequestError::Unreachable(_)) => {
            Some("look at `instance_url`, `base_uri` and the network")
        }
        _ => None,
    };
    let result = result.map_err(ToString::to_string);
    CheckLine { subject: subject.into(), result, hint: hint.map(str::to_owned) }
}
