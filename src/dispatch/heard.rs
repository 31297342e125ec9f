//! Of each call is kept what it sent and what it heard, where somebody may want to look at it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::flight::Flight;
use super::judging::Judged;
use crate::config::Keep;
use crate::connector::contract::Action;
use crate::connector::exchange::{Exchange, Told};
use crate::store::calls::Call;

/// Bytes of bodies that are kept of one job, at most: of later calls is kept that they were.
const MAX_BYTES: usize = 32 << 20;

/// What of a job's calls is kept.
#[derive(Debug, Default)]
pub struct Heard {
    /// Bytes of bodies that were kept.
    bytes: AtomicUsize,
}

impl Heard {
    /// Keeps a call. Bodies are kept as records are: `keep` says whose.
    pub(super) fn keep(
        &self,
        flight: &Flight<'_>,
        action: Action,
        positions: Vec<u64>,
        sent: Instant,
        exchanges: &[Exchange],
        is_well: bool,
    ) {
        let dispatcher = flight.dispatcher;
        let is_kept = match dispatcher.keep {
            Keep::All => true,
            Keep::Failed => !is_well,
            Keep::None => false,
        };
        let with_bodies = is_kept && self.bytes.load(Ordering::Relaxed) < MAX_BYTES;
        let told: Vec<Told> =
            exchanges.iter().map(|exchange| exchange.told(sent, with_bodies)).collect();
        let bytes = |told: &Told| {
            let bodies = [&told.request, &told.answer].into_iter().flatten();
            bodies.map(String::len).sum::<usize>()
        };
        self.bytes.fetch_add(told.iter().map(bytes).sum(), Ordering::Relaxed);
        let took = sent.elapsed();
        let began = chrono::Utc::now() - took;
        dispatcher.store.keep_call(
            dispatcher.job,
            Call {
                stream: flight.stored.id,
                positions,
                action,
                sent_millis: began.timestamp_millis(),
                took,
                exchanges: told,
            },
        );
    }
}

impl Judged {
    /// Whether each record of the call has come to a good end.
    pub(super) fn is_well(&self) -> bool {
        self.open.is_empty()
            && self.doubtful.is_empty()
            && self.again.is_empty()
            && self.orphans.is_empty()
            && self.partial.is_empty()
            && self.fatal.is_none()
            && !self.ended.is_empty()
            && self.ended.iter().all(|(_, ended)| ended.fate.is_success())
    }
}
