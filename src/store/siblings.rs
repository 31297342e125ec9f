//! Streams that are written to one object of the remote's: what one of them writes under an
//! external id, the others do not have there any more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::change::Change;
use super::id_map::{Mapped, find_in};
use crate::connector::contract::Action;
use crate::outcome::{Fate, Outcome};
use crate::record::{ExternalId, RemoteId};

/// For each stream the others of its object, in the same namespace. Most have none.
#[derive(Debug, Default)]
pub(super) struct Siblings(Mutex<HashMap<i64, Vec<i64>>>);

impl Siblings {
    /// As the store has them.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<HashMap<i64, Vec<i64>>> {
        let mut statement = connection.prepare_cached(
            "SELECT own.id, other.id FROM streams AS own JOIN streams AS other
             ON own.namespace = other.namespace AND own.object = other.object AND own.id <> other.id",
        )?;
        let mut rows = statement.query([])?;
        let mut siblings: HashMap<i64, Vec<i64>> = HashMap::new();
        while let Some(row) = rows.next()? {
            siblings.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        Ok(siblings)
    }

    /// A stream has come, or another object is known of one.
    pub(super) fn set(&self, siblings: HashMap<i64, Vec<i64>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = siblings;
    }

    pub(super) fn of(&self, stream: i64) -> Vec<i64> {
        let siblings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        siblings.get(&stream).cloned().unwrap_or_default()
    }
}

/// What a record's outcome says of the same external id in another stream of its object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'a> {
    pub(super) fate: Fate,
    pub(super) action: Option<Action>,
    pub(super) remote_id: Option<&'a RemoteId>,
}

impl<'a> Beside<'a> {
    pub(super) fn of(outcome: &'a Outcome) -> Self {
        let Outcome { fate, action, remote_id, .. } = outcome;
        Self { fate: *fate, action: *action, remote_id: remote_id.as_ref() }
    }

    /// The change of what that stream knows, where it knows anything.
    pub(super) fn change(&self, known: Option<Mapped>) -> Option<Change> {
        let known = known?;
        // Nothing was sent, or it changed nothing.
        if self.action.is_none() || matches!(self.fate, Fate::Unchanged | Fate::Skipped) {
            return None;
        }
        if self.fate == Fate::Deleted && known.remote_id.as_ref() == self.remote_id {
            return Some(Change::Remove);
        }
        known.fingerprint?;
        Some(Change::Set(Mapped { fingerprint: None, ..known }))
    }

    /// Makes it in the map itself, for all of `others`.
    pub(super) fn apply(
        &self,
        connection: &Connection,
        others: &[i64],
        external_id: &ExternalId,
    ) -> rusqlite::Result<()> {
        for other in others {
            if let Some(change) = self.change(find_in(connection, *other, external_id)?) {
                change.apply(connection, *other, external_id)?;
            }
        }
        Ok(())
    }
}
