//! Signatures by OAuth 1.0a: the call is put into the form of RFC 5849 and signed once more, with
//! the account's own secrets.
//!
//! <https://www.rfc-editor.org/rfc/rfc5849#section-3.4>, and what NetSuite takes of it:
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/subsect_156935170194.html>.

use std::collections::HashMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::super::state::State;
use super::ACCOUNT;
use crate::sandbox::remote::Caller;

pub(super) const CONSUMER_KEY: &str = "sandbox-consumer-key";
pub(super) const CONSUMER_SECRET: &str = "sandbox-consumer-secret";
pub(super) const TOKEN: &str = "sandbox-token-key";
pub(super) const TOKEN_SECRET: &str = "sandbox-token-secret";

/// Seconds that a client's clock may be off.
const MAX_SKEW_SECS: u64 = 300;

/// Signatures that are remembered before the old ones are forgotten.
const MAX_REMEMBERED: usize = 100_000;

/// All but what RFC 3986 leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Looks at a signature, which is then good for no other call.
///
/// # Errors
/// The name that the error has, and what is wrong in words.
pub(super) fn check(
    state: &mut State,
    caller: &Caller<'_>,
) -> Result<(), (&'static str, &'static str)> {
    let parameters = parameters(caller.authorization.unwrap_or_default());
    let get = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
    if get("realm") != ACCOUNT {
        return Err(("token_rejected", "the realm is not the account's"));
    }
    if get("oauth_consumer_key") != CONSUMER_KEY {
        return Err(("consumer_key_unknown", "the consumer key is not known"));
    }
    if get("oauth_token") != TOKEN {
        return Err(("token_rejected", "the token is not known"));
    }
    if get("oauth_signature_method") != "HMAC-SHA256" {
        return Err(("signature_method_rejected", "the signature method is not taken"));
    }
    if parameters.get("oauth_version").is_some_and(|version| version != "1.0") {
        return Err(("version_rejected", "the version is not taken"));
    }
    let timestamp = get("oauth_timestamp").parse::<u64>().ok();
    let now = u64::try_from(Utc::now().timestamp()).unwrap_or_default();
    let Some(timestamp) = timestamp.filter(|when| when.abs_diff(now) <= MAX_SKEW_SECS) else {
        return Err(("timestamp_refused", "the timestamp is too far from now"));
    };
    if sign(&base_string(caller, &parameters)) != get("oauth_signature") {
        return Err(("signature_invalid", "the signature does not fit the call"));
    }
    // What is too old to be taken again need not be remembered.
    if state.signed.len() >= MAX_REMEMBERED {
        state.signed.retain(|(when, _)| when.abs_diff(now) <= MAX_SKEW_SECS);
    }
    let nonce = get("oauth_nonce");
    if nonce.is_empty() || !state.signed.insert((timestamp, nonce.to_owned())) {
        return Err(("nonce_used", "the nonce was used before"));
    }
    Ok(())
}

/// The parameters of a header, decoded.
fn parameters(header: &str) -> HashMap<String, String> {
    let list = header.split_once(' ').map_or("", |(_, list)| list);
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = list.split(',').filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value.trim_matches('"')))).collect()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// <https://www.rfc-editor.org/rfc/rfc5849#section-3.4.1>. A body is never part of it, since
/// NetSuite takes no forms here.
fn base_string(caller: &Caller<'_>, parameters: &HashMap<String, String>) -> String {
    let mut pairs: Vec<(String, String)> = parameters
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "realm" | "oauth_signature"))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    let query = url::form_urlencoded::parse(caller.query.as_bytes());
    pairs.extend(query.map(|(name, value)| (encoded(&name), encoded(&value))));
    pairs.sort_unstable();
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let host = caller.host.to_ascii_lowercase();
    let host = host.strip_suffix(":80").unwrap_or(&host);
    let address = format!("http://{host}{}", caller.path);
    let method = caller.method.to_ascii_uppercase();
    format!("{method}&{}&{}", encoded(&address), encoded(&pairs.join("&")))
}

/// <https://www.rfc-editor.org/rfc/rfc5849#section-3.4.2>, with SHA-256.
fn sign(text: &str) -> String {
    let key = format!("{}&{}", encoded(CONSUMER_SECRET), encoded(TOKEN_SECRET));
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of <https://www.rfc-editor.org/rfc/rfc5849#section-3.4.1.1>, without its form.
    #[test]
    fn a_call_is_put_into_the_form_that_is_signed() {
        let caller = Caller {
            method: "post",
            host: "EXAMPLE.com:80",
            path: "/request",
            query: "b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q",
            authorization: Some(
                "OAuth realm=\"Example\", oauth_consumer_key=\"9djdj82h48djs9d2\", \
                 oauth_token=\"kkk9d7dh3k39sjv7\", oauth_signature_method=\"HMAC-SHA1\", \
                 oauth_timestamp=\"137131201\", oauth_nonce=\"7d8f3e4a\", \
                 oauth_signature=\"bYT5CMsGcbgUdFHObYMEfcx6bsw%3D\"",
            ),
        };
        let parameters = parameters(caller.authorization.unwrap());
        assert_eq!(
            base_string(&caller, &parameters),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%\
             253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%\
             3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%\
             26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
    }
}
