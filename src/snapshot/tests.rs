//! Both formats, as they are written here and as pandas writes them (`fixtures/snapshots`).

use std::fs::File;
use std::io::Write;

use proptest::prelude::*;

use super::*;

#[cfg(feature = "parquet")]
const FORMATS: &[Format] = &[Format::Csv, Format::Parquet];
#[cfg(not(feature = "parquet"))]
const FORMATS: &[Format] = &[Format::Csv];

fn row(input_id: &str, remote_id: &str, custom_data: Option<&str>) -> Row {
    Row {
        input_id: input_id.to_owned(),
        remote_id: remote_id.to_owned(),
        custom_data: custom_data.map(str::to_owned),
    }
}

fn read_all(path: &Path) -> Result<Vec<Row>, SnapshotError> {
    let mut rows = Vec::new();
    let count = read(path, |row| {
        rows.push(row);
        Ok::<_, SnapshotError>(())
    })?;
    assert_eq!(count, rows.len() as u64);
    Ok(rows)
}

fn write_all(path: &Path, format: Format, rows: &[Row]) {
    write_file(path, format, rows.iter().cloned().map(Ok::<_, SnapshotError>)).unwrap();
}

fn csv_file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s_None.snapshot.csv");
    File::create(&path).unwrap().write_all(content).unwrap();
    (folder, path)
}

#[test]
fn names() {
    let folder = Path::new("f");
    let csv = path(folder, "contacts", Some("F1"), Format::Csv).unwrap();
    assert_eq!(csv, Path::new("f/contacts_F1.snapshot.csv"));
    let parquet = path(folder, "..", None, Format::Parquet).unwrap();
    assert_eq!(parquet, Path::new("f/.._None.snapshot.parquet"));
    for (stream, flow) in [("../x", None), ("/x", None), ("a\\b", None), ("x", Some("../y"))] {
        let error = path(folder, stream, flow, Format::Csv).unwrap_err();
        assert!(error.to_string().contains("path separator"), "{error}");
        assert_eq!(find(folder, stream, flow), None);
        let none = std::iter::empty::<Result<Row, SnapshotError>>();
        write(folder, stream, flow, Format::Csv, none).unwrap_err();
    }
}

#[test]
fn csv_is_found_before_parquet_and_a_lock_hides_its_own_file_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(find(folder, "s", None), None);
    let touch = |name: &str| drop(File::create(folder.join(name)).unwrap());
    let found = || find(folder, "s", None).map(|path| path.extension().unwrap().to_owned());
    touch("s_None.snapshot.parquet");
    assert_eq!(found().unwrap(), "parquet");
    touch("s_None.snapshot.csv");
    assert_eq!(found().unwrap(), "csv");
    touch("s_None.snapshot.csv.hg.partial_written.lock");
    assert_eq!(found().unwrap(), "parquet");
    touch("s_None.snapshot.parquet.hg.partial_written.lock");
    assert_eq!(found(), None);
}

#[test]
fn texts_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        row("007", "1.0", None),
        row(" a,\"b\"\r\nc ", "ä😀\u{feff}", Some("{\"a\": \"b\"}")),
        row("NaN", "null", Some(" ")),
        row("007", "2", None),
    ];
    for format in FORMATS {
        let path = write(
            folder.path(),
            "s",
            Some("f"),
            *format,
            rows.iter().cloned().map(Ok::<_, SnapshotError>),
        )
        .unwrap();
        assert_eq!(read_all(&path).unwrap(), rows);
        write_all(&path, *format, &[]);
        assert_eq!(read_all(&path).unwrap(), []);
        write_all(
            &path,
            *format,
            &[row("", "1", None), row("1", "", None), row("2", "2", Some(""))],
        );
        assert_eq!(read_all(&path).unwrap(), [row("2", "2", None)]);
    }
}

#[test]
fn many_rows_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..70_000)
        .map(|n| row(&n.to_string(), &format!("r{n}"), (n % 3 == 0).then_some("c")))
        .collect();
    for format in FORMATS {
        let path = path(folder.path(), "s", None, *format).unwrap();
        write_all(&path, *format, &rows);
        assert!(read_all(&path).unwrap() == rows, "{format:?}");
    }
}

#[test]
fn a_row_that_cannot_be_had_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let path = path(folder.path(), "s", None, *format).unwrap();
        write_all(&path, *format, &[row("1", "2", None)]);
        let rows = [Ok(row("3", "4", None)), Err(Error::ours("no row")), Ok(row("5", "6", None))];
        let error = write_file(&path, *format, rows.into_iter()).unwrap_err();
        assert!(error.to_string().contains("no row"), "{error}");
        assert_eq!(read_all(&path).unwrap(), [row("1", "2", None)]);
    }
}

#[test]
fn reading_ends_where_the_reader_says() {
    let (_folder, path) = csv_file(b"InputId,RemoteId\n1,2\n3,4\n5,6\n");
    let mut rows = 0;
    let error = read(&path, |_| {
        rows += 1;
        if rows == 2 { Err(Error::ours("enough")) } else { Ok(()) }
    });
    assert!(error.unwrap_err().to_string().contains("enough"));
    assert_eq!(rows, 2);
}

#[test]
fn csv_of_others() {
    let bom = b"\xef\xbb\xbfInputId,RemoteId\r\n007,1\r\n\"b\"\"\n,\",2\r\n";
    let (_folder, path) = csv_file(bom);
    assert_eq!(read_all(&path).unwrap(), [row("007", "1", None), row("b\"\n,", "2", None)]);
    let (_folder, path) = csv_file(b",CustomData,RemoteId,InputId\n0,,1,x\n1,c,,y\n2,c,7.0,z");
    assert_eq!(read_all(&path).unwrap(), [row("x", "1", None), row("z", "7.0", Some("c"))]);
}

#[test]
fn what_is_no_snapshot_is_told_with_its_place() {
    for (content, place) in [
        (&b"InputId,Remote\n1,2\n"[..], "no column `RemoteId`; it has `InputId`, `Remote`"),
        (b"inputid,RemoteId\n", "no column `InputId`"),
        (b"", "it has none"),
        (b"InputId,RemoteId\n1,2\n3\n", "line 3: it has 1 fields"),
        (b"InputId,RemoteId\n\"1\n\",2\n3,\xff\n", "line 4: it is not UTF-8"),
    ] {
        let (_folder, path) = csv_file(content);
        let message = read_all(&path).unwrap_err().to_string();
        assert!(message.contains(place) && message.contains("s_None.snapshot.csv"), "{message}");
    }
    let missing = read_all(Path::new("nowhere/s_None.snapshot.csv")).unwrap_err();
    assert!(Error::from(missing).to_string().contains("nowhere"));
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_of_pandas() {
    let fixture = |name: &str| {
        read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/snapshots").join(name))
    };
    assert_eq!(
        fixture("doubles.parquet").unwrap(),
        [row("007", "101", Some("{\"a\": 1}")), row("Läst, \"q\"\nz", "102", None)],
    );
    assert_eq!(
        fixture("integers.parquet").unwrap(),
        [row("1", "a", None), row("2", "b", None), row("3", "a", None)],
    );
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s_None.snapshot.parquet");
    for content in [&b""[..], b"InputId,RemoteId\n1,2\n", b"PAR1PAR1PAR1PAR1"] {
        File::create(&path).unwrap().write_all(content).unwrap();
        let message = read_all(&path).unwrap_err().to_string();
        assert!(message.contains("s_None.snapshot.parquet"), "{message}");
    }
}

fn any_row() -> impl Strategy<Value = Row> {
    let id = || "\\PC{1,8}|[a\",\r\n\u{0}]{1,4}";
    (id(), id(), prop::option::of(".{1,8}")).prop_map(|(input_id, remote_id, custom_data)| Row {
        input_id,
        remote_id,
        custom_data,
    })
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_with_any_one_byte_changed_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = path(folder.path(), "s", None, Format::Parquet).unwrap();
    write_all(&path, Format::Parquet, &[row("a", "1", None), row("b", "2", Some("{}"))]);
    let right = std::fs::read(&path).unwrap();
    for at in 0..right.len() {
        // In the lowest bit of a number stands its sign.
        for bits in [1, 0x80] {
            let mut damaged = right.clone();
            damaged[at] ^= bits;
            File::create(&path).unwrap().write_all(&damaged).unwrap();
            if let Err(error) = read_all(&path) {
                assert!(error.to_string().contains("s_None.snapshot.parquet"), "{error}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_texts_come_back_as_they_were(rows in prop::collection::vec(any_row(), 0..20)) {
        let folder = tempfile::tempdir().unwrap();
        for format in FORMATS {
            let path = path(folder.path(), "s", None, *format).unwrap();
            write_all(&path, *format, &rows);
            prop_assert_eq!(&read_all(&path).unwrap(), &rows);
        }
    }
}
