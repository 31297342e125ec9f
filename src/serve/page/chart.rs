//! The throughput of a job as a curve: drawn on the server, told in words beside.

use super::told::{counted, number, took};
use crate::serve::throughput::Throughput;

/// The curve's own units; it is stretched to the page's width.
const WIDTH: u32 = 720;
const HEIGHT: u32 = 150;
/// Points of the curve, at most: calls end together, and what matters is how fast that was on the whole.
const POINTS: usize = 48;
/// The shortest time that a point stands for.
const POINT_MILLIS: u64 = 500;
/// Lines of the table beside it, at most.
const LINES: usize = 12;

/// What the page draws and tells.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Path of the area under the curve.
    pub(super) area: String,
    /// Path of the curve.
    pub(super) line: String,
    /// Heights of the lines across.
    pub(super) grid: [u32; 3],
    /// What these stand for, the greatest first.
    pub(super) y: [String; 3],
    /// Times along it.
    pub(super) x: [String; 3],
    /// The same in words.
    pub(super) told: String,
    /// The same in figures: time and rate.
    pub(super) table: Vec<(String, String)>,
}

/// A chart of it; `None` where nothing was settled.
#[expect(clippy::cast_precision_loss, reason = "a picture of a rate")]
pub(super) fn chart(throughput: &Throughput) -> Option<Chart> {
    let Throughput { step_millis, settled, last_millis } = &smooth(throughput);
    let total: u64 = settled.iter().sum();
    if total == 0 {
        return None;
    }
    let parts = settled.len() as u64;
    // The last part is as long as the job was in it.
    let length = |part: u64| {
        let whole = *step_millis;
        if part + 1 == parts { (last_millis - part * whole).clamp(whole / 2, whole) } else { whole }
    };
    let rate = |records: u64, millis: u64| records as f64 * 1000.0 / millis.max(1) as f64;
    let rates: Vec<f64> =
        settled.iter().zip(0..).map(|(records, part)| rate(*records, length(part))).collect();
    let most = nice(rates.iter().copied().fold(0.0, f64::max));
    let (width, height) = (f64::from(WIDTH), f64::from(HEIGHT));
    let end = parts * step_millis;
    // Of each part the rate stands at its middle; the first and the last reach the edges.
    let mut points = vec![(0.0, rates[0])];
    points.extend(rates.iter().zip(0_u64..).map(|(rate, part)| {
        ((part * step_millis + step_millis / 2) as f64 / end as f64 * width, *rate)
    }));
    points.push((width, rates[rates.len() - 1]));
    let mut line = String::new();
    for (place, (x, rate)) in points.iter().enumerate() {
        let command = if place == 0 { 'M' } else { 'L' };
        line.push_str(&format!("{command}{x:.1} {:.1}", height - rate / most * height));
    }
    let area = format!("{line}L{width} {height}L0 {height}Z");
    let seconds = i64::try_from((*last_millis).max(1)).unwrap_or(i64::MAX);
    let overall = rate(total, *last_millis);
    let peak = rates.iter().copied().fold(0.0, f64::max);
    let group = settled.len().div_ceil(LINES);
    let table = settled.chunks(group).zip(0_u64..).map(|(records, place)| {
        let first = place * group as u64;
        let millis = (first..first + records.len() as u64).map(length).sum();
        let at = i64::try_from(first * step_millis).unwrap_or(i64::MAX);
        (took(at), whole(rate(records.iter().sum(), millis)))
    });
    let end = i64::try_from(end).unwrap_or(i64::MAX);
    Some(Chart {
        width: WIDTH,
        height: HEIGHT,
        area,
        line,
        grid: [0, HEIGHT / 2, HEIGHT],
        y: [whole(most), whole(most / 2.0), "0".to_owned()],
        x: ["0 s".to_owned(), took(end / 2), took(end)],
        told: format!(
            "{} in {}: {} a second on average, {} at most",
            counted(total, "record"),
            took(seconds),
            whole(overall),
            whole(peak)
        ),
        table: table.collect(),
    })
}

/// The same in parts that are long enough to have a rate.
fn smooth(throughput: &Throughput) -> Throughput {
    let Throughput { step_millis, settled, last_millis } = throughput;
    let long = usize::try_from(POINT_MILLIS.div_ceil(*step_millis)).unwrap_or(1);
    let group = settled.len().div_ceil(POINTS).max(long);
    Throughput {
        step_millis: step_millis * group as u64,
        settled: settled.chunks(group).map(|parts| parts.iter().sum()).collect(),
        last_millis: *last_millis,
    }
}

/// A rate, for people.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are no less than 0"
)]
fn whole(rate: f64) -> String {
    if rate > 0.0 && rate < 10.0 { format!("{rate:.1}") } else { number(rate.round() as u64) }
}

/// The next number above that people count in.
fn nice(most: f64) -> f64 {
    let ten = 10_f64.powf(most.max(0.1).log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * ten).find(|step| *step >= most).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_tells_its_figures_in_words_too() {
        let settled = vec![100, 0, 300, 100];
        let throughput = Throughput { step_millis: 1000, settled, last_millis: 3500 };
        let chart = chart(&throughput).unwrap();
        assert_eq!(chart.told, "500 records in 3.5 s: 143 a second on average, 300 at most");
        assert_eq!(chart.y, ["300", "150", "0"]);
        assert_eq!(chart.x[2], "4.0 s");
        let rates: Vec<_> = chart.table.iter().map(|(_, rate)| rate.as_str()).collect();
        assert_eq!(rates, ["100", "0", "300", "200"]);
        // 100 of 300 is two thirds below the top.
        assert!(
            chart.line.starts_with("M0.0 100.0L90.0 100.0L270.0 150.0L450.0 0.0"),
            "{}",
            chart.line
        );
        assert!(chart.area.ends_with("L720 150L0 150Z"));
    }

    #[test]
    fn nothing_makes_no_chart_and_much_a_short_table() {
        assert!(chart(&Throughput::default()).is_none());
        let settled = vec![1; 120];
        let long = Throughput { step_millis: 100, settled, last_millis: 12_000 };
        let chart = chart(&long).unwrap();
        assert_eq!(chart.table.len(), 12);
        // Ten a second, whatever the length of a part.
        assert!(chart.table.iter().all(|(_, rate)| rate == "10"), "{chart:?}");
        assert_eq!(chart.y[0], "10");
        assert_eq!(chart.line.matches('L').count(), 25);
    }
}
