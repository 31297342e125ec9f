//! A job begins: it takes in what earlier ones know.

use std::path::PathBuf;
use std::sync::Arc;

use super::begun::Begun;
use super::setup;
use crate::connector::contract::{Capabilities, StreamSchema};
use crate::dispatch::recover;
use crate::error::Error;
use crate::ids;
use crate::json::fields::Fields;
use crate::pipeline::GRACE;
use crate::record::StreamName;
use crate::singer::message::{self, Message};
use crate::store::recovery::Leftover;

/// Takes in what earlier jobs know: the state passed in, the platform's, and what a killed job
/// left in doubt.
///
/// # Errors
/// What keeps the job from beginning. Once it is to end, calls end after [`GRACE`].
pub(crate) async fn prepare(begun: &Begun, states: &[PathBuf]) -> Result<(), Error> {
    let retry = &begun.dispatcher.retry;
    let is_late = async {
        retry.stopped().await;
        tokio::time::sleep(GRACE).await;
        retry.end();
        std::future::pending().await
    };
    tokio::select! {
        prepared = retry.until_over(Box::pin(take_in(begun, states))) => prepared,
        never = is_late => never,
    }
}

async fn take_in(begun: &Begun, states: &[PathBuf]) -> Result<(), Error> {
    for path in states {
        let path = path.clone();
        let (store, namespace) = (Arc::clone(&begun.store), begun.namespace.clone());
        let job = begun.job;
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            span.in_scope(|| ids::import_state(&store, job, &namespace, &path))
        });
        task.await.map_err(|error| Error::ours("reading the state failed").caused_by(error))??;
    }
    outwait_changes(begun).await?;
    let leftovers = begun.store.leftovers(&begun.namespace)?;
    let records: usize = leftovers.iter().map(|leftover| leftover.writes.len()).sum();
    if records > 0 {
        tracing::info!(
            records,
            "A killed job had sent records and no answer is known; the remote is asked where it can be."
        );
    }
    for leftover in leftovers {
        let stream = StreamName::new(leftover.stream_name.as_str());
        let mut options = begun.config.stream(stream.as_str());
        learn_of(begun, &leftover).await?;
        let capabilities = begun.dispatcher.connector.capabilities(&stream).unwrap_or_default();
        capabilities.settle(&mut options);
        if is_elsewhere(&leftover, &capabilities) {
            continue;
        }
        recover(&begun.dispatcher, leftover, &capabilities, &options, begun.clock).await?;
    }
    Ok(())
}

/// Has the connector learn of the stream of a leftover, as of one that comes in.
async fn learn_of(begun: &Begun, leftover: &Leftover) -> Result<(), Error> {
    let Some(line) = begun.store.schema_of(leftover)? else { return Ok(()) };
    let Ok(Message::Schema(schema)) = message::parse(line.as_bytes()) else { return Ok(()) };
    let fields = Fields::parse(schema.schema).ok();
    let properties =
        fields.as_ref().and_then(|fields| Fields::parse(fields.get("properties")?).ok());
    let properties = properties.into_iter().flat_map(|properties| properties.0);
    let learned = StreamSchema {
        stream: &StreamName::new(leftover.stream_name.as_str()),
        properties: &properties.map(|(name, _)| name.into_owned()).collect::<Vec<_>>(),
        keys: &schema.key_properties,
    };
    setup::learn(&begun.dispatcher.connector, &learned).await
}

/// A call that was to change records when a job was killed, or ended without its answer, may be
/// applied for as long as its remote lags, or is at work on it: what this job writes to them comes
/// after it.
async fn outwait_changes(begun: &Begun) -> Result<(), Error> {
    let (store, namespace) = (&begun.store, &begun.namespace);
    let connector = &begun.dispatcher.connector;
    let lag = |name: &String| {
        let capabilities = connector.capabilities(&StreamName::new(name.as_str())).ok()?;
        Some(capabilities.settled(&begun.config.stream(name)))
    };
    let changing = store.changing(namespace)?;
    if let Some(lag) = changing.iter().filter_map(lag).max() {
        let waited = begun.dispatcher.retry.sleep_until(begun.clock + lag).await;
        waited
            .map_err(|_| Error::remote("the job ended before an earlier one's calls were over"))?;
    }
    Ok(store.end_changes(namespace).await?)
}

/// Whether a stream is written to another object now than a killed job wrote it to: that one can
/// tell nothing of what the other has. The stream's next job ends before it writes anything.
fn is_elsewhere(leftover: &Leftover, capabilities: &Capabilities) -> bool {
    matches!((&leftover.object, &capabilities.object), (Some(then), Some(now)) if **then != **now)
}
