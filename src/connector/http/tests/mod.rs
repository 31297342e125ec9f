//! The room against remotes of one answer.

mod answers;
mod signed;
mod tokens;

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;

use super::client::{Client, Request, pool};
use super::{Authorizer, Redactor};

fn client(authorizer: Authorizer) -> Client {
    let http = pool(Duration::from_secs(5), "test").unwrap();
    Client::new(http, authorizer, None, Redactor::default())
}

fn request(url: &str, reads_only: bool) -> Request {
    Request {
        method: if reads_only { Method::GET } else { Method::POST },
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: (!reads_only).then(|| Bytes::from_static(b"{}")),
        reads_only,
        not_after: None,
    }
}
