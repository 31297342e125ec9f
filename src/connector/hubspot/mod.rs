//! HubSpot: objects of the CRM in its own bulk calls.
//!
//! - [`config`] and [`mod@build`]: from a config to a connector; [`paths`]: where its calls go;
//!   [`limits`]: how many of them.
//! - [`shape`] and [`value`]: from a record to properties; [`part`]: those, on their way out.
//! - [`batch`]: records are written, and [`judge`]: what the answer says of each, [`content`]: where it
//!   names nobody; [`single`]: what has no bulk calls; [`associate`]: whom a record belongs to.
//! - [`unified`]: records in the platform's own schema.
//! - [`find`]: records are looked for; [`check`]: what there is; [`problem`]: HubSpot's refusals.
//!
//! HubSpot knows no idempotency keys, so a create whose answer is lost is looked for first. It keeps a
//! contact's email, and each property with `hasUniqueValue`, for one record alone: what these find
//! cannot be made twice.

mod associate;
mod batch;
mod build;
mod check;
mod config;
mod content;
mod find;
mod judge;
mod limits;
mod object;
mod part;
mod paths;
mod problem;
mod shape;
mod single;
#[cfg(test)]
mod tests;
mod unified;
mod value;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use indexmap::IndexMap;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::SecretString;
use tokio::sync::OnceCell;
use url::Url;

use self::associate::Type;
use self::batch::{ENVELOPE_BYTES, MAX_INPUTS};
pub use self::config::HubSpotConfig;
use self::find::{MAX_KEYS, MAX_SEARCHED, is_unique};
use self::limits::Limits;
use self::paths::Paths;
use self::problem::is_lasting;
use self::unified::{CustomFields, Kind, Lists};
use super::contract::{
    Account, CallLimits, Capabilities, CheckLine, Connector, Found, Lookup, Question, RequestError,
    WriteAnswer, WriteBatch,
};
use super::http::rate_limit::Limiter;
use super::http::{Answer, Client, Request};
use super::shape::Shape;
use super::{StreamSettings, of_stream};
use crate::json::exact;
use crate::record::StreamName;

/// Calls at once. With 190 calls in ten seconds, more would only wait.
const MAX_IN_FLIGHT: usize = 10;

/// Digits of an account's number.
const MAX_ACCOUNT_DIGITS: usize = 20;

/// How long a path's refusal of all calls is taken for granted: whoever mends the reason while a service
/// goes on is not to wait for long.
const LASTING: Duration = Duration::from_secs(5);

/// A HubSpot account.
#[derive(Debug)]
pub struct HubSpot {
    client: Client,
    paths: Paths,
    streams: IndexMap<String, StreamSettings>,
    /// `lookup_fields` by stream, in any case.
    lookup_fields: IndexMap<String, Vec<String>>,
    /// How long the search may not show what was written.
    search_lag: Duration,
    searches: Limiter,
    limits: Limits,
    /// Records come in the platform's unified schema.
    is_unified: bool,
    custom_fields: CustomFields,
    lists: Lists,
    /// Of the association of a deal with a contact.
    deal_type: OnceCell<Type>,
    /// When records of an object were written last: the search may not show them yet.
    written: Mutex<HashMap<String, Instant>>,
    /// Why calls to a path are refused, all of them, and when that was told.
    lasting: Mutex<HashMap<String, (Instant, RequestError)>>,
    namespace: String,
}

/// What a stream is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// An object of the CRM, by its name or type id.
    Object(Arc<str>),
    /// Records in the unified schema.
    Unified(Kind),
    /// Marketing campaigns.
    Campaigns,
    /// A path.
    Path(Url),
}

impl HubSpot {
    /// Host of the remote.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The credential that requests carry now, renewed if it is due.
    ///
    /// # Errors
    /// As [`Authorizer::access_token`](super::http::Authorizer::access_token).
    pub async fn access_token(&self) -> Result<SecretString, RequestError> {
        self.client.authorizer().access_token().await
    }

    fn settings(&self, stream: &StreamName) -> Option<&StreamSettings> {
        of_stream(&self.streams, stream)
    }

    fn place(&self, stream: &StreamName) -> Result<Place, RequestError> {
        let object = self.settings(stream).and_then(|settings| settings.object.as_deref());
        let name = object.unwrap_or(stream.as_str());
        if name.contains('/') {
            let url = self.paths.full(name);
            return url.map(Place::Path).map_err(|message| RequestError::never_sent(&message));
        }
        if self.is_unified {
            let kind = Kind::of(name).ok_or_else(|| {
                RequestError::never_sent(&format!(
                    "the unified schema has {}, and no `{name}`; set `unified_api_schema` to false for \
                     HubSpot's own objects",
                    unified::STREAMS
                ))
            });
            return kind.map(Place::Unified);
        }
        Ok(match name {
            "campaigns" => Place::Campaigns,
            name => Place::Object(object::known(name).into()),
        })
    }

    /// Where external ids of a stream are kept.
    fn property(&self, stream: &StreamName) -> Option<&str> {
        self.settings(stream)?.external_id_property.as_deref()
    }

    /// What the records of a stream are found by beside their ids.
    fn lookup_fields(&self, stream: &StreamName, object: &str) -> Vec<String> {
        let own = self.settings(stream).and_then(|settings| settings.lookup_fields.clone());
        let name = stream.as_str().to_lowercase();
        let of_all = self.lookup_fields.iter().find(|(known, _)| known.to_lowercase() == name);
        // As the platform's target has it.
        let first = || if object == "contacts" { vec!["email".to_owned()] } else { Vec::new() };
        own.or_else(|| Some(of_all?.1.clone())).unwrap_or_else(first)
    }

    fn of_object(&self, stream: &StreamName, object: &Arc<str>) -> Capabilities {
        let property = self.property(stream);
        let fields = self.lookup_fields(stream, object);
        let is_indexed =
            |field: &String| is_unique(object, field) || Some(field.as_str()) == property;
        let find = if fields.iter().all(is_indexed) {
            Lookup { max_ids: MAX_KEYS, lag: Duration::ZERO, ignores_case: true, trims: false }
        } else {
            Lookup { max_ids: MAX_SEARCHED, lag: self.search_lag, ignores_case: true, trims: false }
        };
        let limits = CallLimits {
            max_records: MAX_INPUTS,
            max_bytes: usize::MAX,
            envelope_bytes: ENVELOPE_BYTES,
            reads_first: false,
            reads_after: false,
        };
        let at_once =
            Lookup { max_ids: MAX_KEYS, lag: Duration::ZERO, ignores_case: false, trims: false };
        Capabilities {
            object: Some(Arc::clone(object)),
            create: Some(limits),
            update: Some(limits),
            upsert: property.map(|_| limits),
            delete: Some(limits),
            lookup: property.map(|_| at_once),
            find: Some(find),
            read: Some(at_once),
            max_in_flight: MAX_IN_FLIGHT,
            external_id_property: property.map(str::to_owned),
            reserved_properties: property.map(str::to_owned).into_iter().collect(),
            remote_id_names: vec!["id".to_owned(), "hs_object_id".to_owned()],
            lookup_fields: fields,
            writes_after: self.is_unified,
            ..Capabilities::default()
        }
    }

    /// Lets no call out that is refused for what holds of all calls to its path: halved until its
    /// records stand alone, it would be made again for each.
    fn refuse_known(&self, url: &Url) -> Result<(), RequestError> {
        let lasting = self.lasting.lock().unwrap_or_else(PoisonError::into_inner);
        match lasting.get(url.path()) {
            Some((noted, error)) if noted.elapsed() < LASTING => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The error of a call, remembered for a while where it holds of all calls like it. `sent`: what it
    /// may say again.
    fn noted(&self, url: &Url, sent: &[u8], error: RequestError) -> RequestError {
        if is_lasting(&error, sent) {
            let mut lasting = self.lasting.lock().unwrap_or_else(PoisonError::into_inner);
            lasting.insert(url.path().to_owned(), (Instant::now(), error.clone()));
        }
        error
    }

    /// Records of an object are about to be written, or were.
    fn writes(&self, object: &str) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(object.to_owned(), Instant::now());
    }

    /// Whether the search shows all that this job has written of an object.
    fn is_shown(&self, object: &str) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(object).is_none_or(|last| last.elapsed() > self.search_lag)
    }

    /// Sends a call with a JSON body.
    async fn post(
        &self,
        url: Url,
        body: Bytes,
        reads_only: bool,
        not_after: Option<Instant>,
    ) -> Result<Answer, RequestError> {
        self.send(Method::POST, url, body, reads_only, not_after).await
    }

    async fn get(&self, url: Url) -> Result<Answer, RequestError> {
        self.send(Method::GET, url, Bytes::new(), true, None).await
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Bytes,
        reads_only: bool,
        not_after: Option<Instant>,
    ) -> Result<Answer, RequestError> {
        let mut headers = HeaderMap::new();
        let body = Some(body).filter(|body| !body.is_empty());
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = Request { method, url, headers, body, reads_only, not_after };
        let answer = self.client.send(&request).await?;
        // The search has a limit of its own, and tells none.
        if !request.url.path().ends_with("/search") {
            self.limits.heed(&answer, self.client.limiter());
        }
        Ok(answer)
    }

    /// The account's number; `None` where this token may not ask for it.
    async fn account_number(&self) -> Result<Option<String>, RequestError> {
        let answer = self.get(self.paths.account()).await?;
        if matches!(answer.status, 400 | 403 | 404) {
            return Ok(None);
        }
        let body = self.body_of(&answer)?;
        let number = body.get("portalId").and_then(exact::text);
        let is_number = |text: &String| {
            !text.starts_with('0')
                && (1..=MAX_ACCOUNT_DIGITS).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        // Anything else could be what another answers, under this address.
        let number = number.filter(is_number).ok_or_else(|| {
            RequestError::Protocol("the account's details have no number as `portalId`".into())
        });
        number.map(Some)
    }
}

#[async_trait]
impl Connector for HubSpot {
    fn name(&self) -> &'static str {
        "hubspot"
    }

    fn capabilities(&self, stream: &StreamName) -> Result<Capabilities, RequestError> {
        let one = CallLimits {
            max_records: 1,
            max_bytes: usize::MAX,
            envelope_bytes: ENVELOPE_BYTES,
            reads_first: false,
            reads_after: false,
        };
        Ok(match self.place(stream)? {
            Place::Object(object) => self.of_object(stream, &object),
            Place::Unified(kind) => match kind.objects() {
                [object] => self.of_object(stream, &(*object).into()),
                // The search of two objects has no pages in common.
                objects => Capabilities {
                    find: None,
                    lookup_fields: Vec::new(),
                    ..self.of_object(stream, &objects.join("+").into())
                },
            },
            place => Capabilities {
                create: Some(one),
                update: Some(one),
                delete: (place == Place::Campaigns).then_some(one),
                max_in_flight: MAX_IN_FLIGHT,
                ..Capabilities::default()
            },
        })
    }

    fn shape(&self, stream: &StreamName) -> Option<Arc<dyn Shape>> {
        match self.place(stream) {
            Ok(Place::Object(_) | Place::Campaigns) => Some(Arc::new(shape::Properties)),
            Ok(Place::Unified(kind)) => Some(Arc::new(kind)),
            Ok(Place::Path(_)) | Err(_) => None,
        }
    }

    async fn account(&self) -> Result<Account, RequestError> {
        let Some(number) = self.account_number().await? else {
            tracing::warn!(
                "HubSpot does not say whose account it is: set `namespace` in the config, if one store \
                 is used for several accounts."
            );
            return Ok(Account::Untold);
        };
        Ok(Account::Told(number))
    }

    async fn check(&self, streams: &[StreamName], may_create: bool) -> Vec<CheckLine> {
        self.check_all(streams, may_create).await
    }

    async fn lookup(&self, question: &Question) -> Result<Found, RequestError> {
        match self.place(&question.stream)? {
            Place::Object(object) => {
                self.find(&object, self.property(&question.stream), question).await
            }
            Place::Unified(kind) => {
                self.find_in(kind.objects(), self.property(&question.stream), question).await
            }
            _ => Err(RequestError::never_sent("its records cannot be looked for")),
        }
    }

    async fn write(&self, batch: &WriteBatch) -> Result<WriteAnswer, RequestError> {
        match self.place(&batch.stream)? {
            Place::Object(object) => {
                self.write_batch(&[&object], self.property(&batch.stream), batch).await
            }
            Place::Unified(kind) => {
                self.write_batch(kind.objects(), self.property(&batch.stream), batch).await
            }
            Place::Campaigns => self.write_campaign(batch).await,
            Place::Path(url) => self.write_path(url, batch).await,
        }
    }
}

/// A connector that can be shared.
pub(super) fn build(settings: super::Settings) -> Result<super::Built, super::BuildError> {
    let hubspot = HubSpot::build(settings)?;
    let (namespace, credential) =
        (hubspot.namespace().to_owned(), hubspot.client.authorizer().credential());
    Ok(super::Built { connector: Arc::new(hubspot), namespace, credential })
}
