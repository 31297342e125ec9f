//! Whether a record fits the conditions of a query.
//!
//! Texts are compared without regard to case; what has no value is unequal to any.

use std::cmp::Ordering;

use serde_json::Value;

use super::catalog::{Field, Kind, Object};
use super::describe::is_long;
use super::draft::{date, moment};
use super::org::Org;
use super::problem::Problem;
use super::soql::{self, Condition, Literal, Operator, PLAIN, Word};
use super::state::Values;
use super::{held, ids};
use crate::sandbox::world::World;

/// A field of an object's records, or of those that they refer to.
#[derive(Debug)]
pub(super) struct Path {
    /// The references on the way.
    pub(super) through: Vec<&'static Field>,
    pub(super) object: &'static Object,
    pub(super) field: &'static Field,
}

/// References that a path may go through.
const MAX_THROUGH: usize = 5;

impl Path {
    /// # Errors
    /// There is no such field.
    pub(super) fn of(
        org: &Org,
        text: &str,
        object: &'static Object,
        word: &Word,
    ) -> Result<Self, Problem> {
        let mut steps: Vec<&str> = word.text.split('.').collect();
        // The object's own name may stand first.
        if steps.len() > 1
            && steps[0].eq_ignore_ascii_case(object.name)
            && object.relation(steps[0]).is_none()
        {
            steps.remove(0);
        }
        let last = steps.pop().unwrap_or_default();
        let (mut here, mut through) = (object, Vec::new());
        for step in steps {
            let reference = here.relation(step).filter(|_| through.len() < MAX_THROUGH);
            let reference = reference.ok_or_else(|| {
                let message = format!(
                    "Didn't understand relationship '{step}' in field path. If you are attempting to \
                     use a custom relationship, be sure to append the '__r' after the custom \
                     relationship name. Please reference your WSDL or the describe call for the \
                     appropriate names."
                );
                soql::at("INVALID_FIELD", text, word, &message)
            })?;
            through.push(reference);
            let Kind::Reference(objects) = reference.kind else { continue };
            // Of several objects, the first that has the field stands for what they share.
            let next = objects.iter().filter_map(|name| org.find(name));
            here = next
                .clone()
                .find(|next| next.field(last).is_some())
                .or_else(|| next.clone().next())
                .unwrap_or(here);
        }
        let field = here.field(last).ok_or_else(|| {
            let message = format!(
                "No such column '{last}' on entity '{}'. If you are attempting to use a custom field, \
                 be sure to append the '__c' after the custom field name. Please reference your WSDL \
                 or the describe call for the appropriate names.",
                here.name
            );
            soql::at("INVALID_FIELD", text, word, &message)
        })?;
        Ok(Self { through, object: here, field })
    }

    /// The value in a record.
    pub(super) fn value(&self, world: &World, record: &Values) -> Value {
        let Some((first, rest)) = self.through.split_first() else {
            return record.get(self.field.name).cloned().unwrap_or_default();
        };
        let mut id = record.get(first.name).cloned().unwrap_or_default();
        for reference in rest.iter().map(|reference| reference.name).chain([self.field.name]) {
            let Some(held) = referred(world, &id) else { return Value::Null };
            id = held.get(reference).cloned().unwrap_or_default();
        }
        id
    }
}

/// The record with this id, of whichever object.
pub(super) fn referred(world: &World, id: &Value) -> Option<Values> {
    let id = id.as_str()?;
    let object = Object::of_id(id)?;
    held::get(world, object, ids::number(object.prefix, id)?)
}

/// Conditions whose fields are found and whose values are of their types.
#[derive(Debug)]
pub(super) enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Is(Path, Operator, Vec<Literal>),
}

impl Filter {
    /// # Errors
    /// There is no such field, or it cannot be looked for, or not by such a value.
    pub(super) fn of(
        org: &Org,
        text: &str,
        object: &'static Object,
        condition: Condition,
    ) -> Result<Self, Problem> {
        let each = |conditions: Vec<Condition>| -> Result<Vec<Self>, Problem> {
            conditions.into_iter().map(|condition| Self::of(org, text, object, condition)).collect()
        };
        Ok(match condition {
            Condition::All(conditions) => Self::All(each(conditions)?),
            Condition::Any(conditions) => Self::Any(each(conditions)?),
            Condition::Not(condition) => {
                Self::Not(Box::new(Self::of(org, text, object, *condition)?))
            }
            Condition::Is { path: word, operator, values } => {
                let path = Path::of(org, text, object, &word)?;
                check(path.field, operator, &values)
                    .map_err(|(code, message)| soql::at(code, text, &word, &message))?;
                Self::Is(path, operator, values)
            }
        })
    }

    pub(super) fn fits(&self, world: &World, record: &Values) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.fits(world, record)),
            Self::Any(filters) => filters.iter().any(|filter| filter.fits(world, record)),
            Self::Not(filter) => !filter.fits(world, record),
            Self::Is(path, operator, values) => {
                let held = path.value(world, record);
                is(path.field.kind, &held, *operator, values)
            }
        }
    }

    /// Whether one of these fields must have one of some values.
    pub(super) fn names(&self, fields: &[&str]) -> bool {
        match self {
            Self::All(filters) => filters.iter().any(|filter| filter.names(fields)),
            Self::Is(path, Operator::Equal | Operator::In, _) => {
                path.through.is_empty() && fields.contains(&path.field.name)
            }
            _ => false,
        }
    }

    /// Texts one of which a field of the object itself must be, if the filter says so.
    pub(super) fn exact(&self) -> Option<(&'static Field, Vec<&str>)> {
        match self {
            Self::All(filters) => filters.iter().find_map(Self::exact),
            Self::Is(path, Operator::Equal | Operator::In, values)
                if path.through.is_empty()
                    && (path.field.kind.is_text() || path.field.kind == Kind::Id) =>
            {
                let texts = values.iter().map(|value| match value {
                    Literal::Text(text) if !text.is_empty() && !text.contains(PLAIN) => {
                        Some(text.as_str())
                    }
                    _ => None,
                });
                Some((path.field, texts.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}

/// Lets values through that a field can be compared with.
fn check(
    field: &Field,
    operator: Operator,
    values: &[Literal],
) -> Result<(), (&'static str, String)> {
    let (name, kind) = (field.name, field.kind);
    if is_long(kind) || kind == Kind::Base64 {
        let message = format!("field '{name}' can not be filtered in a query call");
        return Err(("INVALID_FIELD", message));
    }
    if operator == Operator::Like && !kind.is_text() {
        return Err(("INVALID_FIELD", format!("invalid operator on {} field", kind.as_str())));
    }
    for value in values {
        let is_quoted = matches!(value, Literal::Text(_));
        let fits = match (value, kind) {
            (Literal::Null, _) => true,
            (Literal::Text(text), Kind::Id | Kind::Reference(_)) => {
                if !text.is_empty() && !ids::is_id(text.as_bytes()) {
                    let message = format!("invalid ID field: {text}");
                    return Err(("INVALID_QUERY_FILTER_OPERATOR", message));
                }
                true
            }
            (Literal::Text(_), kind) => kind.is_text(),
            (Literal::Bool(_), kind) => kind == Kind::Bool,
            (Literal::Number(_), kind) => kind.digits().is_some(),
            (Literal::Date(text), Kind::Date) => date(text).is_some() && !text.contains('T'),
            (Literal::Date(text), Kind::DateTime) => moment(text).is_some() && text.contains('T'),
            (Literal::Date(_), _) => false,
        };
        if !fits {
            let needs_quotes = kind.is_text() || matches!(kind, Kind::Id | Kind::Reference(_));
            let quotes = match (is_quoted, needs_quotes) {
                (true, _) => " and should not be enclosed in quotes",
                (false, true) => " and should be enclosed in quotes",
                (false, false) => "",
            };
            let kind = kind.as_str();
            let begin = format!("value of filter criterion for field '{name}' must be of type");
            let message = format!("{begin} {kind}{quotes}");
            return Err(("INVALID_FIELD", message));
        }
    }
    Ok(())
}

fn is(kind: Kind, held: &Value, operator: Operator, values: &[Literal]) -> bool {
    let compared = |value: &Literal| compare(kind, held, value);
    let is_any = || values.iter().any(|value| compared(value) == Some(Ordering::Equal));
    let first = || values.first().and_then(compared);
    match operator {
        Operator::Equal | Operator::In => is_any(),
        Operator::Unequal | Operator::NotIn => !is_any(),
        Operator::Less => first() == Some(Ordering::Less),
        Operator::LessOrEqual => first().is_some_and(Ordering::is_le),
        Operator::Greater => first() == Some(Ordering::Greater),
        Operator::GreaterOrEqual => first().is_some_and(Ordering::is_ge),
        Operator::Like => match (held, values.first()) {
            (Value::String(held), Some(Literal::Text(pattern))) => {
                let folded = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
                is_like(&folded(held), &folded(pattern))
            }
            _ => false,
        },
    }
}

/// `None` where there is no order between the two.
fn compare(kind: Kind, held: &Value, value: &Literal) -> Option<Ordering> {
    match (value, held) {
        (Literal::Null, Value::Null) => Some(Ordering::Equal),
        (Literal::Text(text), Value::Null) if text.is_empty() => Some(Ordering::Equal),
        (Literal::Bool(value), held) => Some(held.as_bool().unwrap_or(false).cmp(value)),
        (Literal::Number(value), held) => held.as_f64()?.partial_cmp(value),
        (Literal::Date(value), Value::String(held)) if kind == Kind::Date => {
            Some(date(held)?.cmp(&date(value)?))
        }
        (Literal::Date(value), Value::String(held)) => Some(moment(held)?.cmp(&moment(value)?)),
        (Literal::Text(text), Value::String(held)) => {
            let text = text.replace(PLAIN, "");
            if matches!(kind, Kind::Id | Kind::Reference(_)) {
                // The short form is the long one without its end.
                return Some(held.get(..15)?.cmp(text.get(..15)?));
            }
            Some(held.to_lowercase().cmp(&text.trim_end().to_lowercase()))
        }
        _ => None,
    }
}

/// `%` stands for anything, `_` for one character.
fn is_like(held: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => held.is_empty(),
        ['%', rest @ ..] => (0..=held.len()).any(|skipped| is_like(&held[skipped..], rest)),
        ['_', rest @ ..] => !held.is_empty() && is_like(&held[1..], rest),
        [PLAIN, letter, rest @ ..] | [letter, rest @ ..] => {
            held.first() == Some(letter) && is_like(&held[1..], rest)
        }
    }
}
