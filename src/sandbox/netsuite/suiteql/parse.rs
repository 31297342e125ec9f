//! Reads a query, and puts it into terms of the tables that are there: what it selects, joins,
//! filters and orders by.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_156257770590.html>.
//! Without subqueries, groups and unions.

use std::time::Instant;

use chrono::NaiveDate;
use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    InTarget, UnaryOperator, Value as Literal,
};

use super::super::problem::Problem;
use super::tables::{Only, Table, load};
use super::value::Value;
use super::{refused, unsupported};
use crate::sandbox::world::World;

/// Values in one list, at most.
const MAX_LIST: usize = 1000;

/// A table of a query.
#[derive(Debug)]
pub(super) struct Source {
    /// What the query calls it.
    alias: String,
    name: String,
    pub(super) table: Table,
}

/// The tables of a query.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) sources: Vec<Source>,
}

/// An expression, with its columns found: by table, and by place in it.
#[derive(Debug)]
pub(super) enum Node {
    Column(usize, usize),
    /// The name of the record that a column refers to.
    NameOf(usize, usize),
    Constant(Value),
    Joined(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Value>),
    Like(Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Upper(Box<Node>),
    Lower(Box<Node>),
    /// A day, in the form `2026-05-02`.
    Spelled(Box<Node>),
    FirstOf(Vec<Node>),
    /// How many rows there are, or values in them.
    Count(Option<Box<Node>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Scope {
    /// Adds a table; `only` is what is known of the rows that are needed of it.
    pub(super) fn add(
        &mut self,
        world: &mut World,
        name: &str,
        alias: Option<&str>,
        only: Option<&Only>,
        now: Instant,
    ) -> Result<(), Problem> {
        let lower = name.to_lowercase();
        let table = load(world, &lower, only, now);
        let table = table.ok_or_else(|| refused(&format!("Invalid search type: {name}.")))?;
        let alias = alias.unwrap_or(name).to_lowercase();
        self.sources.push(Source { alias, name: lower, table });
        Ok(())
    }

    fn unknown(&self, name: &str) -> Problem {
        let known: Vec<String> =
            self.sources.iter().map(|source| format!("{}={}", source.alias, source.name)).collect();
        refused(&format!(
            "Search error occurred: Unknown identifier '{name}'. Available identifiers are: {{{}}}",
            known.join(", ")
        ))
    }

    /// A table by what the query calls it.
    pub(super) fn source(&self, alias: &str) -> Result<usize, Problem> {
        let lower = alias.to_lowercase();
        let found = self.sources.iter().position(|source| source.alias == lower);
        found.ok_or_else(|| self.unknown(alias))
    }

    fn column(&self, alias: Option<&str>, name: &str) -> Result<(usize, usize), Problem> {
        let lower = name.to_lowercase();
        let at =
            |source: &Source| source.table.columns.iter().position(|column| column.name == lower);
        if let Some(alias) = alias {
            let source = self.source(alias)?;
            let column = self.sources.get(source).and_then(at);
            return column.map(|column| (source, column)).ok_or_else(|| self.unknown(name));
        }
        let mut found =
            self.sources.iter().enumerate().filter_map(|(n, source)| Some((n, at(source)?)));
        let first = found.next().ok_or_else(|| self.unknown(name))?;
        if found.next().is_some() {
            let what = format!("Search error occurred: Column '{name}' is ambiguous.");
            return Err(refused(&what));
        }
        Ok(first)
    }

    /// An expression in terms of the tables.
    pub(super) fn node(&self, expr: &Expr) -> Result<Node, Problem> {
        let boxed = |expr: &Expr| self.node(expr).map(Box::new);
        Ok(match expr {
            Expr::Nested(inner) => self.node(inner)?,
            Expr::Identifier(name) => {
                let (source, column) = self.column(None, &name.value)?;
                Node::Column(source, column)
            }
            Expr::CompoundIdentifier(names) => {
                let [alias, name] = &names[..] else { return Err(unsupported()) };
                let (source, column) = self.column(Some(&alias.value), &name.value)?;
                Node::Column(source, column)
            }
            Expr::Value(literal) => Node::Constant(constant(&literal.value)?),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match self.node(expr)? {
                Node::Constant(Value::Number(number)) => Node::Constant(Value::Number(-number)),
                _ => return Err(unsupported()),
            },
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Node::Not(boxed(expr)?),
            Expr::IsNull(inner) => Node::IsNull(boxed(inner)?),
            Expr::IsNotNull(inner) => Node::Not(Box::new(Node::IsNull(boxed(inner)?))),
            Expr::In { expr, target: InTarget::List(list), negated, .. } => {
                let is_in = Node::In(boxed(expr)?, constants(list)?);
                if *negated { Node::Not(Box::new(is_in)) } else { is_in }
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                let like = Node::Like(boxed(expr)?, boxed(pattern)?);
                if *negated { Node::Not(Box::new(like)) } else { like }
            }
            Expr::Between { expr, negated, low, high } => {
                let above = Node::Compare(Comparison::GreaterOrEqual, boxed(expr)?, boxed(low)?);
                let below = Node::Compare(Comparison::LessOrEqual, boxed(expr)?, boxed(high)?);
                let between = Node::All(vec![above, below]);
                if *negated { Node::Not(Box::new(between)) } else { between }
            }
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let nodes: Result<Vec<Node>, Problem> =
                    chain(expr, op).into_iter().map(|expr| self.node(expr)).collect();
                if *op == BinaryOperator::And { Node::All(nodes?) } else { Node::Any(nodes?) }
            }
            Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
                Node::Joined(boxed(left)?, boxed(right)?)
            }
            Expr::BinaryOp { left, op, right } => {
                Node::Compare(comparison(op)?, boxed(left)?, boxed(right)?)
            }
            Expr::Function(function) => self.function(function)?,
            _ => return Err(unsupported()),
        })
    }

    fn function(&self, function: &Function) -> Result<Node, Problem> {
        let name = function.name.to_string().to_uppercase();
        let FunctionArguments::List(list) = &function.args else { return Err(unsupported()) };
        if name == "COUNT"
            && matches!(list.args[..], [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
        {
            return Ok(Node::Count(None));
        }
        let mut nodes = Vec::new();
        for arg in &list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
                return Err(unsupported());
            };
            nodes.push(self.node(expr)?);
        }
        let is_plain = function.over.is_none() && list.duplicate_treatment.is_none();
        match (name.as_str(), nodes.len(), is_plain) {
            ("NVL" | "COALESCE", 1.., true) => Ok(Node::FirstOf(nodes)),
            ("TO_DATE", 2, true) => to_date(&nodes),
            ("TO_CHAR", 2, true) => match nodes.swap_remove(1) {
                Node::Constant(Value::Text(form)) if form.eq_ignore_ascii_case("YYYY-MM-DD") => {
                    Ok(Node::Spelled(Box::new(nodes.remove(0))))
                }
                _ => Err(unsupported()),
            },
            (_, 1, true) => {
                let node = nodes.remove(0);
                match (name.as_str(), node) {
                    ("BUILTIN.DF", Node::Column(source, column)) => {
                        Ok(Node::NameOf(source, column))
                    }
                    ("UPPER", node) => Ok(Node::Upper(Box::new(node))),
                    ("LOWER", node) => Ok(Node::Lower(Box::new(node))),
                    ("COUNT", node) => Ok(Node::Count(Some(Box::new(node)))),
                    _ => Err(unsupported()),
                }
            }
            _ => Err(unsupported()),
        }
    }
}

impl Node {
    /// Whether it is of all rows together.
    pub(super) fn is_of_all(&self) -> bool {
        matches!(self, Self::Count(_))
    }
}

/// What two expressions are equal that both stand in a condition for all rows: the names of tables
/// and columns, as they are written, and texts.
pub(super) fn only(expr: &Expr, alias: &str, is_alone: bool) -> Option<Only> {
    const COLUMNS: [&str; 6] = ["id", "externalid", "entityid", "itemid", "tranid", "transaction"];
    let named = |expr: &Expr| {
        let column = match expr {
            Expr::Identifier(name) if is_alone => name.value.to_lowercase(),
            Expr::CompoundIdentifier(names) => match &names[..] {
                [of, name] if of.value.eq_ignore_ascii_case(alias) => name.value.to_lowercase(),
                _ => return None,
            },
            _ => return None,
        };
        COLUMNS.contains(&column.as_str()).then_some(column)
    };
    let parts = chain(expr, &BinaryOperator::And);
    parts.into_iter().find_map(|part| {
        let mut part = part;
        while let Expr::Nested(inner) = part {
            part = inner;
        }
        let (column, values) = match part {
            Expr::In { expr, target: InTarget::List(list), negated: false, .. } => {
                // Texts are looked for in any case, and compared afterwards.
                (named(folded(expr).unwrap_or(expr))?, constants(list).ok()?)
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let Expr::Value(literal) = &**right else { return None };
                (named(left)?, vec![constant(&literal.value).ok()?])
            }
            _ => return None,
        };
        let texts = values.iter().filter_map(Value::text).collect();
        Some(Only { column, texts })
    })
}

/// What `LOWER` is of.
fn folded(expr: &Expr) -> Option<&Expr> {
    let Expr::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    let is_lower = function.name.to_string().eq_ignore_ascii_case("lower");
    match &list.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(inner))] if is_lower => Some(inner),
        _ => None,
    }
}

/// The parts of a chain of one operator. A chain of thousands is no deeper than one.
fn chain<'a>(expr: &'a Expr, operator: &BinaryOperator) -> Vec<&'a Expr> {
    let mut parts = Vec::new();
    let mut rest = expr;
    while let Expr::BinaryOp { left, op, right } = rest
        && op == operator
    {
        parts.push(&**right);
        rest = left;
    }
    parts.push(rest);
    parts.reverse();
    parts
}

fn constant(literal: &Literal) -> Result<Value, Problem> {
    match literal {
        Literal::SingleQuotedString(text) => Ok(Value::Text(text.clone())),
        Literal::Number(text, _) => text.parse().map(Value::Number).map_err(|_| unsupported()),
        Literal::Null => Ok(Value::Null),
        _ => Err(unsupported()),
    }
}

fn constants(list: &[Expr]) -> Result<Vec<Value>, Problem> {
    if list.len() > MAX_LIST {
        return Err(refused(
            "Search error occurred: ORA-01795: maximum number of expressions in a list is 1000",
        ));
    }
    let constants = list.iter().map(|expr| match expr {
        Expr::Value(literal) => constant(&literal.value),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
            Expr::Value(literal) => match constant(&literal.value)? {
                Value::Number(number) => Ok(Value::Number(-number)),
                _ => Err(unsupported()),
            },
            _ => Err(unsupported()),
        },
        _ => Err(unsupported()),
    });
    constants.collect()
}

fn comparison(operator: &BinaryOperator) -> Result<Comparison, Problem> {
    Ok(match operator {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::Unequal,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return Err(unsupported()),
    })
}

fn to_date(nodes: &[Node]) -> Result<Node, Problem> {
    let [Node::Constant(Value::Text(text)), Node::Constant(Value::Text(format))] = nodes else {
        return Err(unsupported());
    };
    let format = match format.to_uppercase().as_str() {
        "YYYY-MM-DD" => "%Y-%m-%d",
        "MM/DD/YYYY" => "%m/%d/%Y",
        "DD/MM/YYYY" => "%d/%m/%Y",
        _ => return Err(unsupported()),
    };
    let day = NaiveDate::parse_from_str(text, format).map_err(|_| {
        refused("Search error occurred: ORA-01861: literal does not match format string")
    })?;
    Ok(Node::Constant(Value::Day(day)))
}

/// Whether each row is told once.
pub(super) fn is_distinct(distinct: Option<&Distinct>) -> Result<bool, Problem> {
    match distinct {
        None | Some(Distinct::All) => Ok(false),
        Some(Distinct::Distinct) => Ok(true),
        Some(_) => Err(unsupported()),
    }
}
