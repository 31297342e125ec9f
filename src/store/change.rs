//! What the outcome of a record says of its external id, for the id map.

use rusqlite::Connection;

use super::id_map::{Mapped, put, remove};
use crate::connector::contract::Action;
use crate::outcome::{Fate, Outcome};
use crate::record::ExternalId;

/// One change of the id map.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// This is what is known of the id now.
    Set(Mapped),
    /// The remote has no such record any more.
    Remove,
}

impl Change {
    /// The change that an outcome makes; `None` when what is known stays as it is.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        let told = Mapped {
            remote_id: outcome.remote_id.clone(),
            fingerprint: Some(outcome.fingerprint),
            custom_data: outcome.custom_data.clone(),
            parents: outcome.parents,
        };
        Self::by(outcome.fate, outcome.action, outcome.attempts, told)
    }

    /// The same, of an outcome's parts. `told`: what is known if all of it was applied.
    pub(super) fn by(
        fate: Fate,
        action: Option<Action>,
        attempts: u32,
        told: Mapped,
    ) -> Option<Self> {
        let is_known = told.remote_id.is_some() || action == Some(Action::Upsert);
        let unsure = |told| Self::Set(Mapped { fingerprint: None, ..told });
        match fate {
            Fate::Created | Fate::Updated => Some(Self::Set(told)),
            // Not sent: nothing is new. Sent and found equal: now it is known.
            Fate::Unchanged if action.is_some() => Some(Self::Set(told)),
            Fate::Deleted => Some(Self::Remove),
            // It was found, and left as it is.
            Fate::Skipped if told.remote_id.is_some() => Some(unsure(told)),
            // It may have been applied: what stands there is no longer known.
            Fate::Failed | Fate::InDoubt if is_known => Some(unsure(told)),
            // An earlier try may have been.
            Fate::Rejected if is_known && attempts > 1 => Some(unsure(told)),
            _ => None,
        }
    }

    /// Makes it.
    pub(super) fn apply(
        &self,
        connection: &Connection,
        stream: i64,
        external_id: &ExternalId,
    ) -> rusqlite::Result<()> {
        match self {
            Self::Set(mapped) => put(connection, stream, external_id, mapped),
            Self::Remove => remove(connection, stream, external_id).map(drop),
        }
    }
}
