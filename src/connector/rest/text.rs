//! Values of a manifest that know where they stand, so that what is wrong with them can be told
//! with line and column.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// A place in a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1; 0 for a value that is not in the file.
    pub(super) line: u64,
    /// From 1; 0 for a value that is not in the file.
    pub(super) column: u64,
}

/// What is wrong with a manifest, and where.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// Where.
    pub(super) at: Place,
    /// What, for people.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: Option<String>,
}

impl Place {
    /// What is wrong here.
    pub(super) fn wrong(self, message: impl Into<String>) -> Wrong {
        Wrong { at: self, message: message.into(), hint: None }
    }
}

/// A value and its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed<T> {
    /// The value.
    pub(super) value: T,
    /// Where it stands.
    pub(super) at: Place,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<T>::deserialize(deserializer)?;
        let at = Place { line: referenced.line(), column: referenced.column() };
        Ok(Self { value, at })
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A string and its place. As a key it is the string alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Text(pub(super) Placed<String>);

impl Text {
    /// A text that is not in the file.
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self(Placed { value: text.into(), at: Place::default() })
    }

    /// The string.
    pub(super) fn as_str(&self) -> &str {
        &self.0.value
    }

    /// Where it stands.
    pub(super) fn at(&self) -> Place {
        self.0.at
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Placed::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// Brackets within brackets and signs before signs, at most, in a template or a path: what nests
/// deeper would overflow the stack of those who parse it.
const MAX_DEPTH: usize = 50;
/// Operators, at most: a chain of them nests too.
const MAX_OPERATORS: usize = 300;

/// Refuses what nests too deep to be parsed.
pub(super) fn check_depth(text: &Text) -> Result<(), Wrong> {
    let (mut brackets, mut signs, mut operators) = (0_usize, 0_usize, 0_usize);
    let mut word = String::new();
    for c in text.as_str().chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        match std::mem::take(&mut word).as_str() {
            "" => {}
            "not" => signs += 1,
            "if" | "else" | "and" | "or" | "is" | "in" => (operators, signs) = (operators + 1, 0),
            _ => signs = 0,
        }
        operators += usize::from("+-~*/%|<>=".contains(c));
        match c {
            '(' | '[' | '{' => brackets += 1,
            ')' | ']' | '}' => brackets = brackets.saturating_sub(1),
            '-' | '!' | '+' => signs += 1,
            _ => {}
        }
        if brackets + signs > MAX_DEPTH {
            let message = format!("it nests deeper than {MAX_DEPTH} times");
            return Err(text.at().wrong(message));
        }
        if operators > MAX_OPERATORS {
            let message = format!("it has more than {MAX_OPERATORS} operators");
            return Err(text.at().wrong(message));
        }
    }
    Ok(())
}

/// The tags of a template: what stands between them is not told, for it may be a credential.
pub(super) fn tags(text: &str) -> String {
    let mut tags = Vec::new();
    let mut rest = text;
    while let Some(from) = ["{{", "{%", "{#"].iter().filter_map(|begin| rest.find(begin)).min() {
        let tag = rest.get(from..).unwrap_or_default();
        let ends = ["}}", "%}", "#}"].iter().filter_map(|end| tag.find(end)).min();
        let (tag, after) = tag.split_at(ends.map_or(tag.len(), |end| end + 2));
        tags.push(tag);
        rest = after;
    }
    quoteless(&tags.join("…"))
}

/// An expression without the texts that are quoted in it, for the same reason.
pub(super) fn quoteless(expression: &str) -> String {
    let mut told = String::new();
    let mut chars = expression.chars();
    while let Some(quote) = chars.next() {
        told.push(quote);
        if !matches!(quote, '"' | '\'') {
            continue;
        }
        told.push('…');
        while let Some(c) = chars.next() {
            if c == '\\' {
                chars.next();
            } else if c == quote {
                told.push(quote);
                break;
            }
        }
    }
    told
}
