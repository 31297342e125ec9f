//! Lets a request in or not: its credential, how many are handled at once, the rate limit; and says
//! which fault it meets.

use std::sync::Arc;
use std::time::Instant;

use hyper::StatusCode;
use hyper::header::HeaderName;

use super::fault::Act;
use super::faults::RateLimit;
use super::gate::{Call, Flight, refused};
use super::remote::{Access, Answer, Caller, Plan, Quota, TOO_MANY};
use super::strikes::Strike;
use super::world::World;

/// Counts the request, lets it in or not, and says what it meets.
pub(super) fn admit(
    world: &mut World,
    call: &Call,
    plan: &Result<Plan, Answer>,
    flight: &mut Flight,
    quota: &mut Vec<(HeaderName, String)>,
) -> Result<Strike, Answer> {
    let now = Instant::now();
    let faults = Arc::clone(&world.faults);
    world.calls.begin(format!("{} {}", call.method, call.template));
    if call.access == Access::Token {
        let caller = Caller {
            method: &call.method,
            host: &call.host,
            path: &call.path,
            query: &call.query,
            authorization: call.authorization.as_deref(),
        };
        if let Err(denied) = (call.remote.authorized)(world, &caller, now) {
            let mut answer = refused(call.remote, StatusCode::UNAUTHORIZED, &denied.message);
            answer.headers.extend(denied.headers);
            return Err(answer);
        }
        quota.extend((call.remote.counted)(world));
        if let Some(most) = (call.remote.most_at_once)(&faults) {
            let at_once = world.at_once.entry(call.remote.prefix).or_default();
            if *at_once >= most {
                return Err(refused(call.remote, StatusCode::TOO_MANY_REQUESTS, TOO_MANY));
            }
            *at_once += 1;
            flight.counted = Some(call.remote);
        }
        if let Some(limit) = &faults.rate_limit {
            let apart = call.remote.apart.filter(|(end, _)| call.template.ends_with(end));
            let left = if let Some((_, requests)) = apart {
                world.apart.take(&RateLimit { requests, per_secs: 1, ..*limit }, now)
            } else {
                let left = world.window.take(limit, now);
                quota.extend((call.remote.quota)(&Quota {
                    limit,
                    remaining: left.unwrap_or_default(),
                    reset_secs: world.window.reset_secs(limit, now),
                }));
                left
            };
            if let Err(wait) = left {
                let status = call.remote.throttled;
                let mut answer = refused(call.remote, status, "too many requests");
                if status == StatusCode::TOO_MANY_REQUESTS {
                    answer.headers.extend(limit.retry_after(wait));
                }
                return Err(answer);
            }
        }
    }
    let strike = world.strikes.next(&faults, &call.method, call.template, &call.path);
    if let Some(act) = &strike.act {
        world.calls.fault(act.name());
    }
    // What is never applied cannot meet another write of the record.
    if let Ok(plan) = plan
        && strike.act.as_ref().is_none_or(Act::applies)
    {
        let World { calls, memory, .. } = world;
        flight.claims = calls.claim(&plan.targets, memory);
    }
    Ok(strike)
}
