//! placeholder
pub mod connector;
pub mod record;
