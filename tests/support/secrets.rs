//! A secret that is easy to find in a text, whatever encoding it went through.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Place, Ran, contacts};

/// What no output may hold, whole or in part. It has characters that every encoding writes in its
/// own way.
pub const HUSH: &str = "hush+9f/8e=7d&6c'5b";

/// All that the runs of `place` have told: on stdout and stderr of `ran`, and in every file but
/// those that the user wrote.
pub fn told(place: &Place, ran: &[Ran]) -> String {
    let mut all: String = ran.iter().flat_map(|ran| [&*ran.stdout, &*ran.stderr]).collect();
    for folder in [place.path(""), place.path(".target-upsert")] {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let is_theirs = ["config.json", "m.yaml"].iter().any(|name| path.ends_with(name));
            if path.is_file() && !is_theirs {
                all += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
            }
        }
    }
    all
}

/// A job, as talkative as can be.
pub fn job(place: Place) -> (Place, Vec<Ran>) {
    let place = place.env("LOGLEVEL", "TRACE").env("RUST_BACKTRACE", "1");
    let ran = vec![place.run(contacts(1))];
    (place, ran)
}

/// A job, a check, the question for the token, and what the store tells of the job; all as
/// talkative as can be.
pub fn all_commands(place: Place) -> (Place, Vec<Ran>) {
    let (place, mut ran) = job(place);
    ran.push(place.call(&["check", "--config", "config.json", "contacts"]));
    ran.push(place.call(&["--access-token", "--config", "config.json"]));
    // A token is what was asked for.
    if ran[2].stdout.contains("\"access_token\"") {
        ran[2].stdout.clear();
    }
    if place.path(".target-upsert/store.db").exists() {
        ran.push(place.call(&["jobs", "show", "last"]));
        ran.push(place.call(&["jobs", "list"]));
    }
    (place, ran)
}

/// The place in `all` where a part of a secret stands, if there is one.
pub fn leak(what: &str, all: &str) -> Option<String> {
    let in_basic = ["bob", "client"].map(|user| {
        let encoded = BASE64_STANDARD.encode(format!("{user}:{HUSH}"));
        encoded.trim_end_matches('=').to_owned()
    });
    let found = |text: &str| all.to_ascii_lowercase().find(&text.to_ascii_lowercase());
    let at = found("hush").or_else(|| in_basic.iter().find_map(|text| found(text)))?;
    let around: String = all.chars().skip(at.saturating_sub(150)).take(300).collect();
    Some(format!("{what}: {around}"))
}
