//! The progress line on stderr.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::summary::Counts;

/// How often the line on a terminal changes.
const EVERY: Duration = Duration::from_millis(200);
/// How often there is a log line.
const EVERY_IN_LOG: Duration = Duration::from_secs(1);

/// Shows how far a job is.
#[derive(Debug)]
pub struct ProgressLine {
    output: Output,
    started: Instant,
    shown: Instant,
}

#[derive(Debug)]
enum Output {
    Terminal(ProgressBar),
    Log,
    Nothing,
}

impl ProgressLine {
    /// A line that changes.
    pub fn on_terminal() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self::new(Output::Terminal(bar))
    }

    /// A log line now and then, where stderr is no terminal.
    pub fn in_log() -> Self {
        Self::new(Output::Log)
    }

    /// Nothing is shown.
    pub fn hidden() -> Self {
        Self::new(Output::Nothing)
    }

    fn new(output: Output) -> Self {
        let now = Instant::now();
        Self { output, started: now, shown: now }
    }

    /// Shows the figures, unless it did so just now.
    pub fn show(&mut self, counts: &Counts) {
        let now = Instant::now();
        let every = match self.output {
            Output::Terminal(_) => EVERY,
            Output::Log => EVERY_IN_LOG,
            Output::Nothing => return,
        };
        if now.duration_since(self.shown) < every {
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
        if let Output::Terminal(bar) = &self.output {
            bar.set_message(text);
            bar.tick();
        } else {
            tracing::info!("{text}");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Output::Terminal(bar) = &self.output {
            bar.finish_and_clear();
        }
    }
}
