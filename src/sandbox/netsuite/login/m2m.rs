//! Tokens for an assertion that the private key of a registered certificate has signed.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_162755359851.html> and
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_162790605110.html>. In a
//! real account a certificate is registered on a page of the setup; here, by a call of the
//! administration.

use std::collections::HashMap;

use chrono::Utc;
use hyper::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::host;
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Content, Plan, Request};
use crate::sandbox::tokens;

/// The integration that certificates are registered for.
const CLIENT_ID: &str = "sandbox-client-id";
const PATH: &str = "/services/rest/auth/oauth2/v1/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds between the two times of an assertion, at most.
const MAX_SECS: i64 = 3600;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    scope: Value,
    iat: i64,
    exp: i64,
}

/// `POST /services/rest/auth/oauth2/v1/token`
pub(in super::super) fn token(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(refused("invalid_request"));
    }
    let form: HashMap<_, _> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("grant_type") != "client_credentials" {
        return Err(refused("unsupported_grant_type"));
    }
    if field("client_assertion_type") != ASSERTION_TYPE {
        return Err(refused("invalid_request"));
    }
    let assertion = field("client_assertion").to_owned();
    let audience = format!("http://{}{PATH}", host(request));
    let Plan { run, .. } = tokens::grant(None);
    Ok(Plan::reading(move |world, now| {
        let certificates = &world.netsuite.certificates;
        if let Err(error) = check(certificates, &assertion, &audience) {
            return refused(error);
        }
        let mut answer = run(world, now);
        if let Content::Json(json) = &mut answer.content {
            let mut given: Value = serde_json::from_str(json).unwrap_or_default();
            // A text, as RFC 6749 does not have it.
            given["expires_in"] = given["expires_in"].to_string().into();
            *json = given.to_string();
        }
        answer
    }))
}

/// # Errors
/// The name that the error has.
fn check(
    certificates: &HashMap<String, String>,
    assertion: &str,
    audience: &str,
) -> Result<(), &'static str> {
    let header = decode_header(assertion).map_err(|_| "invalid_request")?;
    let kid = header.kid.ok_or("invalid_request")?;
    let pem = certificates.get(&kid).ok_or("invalid_client")?;
    let key = match header.alg {
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => {
            DecodingKey::from_rsa_pem(pem.as_bytes())
        }
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem.as_bytes()),
        _ => return Err("invalid_client"),
    };
    let key = key.map_err(|_| "invalid_client")?;
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    let claims = decode::<Claims>(assertion, &key, &validation);
    let claims = claims.map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => "invalid_client",
        _ => "invalid_grant",
    })?;
    let Claims { iss, scope, iat, exp } = claims.claims;
    if iss != CLIENT_ID {
        return Err("invalid_client");
    }
    if exp - iat > MAX_SECS || iat > Utc::now().timestamp() + 60 {
        return Err("invalid_grant");
    }
    let scopes = match &scope {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => text.split([',', ' ']).map(str::trim).collect(),
        _ => Vec::new(),
    };
    if scopes.contains(&"rest_webservices") { Ok(()) } else { Err("invalid_scope") }
}

fn refused(error: &str) -> Answer {
    Answer::json(StatusCode::BAD_REQUEST, json!({"error": error}).to_string())
}

#[derive(Deserialize)]
struct ToRegister {
    certificate_id: String,
    /// A certificate or a public key, in PEM.
    certificate: String,
}

/// `POST /_sandbox/netsuite/certificates`
pub(in crate::sandbox) fn register(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let refuse = |message: &str| {
        Answer::json(StatusCode::BAD_REQUEST, json!({"message": message}).to_string())
    };
    let read = serde_json::from_slice(&request.body);
    let ToRegister { certificate_id, certificate } =
        read.map_err(|error| refuse(&error.to_string()))?;
    let pem = certificate.as_bytes();
    if DecodingKey::from_rsa_pem(pem).is_err() && DecodingKey::from_ec_pem(pem).is_err() {
        return Err(refuse("`certificate` is no certificate and no public key in PEM"));
    }
    Ok(Plan::reading(move |world, _| {
        world.netsuite.certificates.insert(certificate_id, certificate);
        Answer::empty(StatusCode::NO_CONTENT)
    }))
}
