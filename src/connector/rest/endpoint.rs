//! What single requests of a manifest mean; see [`program`](super::program).

use indexmap::IndexMap;

use super::manifest::{Encoding, Method};
use super::program::{Endpoint, Node, Splice, headers};
use super::shape::Shape;
use super::template::{Template, Templates};
use super::text::{Placed, Text, Wrong};

/// The common parts of all operations, as written.
pub(super) struct Parts<'a> {
    pub(super) method: Method,
    pub(super) path: &'a Text,
    pub(super) query: &'a IndexMap<Text, Text>,
    pub(super) headers: &'a IndexMap<Text, Text>,
    pub(super) body: Option<&'a Placed<Shape>>,
    pub(super) encoding: Encoding,
}

/// Compiles a request over the names `known`, with `splices` in its body.
pub(super) fn endpoint(
    templates: &mut Templates,
    parts: &Parts<'_>,
    known: &[&str],
    splices: &[Splice],
) -> Result<Endpoint, Wrong> {
    let path = parts.path;
    if !path.as_str().starts_with('/') {
        return Err(path.at().wrong("the path does not begin with `/`"));
    }
    if path.as_str().contains(['?', '#']) {
        let message = "a path has no `?` or `#`; parameters go into `query`";
        return Err(path.at().wrong(message));
    }
    let path = templates.path(path, known)?;
    let mut query = Vec::new();
    for (name, value) in parts.query {
        query.push((templates.text(name, known)?, templates.value(value, known)?));
    }
    let headers = headers(templates, parts.headers, known)?;
    let body = parts.body.map(|body| node(templates, body, known, splices)).transpose()?;
    let method = match parts.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let is_list = |body: &Node| matches!(body, Node::List(_) | Node::Splice(Splice::Records));
    if let (Encoding::Lines, Some(shape), Some(body)) = (parts.encoding, parts.body, &body)
        && !is_list(body)
    {
        return Err(shape.at.wrong("`encoding: lines` needs a list as its `body`"));
    }
    Ok(Endpoint { method, path, query, headers, body, encoding: parts.encoding })
}

/// Compiles a body, or a part of one.
pub(super) fn node(
    templates: &mut Templates,
    shape: &Placed<Shape>,
    known: &[&str],
    splices: &[Splice],
) -> Result<Node, Wrong> {
    Ok(match &shape.value {
        Shape::Plain(value) => Node::Plain(value.to_string()),
        Shape::Text(text) => {
            let text = Text(Placed { value: text.clone(), at: shape.at });
            match splice(text.as_str()) {
                Some(splice) if splices.contains(&splice) => Node::Splice(splice),
                Some(_) => {
                    let message = format!("`{}` means nothing here", text.as_str());
                    let hint = "`{{ record }}` is for `max_records: 1`, `{{ records }}` for \
                                writes, `{{ remote_ids }}` for `read`, `update` and `delete`, \
                                `{{ values }}` for `find`";
                    return Err(Wrong { hint: Some(hint.to_owned()), ..shape.at.wrong(message) });
                }
                None => Node::Value(templates.value(&text, known)?),
            }
        }
        Shape::List(items) => {
            let items = items.iter().map(|item| node(templates, item, known, splices));
            Node::List(items.collect::<Result<_, _>>()?)
        }
        Shape::Object(fields) => {
            let mut compiled = Vec::new();
            for (name, value) in fields {
                let name = templates.text(name, known)?;
                compiled.push((name, node(templates, value, known, splices)?));
            }
            Node::Object(compiled)
        }
    })
}

fn splice(text: &str) -> Option<Splice> {
    let name = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    Some(match name.trim() {
        "record" => Splice::Record,
        "records" => Splice::Records,
        "external_ids" => Splice::ExternalIds,
        "remote_ids" => Splice::RemoteIds,
        "values" => Splice::Values,
        "wanted" => Splice::Wanted,
        _ => return None,
    })
}

impl Endpoint {
    /// Whether a template of it names `name`.
    pub(super) fn names(&self, name: &str) -> bool {
        let mut query = self.query.iter();
        self.path.names(name)
            || query.any(|(key, value)| key.names(name) || value.names(name))
            || self.headers.iter().any(|(_, value)| value.names(name))
            || self.body.as_ref().is_some_and(|body| body.names(name))
    }

    pub(super) fn splices(&self, splice: Splice) -> bool {
        let is = |node: &Node| matches!(node, Node::Splice(found) if *found == splice);
        self.body.as_ref().is_some_and(|body| body.any(&is))
    }
}

impl Node {
    /// Whether a template of it names `name`.
    pub(super) fn names(&self, name: &str) -> bool {
        self.any(&|node| match node {
            Self::Value(template) => template.names(name),
            Self::Object(fields) => fields.iter().any(|(key, _)| key.names(name)),
            Self::Plain(_) | Self::Splice(_) | Self::List(_) => false,
        })
    }

    /// Whether `test` is true of it or of a part of it.
    fn any(&self, test: &dyn Fn(&Node) -> bool) -> bool {
        test(self)
            || match self {
                Self::List(items) => items.iter().any(|item| item.any(test)),
                Self::Object(fields) => fields.iter().any(|(_, value)| value.any(test)),
                Self::Plain(_) | Self::Value(_) | Self::Splice(_) => false,
            }
    }
}

/// Whether a template can be filled in by a call that lacks the values `absent`.
pub(super) fn can_fill(template: &Template, absent: &[&str]) -> bool {
    !absent.iter().any(|name| template.names(name))
}
