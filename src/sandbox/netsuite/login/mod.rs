//! Who is calling: a signature by OAuth 1.0a with every call, or a token that a signed assertion
//! was exchanged for.
//!
//! - [`tba`]: the signatures, which NetSuite calls token-based authentication.
//! - [`m2m`]: the tokens, which it calls machine to machine, or the client credentials flow.

pub(super) mod m2m;
mod tba;

use std::time::Instant;

use hyper::header::WWW_AUTHENTICATE;

use crate::sandbox::remote::{Caller, Denied};
use crate::sandbox::tokens;
use crate::sandbox::world::World;

/// The account: a sandbox, whose id has `_SB1` where its host has `-sb1`.
pub(super) const ACCOUNT: &str = "1234567_SB1";

/// What a config has that is let in, under the keys of the platform's target.
pub(in crate::sandbox) const KEYS: [(&str, &str); 5] = [
    ("ns_account", ACCOUNT),
    ("ns_consumer_key", tba::CONSUMER_KEY),
    ("ns_consumer_secret", tba::CONSUMER_SECRET),
    ("ns_token_key", tba::TOKEN),
    ("ns_token_secret", tba::TOKEN_SECRET),
];

/// Lets a call through that is signed, or has a token that is good.
pub(super) fn authorized(
    world: &mut World,
    caller: &Caller<'_>,
    now: Instant,
) -> Result<(), Denied> {
    let authorization = caller.authorization.unwrap_or_default();
    let is_signed =
        authorization.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("OAuth "));
    let (scheme, error, checked) = if is_signed {
        let signed = tba::check(&mut world.netsuite, caller);
        let error = signed.as_ref().err().map_or("", |(error, _)| *error);
        ("OAuth", error, signed.map_err(|(_, message)| message.to_owned()))
    } else {
        let spent = tokens::bearer(world, caller, now).map_err(|denied| denied.message);
        ("Bearer", "invalid_token", spent)
    };
    checked.map_err(|message| {
        let told = format!(
            "{scheme} realm=\"{ACCOUNT}\", error=\"{error}\", \
             error_description=\"Invalid login attempt.\""
        );
        Denied { message, headers: vec![(WWW_AUTHENTICATE, told)] }
    })
}
