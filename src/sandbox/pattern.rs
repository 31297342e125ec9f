//! Which requests a fault is for: a method and a path, with placeholders.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

/// A method and a path, such as `POST /v1/{object}/batch`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(into = "String")]
pub(super) struct Pattern {
    /// `None`: any.
    method: Option<String>,
    /// `None`: any.
    segments: Option<Vec<Segment>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `*`
    Any,
    /// `{name}`: whatever stands where the route has a placeholder.
    Placeholder,
    /// This text.
    Literal(String),
}

impl Pattern {
    /// Whether a request matches. `template` is the route that took it, such as
    /// `/v1/{object}/{id}`; `path` is the request's own, both with as many segments.
    ///
    /// A placeholder meets a placeholder of the template, a literal the segment of the path: so
    /// `/v1/{object}/{id}` does not match a request for `/v1/contacts/batch`.
    pub(super) fn matches(&self, method: &str, template: &str, path: &str) -> bool {
        if self.method.as_deref().is_some_and(|own| own != method) {
            return false;
        }
        let Some(segments) = &self.segments else {
            return true;
        };
        let mut templates = template.split('/').skip(1);
        let mut paths = path.split('/').skip(1);
        for segment in segments {
            let (Some(template), Some(path)) = (templates.next(), paths.next()) else {
                return false;
            };
            let fits = match segment {
                Segment::Any => true,
                Segment::Placeholder => template.starts_with('{'),
                Segment::Literal(text) => text == path,
            };
            if !fits {
                return false;
            }
        }
        paths.next().is_none()
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self { method: None, segments: None });
        }
        let (method, path) = text.trim().split_once(' ').ok_or_else(|| {
            format!("`{text}` is not a method and a path, such as `POST /v1/{{object}}/batch`")
        })?;
        let method = match method {
            "*" => None,
            "GET" | "POST" | "PUT" | "PATCH" | "DELETE" => Some(method.to_owned()),
            other => return Err(format!("`{other}` is not a method that the sandbox knows")),
        };
        let path = path.trim();
        if path == "*" {
            return Ok(Self { method, segments: None });
        }
        let path = path
            .strip_prefix('/')
            .ok_or_else(|| format!("the path `{path}` does not begin with `/`"))?;
        let segments = path.split('/').map(|segment| match segment {
            "*" => Segment::Any,
            name if name.starts_with('{') && name.ends_with('}') => Segment::Placeholder,
            text => Segment::Literal(text.to_owned()),
        });
        Ok(Self { method, segments: Some(segments.collect()) })
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_stands_where_the_route_has_one() {
        let batch = ("POST", "/v1/{object}/batch", "/v1/contacts/batch");
        let one = ("PATCH", "/v1/{object}/{id}", "/v1/contacts/7");
        for (pattern, request, expected) in [
            ("*", batch, true),
            ("POST *", batch, true),
            ("PATCH *", batch, false),
            ("* /v1/{object}/batch", batch, true),
            ("POST /v1/*/*", batch, true),
            ("POST /v1/*", batch, false),
            ("POST /v1/contacts/batch", batch, true),
            ("POST /v1/deals/batch", batch, false),
            ("* /v1/{object}/{id}", batch, false),
            ("* /v1/{o}/{x}", one, true),
            ("* /v1/{object}/7", one, true),
            ("* /v1/{object}/8", one, false),
            ("* /v1/{object}/{id}/more", one, false),
        ] {
            let parsed: Pattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(request.0, request.1, request.2), expected, "{pattern}");
        }
        for wrong in ["", "POST", "post /v1", "POST v1", "FETCH /v1"] {
            wrong.parse::<Pattern>().unwrap_err();
        }
    }
}
