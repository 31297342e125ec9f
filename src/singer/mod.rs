//! What comes in: a Singer stream, one JSON message a line.
//!
//! [`reader`] finds the lines, [`message`] what each says, [`schema`] whether a record keeps to
//! what its stream promised.

pub mod message;
pub mod reader;
pub mod schema;
