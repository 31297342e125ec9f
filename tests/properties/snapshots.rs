//! Snapshots that are almost right.

use proptest::prelude::*;
use proptest::sample::select;
use target_upsert::snapshot::{self, Format, Row, SnapshotError};

use crate::almost::{edited, edits};
use crate::bodies::{read_again, snapshot as holds};
use crate::cases;

const TOKENS: &[&str] = &[
    ",",
    "\"",
    "\"\"",
    "\n",
    "\r\n",
    "\r",
    "\u{feff}",
    "InputId",
    "RemoteId,",
    "CustomData",
    "\0",
    "PAR1",
];

/// A field of a CSV file as somebody may write it.
fn field() -> impl Strategy<Value = String> {
    const FIELDS: &[&str] = &[
        "",
        "a",
        "007",
        "1.0",
        "\"a,b\"",
        "\"a\"\"b\"",
        "\"\n\"",
        " \"a\" ",
        "a\"b",
        "\"",
        "ä",
        "\"\"",
        "{}",
    ];
    prop_oneof![3 => select(FIELDS).prop_map(str::to_owned), 1 => any::<String>()]
}

const HEADERS: &[&str] = &[
    "InputId,RemoteId",
    "RemoteId,x,InputId,CustomData",
    "\"InputId\",RemoteId,CustomData",
    "InputId,InputId",
];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // An empty id is none, and `\r` is as good a character as any other.
    let id = || prop_oneof!["[a-z0-9]{1,9}", ".{1,9}", "[\\r\\n\",]{1,4}"];
    let row = (id(), id(), prop::option::of(".{1,9}"))
        .prop_map(|(input_id, remote_id, custom_data)| Row { input_id, remote_id, custom_data });
    prop::collection::vec(row, 0..20)
}

/// The bytes of a snapshot with these rows.
fn written(rows: Vec<Row>, format: Format) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows.into_iter().map(Ok::<_, SnapshotError>);
    let path = snapshot::write(folder.path(), "s", None, format, rows).unwrap();
    std::fs::read(path).unwrap()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn csv_with_odd_quoting(
        header in select(HEADERS),
        rows in prop::collection::vec(prop::collection::vec(field(), 1..5), 0..6),
        end in select(&["\n", "\r\n", "\r"][..]),
        edits in edits(TOKENS),
    ) {
        let rows = rows.iter().map(|row| row.join(","));
        let lines: Vec<_> = std::iter::once(header.to_owned()).chain(rows).collect();
        holds(&edited(lines.join(end), &edits));
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn parquet_with_damage(rows in rows(), edits in edits(TOKENS)) {
        holds(&edited(written(rows, Format::Parquet), &edits));
    }

    #[test]
    fn csv_with_damage(rows in rows(), edits in edits(TOKENS)) {
        holds(&edited(written(rows, Format::Csv), &edits));
    }

    #[test]
    fn any_ids_come_back_as_they_are(rows in rows()) {
        prop_assert_eq!(read_again(&rows, Format::Csv), rows.clone());
        #[cfg(feature = "parquet")]
        prop_assert_eq!(read_again(&rows, Format::Parquet), rows);
    }
}
