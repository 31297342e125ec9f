//! Singer streams that are almost right.

use proptest::prelude::*;
use proptest::sample::select;
use target_upsert::stream::Record;

use crate::almost::{edited, edits, json, object};
use crate::bodies::{records, singer_lines, take};
use crate::cases;

const TOKENS: &[&str] = &[
    "\n",
    "\r\n",
    "\u{feff}",
    "\"",
    "{",
    "}",
    "[",
    ",",
    "\\u0000",
    "\\ud800",
    "null",
    "1e400",
    "\u{0}",
    "{\"type\":\"STATE\",\"value\":{}}\n",
    "\"type\":\"RECORD\",",
    "\"record\":[],",
];

/// One message.
fn line() -> impl Strategy<Value = String> {
    const SCHEMAS: &[&str] = &[
        r#"{"properties":{"externalId":{"type":"string"},"a":{},"b":{"format":"date-time"}}}"#,
        r#"{"type":"object","properties":{"id":{},"a":{"minimum":0,"exclusiveMinimum":true}}}"#,
        r#"{"properties":{"a":{"$ref":"http://127.0.0.1:9/x"}}}"#,
        "{}",
        "7",
    ];
    const OTHERS: &[&str] = &["", " \t", "INFO tap: 3 rows", "{\"type\":\"LOG\"}"];
    let keys = select(&["[]", "[\"id\"]", "[\"a\",\"b\"]", "null"][..]);
    let stream = || select(&["contacts", "deals", "", "\\u0063ontacts"][..]);
    prop_oneof![
        3 => (stream(), select(SCHEMAS), keys).prop_map(|(stream, schema, keys)| format!(
            r#"{{"type":"SCHEMA","stream":"{stream}","schema":{schema},"key_properties":{keys}}}"#
        )),
        6 => (stream(), object(json())).prop_map(|(stream, record)| format!(
            r#"{{"type":"RECORD","stream":"{stream}","record":{record},"version":1}}"#
        )),
        2 => json().prop_map(|value| format!(r#"{{"type":"STATE","value":{value}}}"#)),
        1 => stream().prop_map(|stream| format!(
            r#"{{"type":"ACTIVATE_VERSION","stream":"{stream}","version":1}}"#
        )),
        1 => json(),
        1 => select(OTHERS).prop_map(str::to_owned),
    ]
}

const SCHEMA: &str = r#"{"type":"SCHEMA","stream":"s","schema":{"properties":{"externalId":{}}}}"#;

/// A stream whose SCHEMA comes first, so that its records are taken.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let schema = SCHEMA.replace("\"s\"", "\"contacts\"");
    prop::collection::vec(line(), 0..8).prop_map(move |mut lines| {
        lines.insert(0, schema.clone());
        lines
    })
}

const ENDS: &[&str] = &["\n", "\r\n", "\n\n", " \r\n\t\n", "\r\n \r\n"];

/// A record of stream `s`, and what is to go out of it.
fn record() -> impl Strategy<Value = (String, String)> {
    prop::collection::vec(json(), 0..6).prop_map(|values| {
        let member = |(at, value): (usize, &String)| format!("\"f{at}\":{value}");
        let body: Vec<_> = values.iter().enumerate().map(member).collect();
        let mut source = body.clone();
        source.insert(body.len() / 2, "\"externalId\" : 0.10".to_owned());
        let source = source.join(" , ");
        (
            format!(r#"{{"type":"RECORD","stream":"s","record":{{{source}}}}}"#),
            format!("{{{}}}", body.join(",")),
        )
    })
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn each_line_has_one_item_or_error(lines in lines(), edits in edits(TOKENS)) {
        singer_lines(&edited(lines.join("\n"), &edits));
    }

    #[test]
    fn what_goes_out_is_what_came_in_to_the_letter(all in prop::collection::vec(record(), 1..6)) {
        let (lines, bodies): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let taken = take(format!("{SCHEMA}\n{}", lines.join("\n")).as_bytes(), 100);
        let sent: Vec<_> = records(&taken.items).map(|record| record.body.to_string()).collect();
        prop_assert_eq!(sent, bodies);
        let ids = records(&taken.items).map(|record| record.external_id.clone().unwrap());
        ids.for_each(|id| assert_eq!(id.as_str(), "0.10"));
    }

    #[test]
    fn how_lines_end_changes_nothing(
        lines in lines(),
        ends in prop::collection::vec(select(ENDS), 9),
        mark in select(&["", "\u{feff}"][..]),
    ) {
        let plain = take(lines.join("\n").as_bytes(), 4096);
        let ended = lines.iter().zip(ends).flat_map(|(line, end)| [line, end]);
        let with_ends: String = ended.collect();
        let other = take(format!("{mark}{with_ends}").as_bytes(), 3);
        let told = |items| records(items).map(told).collect::<Vec<_>>();
        prop_assert_eq!(told(&plain.items), told(&other.items));
        prop_assert_eq!(plain.items.len(), other.items.len());
        prop_assert_eq!(plain.counts.lines, other.counts.lines);
    }
}

/// All of a record but its stream, which holds the SCHEMA line with the blanks at its end.
fn told(record: &Record) -> String {
    let Record { position, external_id, remote_id, fingerprint, body, source, .. } = record;
    format!("{position} {external_id:?} {remote_id:?} {fingerprint} {body} {source}")
}
