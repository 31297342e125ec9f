//! Records one by one: versions, logins, what objects tell, and what a record is refused for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::{Sandbox, send};
use super::{DATA, code, refused};

#[tokio::test]
async fn versions_tokens_and_limits_are_told_as_salesforce_does() {
    let sandbox = Sandbox::start("rate_limit: {requests: 4, per_secs: 60}").await;
    let nobody = send(sandbox.request("GET", &format!("{DATA}/limits"))).await.unwrap();
    assert_eq!(code(&nobody), refused(401, "INVALID_SESSION_ID"));
    let all = send(sandbox.request("GET", "/services/data")).await.unwrap().json();
    assert_eq!(all[0]["version"], "46.0");
    assert_eq!((&all[22]["version"], &all[22]["label"]), (&json!("68.0"), &json!("Winter '27")));
    let limits = sandbox.sf("GET", "/limits/", "").await;
    assert_eq!(limits.json()["DailyApiRequests"]["Remaining"], 99_999);
    assert_eq!(limits.header("sforce-limit-info"), "api-usage=1/100000");
    for path in ["/services/data/v45.0/limits", "/services/data/v69.0/limits", "/services/no"] {
        let reply = sandbox.call("GET", path, "").await;
        assert_eq!(code(&reply), refused(404, "NOT_FOUND"), "{path}");
    }
    let much = sandbox.sf("GET", "/limits", "").await;
    assert_eq!(code(&much), refused(403, "REQUEST_LIMIT_EXCEEDED"));
    assert_eq!(
        (much.header("retry-after"), much.header("sforce-limit-info")),
        ("", "api-usage=5/100000")
    );
}

#[tokio::test]
async fn every_grant_gives_a_token_that_is_good() {
    let sandbox = Sandbox::start("static_token: false\nrotate_refresh_token: true").await;
    let ask = async |form: &[(&str, &str)]| {
        let form: String =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = sandbox.request("POST", "/services/oauth2/token");
        let kind = "application/x-www-form-urlencoded";
        send(request.header("content-type", kind).body(form)).await.unwrap()
    };
    let client = [("client_id", "sandbox-client"), ("client_secret", "sandbox-secret")];
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "sandbox-refresh")];
    let refreshed = ask(&[&client[..], &refresh].concat()).await.json();
    assert_eq!(refreshed["refresh_token"], "sandbox-refresh-1");
    assert!(refreshed.get("expires_in").is_none());
    assert!(refreshed["issued_at"].as_str().unwrap().parse::<u64>().is_ok());
    assert_eq!(refreshed["instance_url"], format!("http://{}", sandbox.running.address()));
    let again = ask(&[&client[..], &refresh].concat()).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_grant")));

    let assertion = |claims: Value| {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(claims))
    };
    let jwt = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let claims = json!({"iss": "sandbox-client", "sub": "a@example.com", "aud": "x",
        "exp": 4_000_000_000_u64});
    let good = assertion(claims.clone());
    let token = ask(&[("grant_type", jwt), ("assertion", &good)]).await.json();
    for wrong in [assertion(json!({"iss": "x"})), good.replace('.', ""), String::new()] {
        let refused = ask(&[("grant_type", jwt), ("assertion", &wrong)]).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_grant")));
    }
    for token in [&refreshed["access_token"], &token["access_token"]] {
        let request = sandbox.request("GET", "/services/oauth2/userinfo");
        let user = send(request.bearer_auth(token.as_str().unwrap())).await.unwrap();
        assert_eq!(user.json()["user_id"], "005Sb0000000000IAA");
    }
}

#[tokio::test]
async fn objects_tell_their_fields() {
    let sandbox = Sandbox::start("").await;
    let all = sandbox.sf("GET", "/sobjects", "").await.json();
    assert!(
        all["sobjects"]
            .as_array()
            .unwrap()
            .iter()
            .any(|object| object["labelPlural"] == "Invoices")
    );
    let told = sandbox.sf("GET", "/sobjects/invoice__c/describe", "").await;
    let fields = told.json()["fields"].clone();
    let field = |name: &str| {
        let fields = fields.as_array().unwrap().iter();
        fields.clone().find(|field| field["name"] == name).unwrap().clone()
    };
    let key = field("Ext_Id__c");
    assert_eq!([&key["externalId"], &key["unique"], &key["idLookup"]], [true, true, true]);
    assert_eq!(
        (&key["length"], &key["label"], &key["custom"]),
        (&json!(100), &json!("Ext Id"), &json!(true))
    );
    assert_eq!(field("Account__c")["relationshipName"], "Account__r");
    assert_eq!(field("Status__c")["picklistValues"][0]["defaultValue"], true);
    assert_eq!(field("CreatedDate")["createable"], false);
    let since = told.header("last-modified").to_owned();
    let request = sandbox.request("GET", &format!("{DATA}/sobjects/Invoice__c/describe"));
    let request = request.bearer_auth("sandbox-token").header("if-modified-since", since);
    assert_eq!(send(request).await.unwrap().status, 304);
    assert_eq!(
        code(&sandbox.sf("GET", "/sobjects/Dragon/describe", "").await),
        refused(404, "NOT_FOUND")
    );
}

#[tokio::test]
async fn both_forms_of_an_id_lead_to_a_record_until_it_is_deleted() {
    let sandbox = Sandbox::start("").await;
    let id = sandbox.make("Contact", json!({"LastName": "Lovelace", "FirstName": "Ada"})).await;
    assert_eq!((id.len(), id.starts_with("003")), (18, true));
    let path = format!("/sobjects/Contact/{}", id.get(..15).unwrap());
    let read = sandbox.sf("GET", &format!("{path}?fields=Name,AccountId"), "").await.json();
    assert_eq!(
        (&read["Name"], &read["AccountId"], &read["Id"]),
        (&json!("Ada Lovelace"), &Value::Null, &json!(id))
    );
    let changed = sandbox.sf("PATCH", &path, json!({"LastName": "King"})).await;
    assert_eq!((changed.status, &*changed.text), (204, ""));
    assert_eq!(sandbox.sf_held("Contact").await[0]["Name"], "Ada King");
    assert_eq!(sandbox.sf("DELETE", &path, "").await.status, 204);
    assert_eq!(code(&sandbox.sf("GET", &path, "").await), refused(404, "ENTITY_IS_DELETED"));
    assert_eq!(code(&sandbox.sf("DELETE", &path, "").await), refused(404, "ENTITY_IS_DELETED"));
    for nothing in ["003Sb0000000099IAA", "001Sb0000000001IAA", "no-id"] {
        let reply = sandbox.sf("GET", &format!("/sobjects/Contact/{nothing}"), "").await;
        assert_eq!(code(&reply), refused(404, "NOT_FOUND"), "{nothing}");
    }
    let all = sandbox.sf("GET", "/queryAll?q=SELECT+Id,IsDeleted+FROM+Contact", "").await.json();
    assert_eq!((&all["totalSize"], &all["records"][0]["IsDeleted"]), (&json!(1), &json!(true)));
    assert_eq!(sandbox.found("SELECT Id FROM Contact", "Id").await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_a_field_does_not_take_is_told() {
    let sandbox = Sandbox::start("salesforce: {duplicate_rule: true}").await;
    let account = sandbox.make("Account", json!({"Name": "Acme", "Ext_Id__c": "A1"})).await;
    let gone = sandbox.make("Account", json!({"Name": "Gone"})).await;
    sandbox.sf("DELETE", &format!("/sobjects/Account/{gone}"), "").await;
    sandbox.make("Contact", json!({"LastName": "x", "Email": "a@example.com"})).await;
    let long = "x".repeat(41);
    for (object, body, expected) in [
        ("Contact", json!({"FirstName": "Ada"}), "REQUIRED_FIELD_MISSING [\"LastName\"]"),
        ("Contact", json!({"LastName": ""}), "REQUIRED_FIELD_MISSING [\"LastName\"]"),
        ("Lead", json!({"LastName": "x"}), "REQUIRED_FIELD_MISSING [\"Company\"]"),
        (
            "Opportunity",
            json!({"Name": "x"}),
            "REQUIRED_FIELD_MISSING [\"StageName\",\"CloseDate\"]",
        ),
        ("Contact", json!({"LastName": "x", "FirstName": long}), "STRING_TOO_LONG [\"FirstName\"]"),
        (
            "Contact",
            json!({"LastName": "x", "Email": "nobody"}),
            "INVALID_EMAIL_ADDRESS [\"Email\"]",
        ),
        ("Contact", json!({"LastName": "x", "Email": "A@example.com"}), "DUPLICATES_DETECTED null"),
        ("Contact", json!({"LastName": "x", "Age": 7}), "INVALID_FIELD null"),
        (
            "Contact",
            json!({"LastName": "x", "CreatedDate": "2024-01-01T00:00:00Z"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE [\"CreatedDate\"]",
        ),
        ("Contact", json!({"LastName": "x", "Birthdate": "yesterday"}), "JSON_PARSER_ERROR null"),
        ("Contact", json!({"LastName": 7}), "JSON_PARSER_ERROR null"),
        ("Contact", json!({"LastName": "x", "DoNotCall": "maybe"}), "JSON_PARSER_ERROR null"),
        ("Contact", json!({"LastName": "x", "AccountId": "A1"}), "MALFORMED_ID [\"AccountId\"]"),
        (
            "Contact",
            json!({"LastName": "x", "AccountId": "001Sb0000000099"}),
            "INVALID_CROSS_REFERENCE_KEY []",
        ),
        ("Contact", json!({"LastName": "x", "AccountId": gone}), "ENTITY_IS_DELETED []"),
        (
            "Contact",
            json!({"LastName": "x", "ReportsToId": account}),
            "FIELD_INTEGRITY_EXCEPTION [\"ReportsToId\"]",
        ),
        ("Contact", json!({"LastName": "x", "Account": {"Ext_Id__c": "A9"}}), "INVALID_FIELD []"),
        (
            "Invoice__c",
            json!({"Status__c": "Lost"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST [\"Status__c\"]",
        ),
        ("Invoice__c", json!({"Amount__c": 1e17}), "NUMBER_OUTSIDE_VALID_RANGE [\"Amount__c\"]"),
        ("Account", json!({"Name": "x", "Ext_Id__c": "a1"}), "DUPLICATE_VALUE []"),
        (
            "Opportunity",
            json!({"Name": "x", "StageName": "Prospecting", "CloseDate": "2026-01-01", "Amount": -1}),
            "FIELD_CUSTOM_VALIDATION_EXCEPTION [\"Amount\"]",
        ),
    ] {
        let reply = sandbox.sf("POST", &format!("/sobjects/{object}"), &body).await;
        let told = &reply.json()[0];
        let told = format!("{} {}", told["errorCode"].as_str().unwrap_or_default(), told["fields"]);
        assert_eq!((reply.status, &*told), (400, expected), "{body}: {reply:?}");
    }
    // The rule names the twin, and lets it be made by who insists.
    let twin = json!({"LastName": "x", "Email": "a@example.com"});
    let told = sandbox.sf("POST", "/sobjects/Contact", &twin).await.json();
    let matches = &told[0]["duplicateResut"]["matchResults"][0]["matchRecords"];
    assert!(matches[0]["record"]["Id"].as_str().unwrap().starts_with("003"));
    let request =
        sandbox.request("POST", &format!("{DATA}/sobjects/Contact")).bearer_auth("sandbox-token");
    let request = request.header("sforce-duplicate-rule-header", "allowSave=true");
    assert_eq!(send(request.json(&twin)).await.unwrap().status, 201);
    assert_eq!(sandbox.sf_held("Contact").await.len(), 2);
}

#[tokio::test]
async fn an_external_id_makes_or_changes_one_record() {
    let sandbox = Sandbox::start("").await;
    let path = "/sobjects/Account/Ext_Id__c/A%2F1";
    let only = sandbox.sf("PATCH", &format!("{path}?updateOnly=true"), json!({"Name": "x"})).await;
    assert_eq!(code(&only), refused(404, "NOT_FOUND"));
    let made = sandbox.sf("PATCH", path, json!({"Name": "Acme"})).await;
    assert_eq!((made.status, &made.json()["created"]), (201, &json!(true)), "{made:?}");
    let changed =
        sandbox.sf("PATCH", "/sobjects/Account/ext_id__c/a%2F1", json!({"Name": "ACME"})).await;
    assert_eq!((changed.status, &changed.json()["created"]), (200, &json!(false)));
    assert_eq!(changed.json()["id"], made.json()["id"]);
    assert_eq!(sandbox.sf("GET", path, "").await.json()["Ext_Id__c"], "A/1");
    let twice = sandbox.sf("PATCH", path, json!({"Ext_Id__c": "A/1"})).await;
    assert_eq!(code(&twice), refused(400, "INVALID_FIELD"));
    let no_key = sandbox.sf("PATCH", "/sobjects/Account/Industry/x", json!({"Name": "x"})).await;
    assert_eq!(code(&no_key), refused(404, "NOT_FOUND"));

    for name in ["One", "Two"] {
        sandbox.make("Account", json!({"Name": name, "Legacy_Id__c": "L"})).await;
    }
    let many = sandbox.sf("PATCH", "/sobjects/Account/Legacy_Id__c/l", json!({"Name": "x"})).await;
    assert_eq!((many.status, many.json().as_array().unwrap().len()), (300, 2), "{many:?}");
    assert!(
        many.json()[0].as_str().unwrap().starts_with("/services/data/v60.0/sobjects/Account/001")
    );

    // Parents by their keys: of one object, of their own, of one among several.
    let child = json!({"LastName": "x", "Account": {"Ext_Id__c": "a/1"}, "Ext_Id__c": "C1"});
    sandbox.make("Contact", child).await;
    assert_eq!(sandbox.sf_held("Contact").await[0]["AccountId"], made.json()["id"]);
    let who = json!({"attributes": {"type": "Contact"}, "Ext_Id__c": "C1"});
    sandbox.make("Task", json!({"Subject": "Call", "Who": who})).await;
    sandbox.make("Invoice__c", json!({"Ext_Id__c": "I1"})).await;
    sandbox.make("Invoice__c", json!({"Parent__r": {"Ext_Id__c": "I1"}})).await;
    assert_eq!(
        sandbox
            .found("SELECT Id FROM Invoice__c WHERE Parent__r.Ext_Id__c = 'i1'", "Id")
            .await
            .len(),
        1
    );
    assert_eq!(sandbox.sf("DELETE", path, "").await.status, 204);
    assert_eq!(sandbox.sf_held("Account").await.len(), 2);
}

#[tokio::test]
async fn what_stands_beside_business_records() {
    let sandbox = Sandbox::start("").await;
    let contact = sandbox.make("Contact", json!({"LastName": "x"})).await;
    let campaign = sandbox.make("Campaign", json!({"Name": "Spring"})).await;
    let member = json!({"CampaignId": campaign, "ContactId": contact});
    sandbox.make("CampaignMember", member.clone()).await;
    let again = sandbox.sf("POST", "/sobjects/CampaignMember", member).await;
    assert_eq!(again.json()[0]["message"], "Already a campaign member.");
    let topic = sandbox.make("Topic", json!({"Name": "VIP"})).await;
    let twin = sandbox.sf("POST", "/sobjects/Topic", json!({"Name": "vip"})).await;
    assert_eq!(code(&twin), refused(400, "DUPLICATE_VALUE"));
    sandbox.make("TopicAssignment", json!({"TopicId": topic, "EntityId": contact})).await;
    let file =
        json!({"PathOnClient": "a.txt", "VersionData": "aGk=", "FirstPublishLocationId": contact});
    let file = sandbox.make("ContentVersion", file).await;
    let query = format!("SELECT ContentDocumentId FROM ContentVersion WHERE Id = '{file}'");
    let document = sandbox.found(&query, "ContentDocumentId").await;
    assert!(document[0].as_str().unwrap().starts_with("069"));
    assert_eq!(sandbox.sf_held("ContentDocumentLink").await[0]["LinkedEntityId"], json!(contact));
    let set = sandbox.found("SELECT Id FROM PermissionSet", "Id").await;
    sandbox
        .make(
            "FieldPermissions",
            json!({"ParentId": set[0], "SobjectType": "Contact",
        "Field": "Contact.Ext_Id__c", "PermissionsEdit": true, "PermissionsRead": true}),
        )
        .await;
    let user = sandbox.found("SELECT Id FROM User WHERE Email = 'Sandbox@example.com'", "Id").await;
    assert_eq!(sandbox.sf_held("Contact").await[0]["OwnerId"], user[0]);
}
