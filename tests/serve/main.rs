//! The real service, asked over HTTP; what counts is what the remote holds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support.rs"]
mod service;
#[path = "../support/mod.rs"]
mod support;

mod browser;
#[cfg(target_os = "linux")]
mod disk;
mod health;
mod jobs;
mod keys;
mod kill;
mod load;
mod logs;
mod metrics;
mod page;
mod page_guards;
mod readme;
mod receiver;
mod records;
mod refusals;
mod results;
mod slow;
mod taps;
mod tenants;
mod webhooks;
