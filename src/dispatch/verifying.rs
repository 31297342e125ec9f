//! Reads back what was written, for remotes whose word cannot be trusted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::finding::{Finder, NoAnswer};
use super::looking::names;
use super::{Again, Calls, Dispatcher, Ended, Planned, Told};
use crate::connector::contract::{Action, By, Row};
use crate::error::Error;
use crate::outcome::{Fate, LOOKUP_FAILED, Trouble};
use crate::record::RemoteId;

/// What reading back has shown.
#[derive(Default)]
pub(super) struct Verified {
    /// Have come to their end.
    pub(super) ended: Vec<(Planned, Ended)>,
    /// The remote said that it changed them, and has none of them.
    pub(super) again: Vec<(Planned, Again)>,
    /// What ends the job.
    pub(super) fatal: Option<Error>,
}

/// Reads the records that `action` is said to have written, until the remote must show them.
pub(super) async fn verify(
    dispatcher: &Dispatcher,
    told: &Told<'_>,
    action: Action,
    ended: Vec<(Planned, Ended)>,
    calls: &Calls,
) -> Verified {
    let mut verified = Verified::default();
    let (capabilities, options) = (&told.stream.capabilities, &told.stream.options);
    let Some(lookup) = capabilities.read else {
        return Verified { ended, ..verified };
    };
    let finder = Finder { dispatcher, stream: &told.stream.name, capabilities, options, calls };
    let (mut open, done): (Vec<_>, Vec<_>) =
        ended.into_iter().partition(|(_, ended)| ended.fate.is_success());
    verified.ended = done;
    let deadline = Instant::now() + lookup.lag;
    while !open.is_empty() {
        // Read until the lag is over, so that the last reading counts.
        let is_late = Instant::now() >= deadline;
        let rows = match read(finder, action, &open).await {
            Ok(rows) => rows,
            Err(NoAnswer { why, fatal, .. }) => {
                let why = format!("written, and reading it back failed: {why}");
                let trouble = Trouble::other(LOOKUP_FAILED, why);
                verified.fatal = fatal;
                verified.ended.extend(open.into_iter().map(|(planned, ended)| {
                    let Ended { remote_id, .. } = ended;
                    let trouble = Some(trouble.clone());
                    (planned, Ended { fate: Fate::InDoubt, remote_id, trouble })
                }));
                return verified;
            }
        };
        let mut wrong = Vec::new();
        for (planned, ended) in open {
            let row = key(&planned, &ended).and_then(|key| rows.get(&key)?.first());
            match lie(action, row) {
                None => verified.ended.push((planned, ended)),
                Some(_) if !is_late => wrong.push((planned, ended)),
                Some(Lie::NotThere) if action == Action::Update => {
                    verified.again.push((planned, Again::Missing));
                }
                Some(lie) => {
                    let remote_id = ended.remote_id.filter(|_| !matches!(lie, Lie::NotThere));
                    let trouble = Some(lie.told());
                    let ended = Ended { fate: Fate::Failed, remote_id, trouble };
                    verified.ended.push((planned, ended));
                }
            }
        }
        open = wrong;
        let pause = (lookup.lag / 4).max(Duration::from_millis(100));
        let next = (Instant::now() + pause).min(deadline);
        if !open.is_empty() && dispatcher.retry.sleep_until(next).await.is_err() {
            let why = "written, and the job ended before it could be read back";
            verified.ended.extend(open.into_iter().map(|(planned, ended)| {
                let trouble = Some(Trouble::other(LOOKUP_FAILED, why));
                (planned, Ended { fate: Fate::InDoubt, trouble, ..ended })
            }));
            return verified;
        }
    }
    verified
}

/// How a remote's word differs from what it holds.
enum Lie {
    NotThere,
    StillThere,
    Altered(Box<str>),
}

impl Lie {
    fn told(self) -> Trouble {
        match self {
            Self::NotThere => {
                let why = "the remote says that it was written, and does not have it";
                Trouble::other("not_there", why)
            }
            Self::StillThere => {
                let why = "the remote says that it was deleted, and still has it";
                Trouble::other("still_there", why)
            }
            Self::Altered(why) => Trouble::payload("altered", why),
        }
    }
}

fn lie(action: Action, row: Option<&Row>) -> Option<Lie> {
    match (action, row) {
        (Action::Delete, None) => None,
        (Action::Delete, Some(_)) => Some(Lie::StillThere),
        (_, None) => Some(Lie::NotThere),
        (_, Some(row)) => row.altered.clone().map(Lie::Altered),
    }
}

fn key(planned: &Planned, ended: &Ended) -> Option<Arc<str>> {
    let id: Option<&RemoteId> = ended.remote_id.as_ref().or(planned.remote_id.as_ref());
    id.map(|id| id.as_str().into())
}

async fn read(
    finder: Finder<'_>,
    action: Action,
    open: &[(Planned, Ended)],
) -> Result<HashMap<Arc<str>, Vec<Row>>, NoAnswer> {
    let Some(lookup) = finder.capabilities.read else { return Ok(HashMap::new()) };
    let mut sent = HashMap::new();
    let mut want = Vec::new();
    if action != Action::Delete {
        let bodies = open
            .iter()
            .map(|(planned, ended)| Some((key(planned, ended)?, Arc::clone(planned.outgoing()))));
        sent.extend(bodies.flatten());
        want = names(open.iter().map(|(planned, _)| &**planned.outgoing()));
    }
    let keys = open.iter().map(|(planned, ended)| key(planned, ended));
    finder.compare(lookup, &By::RemoteId, keys, &want, &sent).await
}
