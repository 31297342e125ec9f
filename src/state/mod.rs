//! What goes to stdout, and what comes back with `--state`.
//!
//! [`watermark`] says which of the tap's STATEs is safe, [`line`](mod@line) prints the state line
//! of which [`ahead`] makes a part meanwhile, [`previous`] reads one.

mod ahead;
pub mod line;
pub mod previous;
pub mod watermark;
