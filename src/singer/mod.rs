//! What comes in: a Singer stream, one JSON message a line.
//!
//! [`reader`] finds the lines, [`message`] what each says, [`schema`] whether a record keeps to
//! what its stream promised, [`values`] how much it holds.

mod clamp;
mod extent;
pub mod message;
pub mod reader;
pub mod schema;
mod tree;
pub mod values;
