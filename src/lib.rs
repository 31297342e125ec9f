//! placeholder
pub mod connector;
pub mod file;
pub mod record;
