//! Finds the lines of the input, within bounded memory.

use std::io::{self, Read};

/// Bytes asked of the input at once.
const CHUNK: usize = 256 << 10;

/// Splits a byte stream into lines.
///
/// A byte order mark at the start and the carriage return of a CRLF are taken off; lines that are
/// blank are passed over but counted.
#[derive(Debug)]
pub struct LineReader<R> {
    input: R,
    buffer: Vec<u8>,
    /// The part of `buffer` that was read but not yet given out.
    start: usize,
    end: usize,
    /// Number of the line given out last, from 1.
    line: u64,
    max_line_bytes: usize,
    ended: bool,
}

/// One line of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its bytes, without the line's end. `complete` is false for a last line with no end.
    Text {
        /// Not empty.
        bytes: &'a [u8],
        /// Whether a line feed ended it.
        complete: bool,
    },
    /// Longer than allowed; it was passed over.
    TooLong {
        /// Bytes that the line has.
        bytes: u64,
    },
}

impl<R: Read> LineReader<R> {
    /// Reads from `input`; lines longer than `max_line_bytes` are passed over.
    pub fn new(input: R, max_line_bytes: usize) -> Self {
        Self {
            input,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            line: 0,
            max_line_bytes,
            ended: false,
        }
    }

    /// Whether a whole line is at hand without reading further.
    pub fn has_line(&self) -> bool {
        memchr::memchr(b'\n', &self.buffer[self.start..self.end]).is_some()
    }

    /// The next line that is not blank, with its number from 1; `None` at the end.
    ///
    /// # Errors
    /// What reading the input says.
    pub fn next_line(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        loop {
            let (from, to, complete) = match self.find_line()? {
                Found::Line { from, to, complete } => (from, to, complete),
                Found::TooLong { bytes } => return Ok(Some((self.line, Line::TooLong { bytes }))),
                Found::End => return Ok(None),
            };
            let mut bytes = &self.buffer[from..to];
            if self.line == 1 {
                bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            }
            if !bytes.trim_ascii().is_empty() {
                // Taken anew from indexes: the borrow checker does not see that the loop ends.
                let from = to - bytes.len();
                let bytes = &self.buffer[from..to];
                let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
                return Ok(Some((self.line, Line::Text { bytes, complete })));
            }
        }
    }

    fn find_line(&mut self) -> io::Result<Found> {
        // Bytes from `start` on that are known to hold no line feed.
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.start + searched..self.end];
            if let Some(at) = memchr::memchr(b'\n', unread) {
                let (from, to) = (self.start, self.start + searched + at);
                self.start = to + 1;
                self.line += 1;
                if to - from > self.max_line_bytes {
                    return Ok(Found::TooLong { bytes: (to - from) as u64 });
                }
                return Ok(Found::Line { from, to, complete: true });
            }
            searched = self.end - self.start;
            if searched > self.max_line_bytes {
                return self.pass_over();
            }
            if self.ended || self.fill()? == 0 {
                self.ended = true;
                if searched == 0 {
                    return Ok(Found::End);
                }
                let (from, to) = (self.start, self.end);
                self.start = self.end;
                self.line += 1;
                return Ok(Found::Line { from, to, complete: false });
            }
        }
    }

    /// Reads more behind what is unread; 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            // Doubling keeps the copying of a long line linear in its length.
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Drops the line at hand up to its end, and gives the memory back.
    fn pass_over(&mut self) -> io::Result<Found> {
        let mut bytes = (self.end - self.start) as u64;
        self.buffer = vec![0; CHUNK];
        self.line += 1;
        loop {
            self.start = 0;
            self.end = 0;
            if self.fill()? == 0 {
                self.ended = true;
                return Ok(Found::TooLong { bytes });
            }
            match memchr::memchr(b'\n', &self.buffer[..self.end]) {
                Some(at) => {
                    self.start = at + 1;
                    return Ok(Found::TooLong { bytes: bytes + at as u64 });
                }
                None => bytes += self.end as u64,
            }
        }
    }
}

/// A line, by its place in the buffer.
enum Found {
    Line { from: usize, to: usize, complete: bool },
    TooLong { bytes: u64 },
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out a few bytes at a time, as a slow pipe does.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines(input: &[u8], step: usize, max: usize) -> Vec<(u64, Result<Vec<u8>, u64>)> {
        let mut reader = LineReader::new(Drip(input, step), max);
        let mut lines = Vec::new();
        while let Some((number, line)) = reader.next_line().unwrap() {
            let line = match line {
                Line::Text { bytes, .. } => Ok(bytes.to_vec()),
                Line::TooLong { bytes } => Err(bytes),
            };
            lines.push((number, line));
        }
        lines
    }

    #[test]
    fn mark_crlf_blank_and_open_end() {
        let input = b"\xef\xbb\xbfone\r\n\n  \r\ntwo\nthree";
        for step in [1, 2, 7, 1000] {
            let expected: Vec<(u64, Result<Vec<u8>, u64>)> = vec![
                (1, Ok(b"one".to_vec())),
                (4, Ok(b"two".to_vec())),
                (5, Ok(b"three".to_vec())),
            ];
            assert_eq!(lines(input, step, 100), expected);
        }
        assert_eq!(lines(b"", 1, 9), []);
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_and_the_next_is_read() {
        let mut input = vec![b'x'; 1 << 20];
        input.extend_from_slice(b"\nshort\n");
        input.extend_from_slice(&vec![b'y'; 700_000]);
        for step in [4096, 10 << 20] {
            assert_eq!(
                lines(&input, step, 600_000),
                [(1, Err(1 << 20)), (2, Ok(b"short".to_vec())), (3, Err(700_000))]
            );
        }
        assert_eq!(lines(b"12345\n123456\n", 1, 5), [(1, Ok(b"12345".to_vec())), (2, Err(6))]);
    }
}
