//! Reads back what was written, for remotes whose word cannot be trusted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::asking::NoAnswer;
use super::finding::Finder;
use super::flight::Flight;
use super::looking::names;
use super::retry::Kind;
use super::{Again, Ended, Planned, halves};
use crate::connector::contract::{Action, By, Lookup, Row};
use crate::error::Error;
use crate::outcome::{ALTERED, Fate, LOOKUP_FAILED, Trouble};
use crate::record::RemoteId;

/// Records that are said to be written.
type Written = Vec<(Planned, Ended)>;

/// What reading back has shown.
#[derive(Default)]
pub(super) struct Verified {
    /// Have come to their end.
    pub(super) ended: Written,
    /// The remote said that it changed them, and has none of them.
    pub(super) again: Vec<(Planned, Again)>,
    /// What ends the job.
    pub(super) fatal: Option<Error>,
}

/// Reads the records that `action` is said to have written, until the remote must show them. A
/// reading that is refused as a whole is halved until the record that it does not take stands
/// alone.
pub(super) async fn verify(flight: &Flight<'_>, action: Action, written: Written) -> Verified {
    let mut verified = Verified::default();
    let Some(lookup) = flight.stream.capabilities.read else {
        return Verified { ended: written, ..verified };
    };
    let (retry, finder) = (&flight.dispatcher.retry, flight.finder());
    let (known, unknown) =
        written.into_iter().partition(|(planned, ended)| key(planned, ended).is_some());
    verified.in_doubt(unknown, "written, and nobody can read it back: its remote id is not known");
    let deadline = Instant::now() + lookup.lag;
    let mut pieces = vec![known];
    while let Some(mut piece) = pieces.pop() {
        while !piece.is_empty() {
            // Read until the lag is over, so that the last reading counts.
            let is_late = Instant::now() >= deadline;
            match read(finder, lookup, action, &piece).await {
                Ok(rows) => piece = verified.compare(action, piece, &rows, is_late),
                Err(NoAnswer { refusal: Some(_), .. }) if piece.len() > 1 => {
                    let [right, left] = halves(piece);
                    pieces.push(right);
                    piece = left;
                    continue;
                }
                Err(NoAnswer { why, fatal, refusal }) => {
                    let counted = || retry.failed(Kind::Lookup, &why);
                    let fatal = fatal.or_else(|| refusal.and_then(|_| counted()));
                    verified.fatal = verified.fatal.or(fatal);
                    let why = format!("written, and reading it back failed: {why}");
                    verified.in_doubt(std::mem::take(&mut piece), &why);
                }
            }
            if !piece.is_empty() && retry.poll(lookup.lag, deadline).await.is_err() {
                let why = "written, and the job ended before it could be read back";
                verified.in_doubt(std::mem::take(&mut piece), why);
            }
        }
        if verified.fatal.is_some() {
            let left = pieces.drain(..).flatten().collect();
            verified.in_doubt(left, "written, and the job ended before it could be read back");
        }
    }
    verified
}

impl Verified {
    fn in_doubt(&mut self, written: Written, why: &str) {
        self.ended.extend(written.into_iter().map(|(planned, ended)| {
            let trouble = Some(Trouble::other(LOOKUP_FAILED, why));
            (planned, Ended { fate: Fate::InDoubt, trouble, ..ended })
        }));
    }

    /// Returns those that the remote does not hold as they were written, unless it `is_late`: then
    /// they have come to their end.
    fn compare(
        &mut self,
        action: Action,
        written: Written,
        rows: &HashMap<Arc<str>, Vec<Row>>,
        is_late: bool,
    ) -> Written {
        let mut wrong = Vec::new();
        for (planned, ended) in written {
            let row = key(&planned, &ended).and_then(|key| rows.get(&key)?.first());
            match lie(action, row) {
                None => self.ended.push((planned, ended)),
                Some(_) if !is_late => wrong.push((planned, ended)),
                Some(Lie::NotThere) if action == Action::Update => {
                    self.again.push((planned, Again::Missing));
                }
                Some(lie) => {
                    let remote_id = ended.remote_id.filter(|_| !matches!(lie, Lie::NotThere));
                    let trouble = Some(lie.told());
                    self.ended.push((planned, Ended { fate: Fate::Failed, remote_id, trouble }));
                }
            }
        }
        wrong
    }
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
            Self::Altered(why) => Trouble::payload(ALTERED, why),
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

/// The remote id that a record is read by.
fn key(planned: &Planned, ended: &Ended) -> Option<Arc<str>> {
    let id: Option<&RemoteId> = ended.remote_id.as_ref().or(planned.remote_id.as_ref());
    id.map(|id| id.as_str().into())
}

async fn read(
    finder: Finder<'_>,
    lookup: Lookup,
    action: Action,
    written: &[(Planned, Ended)],
) -> Result<HashMap<Arc<str>, Vec<Row>>, NoAnswer> {
    let mut sent = HashMap::new();
    let mut want = Vec::new();
    if action != Action::Delete {
        sent.extend(written.iter().filter_map(|(planned, ended)| {
            Some((key(planned, ended)?, Arc::clone(planned.outgoing())))
        }));
        want = names(written.iter().map(|(planned, _)| &**planned.outgoing()));
    }
    let keys = written.iter().map(|(planned, ended)| key(planned, ended));
    finder.compare(lookup, &By::RemoteId, keys, &want, &sent).await
}
