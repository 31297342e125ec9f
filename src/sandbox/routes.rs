//! Finds the route of a request among those of all remotes.

use hyper::Method;
use percent_encoding::percent_decode_str;

use super::remote::{Remote, Route};

/// What a method and a path come to.
#[derive(Debug)]
pub(super) enum Found {
    /// This route, and what stands in its placeholders, percent-decoded.
    Route(&'static Remote, &'static Route, Vec<Vec<u8>>),
    /// The path takes these methods only.
    Method(&'static Remote, Vec<&'static str>),
    /// No remote has this path; the one whose prefix it has, or the first.
    Nothing(&'static Remote),
}

impl Found {
    pub(super) fn remote(&self) -> &'static Remote {
        match self {
            Self::Route(remote, ..) | Self::Method(remote, _) | Self::Nothing(remote) => remote,
        }
    }
}

/// Of several routes, the one with the fewest placeholders is meant.
pub(super) fn find(remotes: &'static [Remote], method: &Method, path: &str) -> Found {
    let mut best: Option<(&'static Remote, &'static Route, Vec<Vec<u8>>)> = None;
    let mut known: Option<(&'static Remote, Vec<&'static str>)> = None;
    for remote in remotes {
        for route in remote.routes {
            let Some(places) = fit(route.template, path) else {
                continue;
            };
            let (_, methods) = known.get_or_insert_with(|| (remote, Vec::new()));
            methods.push(route.method.as_str());
            let better = best.as_ref().is_none_or(|(.., other)| places.len() < other.len());
            if route.method == *method && better {
                best = Some((remote, route, places));
            }
        }
    }
    match (best, known) {
        (Some((remote, route, places)), _) => Found::Route(remote, route, places),
        (None, Some((remote, methods))) => Found::Method(remote, methods),
        (None, None) => {
            let own = remotes.iter().find(|remote| path.starts_with(remote.prefix));
            Found::Nothing(own.unwrap_or(&remotes[0]))
        }
    }
}

/// Lays a template over a path. Segments are told apart before they are decoded, so that `%2F` is
/// a slash within one.
fn fit(template: &str, path: &str) -> Option<Vec<Vec<u8>>> {
    let mut segments = path.split('/');
    let mut places = Vec::new();
    for expected in template.split('/') {
        let segment = segments.next()?;
        if expected.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            places.push(percent_decode_str(segment).collect());
        } else if expected != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(places)
}
