//! When a tap runs: a cron expression in a time zone.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// What an expression is made of, for people.
const FIELDS: &str =
    "it is minute, hour, day of the month, month, day of the week, such as `0 3 * * *`";

/// The times of a cron expression.
///
/// Where clocks go forward, a time that is skipped comes when they go on. Where they go back, a time of
/// fixed hour and minute comes once, and any other as often as the clock shows it.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Schedule {
    cron: Cron,
    zone: Tz,
}

impl Schedule {
    /// Reads an expression; without a time zone it is of UTC.
    ///
    /// # Errors
    /// The key that is wrong, and what is.
    pub(in crate::serve) fn parse(expression: &str, zone: Option<&str>) -> Result<Self, String> {
        let zone = zone.unwrap_or("UTC");
        let zone: Tz = zone.parse().map_err(|_| {
            format!("timezone`: there is no `{zone}`; it is a name such as `Europe/Berlin`")
        })?;
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| {
            let error = error.to_string();
            format!("cron`: `{expression}`: {}; {FIELDS}", error.trim_end_matches('.'))
        })?;
        let schedule = Self { cron, zone };
        match schedule.next(Utc::now()) {
            Some(_) => Ok(schedule),
            None => Err(format!("cron`: `{expression}` never comes; {FIELDS}")),
        }
    }

    /// The first time after `after`.
    pub(in crate::serve) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&after.with_timezone(&self.zone), false);
        next.ok().map(|at| at.to_utc())
    }

    /// The time for which a run is due: the last one that has come since `last`. Of several that were
    /// missed it is one.
    pub(in crate::serve) fn due(
        &self,
        last: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let come = self.cron.find_previous_occurrence(&now.with_timezone(&self.zone), true);
        come.ok().map(|at| at.to_utc()).filter(|at| *at > last)
    }
}

/// Expression and zone, by which a schedule that has changed is known.
impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.cron.as_str(), self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// The times after `from`.
    fn times(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression, Some(zone)).unwrap();
        let after = |time: &DateTime<Utc>| schedule.next(*time);
        std::iter::successors(Some(at(from)), after)
            .skip(1)
            .take(count)
            .map(|time| time.format("%dT%H:%M:%S").to_string())
            .collect()
    }

    #[test]
    fn a_run_is_due_once_for_its_time() {
        let schedule = Schedule::parse("0 * * * *", None).unwrap();
        let before = at("2026-11-30T09:20:00Z");
        assert_eq!(schedule.due(before, at("2026-11-30T09:59:59.999Z")), None);
        let due = schedule.due(before, at("2026-11-30T10:00:00Z")).unwrap();
        assert_eq!(due, at("2026-11-30T10:00:00Z"));
        assert_eq!(schedule.due(before, at("2026-11-30T10:00:00.250Z")), Some(due));
        assert_eq!(schedule.due(due, at("2026-11-30T10:00:00.250Z")), None);
        assert_eq!(schedule.due(due, at("2026-11-30T10:59:00Z")), None);
        assert_eq!(schedule.due(due, at("2026-11-30T11:00:01Z")), Some(at("2026-11-30T11:00:00Z")));
    }

    #[test]
    fn of_those_that_were_missed_one_is_made_up() {
        let schedule = Schedule::parse("0 * * * *", None).unwrap();
        let (last, now) = (at("2026-11-27T09:00:00Z"), at("2026-11-30T10:30:00Z"));
        let due = schedule.due(last, now).unwrap();
        assert_eq!(due, at("2026-11-30T10:00:00Z"));
        assert_eq!(schedule.due(due, now), None);
        // A clock that was set back brings nothing a second time.
        assert_eq!(schedule.due(due, at("2026-11-30T08:30:00Z")), None);
    }

    #[test]
    fn clocks_that_change_neither_lose_a_run_nor_double_it() {
        // Forward at 02:00 on the 29th of March, back at 03:00 on the 25th of October.
        let nightly = |from| times("30 2 * * *", "Europe/Berlin", from, 2);
        assert_eq!(nightly("2026-03-28T12:00:00Z"), ["29T01:00:00", "30T00:30:00"]);
        assert_eq!(nightly("2026-10-24T12:00:00Z"), ["25T00:30:00", "26T01:30:00"]);
        // Every hour is every hour.
        let hourly = times("0 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", 3);
        assert_eq!(hourly, ["25T00:00:00", "25T01:00:00", "25T02:00:00"]);
        let hourly = times("0 * * * *", "Europe/Berlin", "2026-03-28T23:00:00Z", 3);
        assert_eq!(hourly, ["29T00:00:00", "29T01:00:00", "29T02:00:00"]);
        // What is due is what comes next, also there.
        let schedule = Schedule::parse("30 2 * * *", Some("Europe/Berlin")).unwrap();
        for day in ["2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z"] {
            let next = schedule.next(at(day)).unwrap();
            assert_eq!(schedule.due(at(day), next), Some(next));
            let before = next - chrono::TimeDelta::milliseconds(1);
            assert_eq!(schedule.due(at(day), before), None);
        }
    }

    #[test]
    fn seconds_and_words_are_read() {
        assert_eq!(
            times("*/20 * * * * *", "UTC", "2026-11-30T10:00:05Z", 3),
            ["30T10:00:20", "30T10:00:40", "30T10:01:00"]
        );
        assert_eq!(times("@daily", "UTC", "2026-11-29T10:00:05Z", 1), ["30T00:00:00"]);
        assert_eq!(times("0 9 * * mon", "UTC", "2026-11-25T10:00:00Z", 1), ["30T09:00:00"]);
    }

    #[test]
    fn what_is_no_expression_is_told_with_the_way_out() {
        let wrong = |cron: &str, zone: Option<&str>| Schedule::parse(cron, zone).unwrap_err();
        assert!(wrong("61 * * * *", None).contains("out of bounds; it is minute, hour"));
        assert!(wrong("* * * *", None).contains("`* * * *`"));
        assert!(wrong("0 0 30 2 *", None).contains("never comes"));
        assert!(wrong("0 0 * * *", Some("Berlin")).contains("Europe/Berlin"));
    }
}
