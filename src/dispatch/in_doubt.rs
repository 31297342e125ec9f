//! Creates that were sent and not answered: looked up before anything is sent again.

use std::time::Instant;

use super::asking::NoAnswer;
use super::finding::{Finder, Traits};
use super::flight::Flight;
use super::judging::Open;
use super::retry::Kind;
use super::{Again, Ended, Planned, halves};
use crate::config::stream::Mode;
use crate::connector::contract::{Action, Capabilities};
use crate::error::Error;
use crate::outcome::{Fate, LOOKUP_FAILED, Trouble};
use crate::record::RemoteId;
use crate::stream::Partial;

/// What a lookup says of creates in doubt.
#[derive(Default)]
pub(super) struct Resolved {
    /// They are there, or nobody can tell.
    pub(super) ended: Vec<(Planned, Ended)>,
    /// They are there. Whether with our content is not known, for another may have made them: they
    /// are updated.
    pub(super) again: Vec<(Planned, Again)>,
    /// They are there, and what belongs to them may not be.
    pub(super) partial: Vec<(Planned, Partial)>,
    /// They are not there for sure, or the remote makes no second record of them, or the user takes
    /// that into account: they may be sent again.
    pub(super) resend: Vec<Open>,
    /// What ends the job.
    pub(super) fatal: Option<Error>,
    /// Of some of them nobody could be asked: the remote has given no sign of life.
    pub(super) is_blind: bool,
}

/// Looks for `records`, once what was written can be seen by a lookup. `quiet`: how the wait ended
/// that the remote asked for; where the job ends with it, nobody is asked.
pub(super) async fn resolve(
    flight: &Flight<'_>,
    records: Vec<Open>,
    quiet: Result<(), Option<Error>>,
) -> Resolved {
    let mut resolved = Resolved::default();
    let (dispatcher, finder) = (flight.dispatcher, flight.finder());
    let can_find = |open: &Open| finder.can_find(&Traits::of(&open.planned.record));
    let in_doubt = |open: Open, code, why: String| {
        let message = format!("{}; {why}", open.why);
        (open.planned, Ended::trouble(Fate::InDoubt, Trouble::other(code, message)))
    };
    let (askable, blind): (Vec<_>, Vec<_>) = records.into_iter().partition(can_find);
    let (resend, lost): (Vec<_>, Vec<_>) =
        blind.into_iter().partition(|open| open.planned.may_be_resent());
    resolved.resend = resend;
    resolved.is_blind = !lost.is_empty();
    resolved.ended.extend(lost.into_iter().map(|open| {
        in_doubt(open, "in_doubt", "nothing can tell whether it was applied".to_owned())
    }));
    if askable.is_empty() {
        resolved.fatal = quiet.err().flatten();
        return resolved;
    }
    let wanted = askable.iter().map(|open| Traits::of(&open.planned.record)).collect();
    let found = match quiet {
        Ok(()) => find_late(finder, wanted, Instant::now() + finder.settles()).await,
        Err(fatal) => {
            let why = "the remote asks for a longer wait than the job has".to_owned();
            Err(NoAnswer { why, fatal, refusal: None })
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(NoAnswer { why, fatal, .. }) => {
            resolved.fatal = fatal;
            let why = format!("and the lookup failed: {why}");
            let ended = askable.into_iter().map(|open| in_doubt(open, LOOKUP_FAILED, why.clone()));
            resolved.ended.extend(ended);
            return resolved;
        }
    };
    let refused = found.iter().find_map(|found| found.as_ref().err());
    resolved.fatal = refused.and_then(|why| dispatcher.retry.failed(Kind::Lookup, why));
    for (mut open, found) in askable.into_iter().zip(found) {
        let ids = match found {
            Ok(ids) => ids,
            Err(why) => {
                let why = format!("and the lookup failed: {why}");
                resolved.ended.push(in_doubt(open, LOOKUP_FAILED, why));
                continue;
            }
        };
        match Late::of(&ids, finder.options.mode, finder.capabilities) {
            Late::NotThere => {
                open.fate = Fate::Failed;
                open.planned.is_doubtful = false;
                resolved.resend.push(open);
            }
            Late::ToUpdate(id) => {
                resolved.again.push((open.planned, Again::Exists(Some(id))));
            }
            Late::MayLackRest(remote_id) => {
                let (action, fate, attempts) =
                    (Action::Create, Fate::Created, open.planned.attempts);
                let partial = Partial { remote_id, action, fate, attempts };
                resolved.partial.push((open.planned, partial));
            }
            Late::Made(id) => {
                resolved.ended.push((open.planned, Ended::under(Fate::Created, Some(id))));
            }
            Late::Ambiguous(why) => resolved.ended.push(in_doubt(open, "ambiguous", why)),
        }
    }
    resolved
}

/// What a create in doubt has come to, by the remote ids that a lookup has found for it.
pub(super) enum Late {
    /// It was not made.
    NotThere,
    /// It is there. Whether with our content is not known, for another may have made it.
    ToUpdate(RemoteId),
    /// It is there, and may lack what belongs to it.
    MayLackRest(RemoteId),
    /// It was made.
    Made(RemoteId),
    /// There are several: how many, for people.
    Ambiguous(String),
}

impl Late {
    pub(super) fn of(ids: &[RemoteId], mode: Mode, capabilities: &Capabilities) -> Self {
        let Capabilities { update, upsert, writes_after, .. } = capabilities;
        match ids {
            [] => Self::NotThere,
            [id] if mode == Mode::Upsert && (update.is_some() || upsert.is_some()) => {
                Self::ToUpdate(id.clone())
            }
            [id] if *writes_after && update.is_some() => Self::MayLackRest(id.clone()),
            [id] => Self::Made(id.clone()),
            several => Self::Ambiguous(format!("the remote has {} records of it", several.len())),
        }
    }
}

/// The remote ids of each record, or why the remote refuses to be asked for it.
pub(super) type FoundLate = Vec<Result<Vec<RemoteId>, String>>;

/// Finds `wanted` among what may have been written, which the remote can show from `visible` on.
///
/// What is found at once is found. That the rest is not there is believed only then. A lookup that
/// is refused as a whole is halved until the record that the remote does not take stands alone.
pub(super) async fn find_late(
    finder: Finder<'_>,
    wanted: Vec<Traits>,
    visible: Instant,
) -> Result<FoundLate, NoAnswer> {
    let mut found: FoundLate = vec![Ok(Vec::new()); wanted.len()];
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    loop {
        // Asked again until the lag is over, so that the last answer counts.
        let is_late = Instant::now() >= visible;
        let mut pieces = vec![std::mem::take(&mut open)];
        while let Some(piece) = pieces.pop() {
            let asked: Vec<_> = piece.iter().filter_map(|at| wanted.get(*at).cloned()).collect();
            match finder.find(&asked).await {
                Ok(ids) => {
                    for (at, ids) in piece.into_iter().zip(ids) {
                        if ids.is_empty() {
                            open.push(at);
                        }
                        found[at] = Ok(ids);
                    }
                }
                Err(no_answer) if no_answer.refusal.is_none() => return Err(no_answer),
                Err(_) if piece.len() > 1 => pieces.extend(halves(piece)),
                Err(no_answer) => {
                    for at in piece {
                        found[at] = Err(no_answer.why.clone());
                    }
                }
            }
        }
        if is_late || open.is_empty() {
            return Ok(found);
        }
        finder.dispatcher.retry.poll(finder.settles(), visible).await.map_err(|_| NoAnswer {
            why: "the job ended before the remote could show it".to_owned(),
            fatal: None,
            refusal: None,
        })?;
    }
}
