//! Seconds and memory over records, for each system, on logarithmic axes.

use std::path::Path;

use plotters::prelude::*;

use super::cases::{Calls, Measured, Start};

const SIZE: (u32, u32) = (900, 420);
const SYSTEMS: [(&str, RGBColor); 3] = [
    ("target-upsert", RGBColor(0, 110, 190)),
    ("peer, record sink", RGBColor(200, 70, 30)),
    ("peer, batch sink", RGBColor(220, 160, 0)),
];

/// Draws the runs that differ in their number of records alone.
pub fn draw(path: &Path, runs: &[Measured]) {
    let is_shown = |run: &&Measured| {
        let case = &run.case;
        let is_ours = run.system != "target-upsert" || case.calls == Calls::Bulk;
        is_ours
            && case.delay_millis == 0
            && !case.lookup
            && case.start == Start::Cold
            && case.records >= 1000
    };
    let shown: Vec<&Measured> = runs.iter().filter(is_shown).collect();
    if shown.is_empty() {
        return;
    }
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).unwrap();
    let (left, right) = root.split_horizontally(SIZE.0 / 2);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let megabytes = |run: &Measured| run.peak_bytes as f64 / 1e6;
    chart(&left, "seconds", &shown, |run| run.seconds);
    chart(&right, "peak memory, MB", &shown, megabytes);
    root.present().unwrap();
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    runs: &[&Measured],
    value: impl Fn(&Measured) -> f64,
) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let point = |run: &&Measured| (run.case.records as f64, value(run));
    let all: Vec<(f64, f64)> = runs.iter().map(point).collect();
    let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MAX, f64::min) / 1.5;
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MIN, f64::max) * 2.0;
    let x = least(&mut all.iter().map(|p| p.0))..most(&mut all.iter().map(|p| p.0));
    let y = least(&mut all.iter().map(|p| p.1))..most(&mut all.iter().map(|p| p.1));
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(x.log_scale(), y.log_scale())
        .unwrap();
    let plain =
        |number: &f64| if *number < 1.0 { format!("{number}") } else { format!("{number:.0}") };
    chart
        .configure_mesh()
        .x_desc("records")
        .light_line_style(WHITE)
        .x_label_formatter(&plain)
        .y_label_formatter(&plain)
        .draw()
        .unwrap();
    for (system, color) in SYSTEMS {
        let own = runs.iter().filter(|run| run.system == system);
        let points: Vec<(f64, f64)> = own.map(point).collect();
        if points.is_empty() {
            continue;
        }
        chart
            .draw_series(
                LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(3),
            )
            .unwrap()
            .label(system)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    let style = WHITE.mix(0.8);
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(style)
        .border_style(BLACK.mix(0.3))
        .draw()
        .unwrap();
}
