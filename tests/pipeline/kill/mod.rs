//! A job that is killed at any instant and run again with the same input leaves each external id
//! exactly once, with its last content and its right parent; and nothing is told as safe that is
//! not.
//!
//! One test for each kind of remote: they differ in what can tell whether a lost create was
//! applied.

mod torment;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use target_upsert::crash::STEPS;

use crate::support::{Place, Remote, record, schema, state, text};
use torment::Torment;

/// Records of a round.
const RECORDS: usize = 60;

/// The steps that every job comes to.
const ALWAYS: [&str; 9] =
    ["replacing", "replaced", "sent", "answered", "recorded", "moved", "folding", "folded", "told"];
/// Those, and the steps of a job that creates.
const CREATING: [&str; 11] = [
    "replacing",
    "replaced",
    "recovering",
    "intended",
    "sent",
    "answered",
    "recorded",
    "moved",
    "folding",
    "folded",
    "told",
];
/// The steps of a job whose records have relations in a circle.
const IN_CIRCLES: [&str; 6] = ["sent", "answered", "recorded", "partial", "folding", "told"];
/// The step of a job that tells a whole state.
const TELLING: [&str; 1] = ["telling"];

/// What each round brings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounds {
    /// Half of its records change what the rounds before have made, the others are new.
    Mixed,
    /// All of its records are new.
    New,
}

impl Rounds {
    fn old(self) -> usize {
        if self == Self::Mixed { RECORDS / 2 } else { 0 }
    }

    fn id(self, round: usize, n: usize) -> String {
        if n.is_multiple_of(2) && n / 2 < self.old() {
            format!("c-{n}")
        } else {
            format!("c-{round}-{n}")
        }
    }

    fn input(self, round: usize) -> String {
        let mut input = schema("contacts");
        for n in 0..RECORDS {
            let id = self.id(round, n);
            let content = json!({"externalId": id, "ext_id": id, "visits": round * 1000 + n});
            input += &record("contacts", &content);
            if n % 10 == 9 {
                input += &state(&json!({"n": n + 1}));
            }
        }
        input
    }

    /// Whether the first `count` records of a round are there, each once.
    fn check(self, remote: &Remote, round: usize, count: usize) {
        let held = remote.by_ext("contacts");
        for n in 0..count {
            let record = &held[&self.id(round, n)];
            assert_eq!(record["visits"], round * 1000 + n, "round {round}");
        }
        if count == RECORDS {
            let new = (RECORDS - self.old()) * (round + 1);
            assert_eq!(held.len(), self.old() + new, "round {round}");
        }
    }

    /// Kills jobs that write to a remote, at these steps and at random.
    fn inflict(self, remote: &Remote, place: Place, steps: &[&str]) {
        self.inflict_as(remote, place, steps, true);
    }

    /// The same, at random or not.
    fn inflict_as(self, remote: &Remote, place: Place, steps: &[&str], at_random: bool) {
        let torment = Torment {
            steps,
            at_random,
            input: &|round| self.input(round),
            check: &|_, round| self.check(remote, round, RECORDS),
            safe: &|round, count| self.check(remote, round, count),
        };
        torment.inflict(place);
    }
}

/// What no job has died at may leave anything behind.
#[test]
fn each_step_is_in_a_list() {
    // Jobs that are to plan again die in `unsure`, those of bulk jobs in `salesforce::bulk`.
    let met = [&CREATING[..], &IN_CIRCLES, &TELLING, &["replanned", "uploaded"]].concat();
    let unmet: Vec<_> = STEPS.iter().filter(|step| !met.contains(step)).collect();
    assert!(unmet.is_empty(), "no test kills jobs at {unmet:?}");
}

/// A quick remote, and jobs of several batches in flight at once.
fn at(faults: &str, manifest: &str) -> (Remote, Place) {
    let remote = Remote::with(&format!("{{latency_ms: 2, latency_jitter_ms: 3, {faults}}}"));
    let place =
        Place::at(&remote, manifest).set("batch", json!({"records": 8})).set("max_in_flight", 4);
    (remote, place)
}

#[test]
fn a_remote_that_upserts_in_bulk() {
    let (remote, place) = at("", "sandbox");
    let folder = place.path("snapshots");
    std::fs::create_dir(&folder).unwrap();
    let place = place
        .set("save_record_ids", true)
        .set("snapshot_dir", folder.display().to_string())
        .env("FLOW", "f");
    let check = |place: &Place, round| {
        Rounds::Mixed.check(&remote, round, RECORDS);
        // The snapshot has them all, under the ids that the remote gave them.
        let held = remote.by_ext("contacts");
        let rows = place.read("snapshots/contacts_f.snapshot.csv");
        let rows: BTreeMap<&str, &str> = rows
            .lines()
            .skip(1)
            .map(|row| row.split_once(',').unwrap())
            .map(|(id, rest)| (id, rest.split(',').next().unwrap()))
            .collect();
        assert_eq!(rows.len(), held.len());
        for (id, record) in &held {
            assert_eq!(rows[&**id], text(&record["id"]));
        }
    };
    let torment = Torment {
        steps: &[&ALWAYS[..], &TELLING].concat(),
        at_random: true,
        input: &|round| Rounds::Mixed.input(round),
        check: &check,
        safe: &|round, count| Rounds::Mixed.check(&remote, round, count),
    };
    torment.inflict(place);
}

#[test]
fn a_remote_that_upserts_one_by_one_and_rotates_refresh_tokens() {
    // The server still takes the old token for a while: what a job that dies before the new one is
    // on disk needs, and no client can do without.
    let (remote, place) = at(
        "static_token: false, rotate_refresh_token: true, token_calls: 25, refresh_token_grace_ms: 60000",
        "rest-by-ext",
    );
    Rounds::Mixed.inflict(&remote, place, &ALWAYS);
}

#[test]
fn new_tokens_that_are_on_disk_outlive_the_job() {
    // The server takes no refresh token twice.
    let (remote, place) =
        at("static_token: false, rotate_refresh_token: true, token_calls: 25", "rest-by-ext");
    // At any other instant a renewal may be under way, and nobody has the new one.
    Rounds::Mixed.inflict_as(&remote, place, &["replaced"], false);
    let asked = remote.calls();
    assert_eq!(asked["statuses"].get("400"), None, "{asked}");
}

#[test]
fn a_remote_that_is_searched_in_bulk() {
    let (remote, place) = at("", "rest-lookup-bulk");
    let manifest = place.config["manifest"].as_str().unwrap().to_owned();
    let at_once = std::fs::read_to_string(manifest).unwrap().replace("lag_secs: 1", "lag_secs: 0");
    Rounds::Mixed.inflict(&remote, place.manifest(at_once), &CREATING);
}

#[test]
fn a_remote_that_is_searched_one_by_one() {
    let (remote, place) = at("", "rest-one-by-one");
    Rounds::Mixed.inflict(&remote, place, &CREATING);
}

#[test]
fn a_remote_whose_search_lags_behind() {
    let (remote, place) = at("search_lag_ms: 900", "rest-lookup-bulk");
    Rounds::Mixed.inflict(&remote, place, &CREATING);
}

#[test]
fn a_remote_that_is_read_before_and_after_each_write() {
    let (remote, place) = at("", "rest-conditional");
    Rounds::Mixed.inflict(&remote, place, &CREATING);
}

#[test]
fn a_remote_that_remembers_idempotency_keys() {
    let (remote, place) = at("idempotency: true", "create-with-key");
    Rounds::New.inflict(&remote, place, &CREATING);
}

#[test]
fn a_hook_that_remembers_idempotency_keys() {
    let (remote, _) = at("idempotency: true", "sandbox");
    let place = Place::with(json!({
        "connector": "api", "url": format!("{}/v1/{{stream}}", remote.url), "max_in_flight": 4,
        "auth": true, "api_key": "Bearer sandbox-token", "api_key_header": "Authorization",
        "idempotency_key_header": "Idempotency-Key",
    }));
    Rounds::New.inflict(&remote, place, &CREATING);
}

#[test]
fn records_without_ids_at_a_remote_that_remembers_idempotency_keys() {
    let (remote, place) = at("idempotency: true", "create-with-key");
    let schema = json!({"type": "SCHEMA", "stream": "events", "key_properties": [],
        "schema": {"properties": {"n": {}}}});
    let input = |round: usize| {
        let events = (0..RECORDS).map(|n| record("events", &json!({"n": round * 1000 + n})));
        format!("{schema}\n") + &events.collect::<String>()
    };
    let check = |_: &Place, round: usize| {
        let held = remote.records("events");
        let numbers: BTreeSet<i64> = held.iter().map(|one| one["n"].as_i64().unwrap()).collect();
        assert_eq!((numbers.len(), held.len()), (RECORDS * (round + 1), RECORDS * (round + 1)));
    };
    let steps = ["recovering", "intended", "sent", "answered", "recorded", "told"];
    let torment =
        Torment { steps: &steps, at_random: true, input: &input, check: &check, safe: &|_, _| {} };
    torment.inflict(place);
}

#[test]
fn a_remote_of_which_nothing_can_tell_has_no_record_twice_and_each_doubt_is_told() {
    let (remote, place) = at("", "create-only");
    let deaths = Cell::new(0);
    let check = |place: &Place, round: usize| {
        let held = remote.by_ext("contacts");
        let doubtful: BTreeSet<String> = place
            .results()
            .iter()
            .filter(|row| row["outcome"] == "in_doubt")
            .map(|row| text(&row["InputId"]))
            .collect();
        for n in 0..RECORDS {
            let id = Rounds::New.id(round, n);
            assert!(held.contains_key(&id) || doubtful.contains(&id), "{id} is lost");
        }
        // One record a call, four calls at once: so many a death may leave in doubt.
        assert!(doubtful.len() <= 4 * deaths.replace(0), "{doubtful:?}");
    };
    let torment = Torment {
        steps: &CREATING,
        at_random: true,
        input: &|round| Rounds::New.input(round),
        check: &check,
        safe: &|_, _| deaths.set(deaths.get() + 1),
    };
    torment.inflict(place);
}

#[test]
fn circles_and_children_before_their_parents_at_a_remote_that_is_searched() {
    circles("rest-one-by-one", &["recovering", "intended"]);
}

#[test]
fn circles_and_children_before_their_parents_at_a_remote_that_upserts() {
    circles("rest-by-ext", &[]);
}

fn circles(manifest: &str, steps: &[&str]) {
    let (remote, place) = at("", manifest);
    let relations = json!([{"field": "next", "stream": "people"}]);
    let place = place.set("streams", json!({"people": {"relations": relations}}));
    let id = |round: usize, n: usize| format!("p-{}-{n}", round / 2);
    // Rings of four that turn with each round, and a chain whose head comes last.
    let next = |round: usize, n: usize| match n {
        0..40 => Some(n / 4 * 4 + (n + 1 + round % 3) % 4),
        40..59 => Some(n + 1),
        _ => None,
    };
    let input = |round: usize| {
        let person = |n: usize| {
            let next = next(round, n).map(|next| id(round, next));
            let content = json!({"externalId": id(round, n), "next": next, "round": round});
            record("people", &content)
        };
        schema("people") + &(0..RECORDS).map(person).collect::<String>()
    };
    let check = |_: &Place, round: usize| {
        let held = remote.by_ext("people");
        assert_eq!(held.len(), RECORDS * (round / 2 + 1), "{manifest}");
        for n in 0..RECORDS {
            let parent =
                next(round, n).map_or(Value::Null, |next| held[&id(round, next)]["id"].clone());
            let person = &held[&id(round, n)];
            assert_eq!((&person["next"], &person["round"]), (&parent, &json!(round)));
        }
    };
    let steps = [&IN_CIRCLES, steps].concat();
    let torment =
        Torment { steps: &steps, at_random: true, input: &input, check: &check, safe: &|_, _| {} };
    torment.inflict(place);
}

/// The map knows what was written last; of a write that was on its way when its job was killed, it
/// does not.
#[test]
fn content_that_comes_back_after_a_kill_is_written_and_not_taken_for_unchanged() {
    for (manifest, mode) in
        [("sandbox", "upsert"), ("rest-lookup-bulk", "upsert"), ("rest-one-by-one", "delete")]
    {
        let (remote, place) = at("", manifest);
        let input = |visits: usize| {
            let content = json!({"externalId": "a", "visits": visits});
            schema("contacts") + &record("contacts", &content)
        };
        place.done(input(1));
        // The remote has taken it, and the job has not heard of it.
        let place = place.set("streams", json!({"*": {"mode": mode}}));
        place.dies_at("sent:1", input(2));
        let taken = remote.by_ext("contacts").get("a").map(|held| held["visits"].clone());
        assert_eq!(taken, (mode == "upsert").then(|| json!(2)), "{manifest}");
        let place = place.set("streams", json!({}));
        place.done(input(1));
        assert_eq!(remote.by_ext("contacts")["a"]["visits"], 1, "{manifest}");
    }
}
