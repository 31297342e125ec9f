//! Whole jobs of the real binary against servers that others wrote, through a proxy that loses
//! answers, cuts them short, resets, delays and throttles. What stands at the server is compared
//! with the input.
//!
//! The servers are Python programs that `tests/run` installs into `target/python`; a plain
//! `cargo test` leaves these tests out.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod datasette;
mod events;
mod hubspot_client;
mod installed;
mod kinto;
mod meltano;
mod netsuite_client;
mod page;
mod proxy;
#[path = "../serve/receiver.rs"]
mod receiver;
mod salesforce_client;
mod schemathesis;
#[path = "../serve/support.rs"]
mod service;
mod singer_sdk;
#[path = "../support/mod.rs"]
mod support;
mod taps;
