//! Knows the secrets of a connector, so that no text that goes outward holds one.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::SEGMENT;

/// Shorter texts are not replaced: they stand in half of all messages.
const MIN_BYTES: usize = 6;
/// What stands in a secret's place.
const MARK: &str = "[secret]";

/// Tokens that are known at once, beside the secrets that the job began with: the access and the
/// refresh tokens of the last 16 renewals. A remote may give a new one each second, for days.
const MAX_TOKENS: u64 = 32;

/// The secrets of one connector. Clones share them.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Secrets>>);

#[derive(Default)]
struct Secrets {
    /// The longest first: a secret may be part of another one, of which no rest may stay.
    forms: Vec<Form>,
    /// Tokens that were told so far.
    tokens: u64,
}

/// A secret, as it is or in one of its encodings.
struct Form {
    text: SecretString,
    /// The number of the token that it is of; `None` for what is a secret as long as the job lasts.
    token: Option<u64>,
}

impl Redactor {
    /// From now on `secret` is replaced, also where it is percent-encoded, in base64 or stands
    /// in JSON.
    /// Secrets of less than 6 bytes are not.
    pub fn add(&self, secret: &str) {
        self.add_forms(secret, false);
    }

    /// The same for a token that a remote has given: until 32 others were told.
    pub fn add_token(&self, token: &str) {
        self.add_forms(token, true);
    }

    fn add_forms(&self, secret: &str, is_token: bool) {
        if secret.len() < MIN_BYTES {
            return;
        }
        let forms = forms(secret);
        let mut secrets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut token = None;
        if is_token {
            secrets.tokens += 1;
            token = Some(secrets.tokens);
            let oldest = secrets.tokens.saturating_sub(MAX_TOKENS);
            secrets.forms.retain(|form| form.token.is_none_or(|token| token > oldest));
        }
        for text in forms {
            let mut known = secrets.forms.iter_mut();
            match known.find(|form| form.text.expose_secret() == text) {
                Some(form) => form.token = form.token.and(token),
                None => secrets.forms.push(Form { text: text.into(), token }),
            }
        }
        secrets.forms.sort_by_key(|form| std::cmp::Reverse(form.text.expose_secret().len()));
    }

    /// The same for the whole value of a header; what follows `Bearer`, `Basic` or the like is a
    /// secret by itself.
    pub fn add_header(&self, value: &str) {
        self.add(value);
        if let Some((_, credential)) = value.split_once(' ') {
            self.add(credential.trim());
        }
    }

    /// `text` without any secret.
    pub fn clean(&self, text: &str) -> String {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut clean = unescaped(text);
        for secret in secrets.forms.iter().map(|form| form.text.expose_secret()) {
            if clean.contains(secret) {
                clean = clean.replace(secret, MARK);
            }
        }
        clean
    }

    /// `host` without any secret: an address holds the name of a host in lower case, whatever it was
    /// made of.
    pub fn clean_host(&self, host: &str) -> String {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut clean = host.to_lowercase();
        for secret in secrets.forms.iter().map(|form| form.text.expose_secret().to_lowercase()) {
            if clean.contains(&secret) {
                clean = clean.replace(&secret, MARK);
            }
        }
        clean
    }

    /// The first `chars` characters of `text` without any secret. Cleaned before it is cut, so
    /// that no half of a secret is left at the end.
    pub fn excerpt(&self, text: &str, chars: usize) -> String {
        let clean = self.clean(text);
        let mut words = String::new();
        for word in clean.split_whitespace() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
            if words.len() > chars * 4 {
                break;
            }
        }
        match words.char_indices().nth(chars) {
            Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
            None => words,
        }
    }
}

/// `secret` as it is, and in the encodings that remotes and pages use.
fn forms(secret: &str) -> [String; 14] {
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let segment = utf8_percent_encode(secret, SEGMENT).to_string();
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    // PHP escapes slashes, and some encode in lower case.
    let slashed = json.replace('/', "\\/");
    let low = lower_hex(&segment);
    // Python's `quote` keeps slashes.
    let quoted = segment.replace("%2F", "/");
    let (standard, url_safe) =
        (BASE64_STANDARD.encode(secret), BASE64_URL_SAFE_NO_PAD.encode(secret));
    let standard = standard.trim_end_matches('=').to_owned();
    // An address that stands in the query of another one.
    let twice = utf8_percent_encode(&form, NON_ALPHANUMERIC).to_string();
    // Pages that tell an error.
    let page = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let page = page.replace('"', "&quot;");
    let (decimal, hexadecimal) = (page.replace('\'', "&#39;"), page.replace('\'', "&#x27;"));
    [
        secret.to_owned(),
        encoded,
        segment,
        low,
        quoted,
        standard,
        url_safe,
        form,
        twice,
        json,
        slashed,
        page,
        decimal,
        hexadecimal,
    ]
}

/// `\u002B` as `+`: which printable characters are written so is up to each JSON library (Gson does
/// it to `=`, .NET to `+`, Go to `&`). Those that JSON itself must escape stay.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u00");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.split_at_checked(2);
        let decoded = digits.and_then(|(digits, rest)| {
            let byte = u8::from_str_radix(digits, 16).ok()?;
            let is_plain = (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
            is_plain.then_some((char::from(byte), rest))
        });
        match decoded {
            Some((character, rest)) => {
                plain.push(character);
                plain.push_str(rest);
            }
            None => plain.push_str(&format!("\\u00{part}")),
        }
    }
    plain
}

/// `%2F` as `%2f`.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut low = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        low.push_str(&format!("%{}{rest}", digits.to_ascii_lowercase()));
    }
    low
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_that_remotes_use_are_known() {
        let redactor = Redactor::default();
        redactor.add("abcd+efg/hijk/lmno==");
        for told in [
            "abcd%2Befg/hijk/lmno%3D%3D",
            "abcd%2befg%2fhijk%2flmno%3d%3d",
            "YWJjZCtlZmcvaGlqay9sbW5vPT0=",
            "YWJjZCtlZmcvaGlqay9sbW5vPT0",
        ] {
            let clean = redactor.clean(&format!("no token {told}"));
            assert!(clean.trim_end_matches('=') == "no token [secret]", "{clean}");
        }
    }

    #[test]
    fn of_tokens_the_last_are_known_and_all_other_secrets_for_good() {
        let redactor = Redactor::default();
        redactor.add("of-the-config");
        for n in 0..100 {
            redactor.add_token(&format!("token-{n}+of-many"));
            // Told again, as a refresh token that is not replaced.
            redactor.add_token("of-the-config");
        }
        let known = redactor.0.read().unwrap().forms.len();
        assert!(known as u64 <= 14 * (1 + MAX_TOKENS), "{known} forms");
        let told =
            redactor.clean("token-99+of-many token-85%2Bof-many token-3+of-many of-the-config");
        assert_eq!(told, "[secret] [secret] token-3+of-many [secret]");
    }

    #[test]
    fn what_a_page_tells_back_is_known() {
        let redactor = Redactor::default();
        redactor.add("tok&en<'x\"y>");
        for told in ["tok&amp;en&lt;&#39;x&quot;y&gt;", "tok&amp;en&lt;&#x27;x&quot;y&gt;"] {
            assert_eq!(redactor.clean(&format!("<p>{told}</p>")), "<p>[secret]</p>");
        }
    }
}
