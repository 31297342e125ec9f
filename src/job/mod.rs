//! One job, from a configuration to its summary: [`setup`], then [`beginning`], [`walk`], [`ending`].
//!
//! What starts it, the command line or the service, gives it an input and hears of its way; where
//! its end is told, they know.

pub(crate) mod beginning;
mod begun;
pub(crate) mod ending;
pub(crate) mod setup;
pub(crate) mod walk;

pub(crate) use begun::{Begins, Begun, MAX_IN_FLIGHT};
