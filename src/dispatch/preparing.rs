//! Batches that ask what their records name: others of the remote, all of them at once, before each
//! record goes out in a call of its own.

use std::sync::Arc;

use super::asking::{NoAnswer, ask};
use super::flight::Flight;
use super::retry::Kind;
use super::{Ended, Event, Planned, not_sent};
use crate::connector::contract::Action;
use crate::error::Error;
use crate::outcome::{Fate, LOOKUP_FAILED, Trouble};

/// Asks for what a batch of records names, and tells of it.
///
/// # Errors
/// What ends the job, after every record was settled.
pub(super) async fn prepare(
    flight: &Flight<'_>,
    action: Action,
    records: Vec<Planned>,
) -> Result<(), Error> {
    let Flight { dispatcher, calls, .. } = flight;
    let bodies: Vec<_> = records.iter().map(|planned| Arc::clone(planned.outgoing())).collect();
    let asked = ask(dispatcher, calls, Kind::Lookup, || dispatcher.connector.prepare(&bodies));
    match asked.await {
        // Which of them the remote does not take, each one's own write tells.
        Ok(()) | Err(NoAnswer { refusal: Some(_), .. }) => {
            flight.event(Event::Prepared(action, records));
            Ok(())
        }
        Err(NoAnswer { fatal: None, refusal: None, .. }) if dispatcher.retry.is_stopped() => {
            flight.settle(records.into_iter().map(not_sent).collect(), None).await
        }
        Err(NoAnswer { why, fatal, refusal: None }) => {
            let why = format!("what it names cannot be looked for: {why}");
            let trouble = Trouble::other(LOOKUP_FAILED, why);
            let failed =
                |planned| (planned, Some(action), Ended::trouble(Fate::Failed, trouble.clone()));
            flight.settle(records.into_iter().map(failed).collect(), None).await?;
            fatal.map_or(Ok(()), Err)
        }
    }
}
