//! Answers that contradict themselves, speak of others, or leave out what they should name: nothing
//! is made twice by them, nothing of a stranger's is changed, and nothing is called well that is not.

use serde_json::{Value, json};

use super::{COMPANIES, CONTACTS, DEALS, place, schema};
use crate::support::{Place, Ran, Remote, record, secrets};

/// A remote whose first call of `route` is answered so: after it was applied, or not.
fn answering(route: &str, is_applied: bool, status: u16, body: &Value) -> Remote {
    let act = if is_applied { "status_after" } else { "status" };
    let fault =
        json!({"on": route, "calls": [1], "do": act, "status": status, "body": body.to_string()});
    Remote::with(&json!({"faults": [fault]}).to_string())
}

fn deals(records: &[Value]) -> String {
    let lines: String = records.iter().map(|one| record("deals", one)).collect();
    schema("deals", &["externalId", "id", "dealname", "amount", "associations"]) + &lines
}

fn outcomes(place: &Place) -> Vec<String> {
    place.results().iter().map(|row| row["outcome"].as_str().unwrap().to_owned()).collect()
}

const CREATE: &str = "POST /crm/objects/*/deals/batch/create";

/// What a record says itself, and HubSpot says again when it refuses it, is no id of a record.
#[test]
fn an_id_in_a_records_own_text_is_of_nobody() {
    let said = "Property values were not valid: [{\"isValid\":false,\"message\":\"Existing ID: 1 was not one of \
                the allowed options\",\"error\":\"INVALID_OPTION\",\"name\":\"dealstage\"}]";
    let refusal = json!({"status": "error", "category": "VALIDATION_ERROR", "message": said});
    let remote = answering(CREATE, false, 400, &refusal);
    remote.post("/crm/objects/2026-03/deals", &json!({"properties": {"dealname": "Stranger"}}));
    let place = place(&remote);
    place.done(deals(&[json!({"externalId": "a", "dealname": "Existing ID: 1"})]));
    assert_eq!(outcomes(&place), ["rejected"]);
    place.done(deals(&[json!({"externalId": "a", "dealname": "Mine"})]));
    let held = remote.crm_by(DEALS, "dealname");
    assert!(held.contains_key("Stranger") && held.contains_key("Mine"), "{held:?}");
}

/// Refusals that name nobody, and one of them another record: nobody is that record.
#[test]
fn a_conflict_that_names_nobody_joins_no_records() {
    let conflict =
        json!({"category": "CONFLICT", "message": "Deal already exists. Existing ID: 1"});
    let invalid = json!({"category": "VALIDATION_ERROR", "message": "no"});
    let body = json!({"results": [], "numErrors": 2, "errors": [conflict, invalid]});
    let remote = answering(CREATE, false, 207, &body);
    remote.post("/crm/objects/2026-03/deals", &json!({"properties": {"dealname": "Stranger"}}));
    let place = place(&remote);
    let two = ["a", "b"].map(|id| json!({"externalId": id, "dealname": id}));
    place.done(deals(&two));
    assert_eq!(outcomes(&place), ["in_doubt", "in_doubt"]);
    assert_eq!(remote.crm_by(DEALS, "dealname").into_keys().collect::<Vec<_>>(), ["Stranger"]);
}

/// Two things that are wrong with one record are no word about another.
#[test]
fn refusals_that_name_nobody_are_not_one_for_each() {
    let no = |what: &str| json!({"category": "VALIDATION_ERROR", "message": what});
    let body = json!({"results": [], "errors": [no("amount"), no("stage")]});
    let remote = answering(CREATE, true, 207, &body);
    let place = place(&remote);
    let two = ["a", "b"].map(|id| json!({"externalId": id, "dealname": id}));
    for _ in 0..2 {
        place.done(deals(&two));
        assert_eq!(outcomes(&place), ["in_doubt", "in_doubt"]);
    }
    assert_eq!(remote.crm_by(DEALS, "dealname").len(), 2);
}

/// Made, and something of it refused: it is known by its id, and written again.
#[test]
fn a_result_with_a_refusal_beside_it_is_no_success() {
    for of_whom in [json!({"objectWriteTraceId": ["record-0"]}), json!({})] {
        let error = json!({"category": "VALIDATION_ERROR", "message": "association to 999 failed", "context": of_whom});
        let result = json!({"id": "1", "properties": {}, "objectWriteTraceId": "record-0"});
        let body = json!({"results": [result], "numErrors": 1, "errors": [error]});
        let remote = answering(CREATE, true, 207, &body);
        let place = place(&remote);
        let one = [json!({"externalId": "a", "dealname": "A"})];
        place.done(deals(&one));
        let row = &place.results()[0];
        assert_eq!((&row["outcome"], &row["RemoteId"]), (&json!("failed"), &json!("1")), "{row}");
        assert!(row["error_message"].as_str().unwrap().contains("999"), "{row}");
        place.done(deals(&one));
        assert_eq!(outcomes(&place), ["updated"]);
        assert_eq!(remote.crm(DEALS).len(), 1);
    }
}

/// Where nothing but the values tells whose result is whose, ids are not crossed.
#[test]
fn results_without_names_are_of_those_whose_values_they_have() {
    let result = |id: &str, properties: Value| json!({"id": id, "properties": properties});
    let body = json!({"results": [
        result("2", json!({"dealname": "Big", "amount": "5"})), result("1", json!({"dealname": "Big"}))]});
    let remote = answering(CREATE, true, 201, &body);
    let place = place(&remote);
    let bigger = json!({"externalId": "b", "dealname": "Big", "amount": "5"});
    place.done(deals(&[json!({"externalId": "a", "dealname": "Big"}), bigger.clone()]));
    assert_eq!(outcomes(&place), ["created", "created"]);
    place.done(deals(&[json!({"externalId": "a", "dealname": "Small"}), bigger]));
    let held = remote.crm_by(DEALS, "id");
    assert_eq!((&held["1"]["dealname"], &held["2"]["dealname"]), (&json!("Small"), &json!("Big")));
}

/// A call that is refused as a whole applies nothing, whomever it names: the others go out again.
#[test]
fn one_that_is_named_takes_no_others_with_it() {
    let error = json!({"message": "bad", "context": {"objectWriteTraceId": ["record-1"]}});
    let body = json!({"status": "error", "category": "VALIDATION_ERROR", "message": "no", "errors": [error]});
    let remote = answering(CREATE, false, 400, &body);
    let place = place(&remote);
    let four: Vec<Value> =
        (0..4).map(|n| json!({"externalId": n, "dealname": n.to_string()})).collect();
    place.done(deals(&four));
    assert_eq!(outcomes(&place), ["created"; 4]);
    assert_eq!(remote.crm_by(DEALS, "dealname").len(), 4);
}

/// A tap that keeps numbers as floats.
#[test]
fn an_id_that_comes_as_a_float_is_the_same_id() {
    let remote = Remote::start();
    let place = place(&remote);
    remote.post("/crm/objects/2026-03/deals", &json!({"properties": {"dealname": "Old"}}));
    place.done(deals(&[json!({"externalId": "a", "id": 1.0, "dealname": "New"})]));
    assert_eq!(outcomes(&place), ["updated"]);
    assert_eq!(remote.crm_by(DEALS, "dealname").into_keys().collect::<Vec<_>>(), ["New"]);
    let place = place.set("only_upsert_empty_fields", true);
    place.done(deals(&[json!({"externalId": "a", "id": 1.0, "dealname": "Newer", "amount": 5})]));
    let held = remote.crm(DEALS);
    assert_eq!(
        (held.len(), &held[0]["dealname"], &held[0]["amount"]),
        (1, &json!("New"), &json!("5"))
    );
}

#[test]
fn what_is_not_archived_is_not_deleted() {
    let error = json!({"category": "VALIDATION_ERROR", "message": "cannot be archived", "context": {"ids": ["1"]}});
    for (status, body) in [
        (207, json!({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]})),
        (
            200,
            json!({"status": "error", "category": "VALIDATION_ERROR", "message": "cannot be archived"}),
        ),
    ] {
        let remote = answering("POST /crm/objects/*/deals/batch/archive", false, status, &body);
        let place = place(&remote);
        place.done(deals(&[json!({"externalId": "a", "dealname": "A"})]));
        let place = place.set("streams", json!({"deals": {"mode": "delete"}}));
        place.done(deals(&[json!({"externalId": "a"})]));
        assert_eq!((outcomes(&place), remote.crm(DEALS).len()), (vec!["rejected".to_owned()], 1));
        place.done(deals(&[json!({"externalId": "a"})]));
        assert_eq!((outcomes(&place), remote.crm(DEALS).len()), (vec!["deleted".to_owned()], 0));
    }
}

/// What a path answers with success may be a refusal all the same.
#[test]
fn a_path_and_a_campaign_are_refused_by_an_answer_of_success() {
    let no = json!({"category": "VALIDATION_ERROR", "message": "no"});
    for (status, body) in [
        (200, json!({"status": "error", "category": "VALIDATION_ERROR", "message": "no"})),
        (207, json!({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [no]})),
    ] {
        for stream in ["campaigns", "/marketing/campaigns/2026-03"] {
            let remote = answering("POST /marketing/campaigns/*", false, status, &body);
            let place = place(&remote);
            let one = if stream == "campaigns" {
                json!({"externalId": "a", "hs_name": "Inbound"})
            } else {
                json!({"externalId": "a", "properties": {"hs_name": "Inbound"}})
            };
            let input =
                schema(stream, &["externalId", "hs_name", "properties"]) + &record(stream, &one);
            place.done(&input);
            assert_eq!(outcomes(&place), ["rejected"], "{stream} {status}");
            place.done(&input);
            assert_eq!(outcomes(&place), ["created"], "{stream} {status}");
            assert_eq!(remote.crm("campaigns").len(), 1, "{stream} {status}");
        }
    }
}

fn campaign(name: &str) -> String {
    let one = json!({"externalId": "a", "hs_name": name});
    schema("campaigns", &["externalId", "hs_name"]) + &record("campaigns", &one)
}

#[test]
fn campaigns_are_made_changed_and_made_again() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(campaign("Inbound"));
    place.done(campaign("Outbound"));
    assert_eq!(outcomes(&place), ["updated"]);
    let held = remote.crm("campaigns");
    assert_eq!((held.len(), &held[0]["hs_name"]), (1, &json!("Outbound")));
    let id = place.results()[0]["RemoteId"].as_str().unwrap().to_owned();
    remote.ask("DELETE", &format!("/marketing/campaigns/2026-03/{id}"));
    place.done(campaign("Back"));
    assert_eq!((outcomes(&place), remote.crm("campaigns").len()), (vec!["created".to_owned()], 1));
    let place = place.set("streams", json!({"campaigns": {"mode": "delete"}}));
    place.done(campaign("Back"));
    assert_eq!((outcomes(&place), remote.crm("campaigns").len()), (vec!["deleted".to_owned()], 0));
}

/// Values that are not told are not empty.
#[test]
fn what_is_not_told_of_a_record_is_not_filled() {
    for properties in [json!(null), json!([])] {
        let body =
            json!({"status": "COMPLETE", "results": [{"id": "1", "properties": properties}]});
        let remote = answering("POST /crm/objects/*/deals/batch/read", false, 200, &body);
        remote.post("/crm/objects/2026-03/deals", &json!({"properties": {"dealname": "Theirs"}}));
        let place = place(&remote).set("only_upsert_empty_fields", true);
        place.run(deals(&[json!({"externalId": "a", "id": "1", "dealname": "Mine", "amount": 5})]));
        let held = remote.crm(DEALS);
        assert_eq!((held.len(), &held[0]["dealname"]), (1, &json!("Theirs")));
    }
}

/// A record that was merged into another is that one: it is not made again.
#[test]
fn a_merged_record_is_the_one_that_it_was_merged_into() {
    for properties in [
        json!({"dealname": "Big", "amount": null}),
        json!({"dealname": "Big", "hs_merged_object_ids": "8;1"}),
    ] {
        let body =
            json!({"status": "COMPLETE", "results": [{"id": "2", "properties": properties}]});
        let remote = answering("POST /crm/objects/*/deals/batch/read", false, 200, &body);
        for name in ["Old", "Big"] {
            remote.post("/crm/objects/2026-03/deals", &json!({"properties": {"dealname": name}}));
        }
        remote.delete_crm("deals", "1");
        let place = place(&remote).set("only_upsert_empty_fields", true);
        place
            .done(deals(&[json!({"externalId": "a", "id": "1", "dealname": "Mine", "amount": 5})]));
        let held = remote.crm(DEALS);
        assert_eq!((held.len(), &held[0]["dealname"]), (1, &json!("Big")), "{:?}", place.results());
    }
}

/// What HubSpot says again of a record's own words holds of that record alone.
#[test]
fn a_records_own_words_block_no_others() {
    let refusal = json!({"status": "error", "category": "VALIDATION_ERROR",
        "message": "sort by non-unique was not one of the allowed options"});
    let fault = json!({"on": CREATE, "calls": [1, 2, 3], "do": "status", "status": 400, "body": refusal.to_string()});
    let remote = Remote::with(&json!({"faults": [fault]}).to_string());
    let place = place(&remote);
    let names = ["sort by non-unique", "b", "c", "d", "e"];
    let all: Vec<Value> =
        names.iter().map(|name| json!({"externalId": name, "dealname": name})).collect();
    place.done(deals(&all));
    // The call is halved: three times refused, the first stands alone.
    assert_eq!(
        (outcomes(&place), remote.crm(DEALS).len()),
        (
            {
                let mut told = vec!["created".to_owned(); 5];
                told[0] = "rejected".to_owned();
                told
            },
            4
        ),
        "{:?}",
        place.results()
    );
}

/// What a search has found and does not show, or spells otherwise, is there.
#[test]
fn what_a_search_has_found_is_there() {
    let search = "POST /crm/objects/*/deals/search";
    for (body, outcome) in [
        (json!({"total": 1, "results": []}), "updated"),
        (json!({"total": 0, "results": [], "status": "error"}), "updated"),
        (
            json!({"total": 1, "results": [{"id": "1", "properties": {"dealname": "100.00"}}]}),
            "updated",
        ),
    ] {
        let remote = answering(search, false, 200, &body);
        remote.post("/crm/objects/2026-03/deals", &json!({"properties": {"dealname": "100"}}));
        let place = place(&remote)
            .set("search_lag_secs", 0)
            .set("streams", json!({"deals": {"lookup_fields": ["dealname"]}}));
        place.done(deals(&[json!({"dealname": "100", "amount": 5})]));
        assert_eq!(
            (outcomes(&place), remote.crm(DEALS).len()),
            (vec![outcome.to_owned()], 1),
            "{body}"
        );
    }
}

/// A proxy's page is no word of HubSpot's about a campaign.
#[test]
fn a_campaign_is_missing_only_where_hubspot_says_so() {
    let page = json!("<html>no such host</html>");
    let remote = answering("PATCH /marketing/campaigns/*/*", false, 404, &page);
    let place = place(&remote);
    place.done(campaign("Inbound"));
    place.done(campaign("Outbound"));
    assert_eq!((outcomes(&place), remote.crm("campaigns").len()), (vec!["rejected".to_owned()], 1));
}

fn ann(name: &str) -> String {
    let one = json!({"email": "ann@example.com", "firstname": name});
    schema("contacts", &["email", "firstname"]) + &record("contacts", &one)
}

/// A lookup that fails for a key, or says nothing at all, does not say that nothing has it; one that
/// spells it another way does.
#[test]
fn only_what_is_said_not_to_be_there_is_made() {
    const READ: &str = "POST /crm/objects/*/contacts/batch/read";
    let of = |category: &str, id: &str| {
        let error = json!({"status": "error", "category": category, "message": "x", "context": {"ids": [id]}});
        json!({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]})
    };
    let creates =
        |remote: &Remote| remote.calls_of("POST /crm/objects/{version}/{object}/batch/create");
    let reads =
        |remote: &Remote| remote.calls_of("POST /crm/objects/{version}/{object}/batch/read");
    for (status, body) in [
        (207, of("INTERNAL_ERROR", "ann@example.com")),
        (207, of("RATE_LIMITS", "ann@example.com")),
        (200, json!({"status": "error", "message": "x"})),
        (
            200,
            json!({"status": "error", "message": "x", "results": [], "numErrors": 1,
            "errors": [{"category": "INTERNAL_ERROR", "message": "x"}]}),
        ),
        (200, json!({})),
        (200, json!({"status": "PENDING", "results": []})),
        (207, json!({"results": [], "numErrors": "1", "errors": {"category": "INTERNAL_ERROR"}})),
    ] {
        let remote = answering(READ, false, status, &body);
        let ann_there = json!({"properties": {"email": "ann@example.com"}});
        remote.post("/crm/objects/2026-03/contacts", &ann_there);
        let place = place(&remote);
        let ran = place.run(ann("Ann"));
        assert_eq!(
            (creates(&remote), remote.crm(CONTACTS).len()),
            (0, 1),
            "{body}: {}",
            ran.stderr
        );
        place.done(ann("Bea"));
        assert_eq!((outcomes(&place), creates(&remote)), (vec!["updated".to_owned()], 0), "{body}");
    }
    let remote = answering(READ, false, 207, &of("OBJECT_NOT_FOUND", "anń@example.com"));
    let place = place(&remote);
    place.done(ann("Ann"));
    assert_eq!((outcomes(&place), reads(&remote)), (vec!["created".to_owned()], 1));
}

/// An answer about other associations is none about these: they are made.
#[test]
fn associations_are_those_that_the_answer_names() {
    let body = json!({"results": [{"fromObjectId": "5", "toObjectId": "6"}], "numErrors": 1});
    let remote =
        answering("POST /crm/associations/*/deals/companies/batch/create", false, 200, &body);
    let place = place(&remote);
    remote.post("/crm/objects/2026-03/companies", &json!({"properties": {"name": "Acme"}}));
    remote.post("/crm/objects/2026-03/deals", &json!({"properties": {"dealname": "Big"}}));
    let types = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]);
    let with = json!([{"to": {"id": "1", "objectType": "companies"}, "types": types}]);
    place.done(deals(&[
        json!({"externalId": "a", "id": "2", "dealname": "Big", "associations": with}),
    ]));
    assert_eq!(outcomes(&place), ["updated"]);
    assert_eq!(remote.associated("deals", "2", "companies"), ["1"]);
}

/// Where a segment would be a step on the way, nothing is sent.
#[test]
fn names_do_not_lead_elsewhere() {
    let remote = Remote::start();
    let place = place(&remote);
    for stream in ["..", "/crm/%2e%2e/admin", "/a\\..\\admin", "/a/.\t./admin", "/a?x=1#y"] {
        place.done(
            schema(stream, &["externalId", "name"])
                + &record(stream, &json!({"externalId": "a", "name": "x"})),
        );
        assert_eq!(outcomes(&place), ["rejected"], "{stream}");
    }
    let place =
        place.set("identity", "platform").set("streams", json!({"campaigns": {"mode": "delete"}}));
    place.done(schema("campaigns", &["id"]) + &record("campaigns", &json!({"id": ".."})));
    assert_eq!(outcomes(&place), ["rejected"]);
    let asked = remote.calls()["calls"].as_object().unwrap().clone();
    assert!(asked.keys().all(|route| route.contains("account-info")), "{asked:?}");
}

/// What one stream has made of an object, another of the same object finds before the search shows it.
#[test]
fn an_object_is_the_same_by_any_of_its_names() {
    let remote = Remote::with("{search_lag_ms: 2000}");
    let place = place(&remote)
        .set("search_lag_secs", 3)
        .set("streams", json!({"*": {"lookup_fields": ["domain"]}}));
    let mut input = String::new();
    for (n, stream) in ["companies", "0-2", "company"].into_iter().enumerate() {
        input += &schema(stream, &["domain", "name"]);
        input += &record(stream, &json!({"domain": "a.example", "name": n.to_string()}));
    }
    place.done(input);
    let held = remote.crm(COMPANIES);
    assert_eq!((held.len(), &held[0]["name"]), (1, &json!("2")));
}

/// A token that an answer tells again, in whatever place, is told to nobody.
#[test]
fn a_token_in_an_answer_is_told_to_nobody() {
    let token = "sandbox-token";
    let traced = |n: usize| json!({"objectWriteTraceId": [format!("record-{n}")], "requiredGranularScopes": [token]});
    let body = json!({"results": [{"id": token, "objectWriteTraceId": "record-2"}], "numErrors": 2, "errors": [
        {"category": token, "message": token, "context": traced(0)},
        {"category": "VALIDATION_ERROR", "context": traced(1), "errors": [{"message": token, "in": token, "code": token}]}]});
    let leak = |remote: &Remote, code: i32| {
        let place = place(remote).env("LOGLEVEL", "debug");
        let ran: Ran =
            place.run(deals(&[0, 1, 2].map(|n| json!({"externalId": n, "dealname": "x"}))));
        assert_eq!(ran.code, code, "{}", ran.stderr);
        let checked = place.call(&["check", "--config", "config.json", "deals"]);
        let told = secrets::told(&place, &[ran, checked]).replace(&place.config.to_string(), "");
        assert!(!told.contains(token), "{told}");
    };
    leak(&answering(CREATE, true, 207, &body), 0);
    leak(&answering("GET /account-info/*/*", true, 200, &json!({"portalId": token})), 3);
}
