//! JSON as the rooms need it, where a parsed value would lose something: digits of numbers, the order
//! and the text of what came in.
//!
//! [`fields`] takes a record apart and puts one together, as text; [`exact`] reads what a remote
//! answers; [`python`] prints what the hosted platform prints and hashes.

pub mod exact;
pub mod fields;
pub mod python;
