//! Whole rounds through every manifest, against the sandbox.

use serde_json::Value;

use super::*;
use crate::connector::contract::RequestError;
use crate::json::exact;

fn ext_ids(held: &[Value]) -> Vec<String> {
    let mut ids: Vec<_> =
        held.iter().map(|record| exact::text(&record["ext_id"]).unwrap()).collect();
    ids.sort();
    ids
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// Creates or upserts all nasty ids, finds them, changes them, and removes them.
async fn round(manifest: &str) {
    let remote = Remote::start("seed: 7").await;
    let connector = remote.connector(manifest);
    let capabilities = connector.capabilities(&stream()).unwrap();
    let first = if capabilities.upsert.is_some() { Action::Upsert } else { Action::Create };
    let ids = nasty();
    let body = r#"{"price":1.50,"big":12345678901234567890123,"huge":1e400,"note":"n"}"#;
    let writes: Vec<_> = ids.iter().map(|id| write(Some(id), None, body)).collect();
    let verdicts = write_all(connector.as_ref(), first, &writes).await;
    assert!(
        verdicts.iter().all(|verdict| matches!(verdict, Verdict::Created(Some(_)))),
        "{verdicts:?}"
    );
    let held = remote.held("contacts").await;
    assert_eq!(ext_ids(&held), sorted(ids.clone()));
    for record in &held {
        assert_eq!(record["price"], "1.50");
        assert_eq!(record["big"], "12345678901234567890123");
        assert_eq!(record["huge"], "1e400");
    }
    for (id, verdict) in ids.iter().zip(&verdicts) {
        let record = held.iter().find(|record| exact::text(&record["ext_id"]).as_ref() == Some(id));
        assert_eq!(record.unwrap()["id"], remote_id(verdict).as_str(), "of {id}");
    }
    found_again(connector.as_ref(), &ids, &verdicts).await;
    changed(connector.as_ref(), &ids, &verdicts).await;
    let held = remote.held("contacts").await;
    assert_eq!(ext_ids(&held), sorted(ids.clone()));
    assert!(held.iter().all(|record| record["note"] == "new" && record["price"] == "1.50"));
    if capabilities.delete.is_some() {
        let mut writes: Vec<_> = verdicts
            .iter()
            .map(|verdict| write(None, Some(remote_id(verdict).as_str()), "{}"))
            .collect();
        writes.push(write(None, Some("999"), "{}"));
        let removed = write_all(connector.as_ref(), Action::Delete, &writes).await;
        assert!(removed.iter().all(|verdict| *verdict == Verdict::Deleted), "{removed:?}");
        assert!(remote.held("contacts").await.is_empty());
    }
    let lines = connector.check(&[stream()], false).await;
    assert_eq!(lines[0].result.as_deref(), Ok("taken by the remote"));
    assert_eq!(lines[1].subject, "object contacts");
}

/// Looks all up, and one that is not there.
async fn found_again(connector: &dyn Connector, ids: &[String], verdicts: &[Verdict]) {
    if let Some(lookup) = connector.capabilities(&stream()).unwrap().lookup {
        let mut asked: Vec<_> = ids.iter().map(|id| ExternalId::from(id.as_str())).collect();
        asked.push(ExternalId::from("nowhere"));
        let mut found = Vec::new();
        for chunk in asked.chunks(lookup.max_ids) {
            found.extend(find_ids(connector, chunk).await.unwrap());
        }
        assert_eq!(found.len(), ids.len());
        for (id, verdict) in ids.iter().zip(verdicts) {
            let pair = (ExternalId::from(id.as_str()), remote_id(verdict));
            assert!(found.contains(&pair), "{pair:?}");
        }
    }
}

/// Changes all, and one that is not there.
async fn changed(connector: &dyn Connector, ids: &[String], verdicts: &[Verdict]) {
    if connector.capabilities(&stream()).unwrap().update.is_some() {
        let writes: Vec<_> = ids
            .iter()
            .zip(verdicts)
            .map(|(id, verdict)| {
                write(Some(id), Some(remote_id(verdict).as_str()), r#"{"note":"new"}"#)
            })
            .collect();
        let updated = write_all(connector, Action::Update, &writes).await;
        assert!(
            updated.iter().all(|verdict| matches!(verdict, Verdict::Updated(_))),
            "{updated:?}"
        );
        let gone = write_all(
            connector,
            Action::Update,
            &[write(Some("gone"), Some("999"), r#"{"note":"new"}"#)],
        )
        .await;
        assert_eq!(gone, [Verdict::Missing]);
    } else {
        let writes: Vec<_> =
            ids.iter().map(|id| write(Some(id), None, r#"{"note":"new"}"#)).collect();
        let again = write_all(connector, Action::Upsert, &writes).await;
        assert!(again.iter().all(|verdict| matches!(verdict, Verdict::Updated(_))), "{again:?}");
    }
}

#[tokio::test]
async fn the_sandbox_s_manifest_writes_all() {
    round("sandbox").await;
}

#[tokio::test]
async fn one_by_one_writes_all() {
    round(&fixture("rest-one-by-one")).await;
}

#[tokio::test]
async fn lookup_bulk_writes_all() {
    round(&fixture("rest-lookup-bulk")).await;
}

#[tokio::test]
async fn by_ext_writes_all() {
    round(&fixture("rest-by-ext")).await;
}

#[tokio::test]
async fn dots_stand_in_bodies_and_are_refused_in_paths() {
    let remote = Remote::start("").await;
    let bulk = remote.connector("sandbox");
    let writes: Vec<_> = [".", ".."].iter().map(|id| write(Some(id), None, "{}")).collect();
    let verdicts = write_all(bulk.as_ref(), Action::Upsert, &writes).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Created(_))));
    let one = remote.connector(&fixture("rest-by-ext"));
    let sent = one.write(&batch(Action::Upsert, vec![write(Some(".."), None, "{}")])).await;
    assert!(matches!(sent, Err(RequestError::Refused { status: 0, .. })), "{sent:?}");
    assert_eq!(ext_ids(&remote.held("contacts").await), [".", ".."]);
}

#[tokio::test]
async fn a_bulk_answer_names_what_is_wrong_with_each() {
    let remote = Remote::start("{seed: 3, unique_ext_id: true}").await;
    for manifest in ["sandbox".to_owned(), fixture("rest-lookup-bulk")] {
        let connector = remote.connector(&manifest);
        let prefix = if manifest == "sandbox" { "s" } else { "l" };
        let id = |name: &str| format!("{prefix}-{name}");
        let old =
            write_all(connector.as_ref(), Action::Create, &[write(Some(&id("old")), None, "{}")])
                .await;
        let writes = [
            write(Some(&id("good")), None, r#"{"name":"n"}"#),
            write(Some(&id("bad")), None, r#"{"email":"no address"}"#),
            write(Some(&id("old")), None, "{}"),
        ];
        let verdicts = write_all(connector.as_ref(), Action::Create, &writes).await;
        assert!(matches!(&verdicts[0], Verdict::Created(Some(_))));
        let Verdict::Rejected(rejection) = &verdicts[1] else { panic!("{verdicts:?}") };
        assert_eq!(rejection.code.as_deref(), Some("INVALID_EMAIL"));
        assert_eq!(&*rejection.message, "`email` is not an address (`email`)");
        assert_eq!(verdicts[2], Verdict::Exists(Some(remote_id(&old[0]))));
    }
    let ids = ext_ids(&remote.held("contacts").await);
    assert_eq!(ids, ["l-good", "l-old", "s-good", "s-old"]);
}

#[tokio::test]
async fn a_record_that_is_there_is_told_with_its_id_one_by_one() {
    let remote = Remote::start("unique_ext_id: true").await;
    let connector = remote.connector(&fixture("rest-one-by-one"));
    let writes = [write(Some("a"), None, "{}")];
    let made = write_all(connector.as_ref(), Action::Create, &writes).await;
    let again = write_all(connector.as_ref(), Action::Create, &writes).await;
    assert_eq!(again, [Verdict::Exists(Some(remote_id(&made[0])))]);
    let bad = [write(Some("b"), None, r#"{"readonly":1}"#)];
    let bad = write_all(connector.as_ref(), Action::Create, &bad).await;
    let Verdict::Rejected(rejection) = &bad[0] else { panic!("{bad:?}") };
    assert_eq!(rejection.code.as_deref(), Some("READ_ONLY"));
    assert_eq!(remote.held("contacts").await.len(), 1);
}

#[tokio::test]
async fn the_same_key_creates_once() {
    let remote = Remote::start("idempotency: true").await;
    let connector = remote.connector(&fixture("create-with-key"));
    assert!(connector.capabilities(&stream()).unwrap().idempotent_create.is_some());
    let writes = [write(Some("a"), None, "{}")];
    let first = write_all(connector.as_ref(), Action::Create, &writes).await;
    let again = write_all(connector.as_ref(), Action::Create, &writes).await;
    assert_eq!(first, again);
    assert_eq!(remote.held("contacts").await.len(), 1);
}

#[tokio::test]
async fn what_the_answer_leaves_out_is_in_doubt_and_what_it_adds_is_nothing() {
    let faults = "{seed: 5, faults: [
        {on: 'POST /v1/{object}/batch', calls: [1], do: drop_results, count: 2},
        {on: 'POST /v1/{object}/batch', calls: [2], do: extra_results, count: 2}]}";
    let remote = Remote::start(faults).await;
    let connector = remote.connector("sandbox");
    let names: Vec<_> = (0..10).map(|index| format!("id-{index}")).collect();
    let writes: Vec<_> = names.iter().map(|id| write(Some(id), None, "{}")).collect();
    let dropped = write_all(connector.as_ref(), Action::Upsert, &writes).await;
    let lost = dropped.iter().filter(|verdict| matches!(verdict, Verdict::InDoubt(_))).count();
    let made = dropped.iter().filter(|verdict| matches!(verdict, Verdict::Created(_))).count();
    assert_eq!((lost, made), (2, 8));
    let extra = write_all(connector.as_ref(), Action::Upsert, &writes).await;
    assert!(extra.iter().all(|verdict| matches!(verdict, Verdict::Updated(_))), "{extra:?}");
    let held = remote.held("contacts").await;
    for (name, verdict) in names.iter().zip(&extra) {
        let record = held.iter().find(|record| record["ext_id"] == name.as_str()).unwrap();
        assert_eq!(record["id"], remote_id(verdict).as_str());
    }
}

#[tokio::test]
async fn a_renewed_token_is_used_at_once_and_by_all() {
    let remote = Remote::start("{static_token: false, token_calls: 3}").await;
    let connector = remote.connector(&fixture("rest-by-ext"));
    let names: Vec<_> = (0..10).map(|index| format!("id-{index}")).collect();
    let writes: Vec<_> = names.iter().map(|id| write(Some(id), None, "{}")).collect();
    let verdicts = write_all(connector.as_ref(), Action::Upsert, &writes).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Created(_))));
    assert_eq!(remote.held("contacts").await.len(), 10);
}

#[tokio::test]
async fn a_record_without_an_external_id_is_created_without_one() {
    let remote = Remote::start("seed: 1").await;
    let connector = remote.connector("sandbox");
    let writes =
        [write(None, None, "{\"n\":1}"), write(Some("a"), None, " { } "), write(None, None, "{}")];
    let made = write_all(connector.as_ref(), Action::Create, &writes).await;
    let held = remote.held("contacts").await;
    let of = |verdict| {
        let id = remote_id(verdict);
        held.iter().find(|record| record["id"] == id.as_str()).unwrap()
    };
    assert_eq!(of(&made[0])["n"], 1);
    assert_eq!(of(&made[1])["ext_id"], "a");
    assert!(of(&made[2]).get("ext_id").is_none());
}

#[tokio::test]
async fn the_token_can_be_had_alone() {
    let remote = Remote::start("rotate_refresh_token: true").await;
    let manifest = fixture("rest-by-ext");
    let mut settings = settings(&remote.url(), &manifest);
    // Nobody knows how long the token of the config is still good, so it is renewed.
    settings.values.remove("expires_in");
    let token = crate::connector::access_token("rest", settings.clone()).await;
    assert_eq!(token.unwrap(), "sandbox-access-1");
    let again = crate::connector::access_token("rest", settings.clone()).await;
    let told = again.unwrap_err().to_string();
    assert!(told.contains("invalid_grant"), "{told}");
    assert!(!told.contains("sandbox-refresh"), "{told}");
    settings.values.insert("manifest".to_owned(), "sandbox".into());
    let fixed = crate::connector::access_token("rest", settings).await;
    assert_eq!(fixed.unwrap(), "sandbox-token");
}
