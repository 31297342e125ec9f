//! An input that comes as slowly as it likes.

use std::io::{self, Read};

/// Gives out at most so many bytes at a time, and is interrupted before each time.
pub struct Drip<'a> {
    rest: &'a [u8],
    step: usize,
    is_interrupted: bool,
}

impl<'a> Drip<'a> {
    pub fn new(data: &'a [u8], step: usize) -> Self {
        Self { rest: data, step, is_interrupted: false }
    }
}

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = self.step.min(self.rest.len()).min(buffer.len());
        let (now, later) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.rest = later;
        Ok(count)
    }
}
