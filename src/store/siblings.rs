//! Streams that are written to one object of the remote's: what one of them writes under an
//! external id, the others do not have there any more.

use std::collections::HashMap;

use rusqlite::Connection;

use super::change::Change;
use super::id_map::{Mapped, find_in};
use crate::connector::contract::Action;
use crate::outcome::{Fate, Outcome};
use crate::record::{ExternalId, RemoteId};

/// The streams of each object, by namespace. Most objects have one.
#[derive(Debug, Default)]
pub(super) struct Siblings {
    objects: HashMap<i64, Object>,
    streams: HashMap<Object, Vec<i64>>,
}

/// A namespace, and what the remote calls an object there.
type Object = (String, String);

impl Siblings {
    /// As the store has them.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT id, namespace, object FROM streams WHERE object IS NOT NULL ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut siblings = Self::default();
        while let Some(row) = rows.next()? {
            siblings.set(row.get(0)?, Some((row.get(1)?, row.get(2)?)));
        }
        Ok(siblings)
    }

    /// What a stream is written to from now on, where that is known.
    pub(super) fn set(&mut self, stream: i64, object: Option<Object>) {
        if self.objects.get(&stream) == object.as_ref() {
            return;
        }
        let before = self.objects.remove(&stream);
        if let Some(streams) = before.and_then(|before| self.streams.get_mut(&before)) {
            streams.retain(|other| *other != stream);
        }
        if let Some(object) = object {
            self.streams.entry(object.clone()).or_default().push(stream);
            self.objects.insert(stream, object);
        }
    }

    /// The others of its object.
    pub(super) fn of(&self, stream: i64) -> impl Iterator<Item = i64> {
        let streams = self.objects.get(&stream).and_then(|object| self.streams.get(object));
        streams.into_iter().flatten().copied().filter(move |other| *other != stream)
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
        others: impl Iterator<Item = i64>,
        external_id: &ExternalId,
    ) -> rusqlite::Result<()> {
        for other in others {
            if let Some(change) = self.change(find_in(connection, other, external_id)?) {
                change.apply(connection, other, external_id)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_written_to_another_object_leaves_the_others() {
        let mut siblings = Siblings::default();
        let object = |name: &str| Some(("crm".to_owned(), name.to_owned()));
        let of = |siblings: &Siblings, stream| siblings.of(stream).collect::<Vec<_>>();
        for stream in [1, 2, 3] {
            siblings.set(stream, object("contacts"));
        }
        siblings.set(4, Some(("erp".to_owned(), "contacts".to_owned())));
        siblings.set(2, object("contacts"));
        assert_eq!(of(&siblings, 2), [1, 3]);
        assert!(of(&siblings, 4).is_empty());
        siblings.set(1, object("deals"));
        siblings.set(3, None);
        assert!([1, 2, 3].iter().all(|stream| of(&siblings, *stream).is_empty()));
    }
}
