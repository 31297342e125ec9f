//! Posts what waits for a webhook, one message after another, each until it is taken.
//!
//! A message is posted again until an answer says that it was taken and that is on disk, so that it may
//! come twice, under one id, and is never lost: also after the process was killed. Webhooks do not wait
//! for each other.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::Hook;
use crate::connector::http::Answer;
use crate::connector::http::answer::told;
use crate::connector::http::client::pool;
use crate::error::Error;
use crate::serve::Service;
use crate::serve::ending::DISK_PAUSE;
use crate::serve::queue::{Attempt, Delivery};
use crate::serve::telemetry;
use crate::text::printable;

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 4 << 10;
/// Characters of an answer that are kept, for people.
const ANSWER_CHARS: usize = 200;
/// The wait after the first failure. It doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest of them.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// How long a message is tried, and the longest wait that a receiver may ask for.
pub(super) const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Tries of a message that the receiver says is none, before the next one has its turn.
const TRIES_OF_REFUSED: u32 = 5;

/// What became of one try.
enum Tried {
    Taken(u16),
    Failed {
        status: Option<u16>,
        why: String,
        /// What the receiver asks to wait.
        wait: Option<Duration>,
    },
}

/// Sends what waits for a hook until the service ends.
pub(in crate::serve) async fn run(service: Arc<Service>, hook: Arc<Hook>) {
    let agent = concat!("target-upsert/", env!("CARGO_PKG_VERSION"));
    let client = match pool(TIMEOUT, agent) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(webhook = %hook.name, error, "Nothing can be sent to a webhook.");
            return;
        }
    };
    let mut more = service.queue.hooks().more.subscribe();
    // Failures since the last message that was taken.
    let mut failures = 0;
    while !service.stop.is_cancelled() {
        more.mark_unchanged();
        let pause = match service.queue.next_delivery(&hook.name) {
            Ok(Some(delivery)) => {
                match deliver(&service, &hook, &client, &delivery, failures).await {
                    Ok(None) => {
                        failures = 0;
                        continue;
                    }
                    Ok(Some(Pause::For(wait))) => {
                        failures += 1;
                        wait
                    }
                    Ok(Some(Pause::Gone)) => {
                        gone(&service, &hook).await;
                        failures = 0;
                        continue;
                    }
                    Err(error) => disk_failed(&hook, &error),
                }
            }
            Ok(None) => {
                tokio::select! {
                    () = service.stop.cancelled() => {}
                    _ = more.changed() => {}
                }
                continue;
            }
            Err(error) => disk_failed(&hook, &error.into()),
        };
        tokio::select! {
            () = service.stop.cancelled() => {}
            () = hook.hurry.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Why nothing is sent for now.
enum Pause {
    For(Duration),
    /// The receiver wants no more.
    Gone,
}

/// Tries a message once, and puts on disk what became of it.
async fn deliver(
    service: &Service,
    hook: &Hook,
    client: &reqwest::Client,
    delivery: &Delivery,
    failures: u32,
) -> Result<Option<Pause>, Error> {
    let tried = attempt(hook, client, delivery).await;
    telemetry::hook_tried(&hook.name.environment, matches!(tried, Tried::Taken(_)));
    let (status, why, wait) = match tried {
        Tried::Taken(status) => {
            service.queue.delivered(delivery.number, status).await?;
            tracing::debug!(webhook = %hook.name, job = delivery.job, event = delivery.event, id = delivery.id,
                "A webhook has taken an event.");
            return Ok(None);
        }
        Tried::Failed { status, why, wait } => (status, why, wait),
    };
    let is_gone = status == Some(410);
    // What is wrong with this message alone does not hold up the others for a day.
    let is_refused = matches!(status, Some(400 | 413 | 415 | 422));
    let attempts = delivery.attempts + 1;
    let attempt = Attempt {
        number: delivery.number,
        status,
        why,
        gives_up: is_gone || is_refused && attempts >= TRIES_OF_REFUSED,
    };
    let is_last = attempt.gives_up;
    let told =
        attempt.status.map_or_else(|| attempt.why.clone(), |status| format!("status {status}"));
    let older = chrono::Utc::now() - PATIENCE;
    let given_up =
        service.queue.not_delivered(&hook.name, attempt, older.timestamp_millis()).await?;
    // What was wrong with this message may not be with the next one.
    let wait = (!is_last).then(|| wait.unwrap_or_default().min(PATIENCE).max(backoff(failures)));
    tracing::warn!(webhook = %hook.name, to = hook.origin(), job = delivery.job, event = delivery.event,
        id = delivery.id, attempts, why = told, wait_secs = wait.unwrap_or_default().as_secs(),
        "A webhook has not taken an event.");
    telemetry::hook_gave_up(&hook.name.environment, given_up);
    if given_up > 0 {
        tracing::error!(webhook = %hook.name, to = hook.origin(), events = given_up,
            "Events were given up that a webhook has not taken.");
    }
    Ok(if is_gone { Some(Pause::Gone) } else { wait.map(Pause::For) })
}

async fn attempt(hook: &Hook, client: &reqwest::Client, delivery: &Delivery) -> Tried {
    let Delivery { id, body, .. } = delivery;
    let timestamp = chrono::Utc::now().timestamp();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, text) in [
        ("webhook-id", id.clone()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", hook.signer.standard(id, timestamp, body)),
        ("x-hub-signature", hook.signer.hub(body)),
    ] {
        if name.contains("signature") {
            hook.redactor.add_token(text.split([',', '=']).next_back().unwrap_or_default());
            hook.redactor.add_token(&text);
        }
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    let sent = client.post(hook.url.clone()).headers(headers).body(body.clone()).send().await;
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => return Tried::Failed { status: None, why: told(error), wait: None },
    };
    let status = response.status();
    let mut said = Vec::new();
    // It is read so that the connection can be used again, and for people; the status decides.
    while said.len() < ANSWER_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        said.extend(chunk);
    }
    if status.is_success() {
        return Tried::Taken(status.as_u16());
    }
    let headers = std::mem::take(response.headers_mut());
    let wait = Answer::new(status.as_u16(), headers, "", hook.url.clone()).retry_after();
    let said: String = String::from_utf8_lossy(&said).chars().take(ANSWER_CHARS).collect();
    // It may tell back what it was sent.
    let said = hook.redactor.clean(&said);
    Tried::Failed { status: Some(status.as_u16()), why: printable(&said).to_string(), wait }
}

/// The wait after so many failures before this one: doubled each time, and made uneven, so that what
/// has failed together does not come again together.
fn backoff(failures: u32) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_WAIT);
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The receiver has said that it wants no more: all is given up until somebody asks for a message again,
/// or the service starts anew.
async fn gone(service: &Service, hook: &Hook) {
    tracing::error!(webhook = %hook.name, to = hook.origin(),
        "A webhook says that it is gone (410): nothing is sent to it until one of its events is asked for \
         again, or the service starts again.");
    let mut more = service.queue.hooks().more.subscribe();
    *hook.is_gone.lock().await = true;
    loop {
        let is_gone = hook.is_gone.lock().await;
        if !*is_gone {
            return;
        }
        if let Err(error) = service.queue.give_up(&hook.name, "the webhook is gone (410)").await {
            disk_failed(hook, &error.into());
        }
        drop(is_gone);
        tokio::select! {
            () = service.stop.cancelled() => return,
            _ = more.changed() => {}
        }
    }
}

fn disk_failed(hook: &Hook, error: &Error) -> Duration {
    tracing::error!(webhook = %hook.name, error = error.full_message(),
        "What became of a webhook's events cannot be kept.");
    DISK_PAUSE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour_and_are_uneven() {
        for (failures, longest) in [(0, 1), (1, 2), (5, 32), (12, 3600), (90, 3600)] {
            let longest = Duration::from_secs(longest);
            let waits: Vec<_> = (0..50).map(|_| backoff(failures)).collect();
            assert!(waits.iter().all(|wait| *wait >= longest / 2 && *wait <= longest), "{waits:?}");
            assert!(waits.windows(2).any(|two| two[0] != two[1]));
        }
    }
}
