//! Answers that are almost right: rows missing, doubled, of strangers, with other types, cut off.

use proptest::prelude::*;
use proptest::sample::select;

use crate::almost::{edited, edits, json};
use crate::bodies::{answer, judge_all};
use crate::cases;

const TOKENS: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    "null",
    "\"id\":",
    "\"ext_id\":",
    "\"error\":{\"message\":\"no\"},",
    "sandbox-token",
    "\\ud800",
    "1e400",
];

/// What a row may say of one record, and the names under which it does in one manifest or another.
#[derive(Clone, Debug)]
struct Row {
    index: String,
    external_id: String,
    remote_id: String,
    status: String,
    error: String,
}

const OF_A: (&str, &str, &str) = ("0", "\"a\"", "1");
const OF_7: (&str, &str, &str) = ("1", "7", "2");
const OF_B: (&str, &str, &str) = ("2", "\"\\u00e4/\\\"b\"", "\"3\"");
const STRANGER: (&str, &str, &str) = ("3", "\"z\"", "9");

impl Row {
    fn of((index, external_id, remote_id): (&str, &str, &str)) -> Self {
        Self {
            index: index.to_owned(),
            external_id: external_id.to_owned(),
            remote_id: remote_id.to_owned(),
            status: "200".to_owned(),
            error: "null".to_owned(),
        }
    }

    fn text(&self) -> String {
        let Self { index, external_id, remote_id, status, error } = self;
        format!(
            r#"{{"index":{index},"ext_id":{external_id},"id":{remote_id},"error":{error},
                "status":{status},"email":{external_id},"keys":[{external_id}],"body":{{"data":{{"id":{external_id}}}}}}}"#
        )
    }
}

/// An answer with these rows, under every name that a manifest looks for.
fn text(head: &str, rows: &[Row]) -> String {
    let rows = rows.iter().map(Row::text).collect::<Vec<_>>().join(",");
    let names = ["results", "rows", "responses", "gone", "data"];
    let lists: Vec<_> = names.iter().map(|name| format!("\"{name}\":[{rows}]")).collect();
    format!("{head}\n\n{{{},\"next_url\":\"/page/2\"}}", lists.join(","))
}

fn row() -> impl Strategy<Value = Row> {
    let odd = prop_oneof![8 => Just(None), 1 => json().prop_map(Some)];
    let odds = prop::collection::vec(odd, 5);
    let whose = select(&[OF_A, OF_A, OF_7, OF_7, OF_B, OF_B, STRANGER][..]);
    (whose, odds).prop_map(|(whose, odds)| {
        let mut row = Row::of(whose);
        let Row { index, external_id, remote_id, status, error } = &mut row;
        for (field, odd) in [index, external_id, remote_id, status, error].into_iter().zip(odds) {
            *field = odd.unwrap_or_else(|| std::mem::take(field));
        }
        row
    })
}

fn head() -> impl Strategy<Value = String> {
    const STATUSES: &[u16] =
        &[201, 202, 204, 207, 301, 400, 401, 403, 404, 408, 409, 412, 429, 500, 503];
    let status = prop_oneof![
        3 => Just(200_u16),
        2 => select(STATUSES),
        1 => 100..1000_u16,
    ];
    let header = select(
        &[
            "",
            "\nretry-after: 7",
            "\nretry-after: -1e99",
            "\netag: \"1\"",
            "\nlocation: //x/sandbox-token",
        ][..],
    );
    (status, header).prop_map(|(status, header)| format!("{status}{header}"))
}

#[test]
fn answers_that_are_right_are_believed() {
    let right = [OF_A, OF_7, OF_B].map(Row::of);
    // Three records of each of the eleven calls of many; of those of one, three whose id is known.
    assert_eq!(judge_all(text("200", &right).as_bytes()), 11 * 3 + 3);
    // A deletion needs no word, nor an update with 204, nor those of which only refusals are told.
    assert_eq!(judge_all(b"204\n\n"), 2 + 1 + 3);
    assert_eq!(judge_all(b"200\n\n{\"ext_id\":\"a\",\"id\":1}"), 5 + 3);
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn what_an_answer_does_not_name_is_no_success(
        head in head(),
        rows in prop::collection::vec(row(), 0..6),
        edits in edits(TOKENS),
    ) {
        answer(&edited(text(&head, &rows), &edits));
    }

    #[test]
    fn an_answer_to_one_record_is_about_that_record(
        head in head(), row in row(), edits in edits(TOKENS)
    ) {
        answer(&edited(format!("{head}\n\n{}", row.text()), &edits));
    }

    #[test]
    fn refusals_of_nobody_knows_whom_spare_nobody(
        keys in prop::collection::vec(prop::collection::vec(json(), 0..3), 0..3),
        edits in edits(TOKENS),
    ) {
        let rows = keys.iter().map(|keys| format!("{{\"keys\":[{}]}}", keys.join(",")));
        let rows = rows.collect::<Vec<_>>().join(",");
        answer(&edited(format!("{{\"errors\":[{rows}]}}"), &edits));
    }

    #[test]
    fn any_json_is_an_answer(head in head(), body in json()) {
        answer(format!("{head}\n\n{body}").as_bytes());
    }
}
