//! `…/composite/graph`: each graph is applied whole, or not at all.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_graph.htm>,
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_graph_limits.htm>

use std::collections::{HashMap, HashSet};

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::super::{body, version, writing};
use super::{Call, check, halted, references, run, targets, told};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};

/// Graphs of one call.
const MAX_GRAPHS: usize = 75;
/// Calls in one graph, and in all graphs of a call.
const MAX_NODES: usize = 500;
/// Calls that need each other's answers, one after the other.
const MAX_DEPTH: usize = 15;
/// Versions, methods and objects together, that the calls of all graphs are of.
const MAX_KINDS: usize = 15;
/// Graphs that may fail before the others are not looked at any more.
const MAX_FAILURES: usize = 14;
/// Characters of a graph's name.
const MAX_NAME: usize = 40;

#[derive(Deserialize)]
struct Graphs {
    graphs: Vec<Graph>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Graph {
    graph_id: String,
    composite_request: Vec<Call>,
}

/// `POST …/composite/graph`: 200, whatever became of the graphs.
pub(in super::super) fn graphs(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    version(request)?;
    let Graphs { graphs } = body(request)?;
    judge(&graphs)?;
    let headers = request.headers.clone();
    let calls = graphs.iter().map(|graph| targets(&graph.composite_request, &headers, faults));
    Ok(writing(calls.collect::<Vec<_>>().concat(), move |world, now| {
        let mut all = Vec::with_capacity(graphs.len());
        let mut failures = 0;
        for Graph { graph_id, composite_request } in graphs {
            let (calls, is_done) = if failures > MAX_FAILURES {
                let calls = composite_request.into_iter().map(|call| (call.reference_id, halted()));
                (told(calls), false)
            } else {
                run(world, now, &headers, composite_request, true)
            };
            failures += usize::from(!is_done);
            all.push(json!({"graphId": graph_id, "graphResponse": {"compositeResponse": calls},
                "isSuccessful": is_done}));
        }
        Ok(Answer::json(StatusCode::OK, json!({"graphs": all}).to_string()))
    }))
}

/// # Errors
/// There is too much of something, or a call that graphs do not take.
fn judge(graphs: &[Graph]) -> Result<(), Problem> {
    let over = |what: &str, most: usize| {
        Err(Problem::bad(
            "LIMIT_EXCEEDED",
            format!("Cannot have more than {most} {what} in one call"),
        ))
    };
    let mut names = HashSet::new();
    let mut kinds = HashSet::new();
    for Graph { graph_id, composite_request } in graphs {
        let is_name = graph_id.starts_with(|first: char| first.is_ascii_alphanumeric())
            && graph_id.chars().count() < MAX_NAME
            && !graph_id.contains('.');
        if !is_name || !names.insert(graph_id) {
            let message = format!("Invalid or duplicate graphId: {graph_id}");
            return Err(Problem::bad("INVALID_INPUT", message));
        }
        check(composite_request, MAX_NODES)?;
        for call in composite_request {
            kinds.insert(kind(call).ok_or_else(|| {
                let message = format!("Graphs do not take {} {}", call.method, call.url);
                Problem::bad("INVALID_INPUT", message)
            })?);
        }
        if depth(composite_request) > MAX_DEPTH {
            return over("levels of one graph", MAX_DEPTH);
        }
    }
    let nodes: usize = graphs.iter().map(|graph| graph.composite_request.len()).sum();
    match (graphs.len(), nodes, kinds.len()) {
        (graphs, ..) if graphs > MAX_GRAPHS => over("graphs", MAX_GRAPHS),
        (_, nodes, _) if nodes > MAX_NODES => over("nodes", MAX_NODES),
        (.., kinds) if kinds > MAX_KINDS => over("different nodes", MAX_KINDS),
        _ => Ok(()),
    }
}

/// Version, method and object of a call; `None` for one that is of no single record.
fn kind(call: &Call) -> Option<(String, String, String)> {
    let path = call.url.split('?').next()?;
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let ["services", "data", version, "sobjects", object, rest @ ..] = &parts[..] else {
        return None;
    };
    let method = call.method.to_ascii_uppercase();
    let is_taken = match rest.len() {
        0 => method == "POST",
        1 => matches!(method.as_str(), "DELETE" | "GET" | "PATCH"),
        2 => matches!(method.as_str(), "DELETE" | "GET" | "PATCH" | "POST"),
        _ => false,
    };
    is_taken.then(|| ((*version).to_owned(), method, object.to_ascii_lowercase()))
}

/// The longest row of calls each of which needs the one before it.
fn depth(calls: &[Call]) -> usize {
    let mut depths: HashMap<&str, usize> = HashMap::new();
    for Call { url, reference_id, body, .. } in calls {
        let mut names = Vec::new();
        references::names(&Value::from(url.as_str()), &mut names);
        references::names(body, &mut names);
        let before = names.iter().filter_map(|name| depths.get(name.as_str())).max();
        let depth = before.copied().unwrap_or_default() + 1;
        depths.insert(reference_id, depth);
    }
    depths.into_values().max().unwrap_or_default()
}
