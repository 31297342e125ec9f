//! Runs [`bodies::state`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::state(data));
