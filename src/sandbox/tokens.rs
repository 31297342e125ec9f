//! Tokens: what `/oauth/token` gives out, and which of them are good for a request.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use hyper::StatusCode;
use serde_json::json;

use super::faults::Faults;
use super::remote::{Answer, Caller, Denied, Plan, Request};
use super::world::World;

/// Always taken, unless the faults file says otherwise.
pub(super) const STATIC_TOKEN: &str = "sandbox-token";
/// The refresh token to begin with.
const REFRESH_TOKEN: &str = "sandbox-refresh";
const CLIENT_ID: &str = "sandbox-client";
const CLIENT_SECRET: &str = "sandbox-secret";

/// The tokens that have been given out.
#[derive(Debug)]
pub(super) struct Tokens {
    access: HashMap<String, Access>,
    /// Until when each is good; without an end until it is used, where they rotate.
    refresh: HashMap<String, Option<Instant>>,
    issued: u64,
}

#[derive(Debug)]
struct Access {
    until: Instant,
    calls_left: Option<u64>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            access: HashMap::new(),
            refresh: HashMap::from([(REFRESH_TOKEN.to_owned(), None)]),
            issued: 0,
        }
    }
}

impl Tokens {
    /// Takes one call off the bearer token of `authorization`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn spend(
        &mut self,
        authorization: Option<&str>,
        faults: &Faults,
        now: Instant,
    ) -> Result<(), &'static str> {
        let (scheme, token) = authorization
            .and_then(|value| value.split_once(' '))
            .ok_or("the request has no bearer token")?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err("the request has no bearer token");
        }
        let token = token.trim();
        if token == STATIC_TOKEN && faults.static_token {
            return Ok(());
        }
        let access = self.access.get_mut(token).ok_or("the token is not known")?;
        if access.until <= now {
            return Err("the token has expired");
        }
        match &mut access.calls_left {
            None => Ok(()),
            Some(0) => Err("the token has expired"),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Gives out an access token.
    pub(super) fn issue(&mut self, faults: &Faults, now: Instant) -> String {
        self.issued += 1;
        let token = format!("sandbox-access-{}", self.issued);
        let until = now + Duration::from_secs(faults.token_secs.min(u64::from(u32::MAX)));
        let access = Access { until, calls_left: faults.token_calls };
        self.access.insert(token.clone(), access);
        token
    }

    fn is_good(&self, refresh: &str, now: Instant) -> bool {
        self.refresh.get(refresh).is_some_and(|until| until.is_none_or(|until| now < until))
    }

    fn rotate(&mut self, old: &str, grace: Duration, now: Instant) -> String {
        let until = self.refresh.entry(old.to_owned()).or_default();
        until.get_or_insert(now + grace);
        let token = format!("sandbox-refresh-{}", self.issued);
        self.refresh.insert(token.clone(), None);
        token
    }
}

/// Lets a call through that has a bearer token which is good.
pub(super) fn bearer(world: &mut World, caller: &Caller<'_>, now: Instant) -> Result<(), Denied> {
    let faults = std::sync::Arc::clone(&world.faults);
    let spent = world.tokens.spend(caller.authorization, &faults, now);
    spent.map_err(|message| Denied { message: message.to_owned(), headers: Vec::new() })
}

/// What a token endpoint does with a form, as RFC 6749 describes it: grants `refresh_token` and
/// `client_credentials`, the client in the form or in a basic `Authorization`.
pub(super) fn plan(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let form = request.header("content-type").unwrap_or_default();
    if !form.starts_with("application/x-www-form-urlencoded") {
        return Err(refused("invalid_request", "the body is not a form"));
    }
    let form: HashMap<_, _> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let basic = request.header("authorization").and_then(basic);
    let (id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), secret.as_str()),
        None => (field("client_id"), field("client_secret")),
    };
    if id != CLIENT_ID || secret != CLIENT_SECRET {
        let mut answer = refused("invalid_client", "the client is not known");
        answer.status = StatusCode::UNAUTHORIZED;
        return Err(answer);
    }
    let refresh = match field("grant_type") {
        "refresh_token" => Some(field("refresh_token").to_owned()),
        "client_credentials" => None,
        "" => return Err(refused("invalid_request", "`grant_type` is missing")),
        _ => return Err(refused("unsupported_grant_type", "the grant is not known")),
    };
    Ok(grant(refresh))
}

/// Gives out an access token, for this refresh token or without one.
pub(super) fn grant(refresh: Option<String>) -> Plan {
    Plan::reading(move |world, now| {
        let tokens = &mut world.tokens;
        if refresh.as_ref().is_some_and(|token| !tokens.is_good(token, now)) {
            return refused("invalid_grant", "the refresh token is not known, or was used up");
        }
        let mut body = json!({
            "access_token": tokens.issue(&world.faults, now),
            "token_type": "Bearer",
            "expires_in": world.faults.token_secs,
        });
        if let Some(old) = refresh
            && world.faults.rotate_refresh_token
        {
            let grace = Duration::from_millis(world.faults.refresh_token_grace_ms);
            body["refresh_token"] = tokens.rotate(&old, grace, now).into();
        }
        Answer::json(StatusCode::OK, body.to_string())
    })
}

fn refused(error: &str, description: &str) -> Answer {
    let body = json!({"error": error, "error_description": description});
    Answer::json(StatusCode::BAD_REQUEST, body.to_string())
}

fn basic(authorization: &str) -> Option<(String, String)> {
    let encoded = authorization.strip_prefix("Basic ")?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
