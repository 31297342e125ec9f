//! placeholder
pub mod connector;
pub mod file;
pub mod record;
pub mod sandbox;
