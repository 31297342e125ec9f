//! Every expected text here was printed by Python 3.11, but for those of what it loses.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

fn python(json: &str) -> String {
    // What callers hand over has been accepted by `RawValue`.
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    let mut out = Vec::new();
    write_readable(&mut out, raw.get()).unwrap();
    String::from_utf8(out).unwrap()
}

fn exact(json: &str) -> String {
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    let mut out = Vec::new();
    write_exact(&mut out, raw.get()).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn numbers() {
    for (json, printed) in [
        ("0", "0"),
        ("-0", "0"),
        ("-7", "-7"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.0", "1.0"),
        ("1.50", "1.5"),
        ("-0.0", "-0.0"),
        ("-0e0", "-0.0"),
        ("0e5", "0.0"),
        ("0e99999999999999999999", "0.0"),
        ("0.00000000000000000000", "0.0"),
        ("1e5", "100000.0"),
        ("1E5", "100000.0"),
        ("1e15", "1000000000000000.0"),
        ("9999999999999998.0", "9999999999999998.0"),
        ("1e16", "1e+16"),
        ("12345678901234567000.0", "1.2345678901234567e+19"),
        ("1e22", "1e+22"),
        ("1e100", "1e+100"),
        ("-1.5e300", "-1.5e+300"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("0.00000000000001", "1e-14"),
        ("1.5e-7", "1.5e-07"),
        ("5e-324", "5e-324"),
        ("2.2250738585072014e-308", "2.2250738585072014e-308"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("0.1000000000000000000", "0.1"),
        ("1954911594452628.2", "1954911594452628.2"),
        ("3.6893488147419103e+19", "3.6893488147419103e+19"),
    ] {
        assert_eq!(python(json), printed, "{json}");
        assert_eq!(exact(json), printed, "{json}");
    }
}

#[test]
fn numbers_that_are_no_floats() {
    for (json, printed, with_all_digits) in [
        ("12345678901234567.0", "1.2345678901234568e+16", "12345678901234567e0"),
        ("123456789012345678.0", "1.2345678901234568e+17", "123456789012345678e0"),
        ("9007199254740993.0", "9007199254740992.0", "9007199254740993e0"),
        ("-90071992547409930.00E-1", "-9007199254740992.0", "-9007199254740993e0"),
        ("0.1000000000000000055511151231257827", "0.1", "1000000000000000055511151231257827e-34"),
        ("0.10000000000000001", "0.1", "10000000000000001e-17"),
        // No fewer digits than this can lose any.
        ("9345.230074912938", "9345.230074912937", "9345230074912938e-12"),
        ("1e-400", "0.0", "1e-400"),
        ("-100e-402", "-0.0", "-1e-400"),
        ("3e-324", "5e-324", "3e-324"),
        // Halfway between two texts of the fewest digits.
        ("1954911594452628.25", "1954911594452628.2", "195491159445262825e-2"),
        ("1954911594452628.3", "1954911594452628.2", "19549115944526283e-1"),
        ("975936428663051.25", "975936428663051.2", "97593642866305125e-2"),
        ("2.98023223876953125e-08", "2.9802322387695312e-08", "298023223876953125e-25"),
        // Python prints `Infinity`, which is no JSON.
        ("1e400", "1e400", "1e400"),
        ("-10E+399", "-10E+399", "-1e400"),
        ("1e99999999999999999999", "1e99999999999999999999", "1e99999999999999999999"),
        ("1e-99999999999999999999", "0.0", "1e-99999999999999999999"),
        ("10e9223372036854775807", "10e9223372036854775807", "10e9223372036854775807"),
        ("0.1e-9223372036854775808", "0.0", "0.1e-9223372036854775808"),
    ] {
        assert_eq!(python(json), printed, "{json}");
        assert_eq!(exact(json), with_all_digits, "{json}");
    }
}

#[test]
fn what_is_lost_among_others_is_kept_at_its_place() {
    let json = r#"{"a":[1e400,-1E+400],"b":1.50,"a":-1e400}"#;
    assert_eq!(python(json), r#"{"a": -1e400, "b": 1.5}"#);
    assert_eq!(exact(json), r#"{"a": [1e400, -1e400], "b": 1.5, "a": -1e400}"#);
    assert_eq!(python("[1e400, 12345678901234567890123.5]"), "[1e400, 1.2345678901234568e+22]");
}

#[test]
fn texts() {
    for (json, printed) in [
        (r#""Läst""#, r#""L\u00e4st""#),
        (r#""😀""#, r#""\ud83d\ude00""#),
        (r#""\uD83D\uDE00""#, r#""\ud83d\ude00""#),
        (r#""\ud800 \ude00""#, r#""\ud800 \ude00""#),
        (r#""\ud83d\ud83d\ude00 \uD83Dx""#, r#""\ud83d\ud83d\ude00 \ud83dx""#),
        ("\"\u{7f}\u{80}\"", r#""\u007f\u0080""#),
        (r#""\/ \u002f \u0041 \u0022 \u005C""#, r#""/ / A \" \\""#),
        (r#""\b\f\n\r\t\"\\""#, r#""\b\f\n\r\t\"\\""#),
        (r#""\u0008\u000c\u000a\u000D\u0009\u0000\u001F""#, r#""\b\f\n\r\t\u0000\u001f""#),
        (r#""""#, r#""""#),
        (r#"" { [ , : \\""#, r#"" { [ , : \\""#),
    ] {
        assert_eq!(python(json), printed, "{json}");
        assert_eq!(exact(json), printed, "{json}");
    }
}

#[test]
fn structure() {
    for (json, printed) in [
        ("[ ]", "[]"),
        ("{ }", "{}"),
        ("[1,[],{},\n\ttrue ,false,null]", "[1, [], {}, true, false, null]"),
        (r#"{"b":1,"a":{"d":[2,3]}, "c" : "x"}"#, r#"{"b": 1, "a": {"d": [2, 3]}, "c": "x"}"#),
    ] {
        assert_eq!(python(json), printed, "{json}");
        assert_eq!(exact(json), printed, "{json}");
    }
}

#[test]
fn the_last_of_two_keys_counts_at_the_first_ones_place() {
    for (json, printed) in [
        (r#"{"a":1,"b":2,"\u0061":3}"#, r#"{"a": 3, "b": 2}"#),
        (r#"{"😀":1,"\ud83d\ude00":2}"#, r#"{"\ud83d\ude00": 2}"#),
        (r#"{"\ud83d":1,"\ud83d\ude00":2}"#, r#"{"\ud83d": 1, "\ud83d\ude00": 2}"#),
        (r#"{"\ud83d":1,"\uD83D":2}"#, r#"{"\ud83d": 2}"#),
        (
            r#"{"a":[1,{"x":1}] , "a" : 2 , "a":{"x":1,"x":[3]},"c":4}"#,
            r#"{"a": {"x": [3]}, "c": 4}"#,
        ),
        (
            r#"[{"a":{"a":1,"b":0,"a":2},"b":1,"a":{"a":3,"a":4,"c":5}}]"#,
            r#"[{"a": {"a": 4, "c": 5}, "b": 1}]"#,
        ),
        (r#"{"":1,"":[{"":2,"":3}]}"#, r#"{"": [{"": 3}]}"#),
        (r#"{"a\n":1,"a\u000a":"\"a\n"}"#, r#"{"a\n": "\"a\n"}"#),
    ] {
        assert_eq!(python(json), printed, "{json}");
    }
    let many: Vec<String> = (0..100).map(|n| format!("\"{}\":{n}", n % 50)).collect();
    let kept: Vec<String> = (50..100).map(|n| format!("\"{}\": {n}", n % 50)).collect();
    assert_eq!(python(&format!("{{{}}}", many.join(","))), format!("{{{}}}", kept.join(", ")));
}

#[test]
fn deep_nesting_neither_overflows_nor_slows_down() {
    let deep = format!("{}1{}", "{\"a\":[".repeat(200_000), "]}".repeat(200_000));
    assert_eq!(python(&deep).len(), deep.len() + 200_000);
    assert_eq!(exact(&deep).len(), deep.len() + 200_000);
    // Each level twice: the first value is never looked at again.
    let mut twice = "1".to_owned();
    for _ in 0..12 {
        twice = format!("{{\"a\":{twice},\"a\":{twice}}}");
    }
    assert_eq!(python(&twice), format!("{}1{}", "{\"a\": ".repeat(12), "}".repeat(12)));
}

#[test]
fn what_is_no_json_does_no_harm() {
    for text in [
        "",
        "{",
        "}",
        "]]",
        "\"",
        "\"\\",
        "\"\\u12",
        "{\"a\"",
        "{\"a\":1,\"a\"",
        "{\"a\":1,\"a\"}",
        "{\"a\",\"a\":1}",
        "ü",
        "-",
        "{1,1",
    ] {
        write_readable(&mut Vec::new(), text).unwrap();
        write_exact(&mut Vec::new(), text).unwrap();
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_meaning_stays_and_printing_again_changes_nothing(value in any_json()) {
        let printed = python(&value.to_string());
        prop_assert!(printed.is_ascii());
        prop_assert_eq!(&python(&printed), &printed);
        prop_assert_eq!(&exact(&printed), &printed);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }

    #[test]
    fn a_text_is_printed_like_its_json(text in any::<String>()) {
        let mut out = Vec::new();
        write_text(&mut out, &text).unwrap();
        prop_assert_eq!(String::from_utf8(out).unwrap(), python(&serde_json::Value::from(text).to_string()));
    }

    #[test]
    fn keys_that_come_twice(pairs in prop::collection::vec((0..30u8, any::<i32>()), 0..60)) {
        let fields: Vec<String> = pairs.iter().map(|(key, n)| format!("\"k{key}\":{n}")).collect();
        // `preserve_order` has Python's meaning.
        let wanted: serde_json::Map<_, _> =
            pairs.iter().map(|(key, n)| (format!("k{key}"), (*n).into())).collect();
        let wanted = serde_json::Value::Object(wanted).to_string();
        prop_assert_eq!(python(&format!("{{{}}}", fields.join(","))), python(&wanted));
    }
}

/// Texts are looked through in blocks.
#[test]
fn what_is_not_printed_as_it_is_may_stand_anywhere() {
    for at in 0..50 {
        for (special, printed) in
            [("\"", "\\\""), ("\\", "\\\\"), ("\u{7f}", "\\u007f"), ("\n", "\\n"), ("ü", "\\u00fc")]
        {
            let (before, after) = ("a".repeat(at), "b".repeat(50 - at));
            let mut out = Vec::new();
            write_text(&mut out, &format!("{before}{special}{after}")).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{before}{printed}{after}\""));
        }
    }
}
