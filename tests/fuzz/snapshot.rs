//! Runs [`bodies::snapshot`].
//!
//! The panics of the Parquet library are caught, as errors of the file; the fuzzer's own hook would
//! end the run at each. Any other still ends it.

#![no_main]

libfuzzer_sys::fuzz_target!(
    init: drop(std::panic::take_hook()), |data: &[u8]| bodies::snapshot(data));
