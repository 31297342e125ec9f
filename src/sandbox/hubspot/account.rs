//! The account: who it is, its owners and pipelines.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::object::Object;
use super::problem::Problem;
use super::{PORTAL, place, reading};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Content, Plan, Request};
use crate::sandbox::tokens;

/// `POST /oauth/{version}/token`: as RFC 6749 has it, with HubSpot's own names for what is wrong.
pub(super) fn token(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let Plan { run, .. } = tokens::plan(request, faults).map_err(named)?;
    Ok(Plan::reading(move |world, now| {
        let mut answer = run(world, now);
        if answer.status != StatusCode::OK {
            return named(answer);
        }
        if let Content::Json(json) = &mut answer.content {
            let mut body: Value = serde_json::from_str(json).unwrap_or_default();
            body["hub_id"] = PORTAL.into();
            *json = body.to_string();
        }
        answer
    }))
}

/// Adds `status` and `message` to the error of a token endpoint.
fn named(answer: Answer) -> Answer {
    let Content::Json(json) = &answer.content else { return answer };
    let mut body: Value = serde_json::from_str(json).unwrap_or_default();
    let (status, message) = match body["error"].as_str() {
        Some("invalid_client") => ("BAD_CLIENT_ID", "missing or unknown client id"),
        Some("invalid_grant") => ("BAD_REFRESH_TOKEN", "missing or unknown refresh token"),
        _ => ("BAD_GRANT_TYPE", "missing or unknown grant type"),
    };
    body["status"] = status.into();
    body["message"] = message.into();
    // HubSpot says 400 to all of them.
    Answer::json(StatusCode::BAD_REQUEST, body.to_string())
}

/// `GET /account-info/{version}/details`
#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
pub(super) fn details(_: &Request, _: &Faults) -> Result<Plan, Answer> {
    let body = json!({
        "portalId": PORTAL,
        "accountType": "DEVELOPER_TEST",
        "timeZone": "US/Eastern",
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": "-05:00",
        "utcOffsetMilliseconds": -18_000_000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    });
    Ok(Plan::reading(move |_, _| Answer::json(StatusCode::OK, body.to_string())))
}

/// `GET /crm/owners/{version}`
#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
pub(super) fn owners(_: &Request, _: &Faults) -> Result<Plan, Answer> {
    let body = json!({"results": [{
        "id": "41629779", "email": "owner@example.com", "type": "PERSON", "firstName": "Olive",
        "lastName": "Owner", "userId": 9_586_504, "createdAt": "2019-10-30T03:30:17.883Z",
        "updatedAt": "2019-12-07T16:50:06.678Z", "archived": false,
    }]});
    Ok(Plan::reading(move |_, _| Answer::json(StatusCode::OK, body.to_string())))
}

/// `GET /crm/pipelines/{version}/{object}`: the one that a new account has.
pub(super) fn pipelines(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = place(request, 1)?;
    Ok(reading(move |memory, _| {
        let object = Object::find(memory, &name)?;
        let property = match object.id.as_str() {
            "0-3" => "dealstage",
            "0-5" => "hs_pipeline_stage",
            _ => return Err(Problem::invalid(format!("{name} has no pipelines"))),
        };
        let stages = object.property(memory, property);
        let stages = stages.map(|property| property.options).unwrap_or_default();
        let when = "2019-10-30T03:30:17.883Z";
        let stages: Vec<Value> = stages
            .iter()
            .enumerate()
            .map(|(order, stage)| {
                json!({"id": stage, "label": stage, "displayOrder": order, "metadata": {},
                       "createdAt": when, "updatedAt": when, "archived": false})
            })
            .collect();
        let body = json!({"results": [{
            "id": if object.id == "0-3" { "default" } else { "0" },
            "label": "Pipeline", "displayOrder": 0, "stages": stages, "createdAt": when,
            "updatedAt": when, "archived": false,
        }]});
        Ok(Answer::json(StatusCode::OK, body.to_string()))
    }))
}
