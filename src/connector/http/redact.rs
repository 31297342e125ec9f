//! Knows the secrets of a connector, so that no text that goes outward holds one.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Once, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use memchr::memmem;
use secrecy::{ExposeSecret, SecretSlice};

use super::escapes::Plain;

/// Shorter texts are not replaced: they stand in half of all messages.
const MIN_BYTES: usize = 6;
/// What stands in a secret's place.
const MARK: &str = "[secret]";
/// Layers of escapes that are looked under: JSON in the JSON of a page, say.
const LAYERS: usize = 3;
/// An excerpt is taken from so many bytes of a text, at most.
const EXCERPT_BYTES: usize = 64 << 10;
/// So many are looked at for it: the longest tokens have some 16 KiB, before they are escaped.
const LOOKED_AT_BYTES: usize = 4 * EXCERPT_BYTES;

/// Tokens that are known at once, beside the secrets that the job began with: the access and the
/// refresh tokens of the last 16 renewals. A remote may give a new one each second, for days.
const MAX_TOKENS: u64 = 32;

/// The secrets of one connector. Clones share them.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Secrets>>);

#[derive(Default)]
struct Secrets {
    forms: Vec<Form>,
    /// Tokens that were told so far.
    tokens: u64,
}

/// A secret, as it is or in one of the encodings that no escapes are, in lower case.
struct Form {
    bytes: SecretSlice<u8>,
    /// The number of the token that it is of; `None` for what is a secret as long as the job lasts.
    token: Option<u64>,
}

impl Redactor {
    /// From now on `secret` is replaced, also where it is in base64 or escaped, as in JSON, an
    /// address or a page. Secrets of less than 6 bytes are not.
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
        for bytes in forms {
            let mut known = secrets.forms.iter_mut();
            match known.find(|form| *form.bytes.expose_secret() == *bytes) {
                Some(form) => form.token = form.token.and(token),
                None => secrets.forms.push(Form { bytes: bytes.into(), token }),
            }
        }
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
        cut_out(text, self.found(text))
    }

    /// `id` or a version, as a remote has told it to be stored; `None` where it holds a secret.
    pub fn unless_secret(&self, id: String) -> Option<String> {
        static TOLD: Once = Once::new();
        if self.found(&id).is_empty() {
            return Some(id);
        }
        TOLD.call_once(|| {
            tracing::warn!(
                "The remote tells a secret of the config as the id or the version of a record; such \
                 ids are not taken."
            );
        });
        None
    }

    /// The first `chars` characters of `text` without any secret. Cleaned before it is cut, so
    /// that no half of a secret is left at the end.
    pub fn excerpt(&self, text: &str, chars: usize) -> String {
        let text = text.trim_start();
        let first = |bytes| text.get(..floor(text, bytes)).unwrap_or_default();
        let (shown, looked_at) = (first(EXCERPT_BYTES), first(LOOKED_AT_BYTES));
        let clean = cut_out(shown, self.found(looked_at));
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
            None if shown.len() < text.len() => words + "…",
            None => words,
        }
    }

    /// Where secrets stand in `text`, under up to 3 layers of escapes, in lower or upper case: the
    /// host of an address is in lower case, whatever it was made of.
    fn found(&self, text: &str) -> Vec<Range<usize>> {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        let mut layer = Some(Plain::of(text));
        for _ in 0..=LAYERS {
            let Some(plain) = layer else { break };
            let bytes = plain.bytes.to_ascii_lowercase();
            for form in &secrets.forms {
                let form = form.bytes.expose_secret();
                if form.len() > bytes.len() {
                    continue;
                }
                let places = memmem::find_iter(&bytes, form);
                found.extend(places.map(|at| plain.source(at..at + form.len())));
            }
            layer = plain.unescaped();
        }
        found
    }
}

/// `text` without what stands at `secrets`, which may overlap or lie behind its end.
fn cut_out(text: &str, mut secrets: Vec<Range<usize>>) -> String {
    secrets.sort_by_key(|secret| secret.start);
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for Range { start, end } in secrets {
        // In Latin-1 a secret may begin or end in the midst of what is a character here.
        let start = floor(text, start);
        let end = (end..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        if start >= done && start < text.len() {
            clean.push_str(text.get(done..start).unwrap_or_default());
            clean.push_str(MARK);
        }
        done = done.max(end);
    }
    clean.push_str(text.get(done..).unwrap_or_default());
    clean
}

/// The last place up to `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// `secret` as it is, and in the encodings that remotes use beside escapes. None of them is so
/// short that it would stand in half of all messages.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let standard = BASE64_STANDARD.encode(secret);
    let mut forms = vec![
        secret.into(),
        standard.trim_end_matches('=').into(),
        BASE64_URL_SAFE_NO_PAD.encode(secret).into(),
        // Of a form, where the plus itself is escaped.
        secret.replace(' ', "+").into(),
    ];
    forms.extend(within_base64(secret.as_bytes()));
    if let Ok(latin) = secret.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>() {
        // As it is read where UTF-8 was expected.
        forms.push(String::from_utf8_lossy(&latin).into_owned().into());
        forms.push(latin);
    }
    // What looks like an escape in the secret itself goes with those that it stands under.
    let layers = std::iter::successors(Plain::of(secret).unescaped(), Plain::unescaped);
    forms.extend(layers.take(LAYERS).map(|plain| plain.bytes));
    forms.retain(|form| form.len() >= MIN_BYTES);
    for form in &mut forms {
        form.make_ascii_lowercase();
    }
    forms.sort();
    forms.dedup();
    forms
}

/// What is left of a secret in the base64 of a longer text, wherever it stands in it: without the
/// characters at both ends, which tell of its neighbours too (RFC 4648 section 4: three bytes are four
/// characters).
fn within_base64(secret: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..3).flat_map(move |before| {
        let mut text = vec![0; before];
        text.extend(secret);
        let first = (before * 4).div_ceil(3);
        let last = text.len() * 4 / 3;
        let within = |text: String| text.as_bytes().get(first..last).unwrap_or_default().to_vec();
        [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)].map(within)
    })
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    use super::*;

    #[test]
    fn a_secret_is_known_wherever_it_stands_in_base64() {
        let redactor = Redactor::default();
        redactor.add("Zx9-supersecret-api-key-7Q");
        for before in ["", "a", "ab", "abc", "POST /in?x-api-key="] {
            for after in ["", "x", "xy", "xyz", " HTTP/1.1"] {
                let text = format!("{before}Zx9-supersecret-api-key-7Q{after}");
                let told = redactor.clean(&BASE64_STANDARD.encode(&text));
                assert!(told.contains(MARK), "{told}");
                let rest = told.replace(MARK, "");
                assert!(rest.len() <= (before.len() + after.len()) * 4 / 3 + 8, "{told}");
            }
        }
    }

    #[test]
    fn encodings_that_remotes_use_are_known() {
        let redactor = Redactor::default();
        redactor.add("abcd+efg/hijk/lmno==");
        for told in [
            "abcd%2Befg/hijk/lmno%3D%3D",
            "abcd%2befg%2fhijk%2flmno%3d%3d",
            "YWJjZCtlZmcvaGlqay9sbW5vPT0=",
            "YWJjZCtlZmcvaGlqay9sbW5vPT0",
            "abcd%252Befg%252Fhijk%252Flmno%253D%253D",
            "abcd&#43;efg&#x2F;hijk&#x2f;lmno&#61;=",
            r"abcd+efg\/hijk\/lmno==",
            r"abcd\u002Befg\\\/hijk\\\/lmno\\u003d=",
            r"\u0061bcd+efg/hijk/lmno==",
        ] {
            let clean = redactor.clean(&format!("no token {told}"));
            assert!(clean.trim_end_matches('=') == "no token [secret]", "{clean}");
        }
    }

    #[test]
    fn a_secret_beyond_ascii_is_known_in_every_spelling() {
        let secret = "pässwört \"😀\" 9+z";
        let latin = "pässwört-Geheim";
        let redactor = Redactor::default();
        redactor.add(secret);
        redactor.add(latin);
        let percent = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let json = r#"p\u00e4ssw\u00f6rt \"\ud83d\ude00\" 9+z"#;
        let in_json = serde_json::Value::from(json).to_string();
        let page: Vec<_> = secret.chars().map(|c| format!("&#{};", u32::from(c))).collect();
        for told in [
            json,
            in_json.trim_matches('"'),
            &serde_json::Value::from(&*in_json).to_string(),
            &percent(secret),
            &percent(&percent(secret)).to_lowercase(),
            &percent(secret).replace("%20", "+"),
            &page.concat(),
            "p%E4ssw%f6rt-Geheim",
            r"p\xe4ssw\xf6rt-Geheim",
            "P%E4SSW%F6RT-GEHEIM",
            &String::from_utf8_lossy(b"p\xe4ssw\xf6rt-Geheim"),
        ] {
            let clean = redactor.clean(&format!("ä {told} ö"));
            let clean = clean.replace(['"', '\\'], "");
            assert_eq!(clean, "ä [secret] ö", "{told}");
        }
    }

    /// Where all layers of the text were taken off at once, what looks like one in the secret went
    /// too.
    #[test]
    fn a_secret_that_looks_escaped_is_known_with_and_without() {
        let redactor = Redactor::default();
        redactor.add(r"ab%41/c\\d&amp;e");
        for told in [
            r"ab%41/c\\d&amp;e",
            r"ab%41\/c\\\\d&amp;e",
            "ab%2541%2Fc%5C%5Cd%26amp;e",
            r"ab%41/c\\d&amp;amp;e",
        ] {
            assert_eq!(redactor.clean(told), MARK, "{told}");
        }
    }

    #[test]
    fn secrets_within_and_across_each_other_leave_no_rest() {
        let redactor = Redactor::default();
        for secret in ["abcdefgh", "cdefghij", "abcdef", "äöüäöü"] {
            redactor.add(secret);
        }
        assert_eq!(redactor.clean("<abcdefghij>abcdef<abcdefgh"), "<[secret]>[secret]<[secret]");
        // Its last byte in Latin-1 is the first of a character here.
        redactor.add("secret\u{e4}");
        assert_eq!(redactor.clean("a secret你"), "a [secret]");
    }

    #[test]
    fn an_excerpt_of_a_long_text_has_no_half_of_a_secret() {
        let redactor = Redactor::default();
        redactor.add("hush-hush-hush");
        let gap = " ".repeat(EXCERPT_BYTES - 10);
        assert_eq!(redactor.excerpt(&format!("a b{gap}hush-hush-hush"), 99), "a b [secret]…");
        let far = " ".repeat(LOOKED_AT_BYTES - 10);
        assert_eq!(redactor.excerpt(&format!("a b{far}hush-hush-hush"), 99), "a b…");
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
        assert!(known as u64 <= 4 * (1 + MAX_TOKENS), "{known} forms");
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
