//! OAuth 1.0a (RFC 5849): each request is signed by itself, with HMAC-SHA256.
//!
//! NetSuite's token-based authentication is this, with the account as the realm. The method's
//! name is none of the RFC's, whose only HMAC is over SHA-1; all else is as there. Of bodies, those
//! of forms are signed (section 3.4.1.3.1), and no others.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{percent_decode, percent_encode};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::super::redact::Redactor;
use super::super::{SEGMENT, host_and_port};
use super::random_name;
use crate::connector::budgets::Credential;
use crate::connector::contract::RequestError;

const METHOD: &str = "HMAC-SHA256";
const FORM: &str = "application/x-www-form-urlencoded";

/// Who signs, and for whom.
pub struct OAuth1Settings {
    /// What the credentials are good for; told beside the signature, and not signed. NetSuite's is
    /// the account, such as `123456_SB1`.
    pub realm: Option<String>,
    /// Of the client.
    pub consumer_key: String,
    /// Of the client.
    pub consumer_secret: SecretString,
    /// For whom the client acts.
    pub token: SecretString,
    /// Of the token.
    pub token_secret: SecretString,
}

/// Signs requests.
pub struct OAuth1 {
    realm: Option<String>,
    consumer_key: String,
    token: SecretString,
    key: hmac::Key,
    redactor: Redactor,
}

impl OAuth1 {
    /// The keys and all secrets are told to `redactor`.
    pub(super) fn new(settings: OAuth1Settings, redactor: &Redactor) -> Self {
        let OAuth1Settings { realm, consumer_key, consumer_secret, token, token_secret } = settings;
        redactor.add(&consumer_key);
        for secret in [&consumer_secret, &token, &token_secret] {
            redactor.add(secret.expose_secret());
        }
        // Section 3.4.2.
        let key = SecretString::from(format!(
            "{}&{}",
            encoded(consumer_secret.expose_secret().as_bytes()),
            encoded(token_secret.expose_secret().as_bytes())
        ));
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
        Self { realm, consumer_key, token, key, redactor: redactor.clone() }
    }

    /// Of the client and its token.
    pub(super) fn credential(&self) -> Credential {
        let Self { realm, consumer_key, token, .. } = self;
        let realm = realm.as_deref().unwrap_or_default();
        Credential::of([realm, consumer_key, token.expose_secret()].map(str::as_bytes))
    }

    /// Signs `request` as of now. To be called for each attempt: a remote takes no nonce twice.
    ///
    /// # Errors
    /// [`RequestError::Unreachable`] when the system gives no random numbers.
    pub(super) fn apply(&self, request: &mut reqwest::Request) -> Result<(), RequestError> {
        let nonce = random_name()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let header =
            self.sign(request.method(), request.url(), form(request), &nonce, now.as_secs());
        let mut value = HeaderValue::from_str(&header).map_err(|_| {
            RequestError::Unauthorized("the signature cannot stand in a header".into())
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    /// The whole value of the header (section 3.5.1). `form`: the body, where it is one.
    /// `timestamp`: seconds since 1970.
    fn sign(&self, method: &Method, url: &Url, form: &str, nonce: &str, timestamp: u64) -> String {
        let timestamp = timestamp.to_string();
        let parameters = [
            ("oauth_token", self.token.expose_secret()),
            ("oauth_consumer_key", &self.consumer_key),
            ("oauth_nonce", nonce),
            ("oauth_timestamp", &timestamp),
            ("oauth_signature_method", METHOD),
            ("oauth_version", "1.0"),
        ];
        let base = base_string(method, url, form, &parameters);
        let signature = BASE64_STANDARD.encode(hmac::sign(&self.key, base.as_bytes()));
        // Some remotes tell a refused request back.
        self.redactor.add_token(&signature);
        let realm = self.realm.as_deref().map(|realm| ("realm", realm));
        let all = realm.into_iter().chain(parameters).chain([("oauth_signature", &*signature)]);
        let all: Vec<String> =
            all.map(|(name, value)| format!("{name}=\"{}\"", encoded(value.as_bytes()))).collect();
        format!("OAuth {}", all.join(", "))
    }
}

/// The body of `request`, if it is a form, as an address has it in its query.
fn form(request: &reqwest::Request) -> &str {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let body = body.filter(|_| kind.is_some_and(|kind| kind.starts_with(FORM)));
    body.and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default()
}

/// What is signed (section 3.4.1): the method, the address without its query, and the parameters of
/// the query and of `form` together with `parameters`, sorted.
fn base_string(method: &Method, url: &Url, form: &str, parameters: &[(&str, &str)]) -> String {
    // A `Url` has its scheme and host in lower case, and no port that is the scheme's own.
    let address = format!("{}://{}{}", url.scheme(), host_and_port(url), url.path());
    // Section 3.4.1.3.2: encoded first, for a name may sort otherwise by then.
    let mut all: Vec<(String, String)> = parameters
        .iter()
        .map(|(name, value)| (encoded(name.as_bytes()), encoded(value.as_bytes())))
        .collect();
    let pairs = url.query().unwrap_or_default().split('&').chain(form.split('&'));
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.push((encoded(&decoded(name)), encoded(&decoded(value))));
    }
    all.sort();
    let all: Vec<String> = all.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{method}&{}&{}", encoded(address.as_bytes()), encoded(all.join("&").as_bytes()))
}

/// A part of a query or a form as the text that it stands for, which need not be UTF-8.
fn decoded(part: &str) -> Vec<u8> {
    percent_decode(part.replace('+', " ").as_bytes()).collect()
}

/// Section 3.6: all but the unreserved characters, in upper case.
fn encoded(text: &[u8]) -> String {
    percent_encode(text, SEGMENT).to_string()
}

impl fmt::Debug for OAuth1Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth1Settings").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl fmt::Debug for OAuth1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth1").field("realm", &self.realm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The credentials of the examples in NetSuite's help, as its page on the signature has them:
    /// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1534941088.html>.
    fn of_the_help() -> OAuth1 {
        let settings = OAuth1Settings {
            realm: Some("123456".to_owned()),
            consumer_key: "ef40afdd8abaac111b13825dd5e5e2ddddb44f86d5a0dd6dcf38c20aae6b67e4"
                .to_owned(),
            consumer_secret: "d26ad321a4b2f23b0741c8d38392ce01c3e23e109df6c96eac6d099e9ab9e8b5"
                .into(),
            token: "2b0ce516420110bcbd36b69e99196d1b7f6de3c6234c5afb799b73d87569f5cc".into(),
            token_secret: "c29a677df7d5439a458c063654187e3d678d73aca8e3c9d8bea1478a3eb0d295".into(),
        };
        OAuth1::new(settings, &Redactor::default())
    }
    const NONCE: &str = "fjaLirsIcCGVZWzBX0pg";
    const TIMESTAMP: u64 = 1_508_242_306;

    fn signature(signer: &OAuth1, method: &Method, url: &str) -> String {
        let header = signer.sign(method, &url.parse().unwrap(), "", NONCE, TIMESTAMP);
        header.split("oauth_signature=").nth(1).unwrap().trim_matches('"').to_owned()
    }

    #[test]
    fn the_base_string_of_the_rfc() {
        // Section 3.4.1.1, to the letter.
        let url = "http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b".parse().unwrap();
        let parameters = [
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
        ];
        assert_eq!(
            base_string(&Method::POST, &url, "c2&a3=2+q", &parameters),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q\
             %26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_\
             key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_m\
             ethod%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk\
             9d7dh3k39sjv7"
        );
    }

    #[test]
    fn the_address_of_the_rfc() {
        // Section 3.4.1.2.
        for (url, base) in [
            ("http://EXAMPLE.COM:80/r%20v/X?id=123", "http://example.com/r%20v/X"),
            ("https://www.example.net:8080/?q=1", "https://www.example.net:8080/"),
        ] {
            let told = base_string(&Method::GET, &url.parse().unwrap(), "", &[]);
            assert_eq!(told.split('&').nth(1), Some(&*encoded(base.as_bytes())));
        }
    }

    /// "REST Web Services Header Example" of the help's "The Authorization Headers",
    /// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1534941295.html>.
    #[test]
    fn the_header_of_the_help() {
        let url = "https://123456.suitetalk.api.netsuite.com/services/rest/record/v1/employee/40";
        let header = of_the_help().sign(&Method::GET, &url.parse().unwrap(), "", NONCE, TIMESTAMP);
        assert_eq!(
            header,
            "OAuth realm=\"123456\", \
             oauth_token=\"2b0ce516420110bcbd36b69e99196d1b7f6de3c6234c5afb799b73d87569f5cc\", \
             oauth_consumer_key=\"ef40afdd8abaac111b13825dd5e5e2ddddb44f86d5a0dd6dcf38c20aae6b67e4\", \
             oauth_nonce=\"fjaLirsIcCGVZWzBX0pg\", oauth_timestamp=\"1508242306\", \
             oauth_signature_method=\"HMAC-SHA256\", oauth_version=\"1.0\", \
             oauth_signature=\"B5OIWznZ2YP0OB7VrJrGkYsTh%2B8H%2B5T9Hag%2Bo92q0zY%3D\""
        );
    }

    #[test]
    fn signatures_over_a_query() {
        // The first address is that of the help's RESTlet. These signatures are what Python's
        // oauthlib 4.0 makes: `Client(…, signature_method=SIGNATURE_HMAC_SHA256).sign(url, "POST")`.
        let restlet = "https://123456.restlets.api.netsuite.com/app/site/hosting/restlet.nl\
                       ?script=6&deploy=1&customParam=someValue&testParam=someOtherValue";
        let suiteql = "https://123456.suitetalk.api.netsuite.com:443/services/rest/query/v1/suiteql\
                       ?limit=1000&offset=0&a=z+y&a=%C3%A9&a=&b&%7E=%2A";
        for (url, expected) in [
            (restlet, "%2BKK4SKNgz4ZiILGLwOMtfYlgcXSy1eis8ldE9X90azQ%3D"),
            (suiteql, "0cAcE0oh2xSYVFTiZ2c%2FEj%2BNSBHBH9FpnoE6dJ9BMDA%3D"),
        ] {
            assert_eq!(signature(&of_the_help(), &Method::POST, url), expected, "{url}");
        }
    }

    #[test]
    fn secrets_are_encoded_in_the_key() {
        // By oauthlib again, which leaves the realm as it is.
        let settings = OAuth1Settings {
            realm: Some("a \"realm\"".to_owned()),
            consumer_key: "key&1".to_owned(),
            consumer_secret: "s3cr&t /é".into(),
            token: "tok=en".into(),
            token_secret: "+".into(),
        };
        let signer = OAuth1::new(settings, &Redactor::default());
        let header = signer.sign(
            &Method::PATCH,
            &"https://h.example/a".parse().unwrap(),
            "",
            NONCE,
            TIMESTAMP,
        );
        assert_eq!(
            header,
            "OAuth realm=\"a%20%22realm%22\", oauth_token=\"tok%3Den\", \
             oauth_consumer_key=\"key%261\", oauth_nonce=\"fjaLirsIcCGVZWzBX0pg\", \
             oauth_timestamp=\"1508242306\", oauth_signature_method=\"HMAC-SHA256\", \
             oauth_version=\"1.0\", oauth_signature=\"cMQYywqJNisvEqJ0n4%2Fc5YJS1l%2B%2FH2NKFxM%2F0BSq5Hg%3D\""
        );
    }
}
