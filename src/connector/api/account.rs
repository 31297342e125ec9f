//! What an address tells of the account behind it: which parts of it are secret, and what tells it
//! from other accounts.

use sha2::{Digest, Sha256};

use super::address::Template;
use crate::connector::http::{Redactor, host_and_port};
use crate::text::hex;

/// A parameter of the query with one of these names holds a key, whatever stands between its words.
/// The whole name counts: `country_code` is none.
const KEY_NAMES: [&str; 16] = [
    "key",
    "apikey",
    "xapikey",
    "accesskey",
    "functionskey",
    "subscriptionkey",
    "token",
    "apitoken",
    "accesstoken",
    "authtoken",
    "secret",
    "code",
    "sig",
    "signature",
    "password",
    "auth",
];

/// Letters of a part of an address that is taken for a key rather than for a word.
const MIN_KEY_CHARS: usize = 16;

/// The address of a hook is its credential: what is sent in the query, and the parts of the path
/// that no person would choose, are taken for secrets.
pub(super) fn hide_address(template: &str, redactor: &Redactor) {
    let (path, query) = template.split_once('?').unwrap_or((template, ""));
    let path = path.split_once("://").map_or("", |(_, path)| path);
    // Between the placeholders everything may be a key, but what is a plain word.
    let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let parts = path.split('/').skip(1).chain(values);
    for text in parts.flat_map(|part| part.split(['{', '}'])).filter(|text| !is_word(text)) {
        redactor.add(text);
        redactor.add(&percent_encoding::percent_decode_str(text).decode_utf8_lossy());
    }
}

/// Whether a part of an address is a word, such as `contacts` or `web-hooks`.
fn is_word(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_');
    is_plain && text.len() < MIN_KEY_CHARS
}

/// The host, and a hash of the rest, for any stream: a path or a query tells accounts apart, but
/// may be a secret. A key in the query does not count: a new key is no new account, to which all
/// records would be posted again.
pub(super) fn namespace(template: &Template) -> Result<String, String> {
    let url = template.fill("stream")?;
    let mut rest = url.path().to_owned();
    for (name, value) in url.query_pairs() {
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        if !KEY_NAMES.contains(&&*word.to_lowercase()) {
            rest.push_str(&format!("\n{name}\n{value}"));
        }
    }
    let digest: [u8; 32] = Sha256::digest(rest).into();
    let digits = hex(&digest[..6]);
    Ok(format!("api:{}#{digits}", host_and_port(&url)))
}
