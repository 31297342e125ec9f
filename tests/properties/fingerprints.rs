//! Fingerprints beside a model of what a record says: the same for one value in all its spellings,
//! and another for every other value.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use target_upsert::json::fields::Fields;
use target_upsert::record::Fingerprint;
use target_upsert::stream::fingerprint::{Temporal, fingerprint};

use crate::cases;

/// What a field says. Two are equal only if they say the same.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Word(&'static str),
    Integer(String),
    Decimal(Decimal),
    Text(String),
    Moment(Moment),
    List(Vec<Value>),
    /// In their order; a name may come twice.
    Object(Vec<(&'static str, Value)>),
}

/// Digits without zeros at either end, and the power of ten of the last.
#[derive(Clone, Debug, PartialEq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i32,
}

#[derive(Clone, Debug, PartialEq)]
struct Moment {
    day: u32,
    second: u32,
    /// Without zeros at the end.
    fraction: String,
    /// Hours east.
    offset: Option<i32>,
}

/// Few enough that chance makes equal ones, many of them neighbours among the floats.
fn decimal() -> impl Strategy<Value = Decimal> {
    const DIGITS: &[&str] = &[
        "1",
        "9007199254740993",
        "9007199254740992",
        "1234567890123456789012",
        "17976931348623157",
    ];
    let digits = prop_oneof![
        2 => select(DIGITS).prop_map(str::to_owned),
        1 => "[1-9][0-9]{13,40}[1-9]",
        1 => "[1-9]",
        1 => "[1-9][0-9]{0,15}[1-9]",
    ];
    let exponent = prop_oneof![4 => -25..10_i32, 1 => -450..450_i32];
    (any::<bool>(), digits, exponent).prop_map(|(is_negative, digits, exponent)| Decimal {
        is_negative,
        digits,
        exponent,
    })
}

fn moment() -> impl Strategy<Value = Moment> {
    let fraction = prop_oneof![Just(String::new()), "(123456|000000)?[0-9]{0,6}[1-9]"];
    (1..3_u32, 0..3_u32, fraction, prop::option::of(-2..2_i32))
        .prop_map(|(day, second, fraction, offset)| Moment { day, second, fraction, offset })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => select(&["null", "true", "false"][..]).prop_map(Value::Word),
        2 => "-?[1-9][0-9]{0,22}".prop_map(Value::Integer),
        6 => decimal().prop_map(Value::Decimal),
        2 => "[aä/\"\\\\\u{7f}😀]{0,3}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let member = (select(&["a", "b", "ä"][..]), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::List),
            prop::collection::vec(member, 0..4).prop_map(Value::Object),
        ]
    })
}

/// The fields of a record: the first ones are dates.
fn record() -> impl Strategy<Value = Vec<Value>> {
    (prop::collection::vec(moment(), DATES), prop::collection::vec(value(), 0..4))
        .prop_map(|(dates, others)| dates.into_iter().map(Value::Moment).chain(others).collect())
}

const DATES: usize = 2;

/// What chance has chosen, for one choice after another.
struct Chance(std::vec::IntoIter<Index>);

fn chance() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 40)
}

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |index| index.index(count))
    }

    fn one_of(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len())]
    }

    fn zeros(&mut self) -> String {
        "0".repeat(self.below(4))
    }
}

impl Value {
    /// One of its spellings.
    fn spelled(&self, chance: &mut Chance) -> String {
        let blank = chance.one_of(&["", "", " ", "\t"]);
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Integer(digits) => digits.clone(),
            Self::Decimal(decimal) => decimal.spelled(chance),
            Self::Text(text) => spelled(text, chance),
            Self::Moment(moment) => moment.spelled(chance),
            Self::List(all) => {
                let all: Vec<_> = all.iter().map(|value| value.spelled(chance)).collect();
                format!("[{blank}{}]", all.join(&format!("{blank},")))
            }
            Self::Object(all) => {
                let member = |(name, value): &(&str, Self)| {
                    format!("{}{blank}:{}", spelled(name, chance), value.spelled(chance))
                };
                let all: Vec<_> = all.iter().map(member).collect();
                format!("{{{}{blank}}}", all.join(","))
            }
        }
    }

    /// Changes as little of it as can be.
    fn nudge(&mut self, chance: &mut Chance) {
        match self {
            Self::Word(word) => *word = if *word == "true" { "false" } else { "true" },
            Self::Integer(digits) => digits.push('0'),
            Self::Decimal(decimal) if chance.below(4) == 0 => {
                decimal.is_negative = !decimal.is_negative;
            }
            Self::Decimal(decimal) if chance.below(3) == 0 => {
                let digit = decimal.digits.pop().unwrap();
                decimal.digits.push(if digit == '1' { '2' } else { '1' });
            }
            Self::Decimal(Decimal { digits, exponent, .. }) => {
                let more = format!("{}1", chance.zeros());
                *exponent -= i32::try_from(more.len()).unwrap();
                digits.push_str(&more);
            }
            Self::Text(text) => text.push('a'),
            Self::Moment(moment) => {
                let more = format!("{}1", chance.zeros());
                moment.fraction.push_str(&more);
            }
            Self::List(all) => {
                let at = chance.below(all.len().max(1));
                match all.get_mut(at) {
                    Some(value) => value.nudge(chance),
                    None => all.push(Self::Word("null")),
                }
            }
            Self::Object(all) => {
                let at = chance.below(all.len().max(1));
                match all.get_mut(at) {
                    Some((_, value)) => value.nudge(chance),
                    None => all.push(("a", Self::Word("null"))),
                }
            }
        }
    }
}

impl Decimal {
    /// With a point or an exponent in any case: without them it would be an integer.
    fn spelled(&self, chance: &mut Chance) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let (mut digits, mut exponent) = (self.digits.clone(), self.exponent);
        let zeros = chance.zeros();
        digits.push_str(&zeros);
        exponent -= i32::try_from(zeros.len()).unwrap();
        if (-40..0).contains(&exponent) && chance.below(2) == 0 {
            let after = usize::try_from(-exponent).unwrap();
            let padded = format!("{digits:0>width$}", width = after + 1);
            let (whole, fraction) = padded.split_at(padded.len() - after);
            return format!("{sign}{whole}.{fraction}");
        }
        if (0..20).contains(&exponent) && chance.below(2) == 0 {
            let zeros = "0".repeat(usize::try_from(exponent).unwrap());
            return format!("{sign}{digits}{zeros}.0{}", chance.zeros());
        }
        let after = chance.below(digits.len());
        let (whole, fraction) = digits.split_at(digits.len() - after);
        exponent += i32::try_from(after).unwrap();
        let point = if fraction.is_empty() { "" } else { "." };
        let e = chance.one_of(&["e", "E"]);
        let plus = if exponent >= 0 { chance.one_of(&["", "+", "+0"]) } else { "" };
        format!("{sign}{whole}{point}{fraction}{e}{plus}{exponent}")
    }
}

impl Moment {
    fn spelled(&self, chance: &mut Chance) -> String {
        let Self { day, second, fraction, offset } = self;
        let mut text = format!("\"2026-01-{day:02}");
        let is_midnight = *second == 0 && fraction.is_empty();
        if is_midnight && offset.is_none() && chance.below(2) == 0 {
            return text + "\"";
        }
        text.push_str(chance.one_of(&["T", "t", " "]));
        text.push_str("00:00");
        if !is_midnight || chance.below(2) == 0 {
            write!(text, ":{second:02}").unwrap();
            let zeros = chance.zeros();
            if !fraction.is_empty() || !zeros.is_empty() {
                write!(text, ".{fraction}{zeros}").unwrap();
            }
        }
        match offset {
            None => {}
            Some(0) => text.push_str(chance.one_of(&["Z", "+00:00", "-0000", " UTC"])),
            Some(hours) => write!(text, "{hours:+03}:00").unwrap(),
        }
        text + "\""
    }
}

/// A JSON string, with some characters as escapes.
fn spelled(text: &str, chance: &mut Chance) -> String {
    let mut json = String::from("\"");
    for char in text.chars() {
        if matches!(char, '"' | '\\') || chance.below(2) == 0 {
            char.encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| write!(json, "\\u{unit:04X}").unwrap());
        } else {
            json.push(char);
        }
    }
    json + "\""
}

fn hashed(record: &[Value], chance: Vec<Index>) -> (Fingerprint, String) {
    let chance = &mut Chance(chance.into_iter());
    let member = |(at, value): (usize, &Value)| format!("\"f{at}\": {}", value.spelled(chance));
    let all: Vec<_> = record.iter().enumerate().map(member).collect();
    let text = format!("{{{}}}", all.join(", "));
    let fields = Fields::of_text(&text).unwrap();
    let kinds = (0..).map(|at| [Temporal::DateTime, Temporal::Date].get(at).copied());
    let with_kinds =
        fields.0.iter().zip(kinds).map(|((name, value), kind)| (&**name, *value, kind));
    (fingerprint(with_kinds, None), text)
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn however_it_is_spelled_a_record_has_one_fingerprint(
        record in record(), one in chance(), other in chance()
    ) {
        let ((one, a), (other, b)) = (hashed(&record, one), hashed(&record, other));
        prop_assert_eq!(one, other, "{}\n{}", a, b);
    }

    #[test]
    fn a_record_that_is_changed_by_a_digit_has_another(
        record in record(), at in any::<Index>(), nudge in chance(),
        one in chance(), other in chance()
    ) {
        let mut changed = record.clone();
        let at = at.index(changed.len());
        changed[at].nudge(&mut Chance(nudge.into_iter()));
        prop_assert_ne!(&record, &changed);
        let ((one, a), (other, b)) = (hashed(&record, one), hashed(&changed, other));
        prop_assert_ne!(one, other, "{}\n{}", a, b);
    }

    #[test]
    fn two_records_share_one_if_they_say_the_same(
        two in prop::collection::vec(prop_oneof![
            decimal().prop_map(Value::Decimal), moment().prop_map(Value::Moment)
        ], 2),
        one in chance(), other in chance()
    ) {
        let ((hash, a), (another, b)) = (hashed(&two[..1], one), hashed(&two[1..], other));
        prop_assert_eq!(hash == another, two[0] == two[1], "{}\n{}", a, b);
    }
}
