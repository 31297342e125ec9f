//! The template of the `url`: text with names in braces, as Python's `str.format` has it.

use percent_encoding::utf8_percent_encode;
use url::Url;

use crate::config::environment::Environment;
use crate::connector::http::SEGMENT;

/// The names that a template may have, each with the environment variable that gives its value.
const NAMES: [(&str, &str); 7] = [
    ("stream", ""),
    ("tenant", "TENANT"),
    ("tenant_id", "TENANT"),
    ("flow", "FLOW"),
    ("flow_id", "FLOW"),
    ("tap", "TAP"),
    ("connector_id", "CONNECTOR_ID"),
];

/// An address in which only the stream is missing.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl std::fmt::Debug for Template {
    /// The text of an address may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The stream's name; `true` within the host.
    Stream(bool),
}

/// Where in an address a text ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Scheme,
    Host,
    Path,
}

impl Template {
    /// Reads a template and fills in all but the stream.
    ///
    /// # Errors
    /// For people: a brace that is not closed, a name that nobody knows or that has no value, or a
    /// value that would lead elsewhere.
    pub(super) fn parse(text: &str, environment: &Environment) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut before = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (head, tail) = rest.split_at(at);
            plain.push_str(head);
            before.push_str(head);
            rest = match tail.as_bytes() {
                [b'{', b'{', ..] | [b'}', b'}', ..] => {
                    plain.push_str(tail.get(..1).unwrap_or_default());
                    tail.get(2..).unwrap_or_default()
                }
                [b'}', ..] => {
                    return Err("a `}` without `{`; write `}}` for the brace itself".into());
                }
                _ => {
                    let inner = tail.get(1..).unwrap_or_default();
                    let (name, after) = inner
                        .split_once('}')
                        .ok_or("a `{` is not closed; write `{{` for the brace itself")?;
                    let in_host = match place(&before) {
                        Place::Scheme => {
                            return Err(format!("`{{{name}}}` stands where the scheme is"));
                        }
                        place => place == Place::Host,
                    };
                    match value(name, environment)? {
                        None => {
                            pieces.push(Piece::Text(std::mem::take(&mut plain)));
                            pieces.push(Piece::Stream(in_host));
                        }
                        Some(value) => plain.push_str(&encoded(name, value, in_host)?),
                    }
                    // Whatever it is, it does not end the part that it stands in.
                    before.push('x');
                    after
                }
            };
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Ok(Self(pieces))
    }

    /// The address of the stream with this name.
    ///
    /// # Errors
    /// For people: why there is none.
    pub(super) fn fill(&self, stream: &str) -> Result<Url, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Stream(in_host) => text.push_str(&encoded("stream", stream, *in_host)?),
            }
        }
        let mut url = of_remote(&text)?;
        // Whoever reads a URL resolves these, so that a name would lead to another place.
        let path = text.split(['?', '#']).next().unwrap_or_default();
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("a part of its path is `.` or `..`".to_owned());
        }
        url.set_fragment(None);
        Ok(url)
    }
}

/// Reads the address of a remote.
///
/// # Errors
/// For people: what is wrong with it.
pub(super) fn of_remote(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("it is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it is no address of http or https".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a credential; use `api_key` or `custom_headers`".to_owned());
    }
    Ok(url)
}

fn place(before: &str) -> Place {
    match before.split_once("://") {
        None => Place::Scheme,
        Some((_, after)) if !after.contains(['/', '?', '#']) => Place::Host,
        Some(_) => Place::Path,
    }
}

/// The value of a name; `None` for the stream.
fn value<'a>(name: &str, environment: &'a Environment) -> Result<Option<&'a str>, String> {
    let Some((_, variable)) = NAMES.iter().find(|(known, _)| *known == name) else {
        let known: Vec<String> = NAMES.iter().map(|(name, _)| format!("{{{name}}}")).collect();
        return Err(format!("nothing is known as `{{{name}}}`; there are {}", known.join(", ")));
    };
    let value = match *variable {
        "" => return Ok(None),
        "TENANT" => &environment.tenant,
        "FLOW" => &environment.flow,
        "TAP" => &environment.tap,
        _ => &environment.connector_id,
    };
    match value {
        Some(value) => Ok(Some(value)),
        None => Err(format!(
            "`{{{name}}}` needs the environment variable `{variable}`, which is not set"
        )),
    }
}

/// A value as it stands in an address: one segment of a path, one value of a query, or a part of
/// one label of the host.
fn encoded(name: &str, value: &str, in_host: bool) -> Result<String, String> {
    if !in_host {
        return Ok(utf8_percent_encode(value, SEGMENT).to_string());
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if value.is_empty() || !value.bytes().all(fits) {
        return Err(format!("the value `{value}` of `{{{name}}}` cannot stand in a host"));
    }
    Ok(value.to_owned())
}
