//! What can be done about an error, for whoever speaks to the service or looks at its page: those of a
//! summary are for the command line.

/// What to do about the errors of a code. `who`: who can mend it, as a summary says.
pub(super) fn hint(who: &str, code: &str) -> &'static str {
    match (who, code) {
        (_, "schema") => {
            "The record does not fit its stream's schema. Mend it at its source, and write it again."
        }
        ("configuration", "fields") => {
            "A template under `fields` names what the record does not have. Mend the template, or the records."
        }
        ("configuration", "stream") => {
            "The remote has no such object. Name the stream as it does, or its `object` under `streams`."
        }
        ("data", "bad_line") => "This is no record. See how the input was made.",
        ("credential", "forbidden") => {
            "The credential may not do this. Give it the permission that the message names, then retry."
        }
        ("data", "PROPERTY_DOESNT_EXIST") => {
            "The remote has no such field. Make it there, or leave it out: `fields: {its_name: null}` of the \
             stream."
        }
        ("data", "missing") => {
            "The remote has no record of this remote id any more. Take the id out, or set `on_missing` to \
             `recreate`."
        }
        ("data", "ambiguous") => {
            "Several records at the remote have this external id. Merge them there, or set `on_ambiguous` \
             to `first`."
        }
        ("configuration", "no_external_id") => {
            "The record names no id of its own. Give it one, or name its field with `external_id`."
        }
        ("configuration", "cannot_create" | "cannot_update" | "cannot_delete" | "cannot_find") => {
            "The connector cannot do this with the stream. Choose another `mode`, or extend the manifest."
        }
        ("remote", "in_doubt") => {
            "It was sent, and no answer came: it may be there or not. Look at the remote. Nothing sends it \
             again by itself, since that could make it twice."
        }
        ("data", "altered") => {
            "It is there, but not as it was sent: the message says what differs. Mend that, then retry."
        }
        ("remote", "not_there" | "still_there") => {
            "The remote said yes and did something else. Look at the record there."
        }
        ("configuration", "changed") => {
            "Somebody else has changed it meanwhile, and the remote wants to be told a version: name \
             `version` in the manifest's `update`."
        }
        ("remote", "contradiction") => {
            "What the remote answers does not go together. Ask whoever runs it."
        }
        ("configuration", "lookup_refused") => {
            "The remote refuses to be asked for the record. Check the lookup fields of the stream."
        }
        ("remote", "parent_in_doubt") => {
            "It belongs to a record that is in doubt. End that doubt first, then retry."
        }
        ("remote", "unfinished") => {
            "It is there without all that belongs to it. Retry writes what is lacking."
        }
        ("data", "no_parent") => {
            "It belongs to a record that is not there. Mend that one, then retry."
        }
        ("remote", "not_sent") => {
            "The job ended before its turn came. Mend what ended the job; a retry writes it then."
        }
        ("remote", "under_way") => {
            "Its bulk job was not done when the job ended. The next job finds out what became of it."
        }
        ("remote", "unreachable") => {
            "The remote could not be reached. Retry once it is back: what was written is not written twice."
        }
        ("remote", "no_answer" | "cut_off") => {
            "It was sent, and no answer says what became of it. Retry once the remote is well: what was \
             written is not written twice."
        }
        ("remote", "throttled" | "busy") => {
            "The remote took no more calls. Retry later, or set `max_in_flight` or a `rate_limit`."
        }
        ("remote", "lookup_failed") => {
            "The remote did not say whether it is there, and nothing more is sent before it does. Retry once \
             it answers."
        }
        ("data", _) => {
            "The remote refuses the record as it is. Mend it at its source, and write it again."
        }
        ("credential", _) => "The remote does not take the credential. Renew it, then retry.",
        ("configuration", _) => {
            "Something is set otherwise than the remote wants it. The message says what."
        }
        _ => "The reason does not lie in the record. Retry once the remote is well.",
    }
}

/// What to do about an error of a record, whose class the store has.
pub(super) fn of_record(class: Option<&str>, code: &str) -> &'static str {
    let who = match class {
        Some("InvalidPayloadError") => "data",
        Some("InvalidCredentialsError") => "credential",
        _ => "remote",
    };
    let own = ["configuration", "data", "credential", "remote"];
    // A code of ours may have another class than who can mend it.
    let general = hint(who, "");
    own.into_iter().map(|who| hint(who, code)).find(|told| !is_general(told)).unwrap_or(general)
}

/// A hint, which is written for the command line, as it is for who speaks to the service.
pub(super) fn over_http(hint: &str) -> String {
    const OTHERWISE: [(&str, &str); 5] = [
        ("`target-upsert check`", "`POST /api/v1/check/…`"),
        ("`check --create`", "`POST /api/v1/check/…` with `create`"),
        ("run the same input again", "send it again"),
        ("renew the credential in the config", "give the account a new one, where it was given"),
        ("LOGLEVEL=debug shows", "the service's log shows, with LOGLEVEL=debug,"),
    ];
    OTHERWISE.iter().fold(hint.to_owned(), |hint, (from, to)| hint.replace(from, to))
}

fn is_general(told: &str) -> bool {
    ["data", "credential", "configuration", "remote"].into_iter().any(|who| hint(who, "") == told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_hint_of_its_own_whoever_asks() {
        for code in ["schema", "in_doubt", "throttled", "forbidden", "no_parent", "unreachable"] {
            assert!(!is_general(of_record(None, code)), "{code}");
        }
        // The remote's own codes are told by their class.
        assert_eq!(of_record(Some("InvalidPayloadError"), "E42"), hint("data", "E42"));
        assert!(hint("credential", "E42").contains("credential"));
        assert!(hint("remote", "E42").contains("remote"));
    }
}
