//! What a tap says beside its records: lines of the log, cut where they are long, without its secrets.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::connector::http::Redactor;
use crate::serve::lock;

/// Bytes of a line that are kept; the rest is passed over.
const LINE_BYTES: usize = 64 << 10;
/// Characters of a line that are told.
const LINE_CHARS: usize = 2000;
/// Lines that are told at `info`; those behind them at `debug`.
const MOST: u64 = 1000;

/// Tells the lines of one run.
#[derive(Clone)]
pub(super) struct Lines {
    tap: String,
    redactor: Redactor,
    last: Arc<Mutex<String>>,
}

impl Lines {
    /// Those of a tap, without what `redactor` knows.
    pub(super) fn new(tap: &str, redactor: Redactor) -> Self {
        Self { tap: tap.to_owned(), redactor, last: Arc::default() }
    }

    /// Tells all lines until there are no more.
    pub(super) async fn tell(self, from: impl AsyncRead + Unpin) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        let mut count = 0;
        while next_line(&mut from, &mut line).await {
            let text = self.redactor.excerpt(&String::from_utf8_lossy(&line), LINE_CHARS);
            if text.is_empty() {
                continue;
            }
            count += 1;
            let tap = &self.tap;
            if count <= MOST {
                tracing::info!(tap, "{text}");
            } else {
                tracing::debug!(tap, "{text}");
            }
            if count == MOST {
                tracing::info!(tap, "The tap says more, which is told at level `debug`.");
            }
            *lock(&self.last) = text;
        }
    }

    /// What is wrong with the tap's end, for people: with what it has said last.
    pub(super) fn with_last(&self, why: &str) -> String {
        let last = lock(&self.last);
        let colon = if last.is_empty() { "" } else { ": " };
        format!("the tap `{}` {why}{colon}{last}", self.tap)
    }
}

/// Reads a line, or as much of it as is kept. Whether there was one.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> bool {
    line.clear();
    let mut is_there = false;
    loop {
        // Who cannot be read says no more.
        let part = from.fill_buf().await.unwrap_or_default();
        if part.is_empty() {
            return is_there;
        }
        is_there = true;
        let end = memchr::memchr(b'\n', part);
        let text = &part[..end.unwrap_or(part.len())];
        let room = LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&text[..text.len().min(room)]);
        let read = end.map_or(part.len(), |end| end + 1);
        from.consume(read);
        if end.is_some() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_does_not_end_is_kept_in_part() {
        let long = vec![b'x'; 3 * LINE_BYTES];
        let text = [b"one\n\ntwo\r\n", &long[..], b"\nlast"].concat();
        let mut from = BufReader::new(&text[..]);
        let mut line = Vec::new();
        let mut found = Vec::new();
        while next_line(&mut from, &mut line).await {
            found.push((line.len(), line.capacity() <= 2 * LINE_BYTES));
        }
        assert_eq!(found, [(3, true), (0, true), (4, true), (LINE_BYTES, true), (4, true)]);
    }

    #[tokio::test]
    async fn no_secret_is_told_also_where_a_line_is_cut() {
        let redactor = Redactor::default();
        redactor.add("long-secret");
        let lines = Lines::new("tap", redactor);
        // It begins before the place of the cut, and ends behind it.
        let text = format!("{}long-secret and more", "x ".repeat(LINE_CHARS / 2 - 2));
        lines.clone().tell(text.as_bytes()).await;
        let told = lines.with_last("has ended");
        assert!(told.starts_with("the tap `tap` has ended: x x ") && told.ends_with('…'), "{told}");
        assert!(!told.contains("long"), "{told}");
        assert!(told.chars().count() <= LINE_CHARS + 40);
    }
}
