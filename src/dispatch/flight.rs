//! A batch on its way tells what became of its records: on disk first, then to the pipeline.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::finding::Finder;
use super::{Again, Calls, Dispatcher, Ended, Event, Planned, Settled};
use crate::connector::contract::Action;
use crate::crash::point;
use crate::error::Error;
use crate::outcome::{Fate, Outcome, Trouble, UNFINISHED};
use crate::resolve::gate::Key;
use crate::store::journal::IntentId;
use crate::store::streams::StoredStream;
use crate::stream::{Partial, Stream};

/// A batch on its way: what it needs, and where it tells what became of its records.
pub(super) struct Flight<'a> {
    pub(super) dispatcher: &'a Dispatcher,
    pub(super) stream: &'a Arc<Stream>,
    pub(super) stored: StoredStream,
    pub(super) calls: &'a Calls,
    pub(super) events: &'a UnboundedSender<Event>,
}

impl<'a> Flight<'a> {
    pub(super) fn finder(&self) -> Finder<'a> {
        let Stream { name: stream, capabilities, options, .. } = &**self.stream;
        Finder { dispatcher: self.dispatcher, stream, capabilities, options, calls: self.calls }
    }

    pub(super) fn event(&self, event: Event) {
        // The pipeline listens until every batch is through; if it does not, the job is over.
        drop(self.events.send(event));
    }

    /// Puts on disk that records stand at the remote without some of what belongs to them: should
    /// the job be killed, the next one finds them by their ids, and writes them again.
    pub(super) async fn settle_partial(
        &self,
        written: Vec<(Planned, Partial)>,
    ) -> Result<(), Error> {
        if written.is_empty() {
            return Ok(());
        }
        let dispatcher = self.dispatcher;
        let mut records = Vec::with_capacity(written.len());
        let mut outcomes = Vec::with_capacity(written.len());
        for (mut planned, partial) in written {
            let trouble = Trouble::other(UNFINISHED, "written without some of what belongs to it");
            let open = Ended {
                fate: Fate::Failed,
                remote_id: Some(partial.remote_id.clone()),
                trouble: Some(trouble),
            };
            // What is kept of a record's content is settled with its last outcome.
            let outcome = dispatcher.outcome(self.stored.id, &planned, Some(partial.action), open);
            outcomes.push(Outcome { content: None, ..outcome });
            planned.record.partial = Some(partial);
            records.push(planned.record);
        }
        dispatcher.store.record(dispatcher.job, Arc::new(outcomes), None).await?;
        point("partial");
        self.event(Event::Partial(records));
        Ok(())
    }

    /// Tells of records that need another plan, once the ids of those that are missing are out of
    /// the map.
    pub(super) async fn again(&self, mut again: Vec<(Planned, Again)>) -> Result<(), Error> {
        if again.is_empty() {
            return Ok(());
        }
        // What the remote says of it ends the doubt, but for a record that it has and does not
        // name: that may be ours, or our create that is still under way.
        for (planned, why) in &mut again {
            planned.is_doubtful &= *why == Again::Exists(None);
        }
        let doubtful: Vec<_> = again
            .iter()
            .filter(|(planned, _)| planned.is_doubtful)
            .map(|(planned, _)| {
                let why = Trouble::other("in_doubt", "an earlier try had no answer");
                let ended = Ended::trouble(Fate::InDoubt, why);
                let outcome =
                    self.dispatcher.outcome(self.stored.id, planned, Some(Action::Create), ended);
                Outcome { content: None, ..outcome }
            })
            .collect();
        if !doubtful.is_empty() {
            // The intent goes before the record has come to its end.
            let dispatcher = self.dispatcher;
            dispatcher.store.record(dispatcher.job, Arc::new(doubtful), None).await?;
        }
        let missing = again.iter().filter(|(_, why)| *why == Again::Missing);
        let lost = missing.filter_map(|(planned, _)| planned.lost_id()).collect();
        self.dispatcher.store.lose(&self.stored, lost).await?;
        point("replanned");
        self.event(Event::Again(again));
        Ok(())
    }

    /// Puts outcomes on disk, then tells of them. With them goes the intent that they end.
    pub(super) async fn settle(
        &self,
        ended: Vec<(Planned, Option<Action>, Ended)>,
        done: Option<IntentId>,
    ) -> Result<(), Error> {
        let dispatcher = self.dispatcher;
        if ended.is_empty() {
            return match done {
                Some(intent) => dispatcher.store.withdraw(intent).await.map_err(Error::from),
                None => Ok(()),
            };
        }
        let mut settled = Settled {
            stream: self.stream.index,
            outcomes: Arc::default(),
            keys: Vec::with_capacity(ended.len()),
            bytes: 0,
        };
        let mut outcomes = Vec::with_capacity(ended.len());
        for (planned, action, ended) in ended {
            settled.keys.push(Some(Key::of(&planned.record)));
            settled.bytes += planned.record.size();
            outcomes.push(dispatcher.outcome(self.stored.id, &planned, action, ended));
        }
        settled.outcomes = Arc::new(outcomes);
        dispatcher.store.record(dispatcher.job, Arc::clone(&settled.outcomes), done).await?;
        self.event(Event::Settled(settled));
        Ok(())
    }
}
