//! Values of a query, and how they compare: texts by their letters, with numbers as numbers, with
//! days as days. What is compared with nothing is neither true nor false.

use std::cmp::Ordering;

use chrono::{Datelike, NaiveDate};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    Number(f64),
    Day(NaiveDate),
}

impl Value {
    /// As it stands in an answer.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Day(day) => Some(shown_day(*day)),
        }
    }

    /// `None`: one of them is nothing, or they are not of a kind.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Day(_), _) | (_, Self::Day(_)) => Some(self.day()?.cmp(&other.day()?)),
            (Self::Number(_), _) | (_, Self::Number(_)) => {
                self.number()?.partial_cmp(&other.number()?)
            }
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
        }
    }

    /// For the order of rows: numbers by their size, and what is nothing comes last.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            _ => match (self.number(), other.number()) {
                (Some(left), Some(right)) => left.total_cmp(&right),
                _ => match (self.day(), other.day()) {
                    (Some(left), Some(right)) => left.cmp(&right),
                    _ => self.text().cmp(&other.text()),
                },
            },
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn day(&self) -> Option<NaiveDate> {
        match self {
            Self::Day(day) => Some(*day),
            Self::Text(text) => NaiveDate::parse_from_str(text, "%m/%d/%Y").ok(),
            _ => None,
        }
    }
}

/// A day as the account writes it: `7/9/2025`.
pub(super) fn shown_day(day: NaiveDate) -> String {
    format!("{}/{}/{}", day.month(), day.day(), day.year())
}

/// Whether a text fits a pattern, in which `%` is any text and `_` any one letter.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut of) = (0, 0);
    // Where the last `%` stands, and up to where it reaches so far.
    let mut back = None;
    while at < text.len() {
        match pattern.get(of) {
            Some('%') => {
                back = Some((of, at));
                of += 1;
            }
            Some(letter) if *letter == '_' || *letter == text[at] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((percent, reached)) = back else { return false };
                back = Some((percent, reached + 1));
                at = reached + 1;
                of = percent + 1;
            }
        }
    }
    pattern[of..].iter().all(|letter| *letter == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_compare_by_what_they_are() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(text("10").compare(&text("9")), Some(Ordering::Less));
        assert_eq!(text("10").compare(&Value::Number(9.0)), Some(Ordering::Greater));
        assert_eq!(text("a").compare(&Value::Number(9.0)), None);
        assert_eq!(Value::Null.compare(&Value::Null), None);
        let day = NaiveDate::from_ymd_opt(2025, 7, 9).unwrap();
        assert_eq!(shown_day(day), "7/9/2025");
        assert_eq!(text("7/10/2025").compare(&Value::Day(day)), Some(Ordering::Greater));
        assert_eq!(text("10").order(&text("9")), Ordering::Greater);
        assert_eq!(text("x").order(&Value::Null), Ordering::Less);
    }

    #[test]
    fn patterns_have_letters_that_stand_for_others() {
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "ABC", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("abcabd", "%abd", true),
            ("", "%", true),
            ("", "_", false),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }
}
