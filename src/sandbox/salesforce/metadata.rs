//! The Metadata API: `POST /services/Soap/m/{version}`, of which `createMetadata` makes custom fields.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_createMetadata.htm>

use hyper::StatusCode;
use serde::Deserialize;

use super::made::Made;
use super::org;
use super::problem::Problem;
use super::soap::{self, Envelope, element};
use crate::sandbox::faults::Faults;
use crate::sandbox::record::Fields;
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::sandbox::world::World;

const NAMESPACE: &str = "http://soap.sforce.com/2006/04/metadata";
/// Components of one call.
const MAX_COMPONENTS: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    create_metadata: Option<Create>,
}

#[derive(Debug, Deserialize)]
struct Create {
    #[serde(default)]
    metadata: Vec<Made>,
}

/// `POST /services/Soap/m/{version}`
pub(super) fn call(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let Envelope::<Body> { header, body } = soap::read(request, NAMESPACE)?;
    let (faults, all_or_none) = (faults.clone(), header.all_or_none());
    let session = format!("Bearer {}", header.session().unwrap_or_default());
    Ok(Plan::writing(Vec::new(), move |world, now| {
        if world.tokens.spend(Some(&session), &faults, now).is_err() {
            let text =
                "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session";
            return soap::fault(NAMESPACE, "sf:INVALID_SESSION_ID", text);
        }
        world.salesforce.used += 1;
        let Some(Create { metadata }) = body.create_metadata else {
            let text = format!("No operation available for request {{{NAMESPACE}}}");
            return soap::fault(NAMESPACE, "soapenv:Client", &text);
        };
        if metadata.len() > MAX_COMPONENTS {
            let text = format!(
                "EXCEEDED_ID_LIMIT: record limit reached. cannot submit more than {MAX_COMPONENTS} \
                 records into this call"
            );
            return soap::fault(NAMESPACE, "sf:EXCEEDED_ID_LIMIT", &text);
        }
        let is_other = |made: &&Made| made.of.rsplit(':').next() != Some("CustomField");
        if let Some(Made { of, .. }) = metadata.iter().find(is_other) {
            let text = format!("INVALID_TYPE: This type of metadata is not simulated: {of}");
            return soap::fault(NAMESPACE, "sf:INVALID_TYPE", &text);
        }
        let results = create(world, metadata, all_or_none, now);
        let body = format!("<createMetadataResponse>{results}</createMetadataResponse>");
        soap::answer(StatusCode::OK, NAMESPACE, &body)
    }))
}

/// Makes fields, each for itself or all or none; tells what became of each.
fn create(
    world: &mut World,
    metadata: Vec<Made>,
    all_or_none: bool,
    now: std::time::Instant,
) -> String {
    let mark = world.memory.begin();
    let mut results = Vec::with_capacity(metadata.len());
    for made in metadata {
        let result = make(world, &made, now);
        results.push((made.full_name, result));
    }
    let is_kept = !all_or_none || results.iter().all(|(_, result)| result.is_ok());
    world.memory.end(&mark, is_kept);
    org::recall(world);
    let told = results.into_iter().map(|(name, result)| {
        let result = match result {
            Ok(()) if !is_kept => Err(Problem::rolled_back()),
            result => result,
        };
        let errors = result.as_ref().err().map(|problem| {
            let fields = problem.fields.iter().flatten();
            let fields: String = fields.map(|field| element("fields", field)).collect();
            let message = element("message", &problem.message);
            format!("<errors>{fields}{message}{}</errors>", element("statusCode", problem.code))
        });
        let is_done = element("success", &result.is_ok().to_string());
        let name = element("fullName", &name);
        format!("<result>{}{name}{is_done}</result>", errors.unwrap_or_default())
    });
    told.collect()
}

fn make(world: &mut World, made: &Made, now: std::time::Instant) -> Result<(), Problem> {
    made.judge()?;
    let is_taken = |other: &Made| other.full_name.eq_ignore_ascii_case(&made.full_name);
    let is_there = made.objects().any(|object| {
        world.salesforce.org.find(object).is_some_and(|object| object.field(made.name()).is_some())
    });
    if is_there || org::made(&world.memory).iter().any(is_taken) {
        let message = format!(
            "There is already a field named {} on {}.",
            made.name().trim_end_matches("__c"),
            made.full_name.split('.').next().unwrap_or_default()
        );
        return Err(Problem::of("DUPLICATE_DEVELOPER_NAME", &["fullName"], message));
    }
    let fields = serde_json::to_vec(made).ok().and_then(|json| Fields::parse(&json));
    world.memory.create(org::MADE, &fields.unwrap_or_default(), now);
    Ok(())
}
