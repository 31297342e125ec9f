//! Creates that were sent and not answered: looked up before anything is sent again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Calls, Dispatcher, Ended, Planned, Told, looking};
use crate::connector::contract::Lookup;
use crate::outcome::{Fate, Trouble};
use crate::record::{ExternalId, RemoteId};

/// What a lookup says of creates in doubt.
#[derive(Default)]
pub(super) struct Resolved {
    /// They are there, or nobody can tell.
    pub(super) ended: Vec<(Planned, Ended)>,
    /// They are not there for sure, and may be sent again.
    pub(super) not_there: Vec<Planned>,
}

/// Looks for `records`, once what was written can be seen by a lookup.
pub(super) async fn resolve(
    dispatcher: &Dispatcher,
    told: &Told<'_>,
    records: Vec<Planned>,
    calls: &Calls,
    why: &str,
) -> Resolved {
    let mut resolved = Resolved::default();
    let capabilities = &told.stream.capabilities;
    let can_find = |planned: &Planned| planned.record.external_id.is_some();
    let (askable, blind): (Vec<_>, Vec<_>) = match capabilities.lookup {
        Some(_) => records.into_iter().partition(can_find),
        None => (Vec::new(), records),
    };
    resolved.ended.extend(blind.into_iter().map(|planned| {
        let message = format!("{why}; nothing can tell whether it was applied");
        (planned, Ended::trouble(Fate::InDoubt, Trouble::other("in_doubt", message)))
    }));
    let Some(lookup) = capabilities.lookup.filter(|_| !askable.is_empty()) else {
        return resolved;
    };
    let ids: Vec<ExternalId> =
        askable.iter().filter_map(|planned| planned.record.external_id.clone()).collect();
    let found = find_late(dispatcher, told, &ids, lookup, Instant::now(), calls).await;
    for planned in askable {
        let id = planned.record.external_id.as_ref();
        match &found {
            Ok(found) => match id.and_then(|id| found.get(id)).map(Vec::as_slice) {
                None | Some([]) => resolved.not_there.push(planned),
                Some([id]) => {
                    let ended = Ended::under(Fate::Created, Some(id.clone()));
                    resolved.ended.push((planned, ended));
                }
                Some(several) => {
                    let message =
                        format!("{why}; the remote has {} records of it", several.len());
                    let trouble = Trouble::other("ambiguous", message);
                    resolved.ended.push((planned, Ended::trouble(Fate::InDoubt, trouble)));
                }
            },
            Err(lookup_failed) => {
                let message = format!("{why}; and the lookup failed: {lookup_failed}");
                let trouble = Trouble::other("in_doubt", message);
                resolved.ended.push((planned, Ended::trouble(Fate::InDoubt, trouble)));
            }
        }
    }
    resolved
}

/// Finds `ids` among what may have been written until `since`.
///
/// What is found at once is found. That the rest is not there is believed only after the remote's
/// lag.
pub(super) async fn find_late(
    dispatcher: &Dispatcher,
    told: &Told<'_>,
    ids: &[ExternalId],
    lookup: Lookup,
    since: Instant,
    calls: &Calls,
) -> Result<HashMap<ExternalId, Vec<RemoteId>>, String> {
    let mut found = HashMap::new();
    let mut wanted: Vec<ExternalId> = ids.to_vec();
    let visible = since + lookup.lag;
    loop {
        // Asked again until the lag is over, so that the last answer counts.
        let is_late = Instant::now() >= visible;
        for ids in wanted.chunks(lookup.max_ids.max(1)) {
            let answer = looking::find(dispatcher, &told.stream.name, ids, calls).await;
            found.extend(answer.map_err(|no_answer| no_answer.why)?);
        }
        wanted.retain(|id| !found.contains_key(id));
        if is_late || wanted.is_empty() {
            return Ok(found);
        }
        let pause = (lookup.lag / 4).max(Duration::from_millis(100));
        let next = (Instant::now() + pause).min(visible);
        dispatcher
            .retry
            .sleep_until(next)
            .await
            .map_err(|_| "the job ended before the remote could show it".to_owned())?;
    }
}
