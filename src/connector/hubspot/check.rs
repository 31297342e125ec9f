//! What `check` looks at: the credential, each object, and the property that keeps external ids.

use bytes::Bytes;
use serde_json::{Value, json};

use super::find::is_unique;
use super::paths::Api;
use super::problem::{failure, list};
use super::{HubSpot, Place};
use crate::connector::contract::{CheckLine, RequestError};
use crate::connector::http::Call;
use crate::record::StreamName;

impl HubSpot {
    pub(super) async fn check_all(
        &self,
        streams: &[StreamName],
        may_create: bool,
    ) -> Vec<CheckLine> {
        let mut lines = vec![self.check_credential().await];
        for stream in streams {
            let place = match self.place(stream) {
                Ok(place) => place,
                Err(error) => {
                    lines.push(line(format!("stream {stream}"), Err(&error)));
                    continue;
                }
            };
            match place {
                Place::Object(object) => {
                    lines.extend(self.check_object(stream, &object, may_create).await);
                }
                Place::Unified(kind) => {
                    for object in kind.objects() {
                        lines.extend(self.check_object(stream, object, may_create).await);
                    }
                }
                Place::Campaigns => lines.push(line("campaigns", Ok("one a call"))),
                Place::Path(url) => {
                    let found = format!("posted to {}, one a call", url.path());
                    lines.push(line(format!("stream {stream}"), Ok(&found)));
                }
            }
        }
        lines
    }

    async fn check_credential(&self) -> CheckLine {
        match self.account_number().await {
            Ok(Some(account)) => line("credential", Ok(&format!("taken by the account {account}"))),
            Ok(None) => line("credential", Ok("taken; it may not ask whose account it is")),
            Err(error) => line("credential", Err(&error)),
        }
    }

    /// The object's properties, and among them the one that keeps external ids.
    async fn check_object(
        &self,
        stream: &StreamName,
        object: &str,
        may_create: bool,
    ) -> Vec<CheckLine> {
        let subject = format!("object {object}");
        let body = match self.properties(object).await {
            Ok(body) => body,
            Err(error) => return vec![line(subject, Err(&error))],
        };
        let properties = list(&body, "results");
        let count = properties.len();
        let found = format!("{count} properties; it may be read and written, 100 records a call");
        let mut lines = match self.try_scopes(object).await {
            Ok(()) => vec![line(subject, Ok(&found))],
            Err(error) => vec![line(subject, Err(&error))],
        };
        for field in self.lookup_fields(stream, object) {
            let subject = format!("lookup field {field} of {object}");
            let is_there = properties.iter().any(|known| known["name"] == field);
            let how = if is_unique(object, &field) || self.property(stream) == Some(&field) {
                "found at once, 100 a call"
            } else {
                "found by the search, which shows what is new after a while"
            };
            lines.push(if is_there {
                line(subject, Ok(how))
            } else {
                CheckLine {
                    subject,
                    result: Err("no property has this name".to_owned()),
                    hint: Some("name a property of HubSpot's in `lookup_fields`".to_owned()),
                }
            });
        }
        let Some(property) = self.property(stream) else { return lines };
        let subject = format!("property {property} of {object}");
        let known = properties.iter().find(|known| known["name"] == property);
        lines.push(match known {
            None if may_create => {
                // Where others of the object stand.
                let group = properties.iter().find_map(|known| known["groupName"].as_str());
                match self.create_property(object, group, property).await {
                    Ok(()) => line(subject, Ok("made, unique; records are upserted by it")),
                    Err(error) => CheckLine { hint: None, ..line(subject, Err(&error)) },
                }
            }
            Some(known) if known["hasUniqueValue"] == true => {
                line(subject, Ok("unique; records are upserted by it"))
            }
            Some(_) => CheckLine {
                subject,
                result: Err("it is not unique, so that HubSpot cannot upsert by it".to_owned()),
                hint: Some(
                    "HubSpot cannot make a property unique that is there: name another one, and let \
                     `check --create` make it"
                        .to_owned(),
                ),
            },
            None => CheckLine {
                subject,
                result: Err("it is not there".to_owned()),
                hint: Some("`check --create` makes it, with unique values".to_owned()),
            },
        });
        lines
    }

    async fn properties(&self, object: &str) -> Result<Value, RequestError> {
        let answer = self.get(self.paths.of(Api::Properties, &[object])?).await?;
        self.body_of(&answer)
    }

    /// Asks for no record, and changes none: HubSpot looks at the scopes before it looks at what is
    /// asked for.
    async fn try_scopes(&self, object: &str) -> Result<(), RequestError> {
        for verb in ["read", "update"] {
            let url = self.paths.of(Api::Objects, &[object, "batch", verb])?;
            let answer = self.post(url, Bytes::from_static(b"{\"inputs\":[]}"), true, None).await?;
            if answer.status == 403 {
                return Err(failure(&answer, Call::Read, self.client.redactor()));
            }
        }
        Ok(())
    }

    /// Makes a property of texts whose values are unique.
    async fn create_property(
        &self,
        object: &str,
        group: Option<&str>,
        name: &str,
    ) -> Result<(), RequestError> {
        let property = json!({
            "name": name, "label": name, "type": "string", "fieldType": "text",
            "groupName": group.unwrap_or("contactinformation"), "hasUniqueValue": true,
            "description": "The id of the record in the system that it comes from.",
        });
        let url = self.paths.of(Api::Properties, &[object])?;
        let answer = self.post(url, Bytes::from(property.to_string()), false, None).await?;
        self.body_of(&answer).map(drop)
    }
}

fn line(subject: impl Into<String>, result: Result<&str, &RequestError>) -> CheckLine {
    let hint = match result {
        Err(RequestError::Unauthorized(_)) => Some("renew the credential in the config"),
        Err(RequestError::Forbidden { .. }) => {
            Some("give the app or the key the scopes that are missing, in HubSpot's settings")
        }
        Err(RequestError::Unreachable(_)) => Some("look at `base_url` and the network"),
        Err(RequestError::Refused { status: 400 | 404, .. }) => Some(
            "name the object as HubSpot does, such as `contacts` or `2-1234567`, with `object`",
        ),
        _ => None,
    };
    let result = result.map(str::to_owned).map_err(ToString::to_string);
    CheckLine { subject: subject.into(), result, hint: hint.map(str::to_owned) }
}
