//! `target-upsert` reads a Singer stream and upserts its records into a business system's API,
//! finding each record again by the user's id, and tells what became of every single one.
//!
//! # The walk
//!
//! ```text
//! stdin → singer (parse) → stream (validate, map, fingerprint, batch) → resolve (ids → plan)
//!       → dispatch (order, concurrency, retry) ⇄ connector (one call, one verdict per record)
//!       → store (journal, id map) → state, summary, results, rejects
//! ```
//! Data goes one way, and the modules below stand in its order. A connector says what happened;
//! the pipeline decides what to do next. [`commands`] begin and end a job, [`pipeline`] walks it.
//!
//! # Terms
//!
//! | term | means |
//! | --- | --- |
//! | stream | a Singer stream; **object** is the remote's name for what it writes to |
//! | external id (`InputId`) | the user's id of a record |
//! | remote id (`RemoteId`) | the id that the remote gave it |
//! | id map | external id → remote id, kept per namespace (connector and account) and stream |
//! | lookup | asking the remote which of some keys it has |
//! | plan | what is to happen to a record: create, update, upsert, delete, nothing |
//! | outcome | what happened to it: one of eight [fates](outcome::Fate) |
//! | in doubt | sent, answer lost: it may or may not have been applied |
//! | journal | the intents and outcomes, on disk before and after each call |
//! | job | one run over one input: has an id, a summary, results |
//!
//! # Invariants
//!
//! 1. The intent is on disk before a create leaves, or any call on a record that the id map knows;
//!    the outcome is on disk before anything tells of it.
//! 2. A tap's STATE is passed on only when every record before it has a durable outcome, and none
//!    of them has to come again: what failed, and what a lookup did not tell of.
//! 3. A create in doubt is never sent again before a lookup has said that it is not there, unless the
//!    remote knows it by its key or the user wants it so.
//! 4. Records of one external id are applied in input order and are never in flight twice.
//! 5. Every input record has exactly one outcome; a 2xx is none where the remote can say more, and what
//!    an answer does not name is in doubt.
//! 6. stdout carries state lines only.
//! 7. Memory is bounded by configuration, never by the input's length.
//! 8. No secret is printable.
//! 9. Numbers keep their digits.
//! 10. A bad record never stops the good ones beside it; what stops the job says where, and what
//!     to do.

pub mod error;
pub mod json;
pub mod record;

// What the user wants.
pub mod cli;
pub mod commands;
pub mod config;

// 1. The record comes in.
pub mod singer;
// 2. It finds its stream and waits for company.
pub mod stream;
// 3. Its ids are found.
pub mod ids;
pub mod resolve;
// 4. It is sent.
pub mod connector;
pub mod dispatch;
// 5. What became of it is kept.
pub mod outcome;
pub mod store;
// 6. It is told.
pub mod file;
pub mod progress;
pub mod results;
pub mod snapshot;
pub mod state;
pub mod summary;
pub mod text;
pub mod vault;

pub mod pipeline;

// All of it, for one input; and for many, over HTTP.
mod job;
pub mod serve;

// Remotes to try all of it on, and deaths to die.
pub mod crash;
pub mod sandbox;
