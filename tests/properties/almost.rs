//! Texts that are almost right.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// JSON as others write it: numbers that no machine type holds, escapes, names that come twice.
pub(crate) fn json() -> impl Strategy<Value = String> {
    nested(NAMES, scalar())
}

/// An object with these values.
pub(crate) fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    object_of(NAMES, value)
}

/// Values, lists of them, and objects of them that have these names.
pub(crate) fn nested(
    names: &'static [&'static str],
    leaf: impl Strategy<Value = String> + 'static,
) -> impl Strategy<Value = String> {
    leaf.prop_recursive(3, 12, 4, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4)
            .prop_map(|members| format!("[{}]", members.join(", ")));
        prop_oneof![list, object_of(names, inner)]
    })
}

/// An object with some of these names.
pub(crate) fn object_of(
    names: &'static [&'static str],
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    let member = (select(names), value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(" ,")))
}

const NAMES: &[&str] =
    &["a", "b", "\\u0061", "", "id", "ext_id", "externalId", "_sdc_x", "error", "ä\\n", "email"];

/// A number, a text or a word.
pub(crate) fn scalar() -> impl Strategy<Value = String> {
    const SCALARS: &[&str] = &[
        "0",
        "-0",
        "7",
        "1.50",
        "1e400",
        "-1E-7",
        "12345678901234567890123",
        "0.1000000000000000055",
        "true",
        "false",
        "null",
        "\"\"",
        "\"7\"",
        "\"a\"",
        "\"\\u00e4/\\\"b\"",
        "\"\\ud83d\\ude00\"",
        "\"\\/\\b\"",
        "\"sandbox-token\"",
        "\"2026-05-01 10:00:00\"",
        "9007199254740993",
        "1.0",
    ];
    prop_oneof![
        select(SCALARS).prop_map(str::to_owned),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        any::<f64>()
            .prop_filter("JSON has no such number", |n| n.is_finite())
            .prop_map(|n| n.to_string()),
    ]
}

/// One change to a text.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Cut(Index),
    Remove(Index, usize),
    Double(Index, usize),
    Insert(Index, &'static str),
    Byte(Index, u8),
}

/// A few changes, mostly none.
pub(crate) fn edits(tokens: &'static [&'static str]) -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<Index>;
    let edit = prop_oneof![
        1 => at().prop_map(Edit::Cut),
        3 => (at(), 1..8_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        3 => (at(), 1..40_usize).prop_map(|(at, count)| Edit::Double(at, count)),
        4 => (at(), select(tokens)).prop_map(|(at, token)| Edit::Insert(at, token)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
    ];
    prop_oneof![1 => Just(Vec::new()), 2 => prop::collection::vec(edit, 1..4)]
}

/// The text with the changes made.
pub(crate) fn edited(text: impl Into<Vec<u8>>, edits: &[Edit]) -> Vec<u8> {
    let mut text = text.into();
    for edit in edits {
        let length = text.len() + 1;
        match edit {
            Edit::Cut(at) => text.truncate(at.index(length)),
            Edit::Remove(at, count) => {
                let from = at.index(length);
                text.drain(from..(from + count).min(length - 1));
            }
            Edit::Double(at, count) => {
                let from = at.index(length);
                let part = text[from..(from + count).min(length - 1)].to_vec();
                text.splice(from..from, part);
            }
            Edit::Insert(at, token) => {
                let from = at.index(length);
                text.splice(from..from, token.bytes());
            }
            Edit::Byte(at, byte) => {
                if let Some(at) = text.get_mut(at.index(length)) {
                    *at = *byte;
                }
            }
        }
    }
    text
}
