//! The progress line on stderr.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::summary::Counts;

/// How often it changes.
const EVERY: Duration = Duration::from_millis(200);

/// Shows how far a job is.
#[derive(Debug)]
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    /// Where stderr is no terminal: a log line now and then.
    as_log: bool,
    started: Instant,
    shown: Instant,
}

impl ProgressLine {
    /// On a terminal a line that changes; as log lines where `as_log`; nothing otherwise.
    pub fn new(on_terminal: bool, as_log: bool) -> Self {
        let bar = on_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self { bar, as_log, started: now, shown: now }
    }

    /// Shows the figures, unless it did so just now.
    pub fn show(&mut self, counts: &Counts) {
        let now = Instant::now();
        let every = if self.bar.is_some() { EVERY } else { Duration::from_secs(1) };
        if (self.bar.is_none() && !self.as_log) || now.duration_since(self.shown) < every {
            return;
        }
        self.shown = now;
        let told = counts.told();
        // Records of one job stay far below where a float loses count.
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = told as f64 / now.duration_since(self.started).as_secs_f64();
        let text = format!(
            "{} read, {} written, {} unchanged, {} in trouble, {rate:.0} records/s",
            counts.read,
            counts.created + counts.updated + counts.deleted,
            counts.unchanged,
            counts.trouble(),
        );
        if let Some(bar) = &self.bar {
            bar.set_message(text);
            bar.tick();
        } else {
            tracing::info!("{text}");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
