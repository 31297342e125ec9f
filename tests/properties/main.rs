//! Moving parts of a job beside models: the same in a few lines that keep everything and are slow,
//! compared after every step of many that chance has chosen.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batcher;
mod gate;
mod id_map;
mod journal;
mod watermark;
