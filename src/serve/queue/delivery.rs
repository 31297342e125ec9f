//! A message to a webhook, and what is told of it.

use rusqlite::Row;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::serve::webhooks::HookName;

/// How a message to a webhook stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve) enum DeliveryState {
    /// It is tried until it is taken.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    pub(in crate::serve) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "waiting" => Self::Waiting,
            "delivered" => Self::Delivered,
            // A word that this program does not know is no success.
            _ => Self::Failed,
        }
    }
}

/// A message to a webhook.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Delivery {
    /// Its place among all.
    pub(in crate::serve) number: i64,
    /// What the receiver knows it by, however often it comes.
    pub(in crate::serve) id: String,
    pub(in crate::serve) hook: HookName,
    pub(in crate::serve) event: String,
    pub(in crate::serve) job: String,
    pub(in crate::serve) body: String,
    pub(in crate::serve) state: DeliveryState,
    pub(in crate::serve) created_millis: i64,
    pub(in crate::serve) updated_millis: i64,
    pub(in crate::serve) attempts: u32,
    /// The status of the last answer.
    pub(in crate::serve) last_status: Option<u16>,
    /// What the last answer said, or why there was none.
    pub(in crate::serve) last_error: Option<String>,
}

/// A try that has failed.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Attempt {
    pub(in crate::serve) number: i64,
    pub(in crate::serve) status: Option<u16>,
    pub(in crate::serve) why: String,
    /// The message is not tried again.
    pub(in crate::serve) gives_up: bool,
}

/// The columns that [`delivery`] reads.
pub(super) const MESSAGES: &str =
    "SELECT id, uuid, environment, hook, event, job, body, status, created_millis,
    updated_millis, attempts, last_status, last_error FROM deliveries";

/// A row of them.
pub(super) fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        number: row.get(0)?,
        id: row.get(1)?,
        hook: HookName { environment: row.get(2)?, id: row.get(3)? },
        event: row.get(4)?,
        job: row.get(5)?,
        body: row.get(6)?,
        state: DeliveryState::parse(row.get_ref(7)?.as_str()?),
        created_millis: row.get(8)?,
        updated_millis: row.get(9)?,
        attempts: row.get(10)?,
        last_status: row.get(11)?,
        last_error: row.get(12)?,
    })
}
