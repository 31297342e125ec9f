//! What comes with a request: read with a cap and in good time, and refused with its place where it is
//! wrong.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::IntoParams;
use utoipa::openapi::{ArrayBuilder, Object, ObjectBuilder, Type};

use crate::config::wrong::without_value;
use crate::serve::Service;
use crate::serve::input::NAME_CHARS;
use crate::serve::problem::Problem;

/// The header that names a request, so that it is carried out once.
pub(super) const KEY: &str = "idempotency-key";
/// Characters of such a name, at most.
const KEY_CHARS: usize = 255;

/// What names a request.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "tells of the header alone")]
pub(super) struct Named {
    /// Carries the request out once: one with the same name and content gets the same answer, one with
    /// another content is refused with 409.
    #[param(rename = "idempotency-key", max_length = 255)]
    key: Option<String>,
}

/// Records by stream: names that are not empty, and lists of objects.
pub(super) fn records() -> Object {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    let name = name.max_length(Some(NAME_CHARS));
    let record = ObjectBuilder::new().schema_type(Type::Object);
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("The records, by stream."))
        .property_names(Some(name))
        .additional_properties(Some(ArrayBuilder::new().items(record)))
        .build()
}

/// The schema of what has this key.
pub(super) fn having(key: &str) -> Object {
    ObjectBuilder::new().required(key).build()
}

/// A body, which counts among those that are held until it is dropped.
#[derive(Debug)]
pub(in crate::serve) struct Held {
    bytes: Vec<u8>,
    _part: Part,
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes of bodies that are held at once. Each takes its part as it comes: what was announced and does
/// not come keeps nobody out.
#[derive(Debug)]
pub(in crate::serve) struct Room {
    /// For all, in [`UNIT`]s.
    shared: Arc<Semaphore>,
    /// For one body of the longest kind, when all others are stuck half way: one after another comes to
    /// its end there.
    last: Arc<Semaphore>,
}

/// In which room is counted.
const UNIT: usize = 1024;
/// Bodies of the longest kind for which there is room, with the last one.
const BODIES: usize = 4;

/// What one body has of it.
#[derive(Debug, Default)]
struct Part {
    shared: Option<OwnedSemaphorePermit>,
    /// With it, no more of the shared room is needed.
    last: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// For some bodies of `most` bytes, or many that are shorter.
    pub(in crate::serve) fn new(most: usize) -> Self {
        let units = (most / UNIT + 1).saturating_mul(BODIES - 1).min(Semaphore::MAX_PERMITS);
        Self { shared: Arc::new(Semaphore::new(units)), last: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for room for a body of which `bytes` are held. Whether there was none at once.
    async fn take(&self, part: &mut Part, bytes: usize) -> bool {
        let has = part.shared.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let lacks = (bytes / UNIT + 1).saturating_sub(has);
        if part.last.is_some() || lacks == 0 {
            return false;
        }
        let waits = self.shared.available_permits() < lacks;
        let lacks = u32::try_from(lacks).unwrap_or(u32::MAX);
        // Neither is ever closed.
        tokio::select! {
            biased;
            more = Arc::clone(&self.shared).acquire_many_owned(lacks) => {
                let Ok(more) = more else { return waits };
                match &mut part.shared {
                    Some(shared) => shared.merge(more),
                    shared => *shared = Some(more),
                }
            }
            last = Arc::clone(&self.last).acquire_owned() => part.last = last.ok(),
        }
        waits
    }
}

/// Reads a body of at most `most` bytes, once there is room for it.
///
/// # Errors
/// 413 for a longer one, 408 for one that takes too long, 503 where there is no room in good time.
pub(in crate::serve) async fn read(
    service: &Service,
    body: Body,
    most: usize,
) -> Result<Held, Problem> {
    let patience = service.config.request_secs.duration();
    let mut body = Limited::new(body, most);
    let (mut bytes, mut part, mut has_waited) = (Vec::new(), Part::default(), false);
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if bytes.capacity() - bytes.len() < data.len() {
                // What is held may be twice of what has come, and is counted.
                let whole = (2 * bytes.capacity()).min(most).max(bytes.len() + data.len());
                has_waited |= service.room.take(&mut part, whole).await;
                bytes.reserve_exact(whole - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(())
    };
    match tokio::time::timeout(patience, reading).await {
        Ok(Ok(())) => Ok(Held { bytes, _part: part }),
        Ok(Err(error)) => Err(broken(&error, most)),
        Err(_) if has_waited => {
            Err(Problem::unavailable("too many long requests come at the same time", 5))
        }
        Err(_) => {
            let detail = format!("the request took longer than {} seconds", patience.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}

fn broken(error: &axum::BoxError, most: usize) -> Problem {
    if error.is::<LengthLimitError>() {
        let detail = format!("the request has more than {most} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
    }
    Problem::bad("the request breaks off")
}

/// A body that is JSON.
///
/// # Errors
/// 400 for no JSON, 422 for another shape than is asked for, with the place.
pub(super) fn parse<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Err(Problem::bad("the request has no body, and is to be a JSON object"));
    }
    // Serde would take an array for an object's values in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::unprocessable("the request is an array, and is to be an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        match inner.classify() {
            serde_json::error::Category::Data => {
                let place = if path == "." { String::new() } else { format!("`{path}`: ") };
                Problem::unprocessable(format!("{place}{}", without_value(inner)))
            }
            _ => Problem::bad(format!("the request is no JSON: {inner}")),
        }
    })?;
    reader.end().map_err(|error| Problem::bad(format!("the request is no JSON: {error}")))?;
    Ok(parsed)
}

/// The name that the client gave to its request; an empty one is none.
///
/// # Errors
/// 400 for one that is too long, and where there are several.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(Problem::bad(format!("`{KEY}` is there more than once")));
    }
    if key.len() > KEY_CHARS {
        return Err(Problem::bad(format!("`{KEY}` has more than {KEY_CHARS} characters")));
    }
    // Whatever its bytes mean, others are another key.
    let key: String = key.as_bytes().iter().copied().map(char::from).collect();
    Ok(Some(key).filter(|key| !key.is_empty()))
}

/// What the address says, as [`Path`], with a problem for what it cannot say.
pub(in crate::serve) struct InPath<T>(pub(in crate::serve) T);

impl<T, S> FromRequestParts<S> for InPath<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|error| Problem::not_found(error.body_text()))
    }
}

/// What stands behind the address's `?`, as [`Query`], with a problem for what is wrong.
pub(super) struct InQuery<T>(pub(super) T);

impl<T, S> FromRequestParts<S> for InQuery<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| error.body_text());
            let what = match cause.split_once(": ") {
                Some((name, what)) if !name.contains(' ') => {
                    format!("`{name}`: {}", without_value(&what))
                }
                _ => without_value(&cause),
            };
            Problem::bad(format!("the address, behind its `?`: {what}"))
        })
    }
}
