//! placeholder
pub mod config;
pub mod connector;
pub mod dispatch;
pub mod error;
pub mod file;
pub mod outcome;
pub mod pipeline;
pub mod python_json;
pub mod record;
pub mod resolve;
pub mod results;
pub mod singer;
pub mod state;
pub mod store;
pub mod stream;
pub mod summary;
