//! What became of a record.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::connector::contract::{Action, ErrorClass};
use crate::record::{ExternalId, Fingerprint, RemoteId};

/// The eight ends that a record can come to. Each record of the input has exactly one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Made at the remote.
    Created,
    /// Changed at the remote.
    Updated,
    /// Not sent, since it is what was written last, or not changed by the remote.
    Unchanged,
    /// Removed at the remote.
    Deleted,
    /// The schema's or the remote's no; sending it again as it is cannot help.
    Rejected,
    /// Not written for a reason that lies not in the record: the network, the remote's state, us.
    Failed,
    /// Left out as the user asked.
    Skipped,
    /// Sent, and nothing tells whether it was applied.
    InDoubt,
}

impl Fate {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Updated,
        Self::Unchanged,
        Self::Deleted,
        Self::Rejected,
        Self::Failed,
        Self::Skipped,
        Self::InDoubt,
    ];

    /// As it stands in results and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::InDoubt => "in_doubt",
        }
    }

    /// Reads [`Fate::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fate| fate.as_str() == text)
    }

    /// Whether the record stands at the remote as the input has it.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Unchanged | Self::Deleted)
    }

    /// Whether the remote has the record, as the input has it.
    pub fn is_there(self) -> bool {
        self.is_success() && self != Self::Deleted
    }

    /// Whether somebody has to look at it.
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::Rejected | Self::Failed | Self::InDoubt)
    }
}

/// What became of one record, with all that is told of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Place among the records of the input, from 1.
    pub position: u64,
    /// The stream's number in the store.
    pub stream: i64,
    /// The user's id.
    pub external_id: Option<ExternalId>,
    /// The remote's id.
    pub remote_id: Option<RemoteId>,
    /// What was sent last, if anything was.
    pub action: Option<Action>,
    /// How it ended.
    pub fate: Fate,
    /// Calls that it was part of.
    pub attempts: u32,
    /// HTTP status of the last answer.
    pub status: Option<u16>,
    /// Why it is no success.
    pub trouble: Option<Trouble>,
    /// From its first sending to its outcome.
    pub millis: u64,
    /// Of its prepared content.
    pub fingerprint: Fingerprint,
    /// Of the remote ids that stood in that content for its parents; `None` when that is not known.
    pub parents: Option<i64>,
    /// Of what it is found by beside its ids: see [`found_by`](crate::resolve::found_by::found_by).
    pub found_by: Option<i64>,
    /// For the platform's state: a JSON object as text.
    pub custom_data: Option<Arc<str>>,
    /// Name of the batch that it went out with last, where the remote was told one.
    pub batch_id: Option<Arc<str>>,
    /// Of a create in doubt: under which the remote knows it again.
    pub key: Option<Arc<str>>,
    /// Of a create in doubt: a later job may send it again, since the remote knows the key, or
    /// since the user wants it so.
    pub may_be_resent: bool,
    /// The record, where it is to be kept.
    pub content: Option<Content>,
}

impl Outcome {
    /// Whether the remote has it, and otherwise than it was sent, or without what belongs to it.
    pub fn is_unfinished(&self) -> bool {
        let is_so = |trouble: &Trouble| matches!(&*trouble.code, ALTERED | UNFINISHED);
        self.remote_id.is_some() && self.trouble.as_ref().is_some_and(is_so)
    }

    /// Whether some call may have been applied, though the record was not brought to a good end.
    pub fn may_be_applied(&self) -> bool {
        match self.fate {
            Fate::Created | Fate::Updated | Fate::Unchanged | Fate::Deleted | Fate::InDoubt => true,
            Fate::Failed => self.attempts > 0,
            // An earlier try may have been.
            Fate::Rejected => self.attempts > 1,
            Fate::Skipped => false,
        }
    }

    /// Whether its job had to end before it was through.
    pub fn is_cut_off(&self) -> bool {
        let is_so = |trouble: &Trouble| matches!(&*trouble.code, NOT_SENT | CUT_OFF | UNDER_WAY);
        matches!(self.fate, Fate::Failed | Fate::InDoubt)
            && self.trouble.as_ref().is_some_and(is_so)
    }

    /// Whether the record is written, or found out about, when the tap brings it again. What is
    /// rejected is not, nor what the data itself keeps out, nor a create that is in doubt for good,
    /// since nothing can tell: a tap that waited for these would wait for ever.
    pub fn must_come_again(&self) -> bool {
        let Some(trouble) = &self.trouble else { return false };
        match self.fate {
            Fate::Failed => trouble.class != ErrorClass::Payload,
            // All but a create is simply sent again.
            Fate::InDoubt => {
                self.action != Some(Action::Create)
                    || matches!(&*trouble.code, LOOKUP_FAILED | UNDER_WAY)
                    || self.may_be_resent
            }
            _ => false,
        }
    }
}

/// Code of a record that was read and not sent, or not applied for sure, when its job had to end.
pub const NOT_SENT: &str = "not_sent";

/// Code of a record that was sent, and whose job had to end before the answer: it may simply be sent again.
pub const CUT_OFF: &str = "cut_off";

/// Code of a record that the remote has otherwise than it was sent.
pub const ALTERED: &str = "altered";

/// Code of a record that was written without some of what belongs to it.
pub const UNFINISHED: &str = "unfinished";

/// Code of a record of which a lookup, which gave no answer, would have said more.
pub const LOOKUP_FAILED: &str = "lookup_failed";

/// Code of a record whose bulk job was under way when its job ended: the next one finds out.
pub const UNDER_WAY: &str = "under_way";

/// Why a record was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Who can mend it.
    pub class: ErrorClass,
    /// The remote's code, or ours (`schema`, `unreachable`, …); groups errors.
    pub code: Box<str>,
    /// For people; holds no secret.
    pub message: Box<str>,
    /// The code is the remote's own: what it means here is not to be told from its spelling.
    pub is_remote: bool,
}

impl Trouble {
    /// Trouble with the data.
    pub fn payload(code: &str, message: impl Into<Box<str>>) -> Self {
        Self {
            class: ErrorClass::Payload,
            code: code.into(),
            message: message.into(),
            is_remote: false,
        }
    }

    /// Trouble that lies elsewhere.
    pub fn other(code: &str, message: impl Into<Box<str>>) -> Self {
        Self {
            class: ErrorClass::Other,
            code: code.into(),
            message: message.into(),
            is_remote: false,
        }
    }
}

/// What the store keeps of a record's content.
#[derive(Clone, Debug)]
pub struct Content {
    /// Which of the stream's SCHEMAs it came under.
    pub schema_version: u32,
    /// As it came in, where `keep` says so.
    pub source: Option<Arc<str>>,
    /// As it went out, where the state tells that.
    pub body: Option<Arc<str>>,
}
