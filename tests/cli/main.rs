//! The command line of the real binary: what it prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod about;
mod config;
mod ids;
mod jobs;
mod readme;
mod remotes;
mod schemas;
