//! Answers a query: joins its tables, filters, orders and tells what was selected.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde_json::{Map, Value as Json, json};
use sqlparser::ast::{
    Expr, GroupByExpr, JoinConstraint, JoinOperator, OrderByKind, OrderBySort, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor,
};
use sqlparser::dialect::OracleDialect;
use sqlparser::parser::Parser;

use super::super::problem::Problem;
use super::eval::{Eval, Joined, cell};
use super::parse::{Comparison, Node, Scope, is_distinct, only};
use super::unsupported;
use super::value::Value;
use crate::sandbox::world::World;

/// All rows of an answer.
pub(super) fn run(world: &mut World, text: &str, now: Instant) -> Result<Vec<Json>, Problem> {
    let statements = Parser::parse_sql(&OracleDialect {}, text).map_err(|_| unsupported())?;
    let [Statement::Query(query)] = &statements[..] else { return Err(unsupported()) };
    let SetExpr::Select(select) = &*query.body else { return Err(unsupported()) };
    check(query, select)?;
    let mut scope = Scope::default();
    let mut rows = from(world, &mut scope, select, now)?;
    let world = &*world;
    if let Some(selection) = &select.selection {
        let filter = scope.node(selection)?;
        rows.retain(|row| Eval { world, scope: &scope, row }.truth(&filter) == Some(true));
    }
    let selected = selected(&scope, select)?;
    let aliases: HashMap<&str, usize> =
        selected.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
    order(world, &scope, query, &aliases, &selected, &mut rows)?;
    let mut told: Vec<Vec<Option<String>>> = if selected.iter().any(|(_, node)| node.is_of_all()) {
        if !selected.iter().all(|(_, node)| node.is_of_all()) {
            return Err(unsupported());
        }
        vec![selected.iter().map(|(_, node)| count(world, &scope, &rows, node)).collect()]
    } else {
        let of = |row: &Joined| {
            let eval = Eval { world, scope: &scope, row };
            selected.iter().map(|(_, node)| eval.value(node).text()).collect()
        };
        rows.iter().map(of).collect()
    };
    if is_distinct(select.distinct.as_ref())? {
        let mut seen = HashSet::new();
        told.retain(|row| seen.insert(row.clone()));
    }
    if let Some(most) = most_rows(query)? {
        told.truncate(most);
    }
    let items = told.into_iter().map(|row| {
        let mut item = Map::new();
        item.insert("links".to_owned(), json!([]));
        for ((name, _), value) in selected.iter().zip(row) {
            if let Some(value) = value {
                item.insert(name.clone(), value.into());
            }
        }
        Json::Object(item)
    });
    Ok(items.collect())
}

/// Refuses what is not simulated.
fn check(query: &Query, select: &Select) -> Result<(), Problem> {
    let has_groups = !matches!(
        &select.group_by,
        GroupByExpr::Expressions(groups, modifiers) if groups.is_empty() && modifiers.is_empty()
    );
    // NetSuite takes no LIMIT: that is what the parameters of the call are for.
    let has_more = query.with.is_some() || query.limit_clause.is_some() || select.top.is_some();
    if has_groups || has_more || select.having.is_some() { Err(unsupported()) } else { Ok(()) }
}

/// `FETCH FIRST n ROWS ONLY`
fn most_rows(query: &Query) -> Result<Option<usize>, Problem> {
    let Some(fetch) = &query.fetch else { return Ok(None) };
    let quantity = fetch.quantity.as_ref().map_or(Ok(1), |quantity| quantity.to_string().parse());
    quantity.map(Some).map_err(|_| unsupported())
}

/// The rows of all tables, joined.
fn from(
    world: &mut World,
    scope: &mut Scope,
    select: &Select,
    now: Instant,
) -> Result<Vec<Joined>, Problem> {
    let [first] = &select.from[..] else { return Err(unsupported()) };
    let (name, alias) = table(&first.relation)?;
    let is_alone = first.joins.is_empty();
    let needed = select.selection.as_ref();
    let needed = needed.and_then(|expr| only(expr, alias.as_deref().unwrap_or(&name), is_alone));
    scope.add(world, &name, alias.as_deref(), needed.as_ref(), now)?;
    let count = |scope: &Scope, at: usize| {
        scope.sources.get(at).map_or(0, |source| source.table.rows.len())
    };
    let mut rows: Vec<Joined> = (0..count(scope, 0)).map(|row| vec![Some(row)]).collect();
    for (at, join) in (1..).zip(&first.joins) {
        let (constraint, is_left) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, false),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (constraint, true)
            }
            _ => return Err(unsupported()),
        };
        let JoinConstraint::On(on) = constraint else { return Err(unsupported()) };
        let (name, alias) = table(&join.relation)?;
        scope.add(world, &name, alias.as_deref(), None, now)?;
        let on = scope.node(on)?;
        rows = joined(world, scope, rows, at, count(scope, at), &on, is_left);
    }
    Ok(rows)
}

fn table(factor: &TableFactor) -> Result<(String, Option<String>), Problem> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else {
        return Err(unsupported());
    };
    let alias = alias.as_ref().map(|alias| alias.name.value.clone());
    Ok((name.to_string(), alias))
}

/// Puts the rows of one more table beside those that are there.
fn joined(
    world: &World,
    scope: &Scope,
    rows: Vec<Joined>,
    at: usize,
    count: usize,
    on: &Node,
    is_left: bool,
) -> Vec<Joined> {
    // By one column of each: the rows of the new table by the text in it.
    let equal = equal_columns(on, at);
    let mut by_text: HashMap<&str, Vec<usize>> = HashMap::new();
    if let Some((_, _, column)) = equal {
        let table = scope.sources.get(at).map(|source| &source.table.rows);
        for (number, row) in table.into_iter().flatten().enumerate() {
            if let Some(Some(text)) = row.get(column) {
                by_text.entry(text).or_default().push(number);
            }
        }
    }
    let mut all = Vec::new();
    for row in rows {
        let candidates: Vec<usize> = match equal {
            Some((source, column, _)) => {
                let text = cell(scope, &row, source, column);
                text.and_then(|text| by_text.get(text)).cloned().unwrap_or_default()
            }
            None => (0..count).collect(),
        };
        let mut is_met = false;
        for candidate in candidates {
            let mut wider = row.clone();
            wider.push(Some(candidate));
            if (Eval { world, scope, row: &wider }).truth(on) == Some(true) {
                is_met = true;
                all.push(wider);
            }
        }
        if is_left && !is_met {
            let mut wider = row;
            wider.push(None);
            all.push(wider);
        }
    }
    all
}

/// A column of a table that is there already, and one of the new table, that are equal in every
/// row.
fn equal_columns(on: &Node, new: usize) -> Option<(usize, usize, usize)> {
    match on {
        Node::All(nodes) => nodes.iter().find_map(|node| equal_columns(node, new)),
        Node::Compare(Comparison::Equal, left, right) => match (&**left, &**right) {
            (Node::Column(a, x), Node::Column(b, y)) if *b == new && *a != new => {
                Some((*a, *x, *y))
            }
            (Node::Column(b, y), Node::Column(a, x)) if *b == new && *a != new => {
                Some((*a, *x, *y))
            }
            _ => None,
        },
        _ => None,
    }
}

/// What is selected, by the names in the answer.
fn selected(scope: &Scope, select: &Select) -> Result<Vec<(String, Node)>, Problem> {
    let mut selected = Vec::new();
    let mut unnamed = 0;
    let all_of = |at: usize| {
        let columns = scope.sources.get(at).map(|source| &source.table.columns);
        columns
            .into_iter()
            .flatten()
            .enumerate()
            .map(move |(column, own)| (own.name.clone(), Node::Column(at, column)))
    };
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(_) => {
                selected.extend((0..scope.sources.len()).flat_map(all_of));
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(of), _) => {
                selected.extend(all_of(scope.source(&of.to_string())?));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                selected.push((alias.value.to_lowercase(), scope.node(expr)?));
            }
            SelectItem::UnnamedExpr(expr) => {
                let name = match expr {
                    Expr::Identifier(name) => name.value.to_lowercase(),
                    Expr::CompoundIdentifier(names) => {
                        names.last().map(|name| name.value.to_lowercase()).unwrap_or_default()
                    }
                    _ => {
                        unnamed += 1;
                        format!("expr{unnamed}")
                    }
                };
                selected.push((name, scope.node(expr)?));
            }
            _ => return Err(unsupported()),
        }
    }
    Ok(selected)
}

fn order(
    world: &World,
    scope: &Scope,
    query: &Query,
    aliases: &HashMap<&str, usize>,
    selected: &[(String, Node)],
    rows: &mut Vec<Joined>,
) -> Result<(), Problem> {
    let Some(order) = &query.order_by else { return Ok(()) };
    let OrderByKind::Expressions(list) = &order.kind else { return Err(unsupported()) };
    let mut nodes = Vec::new();
    for one in list {
        let by_alias = match &one.expr {
            Expr::Identifier(name) => aliases.get(name.value.to_lowercase().as_str()),
            _ => None,
        };
        let own = if by_alias.is_none() { Some(scope.node(&one.expr)?) } else { None };
        let is_descending = matches!(one.options.sort, Some(OrderBySort::Desc));
        nodes.push((by_alias.copied(), own, is_descending));
    }
    let mut keyed: Vec<(Vec<Value>, Joined)> = rows
        .drain(..)
        .map(|row| {
            let eval = Eval { world, scope, row: &row };
            let values = nodes.iter().map(|(at, own, _)| {
                let selected = at.and_then(|at| selected.get(at)).map(|(_, node)| node);
                selected.or(own.as_ref()).map_or(Value::Null, |node| eval.value(node))
            });
            (values.collect(), row)
        })
        .collect();
    keyed.sort_by(|(left, _), (right, _)| {
        let pairs = left.iter().zip(right).zip(&nodes);
        let orders = pairs.map(|((left, right), (_, _, is_descending))| {
            let order = left.order(right);
            if *is_descending { order.reverse() } else { order }
        });
        orders.into_iter().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    rows.extend(keyed.into_iter().map(|(_, row)| row));
    Ok(())
}

fn count(world: &World, scope: &Scope, rows: &[Joined], node: &Node) -> Option<String> {
    let Node::Count(of) = node else { return None };
    let counted = rows.iter().filter(|row| match of {
        None => true,
        Some(node) => Eval { world, scope, row }.value(node) != Value::Null,
    });
    Some(counted.count().to_string())
}
