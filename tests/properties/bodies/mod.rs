//! What must hold of whatever comes in from outside, for any bytes.
//!
//! Each body takes the bytes of one input and panics where something does not hold. They are here
//! once: the property tests beside them run them over inputs that are almost right, and the fuzz
//! targets of `tests/fuzz` over what a fuzzer finds out.

#![allow(unreachable_pub, reason = "the fuzz targets use this as a library")]

mod answer;
mod drip;
mod ids;
mod manifest;
mod model;
mod singer;

pub use answer::{answer, judge_all};
pub use ids::{entries, read_again, snapshot, state};
pub use manifest::{manifest, template};
pub use singer::{records, singer_lines, take};
