//! Who is calling: tokens as OAuth 2.0 gives them, the login of SOAP that older clients begin with,
//! and the user behind a token.
//!
//! <https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_endpoints.htm>. No answer says
//! for how long a token is good: a client learns that from a 401.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use chrono::Utc;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::soap::{self, Envelope};
use super::{held, reading};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Content, Plan, Request};
use crate::sandbox::tokens;

/// The grant of <https://datatracker.ietf.org/doc/html/rfc7523>.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The namespace of the API whose first call is a login.
const PARTNER: &str = "urn:partner.soap.sforce.com";

/// `POST /services/oauth2/token`
pub(super) fn token(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let form: HashMap<_, _> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let Plan { run, .. } = if form.get("grant_type").map(String::as_str) == Some(JWT_BEARER) {
        check_assertion(form.get("assertion").map(String::as_str).unwrap_or_default())?;
        tokens::grant(None)
    } else {
        tokens::plan(request, faults).map_err(named)?
    };
    let address = address(request);
    Ok(Plan::reading(move |world, now| {
        let mut answer = run(world, now);
        if answer.status != StatusCode::OK {
            return named(answer);
        }
        if let Content::Json(json) = &mut answer.content {
            let given: Value = serde_json::from_str(json).unwrap_or_default();
            let mut body = json!({
                "access_token": given["access_token"],
                "signature": "c2FuZGJveCBzaWduYXR1cmU=",
                "scope": "refresh_token api",
                "instance_url": address,
                "id": format!("{address}/id/{}/{}", held::organization(), held::user()),
                "token_type": "Bearer",
                "issued_at": Utc::now().timestamp_millis().to_string(),
            });
            if !given["refresh_token"].is_null() {
                body["refresh_token"] = given["refresh_token"].clone();
            }
            *json = body.to_string();
        }
        answer
    }))
}

/// The names that Salesforce has for what is wrong; it says 400 to all of it.
fn named(answer: Answer) -> Answer {
    let Content::Json(json) = &answer.content else { return answer };
    let body: Value = serde_json::from_str(json).unwrap_or_default();
    let (error, description) = match body["error"].as_str() {
        Some("invalid_client") => ("invalid_client", "invalid client credentials"),
        Some("invalid_grant") => ("invalid_grant", "expired access/refresh token"),
        Some("unsupported_grant_type") => ("unsupported_grant_type", "grant type not supported"),
        _ => ("invalid_request", "must pass at least one form parameter"),
    };
    refused(error, description)
}

fn refused(error: &str, description: &str) -> Answer {
    let body = json!({"error": error, "error_description": description});
    Answer::json(StatusCode::BAD_REQUEST, body.to_string())
}

/// Lets an assertion through that says who asks, for whom, of whom, and until when. Its signature is
/// not looked at: the sandbox knows nobody's key.
fn check_assertion(assertion: &str) -> Result<(), Answer> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let decoded = |part: &str| {
        let engine = if part.ends_with('=') { &URL_SAFE } else { &URL_SAFE_NO_PAD };
        serde_json::from_slice::<Value>(&engine.decode(part).ok()?).ok()
    };
    let [header, claims, signature] = parts[..] else {
        return Err(refused("invalid_grant", "invalid assertion"));
    };
    let (Some(header), Some(claims)) = (decoded(header), decoded(claims)) else {
        return Err(refused("invalid_grant", "invalid assertion"));
    };
    if header["alg"] != "RS256" || signature.is_empty() {
        return Err(refused("invalid_grant", "invalid assertion"));
    }
    let has_all = ["iss", "sub", "aud"].iter().all(|name| claims[*name].is_string());
    let exp = &claims["exp"];
    let expires = exp.as_i64().or_else(|| exp.as_str()?.parse().ok());
    match expires.filter(|_| has_all) {
        None => Err(refused("invalid_grant", "invalid assertion")),
        Some(expires) if expires <= Utc::now().timestamp() => {
            Err(refused("invalid_grant", "expired authorization code"))
        }
        Some(_) => Ok(()),
    }
}

#[derive(Debug, Deserialize)]
struct Body {
    login: Option<Login>,
}

#[derive(Debug, Deserialize)]
struct Login {
    #[serde(default)]
    password: String,
}

/// `POST /services/Soap/u/{version}`: the login call, and no other. Any user with the password
/// `sandbox-password` is let in.
pub(super) fn soap(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let Envelope::<Body> { body, .. } = soap::read(request, PARTNER)?;
    let version = request.place(0).unwrap_or_default().to_owned();
    let address = address(request);
    // A security token may follow the password.
    let is_known = body.login.is_some_and(|login| login.password.starts_with("sandbox-password"));
    if !is_known {
        let text = "INVALID_LOGIN: Invalid username, password, security token; or user locked out.";
        return Err(soap::fault(PARTNER, "sf:INVALID_LOGIN", text));
    }
    Ok(Plan::reading(move |world, now| {
        let faults = std::sync::Arc::clone(&world.faults);
        let session = world.tokens.issue(&faults, now);
        let (user, organization) = (held::user(), held::organization());
        let result = format!(
            "<loginResponse><result><metadataServerUrl>{address}/services/Soap/m/{version}/{organization}\
             </metadataServerUrl><passwordExpired>false</passwordExpired><sandbox>true</sandbox>\
             <serverUrl>{address}/services/Soap/u/{version}/{organization}</serverUrl>\
             <sessionId>{session}</sessionId><userId>{user}</userId><userInfo>\
             <organizationId>{organization}</organizationId><sessionSecondsValid>{}</sessionSecondsValid>\
             <userFullName>Olive Owner</userFullName><userId>{user}</userId></userInfo></result>\
             </loginResponse>",
            faults.token_secs
        );
        soap::answer(StatusCode::OK, PARTNER, &result)
    }))
}

/// `GET /services/oauth2/userinfo`, `GET /id/{organization}/{user}`
#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
pub(super) fn user(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let address = address(request);
    let (user, organization) = (held::user(), held::organization());
    let told = json!({
        "id": format!("{address}/id/{organization}/{user}"),
        "sub": format!("{address}/id/{organization}/{user}"),
        "user_id": user,
        "organization_id": organization,
        "username": "sandbox@example.com",
        "preferred_username": "sandbox@example.com",
        "name": "Olive Owner",
        "email": "sandbox@example.com",
        "active": true,
        "urls": {"rest": format!("{address}/services/data/v{{version}}/")},
    });
    Ok(reading(move |_, _| Ok(Answer::json(StatusCode::OK, told.to_string()))))
}

/// Where the caller has found the sandbox.
fn address(request: &Request) -> String {
    format!("http://{}", request.header("host").unwrap_or("127.0.0.1"))
}
