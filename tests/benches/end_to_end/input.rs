//! Inputs of the benchmark: contacts of some 300 bytes, each another one.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// External ids are this and a number, counted from 0.
pub const ID_PREFIX: &str = "c-";

/// Writes a Singer stream of `records` records. The same `edition` gives the same content.
pub fn write(path: &Path, stream: &str, records: u64, edition: u32) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("an input file"));
    let schema = r#"{"type":"object","properties":{"externalId":{"type":"string"},"email":{"type":"string"},"first_name":{"type":"string"},"last_name":{"type":["string","null"]},"company":{"type":"string"},"city":{"type":"string"},"revenue":{"type":"number"},"employees":{"type":"integer"},"is_customer":{"type":"boolean"},"created_at":{"type":"string","format":"date-time"}}}"#;
    let line = format!(
        r#"{{"type":"SCHEMA","stream":"{stream}","schema":{schema},"key_properties":["externalId"]}}"#
    );
    writeln!(out, "{line}").expect("room on the disk");
    for number in 0..records {
        // Ids come in no order, as those of most systems do.
        let id = scatter(number, records);
        writeln!(
            out,
            r#"{{"type":"RECORD","stream":"{stream}","record":{{"externalId":"{ID_PREFIX}{id}",{}}}}}"#,
            fields(id, edition),
        )
        .expect("room on the disk");
    }
    writeln!(out, r#"{{"type":"STATE","value":{{"at":{records}}}}}"#).expect("room on the disk");
    out.flush().expect("room on the disk");
}

/// The fields of a record, less its id, as they stand in its object.
pub fn fields(id: u64, edition: u32) -> String {
    let revenue = id * 7919 % 1_000_000;
    format!(
        r#""email":"contact.{id}@example.com","first_name":"First {id}","last_name":"Last {id}","company":"Company {}","city":"Köln","revenue":{revenue}.{:02},"employees":{},"is_customer":{},"created_at":"2026-11-{:02}T08:30:00Z""#,
        id % 1000,
        edition % 100,
        id % 5000,
        id.is_multiple_of(3),
        id % 28 + 1,
    )
}

/// A permutation of the numbers below `count`.
fn scatter(number: u64, count: u64) -> u64 {
    // Prime, and a factor of no count that is used.
    number * 982_451_653 % count
}
