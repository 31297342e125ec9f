//! What goes to stdout, and what comes back with `--state`.
//!
//! [`watermark`] says which of the tap's STATEs is safe, [`line`](mod@line) prints the state line,
//! [`previous`] reads one.

pub mod line;
pub mod previous;
pub mod watermark;
