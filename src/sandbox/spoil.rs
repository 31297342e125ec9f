//! Makes the bytes of an answer, whole or spoilt.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::fault::Act;
use super::remote::{Answer, Content, JSON, Rows};

const HTML: &str = "<!doctype html>\n<html><head><title>Sign in</title></head>\
    <body><h1>Sign in</h1><p>Your session is over.</p></body></html>\n";

/// What endless bodies are made of: 64 KiB of it at a time.
static FILL: [u8; 65536] = [b'x'; 65536];

/// An answer as the remote meant it.
pub(super) fn whole(answer: Answer) -> Response<Body> {
    self::answer(answer, None, None)
}

/// An answer as the client gets it: spoilt by `act`, the verdicts put in an order by `shuffle`.
pub(super) fn answer(
    answer: Answer,
    act: Option<&Act>,
    shuffle: Option<&mut fastrand::Rng>,
) -> Response<Body> {
    let Answer { mut status, headers, content } = answer;
    let (media_type, mut body) = match content {
        Content::Empty => (JSON, None),
        Content::Json(json) => (JSON, Some(json.into_bytes())),
        Content::Text(media_type, text) => (media_type, Some(text.into_bytes())),
        Content::Rows(rows) => (rows.media_type, Some(verdicts(*rows, act, shuffle).into_bytes())),
    };
    match act {
        Some(Act::EmptyAfter { status: told }) => {
            status = StatusCode::from_u16(*told).unwrap_or(StatusCode::OK);
            body = None;
        }
        Some(Act::TruncateAfter) => {
            if let Some(body) = &mut body {
                body.truncate(body.len() / 2);
            }
        }
        _ => {}
    }
    let has_body = body.is_some();
    let mut response = Response::new(Body::Full(Bytes::from(body.unwrap_or_default())));
    *response.status_mut() = status;
    if has_body {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    add_headers(&mut response, headers);
    response
}

/// A page for people where JSON was asked for.
pub(super) fn html() -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::from_static(HTML.as_bytes())));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

/// One JSON string of this many bytes, without its end; its length is not told ahead.
pub(super) fn huge(bytes: u64) -> Response<Body> {
    let mut response = Response::new(Body::Endless { left: bytes, begun: false });
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Adds headers, leaving out what cannot be one.
pub(super) fn add_headers(response: &mut Response<Body>, headers: Vec<(HeaderName, String)>) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value)
            && name != CONTENT_LENGTH
        {
            response.headers_mut().insert(name, value);
        }
    }
}

fn verdicts(rows: Rows, act: Option<&Act>, shuffle: Option<&mut fastrand::Rng>) -> String {
    let Rows { verdicts: mut rows, stranger, any_order, head, envelope, .. } = rows;
    if let Some(Act::ExtraResults { count }) = act {
        let stranger = super::remote::Row { json: stranger, applied: false };
        rows.extend(std::iter::repeat_n(stranger, *count));
    }
    if let Some(chance) = shuffle.filter(|_| any_order) {
        chance.shuffle(&mut rows);
    }
    if let Some(Act::DropResults { count }) = act {
        let mut left = *count;
        rows.retain(|row| {
            let dropped = row.applied && left > 0;
            left -= usize::from(dropped);
            !dropped
        });
    }
    envelope(&head, &rows)
}

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it.
    Full(Bytes),
    /// This many bytes more, made while they are read.
    Endless { left: u64, begun: bool },
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Full(bytes) => std::mem::take(bytes),
            Self::Endless { left, begun } => {
                let begin = !std::mem::replace(begun, true);
                let size = usize::try_from(*left).unwrap_or(usize::MAX).min(FILL.len());
                *left -= size as u64;
                if begin && size > 0 {
                    Bytes::from([b"\"", &FILL[1..size]].concat())
                } else {
                    Bytes::from_static(&FILL[..size])
                }
            }
        };
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Endless { .. } => SizeHint::default(),
        }
    }
}
