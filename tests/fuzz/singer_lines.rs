//! Runs [`bodies::singer_lines`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::singer_lines(data));
