//! Whether a value is the one that NetSuite shows. It keeps texts trimmed, amounts at the places of
//! their currency, days for moments; and shows more of those who are named than was said.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::json::exact;

/// Numbers that are nearer are the same: NetSuite keeps no more digits of a price.
const NEAR: f64 = 1e-8;
/// Fields of money, and the places that its currency has at least, but for those that have none.
const MONEY: [&str; 5] = ["amount", "debit", "credit", "taxamount", "total"];
const PLACES: usize = 2;
/// How far a number may be from what it is rounded to, whatever its places.
pub(super) const MOST_ROUNDED: f64 = 0.5 + NEAR;

/// Whether two values are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alike {
    No,
    /// NetSuite may have put the one into the form of the other.
    Perhaps,
    Yes,
}

/// A value, as it is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    Flag(bool),
    Number {
        value: f64,
        /// Its digits behind the point.
        places: usize,
    },
    /// Without white space around it.
    Text(String),
    /// Another record, or an entry of a list.
    One {
        id: Option<String>,
        name: Option<String>,
    },
    /// Several of them, by their ids.
    Several(BTreeSet<String>),
    /// What cannot be compared.
    Other(Value),
}

impl Seen {
    pub(super) fn of(value: &Value) -> Self {
        let other = || Self::Other(value.clone());
        match value {
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => of_number(&number.to_string()).unwrap_or_else(other),
            Value::String(text) => Self::Text(words(text)),
            Value::Object(object) => {
                let text = |name: &str| object.get(name).and_then(exact::text);
                let items = object.get("items").and_then(Value::as_array);
                match items.filter(|_| object.get("hasMore") != Some(&Value::Bool(true))) {
                    Some(items) => ids(items).map_or_else(other, Self::Several),
                    None if text("id").or_else(|| text("refName")).is_some() => {
                        let name = text("refName").map(|name| words(&name));
                        Self::One { id: text("id"), name }
                    }
                    None => other(),
                }
            }
            Value::Array(items) => ids(items).map_or_else(other, Self::Several),
            Value::Null => other(),
        }
    }

    /// What is equal in all values that are [alike](Seen::alike) in any way to this one of its
    /// kind, if there is such a thing.
    pub(super) fn key(&self) -> Option<(char, &str)> {
        match self {
            Self::One { id: Some(id), .. } => Some(('i', id)),
            Self::Text(text) if flag(text).is_none() && number(text).is_none() => {
                day(text).is_none().then_some(('t', text))
            }
            _ => None,
        }
    }

    /// As a number, if it is one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number { value, .. } => Some(*value),
            Self::Text(text) => number(text),
            _ => None,
        }
    }

    /// Whether it is what NetSuite shows in a field, whose `name` is in lower case.
    pub(super) fn alike(&self, held: &Self, name: &str) -> Alike {
        match (self, held) {
            (Self::One { id: Some(id), .. }, Self::One { id: Some(own), .. }) => sure(id == own),
            (Self::One { name: Some(name), .. }, Self::One { name: Some(own), .. })
                if name == own =>
            {
                Alike::Yes
            }
            // Who is named in another way is found out by NetSuite alone.
            (Self::One { .. }, Self::One { .. }) => Alike::Perhaps,
            (Self::Several(ids), Self::Several(own)) => sure(ids == own),
            (Self::Several(ids), Self::One { id: Some(own), .. })
            | (Self::One { id: Some(own), .. }, Self::Several(ids)) => {
                sure(ids.len() == 1 && ids.contains(own))
            }
            // What is not there is no form of anything.
            (_, Self::Other(Value::Null)) => Alike::No,
            (Self::Other(_), _) | (_, Self::Other(_)) => sure(self == held).max(Alike::Perhaps),
            // A list's value is an object there, and may be its id here.
            (own, Self::One { id, name }) => {
                let text = own.text();
                sure(text.is_some() && (text == *id || text == *name))
            }
            (Self::Flag(one), other) | (other, Self::Flag(one)) => match other {
                Self::Flag(other) => sure(one == other),
                Self::Text(text) => sure(flag(text) == Some(*one)),
                _ => Alike::No,
            },
            (Self::Text(one), Self::Text(other)) if one == other => Alike::Yes,
            (Self::Number { .. } | Self::Text(_), Self::Number { .. } | Self::Text(_)) => {
                match (self.number(), held.places()) {
                    (Some(own), Some((held, places))) => alike_numbers(own, held, places, name),
                    _ => self.alike_days(held),
                }
            }
            _ => Alike::Perhaps,
        }
    }

    fn alike_days(&self, held: &Self) -> Alike {
        let (Self::Text(one), Self::Text(other)) = (self, held) else { return Alike::No };
        match (day(one), day(other)) {
            (Some(day), Some(other_day)) if day == other_day => {
                // Two moments of a day may be one, in two zones.
                let has_time = one.len() > day.len() && other.len() > day.len();
                if has_time { Alike::Perhaps } else { Alike::Yes }
            }
            _ => Alike::No,
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number { value, .. } => Some(value.to_string()),
            _ => None,
        }
    }

    /// As a number, with its places.
    fn places(&self) -> Option<(f64, usize)> {
        match self {
            Self::Number { value, places } => Some((*value, *places)),
            Self::Text(text) => match of_number(text)? {
                Self::Number { value, places } => Some((value, places)),
                _ => None,
            },
            _ => None,
        }
    }
}

fn alike_numbers(own: f64, held: f64, places: usize, name: &str) -> Alike {
    let is_within = |places: usize| {
        let places = i32::try_from(places).unwrap_or(i32::MAX);
        (own - held).abs() <= 0.5 * 10_f64.powi(-places) + NEAR
    };
    let is_money = MONEY.contains(&name);
    if (own - held).abs() < NEAR || (is_money && is_within(places.max(PLACES))) {
        return Alike::Yes;
    }
    // Currencies without places have whole amounts; what else is rounded, and how far, nobody
    // tells.
    let is_rounded = if is_money { places == 0 && is_within(0) } else { is_within(places) };
    if is_rounded { Alike::Perhaps } else { Alike::No }
}

fn sure(is_it: bool) -> Alike {
    if is_it { Alike::Yes } else { Alike::No }
}

/// A text without white space around it, and one space for any within it, as it is compared.
pub(super) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn of_number(text: &str) -> Option<Seen> {
    let value = number(text)?;
    // A float says `7.0` for what is whole.
    let digits = text.trim().trim_end_matches('0');
    let places = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    Some(Seen::Number { value, places })
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "T" | "true" => Some(true),
        "F" | "false" => Some(false),
        _ => None,
    }
}

/// The day that a text begins with.
fn day(text: &str) -> Option<&str> {
    let (day, behind) = text.split_at_checked(10)?;
    let is_day = day.parse::<chrono::NaiveDate>().is_ok();
    let is_end = behind.is_empty() || behind.starts_with(['T', 't', ' ']);
    (is_day && is_end).then_some(day)
}

/// The ids of several; `None` where one of them has none.
fn ids(items: &[Value]) -> Option<BTreeSet<String>> {
    items.iter().map(|item| exact::text(item.get("id").unwrap_or(item))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(one: &Value, held: &Value) -> Alike {
        Seen::of(one).alike(&Seen::of(held), "amount")
    }

    #[test]
    fn amounts_are_equal_at_the_places_that_are_kept() {
        for (one, held, alike) in [
            (json!("33.335"), json!(33.34), Alike::Yes),
            (json!(33.335), json!(33.33), Alike::Yes),
            (json!(33.301), json!(33.3), Alike::Yes),
            (json!(33.34), json!(33.335), Alike::No),
            (json!(20), json!(20.01), Alike::No),
            // Yens have no places, and other amounts may be whole.
            (json!(20.4), json!(20), Alike::Perhaps),
            (json!(20.4), json!(20.0), Alike::Perhaps),
            (json!(20.4), json!(20.1), Alike::No),
            (json!("20000000000000.00"), json!(20_000_000_000_000.0), Alike::Yes),
        ] {
            assert_eq!(of(&one, &held), alike, "{one} {held}");
        }
        let rate = |one: Value, held: Value| Seen::of(&one).alike(&Seen::of(&held), "rate");
        assert_eq!(rate(json!("0.00345"), json!(0.00348)), Alike::No);
        assert_eq!(rate(json!(1.3333), json!(1.33)), Alike::Perhaps);
        assert_eq!(rate(json!("1.50"), json!(1.5)), Alike::Yes);
    }

    #[test]
    fn a_value_in_another_form_is_the_same() {
        let many = json!({"links": [], "items": [{"id": "4", "refName": "x", "links": []}, {"id": "5"}],
            "hasMore": false, "totalResults": 2});
        for (one, held) in [
            (json!(" x  y "), json!("x y")),
            (json!("2026-05-01T00:00:00Z"), json!("2026-05-01")),
            (json!("T"), json!(true)),
            (json!(false), json!("F")),
            (json!({"id": 5}), json!({"id": "5", "refName": "Fuel", "links": []})),
            (json!({"refName": "Fuel"}), json!({"id": "5", "refName": "Fuel "})),
            (json!("5"), json!({"id": "5", "refName": "Fuel"})),
            (json!("Fuel"), json!({"id": "5", "refName": "Fuel"})),
            (json!({"items": [{"id": 5}, {"id": "4"}]}), many.clone()),
            (json!(["4", "5"]), many.clone()),
        ] {
            assert_eq!(of(&one, &held), Alike::Yes, "{one} {held}");
        }
        for (one, held, alike) in [
            (json!({"items": [{"id": "4"}]}), many, Alike::No),
            (json!({"id": "6"}), json!({"id": "5"}), Alike::No),
            (json!("2026-05-02"), json!("2026-05-01"), Alike::No),
            (json!("x"), json!("X"), Alike::No),
            (json!("F"), json!(true), Alike::No),
            (json!({"externalId": "a"}), json!({"id": "5"}), Alike::Perhaps),
            (json!({"id": "5"}), json!(null), Alike::No),
            (json!({"refName": "Gas"}), json!({"id": "5", "refName": "Fuel"}), Alike::Perhaps),
            (json!({"items": [{"id": "4"}]}), json!({"links": []}), Alike::Perhaps),
            (json!("2026-05-01T08:00:00Z"), json!("2026-05-01T10:00:00+02:00"), Alike::Perhaps),
        ] {
            assert_eq!(of(&one, &held), alike, "{one} {held}");
        }
    }
}
