//! Everything that the sandbox remembers between two requests, behind one lock.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::calls::Calls;
use super::faults::Faults;
use super::memory::Memory;
use super::netsuite;
use super::remote::Answer;
use super::salesforce;
use super::strikes::Strikes;
use super::tokens::Tokens;
use super::window::Window;

/// The whole of it. A request holds the lock twice, shortly: when it comes in and when it is
/// applied.
#[derive(Debug)]
pub(super) struct World {
    pub(super) faults: Arc<Faults>,
    pub(super) memory: Memory,
    pub(super) tokens: Tokens,
    pub(super) window: Window,
    /// Of the routes that have a limit of their own.
    pub(super) apart: Window,
    pub(super) strikes: Strikes,
    pub(super) calls: Calls,
    /// Calls that are being handled, by the prefix of a remote that has a limit on them.
    pub(super) at_once: HashMap<&'static str, u64>,
    /// First answers by idempotency key.
    pub(super) answers: HashMap<String, Answer>,
    pub(super) netsuite: netsuite::State,
    pub(super) salesforce: salesforce::State,
}

impl World {
    pub(super) fn new(faults: Arc<Faults>, memory: Memory) -> Self {
        let salesforce = salesforce::State::new(&faults, &memory);
        Self {
            faults,
            memory,
            tokens: Tokens::default(),
            window: Window::default(),
            apart: Window::default(),
            strikes: Strikes::default(),
            calls: Calls::default(),
            at_once: HashMap::new(),
            answers: HashMap::new(),
            netsuite: netsuite::State::default(),
            salesforce,
        }
    }

    /// Does what was put off until now or earlier.
    pub(super) fn settle(&mut self, now: Instant) {
        netsuite::settle(self, now);
        salesforce::settle(self, now);
    }

    /// Back to the start: no records, no counts, the first tokens; the faults strike as they did.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        self.tokens = Tokens::default();
        self.window = Window::default();
        self.apart = Window::default();
        self.strikes = Strikes::default();
        self.calls.reset();
        self.answers.clear();
        let reset = self.memory.reset();
        self.netsuite = netsuite::State::default();
        self.salesforce = salesforce::State::new(&self.faults, &self.memory);
        reset
    }
}
