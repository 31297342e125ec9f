//! Looks at expressions, with one row of each table.

use super::super::catalog::Type;
use super::super::{held, shown};
use super::parse::{Comparison, Node, Scope};
use super::value::{Value, is_like};
use crate::sandbox::world::World;

/// The row of each table, or none where a left join found none.
pub(super) type Joined = Vec<Option<usize>>;

/// The text in a column of one of the tables.
pub(super) fn cell<'a>(
    scope: &'a Scope,
    row: &Joined,
    source: usize,
    column: usize,
) -> Option<&'a str> {
    let number = (*row.get(source)?)?;
    scope.sources.get(source)?.table.rows.get(number)?.get(column)?.as_deref()
}

/// One row, to look at expressions with.
pub(super) struct Eval<'a> {
    pub(super) world: &'a World,
    pub(super) scope: &'a Scope,
    pub(super) row: &'a Joined,
}

impl Eval<'_> {
    pub(super) fn value(&self, node: &Node) -> Value {
        match node {
            Node::Column(source, column) => {
                let text = cell(self.scope, self.row, *source, *column);
                text.map_or(Value::Null, |text| Value::Text(text.to_owned()))
            }
            Node::NameOf(source, column) => self.name(*source, *column),
            Node::Constant(value) => value.clone(),
            // Nothing beside a text is that text, as in Oracle.
            Node::Joined(left, right) => {
                let texts = (self.value(left).text(), self.value(right).text());
                match texts {
                    (None, None) => Value::Null,
                    (left, right) => {
                        Value::Text(left.unwrap_or_default() + right.as_deref().unwrap_or_default())
                    }
                }
            }
            Node::Upper(inner) => self.mapped(inner, str::to_uppercase),
            Node::Lower(inner) => self.mapped(inner, str::to_lowercase),
            Node::Spelled(inner) => match self.value(inner).day() {
                Some(day) => Value::Text(day.to_string()),
                None => Value::Null,
            },
            Node::FirstOf(nodes) => {
                let values = nodes.iter().map(|node| self.value(node));
                values.into_iter().find(|value| *value != Value::Null).unwrap_or(Value::Null)
            }
            _ => Value::Null,
        }
    }

    fn mapped(&self, node: &Node, change: impl Fn(&str) -> String) -> Value {
        self.value(node).text().map_or(Value::Null, |text| Value::Text(change(&text)))
    }

    /// What people call the record whose id stands in a column; any other text is itself.
    fn name(&self, source: usize, column: usize) -> Value {
        let Some(text) = cell(self.scope, self.row, source, column) else { return Value::Null };
        let table = self.scope.sources.get(source).map(|source| &source.table.columns);
        let to = table.and_then(|columns| columns.get(column)).map_or(&[][..], |own| own.to);
        let id = held::id(text).unwrap_or_default();
        let kinds = to.iter().flat_map(|to| Type::named(to));
        let mut kinds = kinds.filter(|kind| held::exists(self.world, kind, id));
        let name = kinds.next().map(|kind| shown::name(self.world, kind, id));
        Value::Text(name.unwrap_or_else(|| text.to_owned()))
    }

    /// `None`: neither true nor false, since something is not there.
    pub(super) fn truth(&self, node: &Node) -> Option<bool> {
        match node {
            Node::All(nodes) => {
                let mut all = Some(true);
                for node in nodes {
                    match self.truth(node) {
                        Some(false) => return Some(false),
                        None => all = None,
                        Some(true) => {}
                    }
                }
                all
            }
            Node::Any(nodes) => {
                let mut any = Some(false);
                for node in nodes {
                    match self.truth(node) {
                        Some(true) => return Some(true),
                        None => any = None,
                        Some(false) => {}
                    }
                }
                any
            }
            Node::Not(inner) => self.truth(inner).map(|truth| !truth),
            Node::IsNull(inner) => Some(self.value(inner) == Value::Null),
            Node::Compare(comparison, left, right) => {
                let order = self.value(left).compare(&self.value(right))?;
                Some(match comparison {
                    Comparison::Equal => order.is_eq(),
                    Comparison::Unequal => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessOrEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterOrEqual => order.is_ge(),
                })
            }
            Node::In(inner, values) => {
                let own = self.value(inner);
                if own == Value::Null {
                    return None;
                }
                let is_in = values
                    .iter()
                    .any(|value| own.compare(value).is_some_and(std::cmp::Ordering::is_eq));
                Some(is_in)
            }
            Node::Like(inner, pattern) => {
                Some(is_like(&self.value(inner).text()?, &self.value(pattern).text()?))
            }
            _ => None,
        }
    }
}
