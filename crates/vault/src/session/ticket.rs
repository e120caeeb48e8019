//! What a session gives for a piece: a promise of its reference.

use std::collections::VecDeque;

use crossbeam_channel::{Receiver, TryRecvError};

use crate::error::VaultError;
use crate::fragment::FragmentRef;

/// A fragment's reference, once its piece was dealt with.
pub struct Ticket(pub(super) Receiver<FragmentRef>);

impl Ticket {
    /// Waits for the reference.
    ///
    /// # Errors
    /// [`VaultError::Stopped`] if the session failed; [`finish`](super::Session::finish) says why.
    pub fn wait(self) -> Result<FragmentRef, VaultError> {
        self.0.recv().map_err(|_| VaultError::Stopped)
    }

    /// The reference, if the piece was dealt with already.
    fn look(&self) -> Result<Option<FragmentRef>, VaultError> {
        match self.0.try_recv() {
            Ok(fragment) => Ok(Some(fragment)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(VaultError::Stopped),
        }
    }
}

/// A stretch's fragments in order: those that are known, then those that are under way. A ticket weighs far more
/// than a reference, and the session bounds how many are under way: so a long stretch stays light.
#[derive(Default)]
pub struct Fragments {
    known: Vec<FragmentRef>,
    waiting: VecDeque<Ticket>,
}

impl Fragments {
    /// Appends a piece that was handed in.
    ///
    /// # Errors
    /// [`VaultError::Stopped`] if the session failed.
    pub fn push(&mut self, ticket: Ticket) -> Result<(), VaultError> {
        self.waiting.push_back(ticket);
        self.settle()
    }

    /// Takes note of the pieces that were dealt with, without waiting.
    fn settle(&mut self) -> Result<(), VaultError> {
        while let Some(ticket) = self.waiting.front() {
            let Some(fragment) = ticket.look()? else { break };
            self.known.push(fragment);
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Whether no piece is under way any more.
    ///
    /// # Errors
    /// [`VaultError::Stopped`] if the session failed.
    pub fn are_known(&mut self) -> Result<bool, VaultError> {
        self.settle()?;
        Ok(self.waiting.is_empty())
    }

    /// Waits for all that are under way.
    ///
    /// # Errors
    /// [`VaultError::Stopped`] if the session failed.
    pub fn wait(mut self) -> Result<Vec<FragmentRef>, VaultError> {
        for ticket in self.waiting {
            self.known.push(ticket.wait()?);
        }
        Ok(self.known)
    }
}
