//! The records of a unified stream, as the pipeline takes them.

use super::{Kind, make, render, told_ignored};
use crate::connector::netsuite::numbered::{NUMBERED, Numbered};
use crate::connector::netsuite::shape::told;
use crate::connector::once::Once;
use crate::connector::shape::{Incoming, Outgoing, Shape, content};

/// Records of one kind.
#[derive(Debug)]
pub(in crate::connector::netsuite) struct Unified {
    pub(in crate::connector::netsuite) kind: Kind,
    /// Fields that were told of as ignored.
    told: Once,
}

impl Unified {
    pub(in crate::connector::netsuite) fn new(kind: Kind) -> Self {
        Self { kind, told: Once::default() }
    }

    /// Tells once of each field that nobody knows.
    fn tell_ignored(&self, names: Vec<String>) {
        let new: Vec<String> = names.into_iter().filter(|name| self.told.is_new(name)).collect();
        if !new.is_empty() {
            tracing::warn!("{}", told_ignored(self.kind, &new));
        }
    }
}

impl Shape for Unified {
    fn is_platform(&self, _: &[String]) -> bool {
        true
    }

    fn goes_out(&self, _: &str) -> bool {
        false
    }

    fn outgoing(&self, fields: &[Incoming<'_>]) -> Result<Outgoing, String> {
        let record = content(fields)?;
        let mut made = make(self.kind, &record)?;
        self.tell_ignored(made.ignored);
        if self.kind.is_held_by_others()
            && let Some(numbered) = Numbered::of(&made.body, self.kind.owner())
        {
            made.body.insert(NUMBERED.to_owned(), numbered.text().into());
        }
        Ok(Outgoing { body: render(&made.body.into()), hashed: None })
    }

    fn told(&self, body: &str) -> String {
        told(body)
    }
}
