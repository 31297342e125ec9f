//! What goes to stdout, and what comes back with `--state`.
//!
//! [`watermark`] says which of the tap's STATEs is safe, [`line`](mod@line) prints the state line
//! with text that [`beside`] makes meanwhile, [`previous`] reads one.

mod beside;
pub mod line;
pub mod previous;
pub mod watermark;
