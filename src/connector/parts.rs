//! Records that are written in several calls: with what is found before them, and what belongs to
//! them written after. What an error of each says of a record, and under which id it stands.

use super::contract::{RequestError, Verdict};
use crate::record::RemoteId;

/// An error before a record was sent: an answer that cannot be read leaves nothing in doubt.
pub(super) fn not_sent(error: RequestError) -> RequestError {
    match error {
        RequestError::Protocol(why) => RequestError::Unreachable(why),
        other => other,
    }
}

/// What the failure of a call says of each of its records.
pub(super) fn of_error(error: &RequestError) -> Verdict {
    match error {
        RequestError::InDoubt { .. } | RequestError::Protocol(_) => {
            Verdict::InDoubt(error.to_string().into())
        }
        _ => Verdict::Busy(error.to_string().into()),
    }
}

/// The id of a record that was written, by which what belongs to it is written: what the answer
/// told, else the one that it was `known` by, if it was changed. A record that `has_more` and was
/// written under an id that nobody tells is not all there, which its verdict then says.
pub(super) fn written_id(
    verdict: &mut Verdict,
    known: Option<RemoteId>,
    has_more: bool,
) -> Option<RemoteId> {
    let id = match verdict {
        Verdict::Created(id) | Verdict::Upserted(id) => id.clone(),
        Verdict::Updated(id) => id.clone().or(known),
        _ => return None,
    };
    if has_more && id.is_none() {
        let why = "the answer does not tell its id, by which more of it was to be written";
        *verdict = Verdict::Altered(None, why.into());
    }
    id
}

/// A record that was written, and what belongs to it was not, for now: what there is to be done.
pub(super) fn not_finished(written: &Verdict, id: &RemoteId, why: &str) -> Verdict {
    let incomplete = |is_new| Verdict::Incomplete { remote_id: id.clone(), is_new };
    match written {
        Verdict::Created(_) => incomplete(true),
        Verdict::Upserted(_) => incomplete(false),
        // To change it once more changes nothing.
        Verdict::Updated(_) => Verdict::Busy(why.into()),
        other => other.clone(),
    }
}

/// Whether the remote has said no: to say the same again would help nobody.
pub(super) fn is_no(error: &RequestError) -> bool {
    matches!(error, RequestError::Refused { .. } | RequestError::Forbidden { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_under_no_id_is_not_all_there() {
        let id = |text: &str| Some(RemoteId::from(text));
        for (verdict, known, told) in [
            (Verdict::Created(id("1")), id("2"), id("1")),
            (Verdict::Updated(None), id("2"), id("2")),
            (Verdict::Busy("x".into()), id("2"), None),
        ] {
            let mut own = verdict.clone();
            assert_eq!(written_id(&mut own, known, true), told);
            assert_eq!(own, verdict);
        }
        // The id that a new record was known by is none of its own.
        let mut verdict = Verdict::Created(None);
        assert_eq!(written_id(&mut verdict, id("2"), false), None);
        assert_eq!(verdict, Verdict::Created(None));
        assert_eq!(written_id(&mut verdict, id("2"), true), None);
        assert!(matches!(verdict, Verdict::Altered(None, _)));
    }
}
