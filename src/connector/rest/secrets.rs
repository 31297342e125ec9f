//! Which values of a config and a manifest are secrets: no text that goes outward may hold them.

use minijinja::value::Value as Name;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::program::{Auth, Program};
use super::template::Template;
use crate::connector::http::{Redactor, Request};
use crate::json::exact;

/// A config key with one of these in its name holds a secret, and so does all below it.
const WORDS: &[&str] =
    &["token", "secret", "passw", "apikey", "private", "credential", "authorization", "signature"];
/// And one that has one of these among the words of its name.
const WHOLE_WORDS: &[&str] =
    &["key", "pass", "pwd", "pin", "pat", "auth", "sig", "jwt", "sas", "cookie", "session"];
/// Keys of the config whose own keys are names of streams.
const OF_STREAMS: &[&str] = &["streams", "lookup_fields"];

/// Tells `redactor` of all secrets in the config: those whose names say so, and those that the
/// manifest's `auth` and `headers` name. And of those that the manifest itself holds, or makes of
/// `context`, for headers whose names say so.
pub(super) fn hide(
    program: &Program,
    values: &Map<String, Value>,
    context: &Name,
    redactor: &Redactor,
) {
    for (key, value) in values.iter().filter(|(key, _)| !OF_STREAMS.contains(&key.as_str())) {
        hide_named(key, value, redactor);
    }
    let auth: Vec<&Template> = match &program.auth {
        Auth::Bearer { token } => vec![token],
        Auth::Basic { password, .. } => vec![password],
        Auth::KeyHeader { key, .. } | Auth::KeyQuery { key, .. } => vec![key],
        Auth::OAuth1(by) => vec![&by.consumer_secret, &by.token, &by.token_secret],
        Auth::Login(login) => vec![&login.key],
        Auth::Tokens(tokens) => tokens.parameters.iter().map(|(_, value)| value).collect(),
        Auth::None => Vec::new(),
    };
    // What stands in a header of all requests is most likely a credential too.
    let templates = auth.into_iter().chain(program.headers.iter().map(|(_, value)| value));
    for name in templates.flat_map(Template::config_keys) {
        let mut keys = name.split('.');
        let first = keys.next().and_then(|key| values.get(key));
        if let Some(value) = keys.fold(first, |value, key| value?.get(key)) {
            hide_all(value, redactor);
        }
    }
    for (_, value) in program.headers.iter().filter(|(name, _)| is_secret(name.as_str())) {
        if let Ok(value) = program.templates.render(value, context) {
            redactor.add_header(&value);
        }
    }
}

/// Whether the name of a key or a header says that a secret stands under it.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    WORDS.iter().any(|word| name.contains(word)) || words.any(|word| WHOLE_WORDS.contains(&word))
}

/// Tells `redactor` of what is secret in a value of a config, by the names of keys.
pub(crate) fn hide_named(key: &str, value: &Value, redactor: &Redactor) {
    if is_secret(key) {
        return hide_all(value, redactor);
    }
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| hide_named(key, value, redactor));
        }
        Value::Array(list) => list.iter().for_each(|value| hide_named("", value, redactor)),
        _ => {}
    }
}

/// Hides every text and number in `value`.
pub(crate) fn hide_all(value: &Value, redactor: &Redactor) {
    match value {
        Value::Object(map) => map.values().for_each(|value| hide_all(value, redactor)),
        Value::Array(list) => list.iter().for_each(|value| hide_all(value, redactor)),
        Value::String(text) => redactor.add(text),
        Value::Number(number) => redactor.add(&number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Hides all that a login sends, whether it comes from the config, stands in the manifest, or was
/// made of both: remotes tell it back when they refuse it.
pub(super) fn hide_login(request: &Request, redactor: &Redactor) {
    request.url.query_pairs().for_each(|(_, value)| redactor.add(&value));
    for value in request.headers.values().filter_map(|value| value.to_str().ok()) {
        // What all requests say is no secret.
        if !value.starts_with("application/") {
            redactor.add(value);
        }
    }
    let Some(body) = &request.body else { return };
    match exact::parse(body) {
        Ok(json) => hide_all(&json, redactor),
        Err(_) => form_urlencoded::parse(body).for_each(|(_, value)| redactor.add(&value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_say_so_at_any_depth() {
        let redactor = Redactor::default();
        let config = json!({
            "passwd": "secret-1", "api_key": 8_877_665_544_u64, "db": {"pwd": "secret-2"},
            "auth": {"any": ["secret-3"]}, "bucket": "not-secret", "passengers": "not-hidden",
            "monkey": "not-either",
        });
        for (key, value) in config.as_object().unwrap() {
            hide_named(key, value, &redactor);
        }
        let told = redactor
            .clean("secret-1 8877665544 secret-2 secret-3 not-secret not-hidden not-either");
        assert_eq!(told, "[secret] [secret] [secret] [secret] not-secret not-hidden not-either");
    }
}
