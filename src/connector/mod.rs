//! The remotes: what a connector promises, and each one that is built in.

pub mod contract;
pub mod http;
