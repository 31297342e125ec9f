//! Whole jobs of the real binary against remotes with a memory. What is asserted is what the
//! remote holds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod aftermath;
mod api;
mod bad_input;
mod batches;
mod content;
#[cfg(target_os = "linux")]
mod disk;
mod doubt;
mod dry_run;
mod endings;
mod faults;
mod files;
mod guide;
mod held;
mod hubspot;
mod identity;
mod inputs;
mod keeping;
mod kill;
mod late;
mod leftovers;
mod liars;
mod lookups;
mod main_job;
mod memory;
mod missing;
mod mistakes;
mod modes;
mod netsuite;
mod objects;
mod order;
mod partial;
mod recent;
mod rejects;
mod relations;
mod salesforce;
mod secrets;
mod security;
mod shared;
mod signals;
mod snapshots;
mod state;
mod tls;
mod tokens;
mod trouble;
mod unsure;
mod upgrade;
