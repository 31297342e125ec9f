//! Which rows of a job are asked for, and in which order.

use crate::outcome::Fate;

/// What rows are sorted by; rows that are equal in it stand in the order of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// Their place in the input, stream by stream.
    #[default]
    Position,
    /// The user's id.
    ExternalId,
    /// The remote's id.
    RemoteId,
    /// What was sent.
    Action,
    /// How they ended.
    Outcome,
    /// Their error's code.
    Error,
    /// Calls that they were part of.
    Attempts,
    /// Milliseconds from their first sending to their outcome.
    Millis,
}

impl Key {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Position,
        Self::ExternalId,
        Self::RemoteId,
        Self::Action,
        Self::Outcome,
        Self::Error,
        Self::Attempts,
        Self::Millis,
    ];

    /// As it is asked for.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::ExternalId => "external_id",
            Self::RemoteId => "remote_id",
            Self::Action => "action",
            Self::Outcome => "outcome",
            Self::Error => "error",
            Self::Attempts => "attempts",
            Self::Millis => "millis",
        }
    }

    /// Reads [`Key::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == text)
    }

    /// The value that is compared; `None` for the key of the table itself. What is missing sorts before
    /// all that is there.
    pub(super) fn column(self) -> Option<&'static str> {
        match self {
            Self::Position => None,
            Self::ExternalId => Some("coalesce(external_id, '')"),
            Self::RemoteId => Some("coalesce(remote_id, '')"),
            Self::Action => Some("coalesce(action, '')"),
            Self::Outcome => Some("outcome"),
            Self::Error => Some("coalesce(code, '')"),
            Self::Attempts => Some("attempts"),
            Self::Millis => Some("millis"),
        }
    }
}

/// A row of a job: the number of its stream, and its place in the input. A page goes on from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The stream's number in the store.
    pub stream: i64,
    /// Place among the records of the input, from 1.
    pub position: u64,
}

impl Cursor {
    /// Reads what its `Display` has written.
    pub fn parse(text: &str) -> Option<Self> {
        let (stream, position) = text.split_once('-')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(stream) || !is_number(position) {
            return None;
        }
        // Numbers in the store are signed.
        let position = position.parse().ok().filter(|position| i64::try_from(*position).is_ok())?;
        Some(Self { stream: stream.parse().ok()?, position })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.stream, self.position)
    }
}

/// Which rows of a job, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only of this stream.
    pub stream: Option<String>,
    /// Only with one of these outcomes; none: with any.
    pub fates: Vec<Fate>,
    /// Only with this error code.
    pub code: Option<String>,
    /// Only with this text in their external id, remote id or error message. ASCII letters are found in
    /// either case.
    pub search: Option<String>,
    /// What they are sorted by.
    pub key: Key,
    /// The greatest first.
    pub is_descending: bool,
    /// Those behind this row.
    pub after: Option<Cursor>,
    /// Those before this row, the nearest of them, in the same order.
    pub before: Option<Cursor>,
    /// So many, at most.
    pub limit: Option<u32>,
}

impl Query {
    /// Whether some rows of the job are left out, whatever the page.
    pub fn is_filtered(&self) -> bool {
        self.stream.is_some()
            || !self.fates.is_empty()
            || self.code.is_some()
            || self.search.is_some()
    }
}
