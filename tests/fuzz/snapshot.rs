//! Runs [`bodies::snapshot`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::snapshot(data));
