//! What there is: versions, limits, objects and their fields.

use hyper::StatusCode;
use hyper::header::{HeaderName, LAST_MODIFIED};
use serde_json::{Value, json};

use super::catalog::{Access, Call, Field, Key, Kind, Object};
use super::org::Org;
use super::problem::Problem;
use super::shown::NEWEST;
use super::{object, reading, version};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};

/// Versions in paths.
pub(super) const VERSIONS: std::ops::RangeInclusive<u8> = 46..=68;

/// When the objects were last changed, before anybody makes a field.
const CHANGED: &str = "Mon, 06 Jan 2025 08:00:00 GMT";

/// `GET /services/data`
#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
pub(super) fn versions(_: &Request, _: &Faults) -> Result<Plan, Answer> {
    let seasons = ["Spring", "Summer", "Winter"];
    let list: Value = VERSIONS
        .map(|version| {
            // Three a year; 46 was that of summer 2019, and winter's is named after the next year.
            let season = seasons[usize::from(version - 45) % 3];
            let year = 19 + (version - 45) / 3 + u8::from(season == "Winter");
            json!({"label": format!("{season} '{year}"), "url": format!("/services/data/v{version}.0"),
                "version": format!("{version}.0")})
        })
        .collect();
    Ok(Plan::reading(move |_, _| Answer::json(StatusCode::OK, list.to_string())))
}

/// `GET /services/data/v{version}`
pub(super) fn resources(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let version = version(request)?;
    let rooms = ["sobjects", "query", "queryAll", "search", "composite", "limits", "jobs"];
    let rooms: serde_json::Map<String, Value> = rooms
        .into_iter()
        .map(|room| (room.to_owned(), format!("/services/data/v{version}/{room}").into()))
        .collect();
    let text = Value::from(rooms).to_string();
    Ok(reading(move |_, _| Ok(Answer::json(StatusCode::OK, text))))
}

/// `GET …/limits`
pub(super) fn limits(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    version(request)?;
    Ok(reading(|world, _| {
        let (used, daily) = (world.salesforce.used, world.faults.salesforce.daily_calls);
        let batches = 15_000_u64.saturating_sub(world.salesforce.batches);
        let limits = json!({
            "DailyApiRequests": {"Max": daily, "Remaining": daily.saturating_sub(used)},
            "DailyAsyncApexExecutions": {"Max": 250_000, "Remaining": 250_000},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": batches},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DataStorageMB": {"Max": 1024, "Remaining": 1024},
            "FileStorageMB": {"Max": 1024, "Remaining": 1024},
        });
        Ok(Answer::json(StatusCode::OK, limits.to_string()))
    }))
}

/// `GET …/sobjects`
pub(super) fn global(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    version(request)?;
    told_once(request, |org| {
        let all: Vec<Value> = org.objects().map(told).collect();
        json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all})
    })
}

/// `GET …/sobjects/{object}`
pub(super) fn basic(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    told_once(request, move |_| json!({"objectDescribe": told(object), "recentItems": []}))
}

/// `GET …/sobjects/{object}/describe`
pub(super) fn whole(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    told_once(request, move |org| {
        let object = org.now(object);
        let mut whole = told(object);
        whole["fields"] = object.fields().map(|field| field_told(object, field)).collect();
        whole["childRelationships"] = json!([]);
        whole["recordTypeInfos"] = json!([{"active": true, "available": true,
            "defaultRecordTypeMapping": true, "developerName": "Master", "master": true,
            "name": "Master", "recordTypeId": "012000000000000AAA"}]);
        whole
    })
}

/// Answers, or 304 to who knows it already.
fn told_once(
    request: &Request,
    told: impl FnOnce(&Org) -> Value + Send + 'static,
) -> Result<Plan, Answer> {
    let since = request.header("if-modified-since").map(httpdate::parse_http_date).transpose();
    let since = since
        .map_err(|_| Problem::bad("INVALID_HEADER_VALUE", "If-Modified-Since is not a date"))?;
    Ok(reading(move |world, _| {
        let org = &world.salesforce.org;
        let changed = org
            .changed
            .map_or_else(|| CHANGED.to_owned(), |changed| httpdate::fmt_http_date(changed.into()));
        let is_known = since
            .zip(httpdate::parse_http_date(&changed).ok())
            .is_some_and(|(since, changed)| since >= changed);
        let mut answer = if is_known {
            Answer::empty(StatusCode::NOT_MODIFIED)
        } else {
            Answer::json(StatusCode::OK, told(org).to_string())
        };
        answer.headers.push((LAST_MODIFIED, changed));
        answer.headers.push((HeaderName::from_static("vary"), "Accept-Encoding".to_owned()));
        Ok(answer)
    }))
}

fn told(object: &Object) -> Value {
    let path = format!("/services/data/v{NEWEST}/sobjects/{}", object.name);
    json!({
        "activateable": false,
        "createable": object.takes(Call::Create),
        "custom": object.is_custom(),
        "customSetting": false,
        "deletable": object.takes(Call::Delete),
        "deprecatedAndHidden": false,
        "keyPrefix": object.prefix,
        "label": object.label,
        "labelPlural": object.plural,
        "layoutable": true,
        "mergeable": matches!(object.name, "Account" | "Contact" | "Lead"),
        "name": object.name,
        "queryable": true,
        "replicateable": true,
        "retrieveable": true,
        "searchable": true,
        "triggerable": true,
        "undeletable": object.takes(Call::Delete),
        "updateable": object.takes(Call::Update),
        "urls": {
            "sobject": path,
            "describe": format!("{path}/describe"),
            "rowTemplate": format!("{path}/{{ID}}"),
        },
    })
}

fn field_told(object: &Object, field: &Field) -> Value {
    let (digits, scale) = match (field.kind, field.kind.digits()) {
        (Kind::Int, _) | (_, None) => (0, 0),
        (_, Some(digits)) => digits,
    };
    let values = match field.kind {
        Kind::Picklist(values, _) => values,
        _ => &[],
    };
    let default = field.default.and_then(|json| serde_json::from_str::<Value>(json).ok());
    let usual = default.clone().filter(|value| *value != "").unwrap_or_default();
    let is_usual = |value: &str| usual.as_str() == Some(value);
    let values: Vec<Value> = values
        .iter()
        .map(|&value| {
            json!({"active": true, "defaultValue": is_usual(value), "label": value,
                "validFor": null, "value": value})
        })
        .collect();
    let referred = match field.kind {
        Kind::Reference(objects) => objects,
        _ => &[],
    };
    json!({
        "name": field.name,
        "label": field.label(),
        "type": field.kind.as_str(),
        "soapType": soap_type(field.kind),
        "length": field.kind.length(),
        "byteLength": field.kind.length() * 3,
        "precision": digits,
        "scale": scale,
        "digits": if field.kind == Kind::Int { 9 } else { 0 },
        "createable": object.takes(Call::Create) && field.access != Access::Never,
        "updateable": object.takes(Call::Update) && field.access == Access::Free,
        "nillable": !(field.is_required || field.kind == Kind::Bool || is_system(field)),
        "defaultedOnCreate": default.is_some() || is_system(field),
        "defaultValue": usual,
        "externalId": matches!(field.key, Key::External | Key::Unique),
        "idLookup": field.is_key(),
        "unique": field.key == Key::Unique,
        "caseSensitive": false,
        "custom": field.is_custom(),
        "calculated": false,
        "autoNumber": field.name == "CaseNumber",
        "nameField": matches!(field.name, "Name" | "CaseNumber" | "Subject" | "Title"),
        "filterable": !matches!(field.kind, Kind::Base64) && !is_long(field.kind),
        "sortable": !matches!(field.kind, Kind::Base64) && !is_long(field.kind),
        "groupable": field.kind.is_text() && !is_long(field.kind),
        "picklistValues": values,
        "restrictedPicklist": matches!(field.kind, Kind::Picklist(_, true) | Kind::Named(_)),
        "dependentPicklist": false,
        "referenceTo": referred,
        "relationshipName": field.relation(),
        "polymorphicForeignKey": referred.len() > 1,
        "permissionable": is_permissionable(field),
        "deprecatedAndHidden": false,
    })
}

/// Whether permissions can be given for a field: none are needed for what no record can lack.
pub(super) fn is_permissionable(field: &Field) -> bool {
    let is_own = field.is_custom() || (field.access == Access::Free && field.kind != Kind::Bool);
    is_own && !field.is_required && !is_system(field) && field.kind != Kind::Id
}

/// Whether a text is too long to be looked for.
pub(super) fn is_long(kind: Kind) -> bool {
    matches!(kind, Kind::LongText(length) if length > 255)
}

/// Whether a field is set by Salesforce in each record.
fn is_system(field: &Field) -> bool {
    matches!(
        field.name,
        "Id" | "OwnerId"
            | "CreatedDate"
            | "CreatedById"
            | "LastModifiedDate"
            | "LastModifiedById"
            | "SystemModstamp"
    )
}

fn soap_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Reference(_) => "tns:ID",
        Kind::Int => "xsd:int",
        Kind::Double(..) | Kind::Currency | Kind::Percent(..) => "xsd:double",
        Kind::Bool => "xsd:boolean",
        Kind::Date => "xsd:date",
        Kind::DateTime => "xsd:dateTime",
        Kind::Base64 => "xsd:base64Binary",
        _ => "xsd:string",
    }
}
