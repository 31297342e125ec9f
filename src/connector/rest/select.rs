//! Selectors: where something stands in an answer.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::template::{Template, Templates};
use super::text::{Text, Wrong, check_depth};
use crate::json::exact;

/// What finds something in a whole answer, or in a row of it.
#[derive(Clone, Debug)]
pub(super) enum Selector {
    /// Where it stands.
    At(Path),
    /// A template that makes it of what stands there.
    Made(Template),
}

impl Selector {
    /// A JSON path, or a template over the names `known`.
    pub(super) fn parse(
        templates: &mut Templates,
        text: &Text,
        known: &[&str],
    ) -> Result<Self, Wrong> {
        if text.as_str().contains("{{") || text.as_str().contains("{%") {
            templates.find(text, known).map(Self::Made)
        } else {
            Path::parse(text).map(Self::At)
        }
    }
}

/// Where something stands in an answer.
#[derive(Clone, Debug)]
pub(super) enum Path {
    /// A query of RFC 9535.
    Path(JsonPath),
    /// The member of this name.
    Property(String),
}

impl Path {
    /// Parses a JSON path.
    pub(super) fn parse(text: &Text) -> Result<Self, Wrong> {
        parse(text.as_str(), text).map(Self::Path)
    }

    /// The first scalar that is found, as text; see [`exact::text`].
    pub(super) fn text(&self, value: &Value) -> Option<String> {
        self.texts(value).next()
    }

    /// All scalars that are found, as texts.
    pub(super) fn texts(&self, value: &Value) -> impl Iterator<Item = String> {
        let found = match self {
            Self::Path(path) => path.query(value).all(),
            Self::Property(name) => value.get(name).into_iter().collect(),
        };
        found.into_iter().filter_map(exact::text)
    }

    /// The first object that is found.
    pub(super) fn object<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Path(path) => path.query(value).all().into_iter().find(|found| found.is_object()),
            Self::Property(name) => value.get(name).filter(|found| found.is_object()),
        }
    }

    /// All that is found, for people: scalars as they are, the rest as JSON, joined by `; `.
    /// `None` when nothing is found, or only `null`, `false` and empty texts and lists.
    pub(super) fn joined(&self, value: &Value) -> Option<String> {
        let found = match self {
            Self::Path(path) => path.query(value).all(),
            Self::Property(name) => value.get(name).into_iter().collect(),
        };
        let texts = found.into_iter().filter_map(|value| match value {
            Value::Null | Value::Bool(false) => None,
            Value::Array(list) if list.is_empty() => None,
            Value::Object(_) | Value::Array(_) => Some(value.to_string()),
            scalar => exact::text(scalar),
        });
        let texts: Vec<_> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// Where the rows of an answer stand.
#[derive(Clone, Debug)]
pub(super) struct RowsSelector {
    /// Of the list, or of the only row. An answer whose list is empty and one that has no list at
    /// all must not look the same.
    path: JsonPath,
    kind: RowsKind,
}

/// What stands where rows may.
pub(super) enum Listed<'a> {
    Nothing,
    Rows(Vec<&'a Value>),
    /// Neither nothing nor a list.
    Other(&'a Value),
}

#[derive(Clone, Debug)]
enum RowsKind {
    /// All members of the list.
    Members,
    /// Those members of the list that this leads to.
    Filtered(JsonPath),
    /// No list: what stands there is the row.
    Single,
}

impl RowsSelector {
    /// Parses a JSON path that ends in `[*]` or in a filter, or one that leads to a single object.
    pub(super) fn parse(text: &Text) -> Result<Self, Wrong> {
        let path = text.as_str().trim();
        let (list, kind) = if let Some(list) = path.strip_suffix("[*]") {
            (list, RowsKind::Members)
        } else if let Some((list, _)) = path.split_once("[?").filter(|_| path.ends_with(']')) {
            (list, RowsKind::Filtered(parse(path, text)?))
        } else {
            (path, RowsKind::Single)
        };
        Ok(Self { path: parse(list, text)?, kind })
    }

    /// Whether it leads to the members of a list.
    pub(super) fn is_list(&self) -> bool {
        !matches!(self.kind, RowsKind::Single)
    }

    /// The rows, or what else stands in their place.
    pub(super) fn listed<'a>(&self, body: &'a Value) -> Listed<'a> {
        match (self.rows(body), self.path.query(body).all().as_slice()) {
            (Some(rows), _) => Listed::Rows(rows),
            (None, [] | [Value::Null | Value::Bool(false)]) => Listed::Nothing,
            (None, [Value::Object(map)]) if map.is_empty() => Listed::Nothing,
            (None, [other, ..]) => Listed::Other(other),
        }
    }

    /// The rows; `None` when the answer does not have exactly one such list or object.
    pub(super) fn rows<'a>(&self, body: &'a Value) -> Option<Vec<&'a Value>> {
        let found = self.path.query(body).exactly_one().ok()?;
        match (found, &self.kind) {
            (Value::Array(list), RowsKind::Members) => Some(list.iter().collect()),
            (Value::Array(_), RowsKind::Filtered(path)) => Some(path.query(body).all()),
            (Value::Object(_), RowsKind::Single) => Some(vec![found]),
            _ => None,
        }
    }
}

/// Brackets within brackets of a path, at most: the parser tries each of them several ways, and
/// those within it anew for each.
const MAX_BRACKETS: usize = 4;
/// `..` in a path, at most: what a second one finds are the descendants of all that the first has
/// found.
const MAX_DESCENTS: usize = 3;

fn parse(path: &str, text: &Text) -> Result<JsonPath, Wrong> {
    check_depth(text)?;
    let mut brackets = 0_usize;
    for c in path.chars() {
        match c {
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        if brackets > MAX_BRACKETS {
            let message = format!("it nests deeper than {MAX_BRACKETS} brackets");
            return Err(text.at().wrong(message));
        }
    }
    if path.matches("..").count() > MAX_DESCENTS {
        let message = format!("it has `..` more than {MAX_DESCENTS} times");
        return Err(text.at().wrong(message));
    }
    JsonPath::parse(path).map_err(|error| {
        let text_ = text.as_str();
        let message = format!(
            "`{text_}` is no JSONPath: {} (character {})",
            error.message(),
            error.position()
        );
        text.at().wrong(message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_that_nests_too_deep_is_refused_and_not_parsed() {
        for (unit, end, times) in [("!(", ")", 20), ("(", ")", 40), ("!(", ")", 5000)] {
            let path = format!("$.a[?{}@.b{}]", unit.repeat(times), end.repeat(times));
            let parsed = RowsSelector::parse(&Text::of(path));
            assert_eq!(parsed.is_err_and(|wrong| wrong.message.contains("nests")), times > 100);
        }
    }

    #[test]
    fn a_path_that_would_take_for_ever_is_refused() {
        let nested = |times: usize| format!("$.a{}{}", "[?@.b".repeat(times), "]".repeat(times));
        let deep = |times: usize| format!("$.a{}", "..*".repeat(times));
        for (path, is_good) in
            [(nested(4), true), (nested(5), false), (deep(3), true), (deep(4), false)]
        {
            assert_eq!(Path::parse(&Text::of(path.clone())).is_ok(), is_good, "{path}");
        }
    }

    #[test]
    fn rows_are_members_or_some_of_them_or_one_object() {
        let body = json!({"rows": [{"id": 1}, {"error": "x"}, {"id": 2}], "one": {"id": 3}});
        let count = |path: &str| {
            RowsSelector::parse(&Text::of(path)).unwrap().rows(&body).map(|rows| rows.len())
        };
        assert_eq!(count("$.rows[*]"), Some(3));
        assert_eq!(count("$.rows[?@.id]"), Some(2));
        assert_eq!(count("$.rows[?@.id > 7]"), Some(0));
        assert_eq!(count("$.one"), Some(1));
        for path in ["$.none[*]", "$.none[?@.id]", "$.one[*]", "$.one[?@.id]", "$.rows"] {
            assert_eq!(count(path), None, "{path}");
        }
    }
}
