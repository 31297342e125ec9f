use super::*;
use crate::outcome::Trouble;
use crate::record::Fingerprint;

#[test]
fn the_proof_counts_every_fate_once() {
    let mut counts = Counts::default();
    for fate in Fate::ALL {
        counts.read += 1;
        counts.add(fate);
    }
    assert!(Proof::of([&counts, &counts].into_iter()).holds);
    assert_eq!(counts.told(), 8);
    counts.read += 1;
    let proof = Proof::of(std::iter::once(&counts));
    assert!(!proof.holds && proof.line.contains("does not hold: please report this"));
    let proof = proof.cut_off();
    assert!(!proof.holds && proof.line.contains("does not hold: the store failed"));
}

/// An id of a tap may have the size of a line.
#[test]
fn what_is_told_of_an_error_is_bounded() {
    let long = "ü".repeat(1_000_000);
    let outcome = Outcome {
        position: 1,
        stream: 1,
        external_id: Some(long.as_str().into()),
        remote_id: None,
        action: None,
        fate: Fate::Rejected,
        attempts: 0,
        status: None,
        trouble: Some(Trouble::payload(&long, long.as_str())),
        millis: 0,
        fingerprint: Fingerprint([0; 32]),
        found_by: None,
        parents: None,
        custom_data: None,
        batch_id: None,
        key: None,
        may_be_resent: false,
        content: None,
    };
    let mut errors = Errors::default();
    errors.add(0, "s", &outcome);
    errors.add(0, "s", &outcome);
    let told = errors.finish();
    assert_eq!((told.len(), told[0].count), (1, 2));
    let size = serde_json::to_string(&told).unwrap().len();
    assert!(size < 3000, "{size} bytes");
}
