//! Comparing live files with an archive's, byte by byte.

use std::fs::File;
use std::io::Read;

use rustix::fd::AsFd;
use undercroft_model::{Cancelled, Observer};
use undercroft_vault::stream::Entry;
use undercroft_vault::tree::take::{Taker, Xattrs};

use super::super::beneath::Root;
use super::super::xattrs;
use super::error::StageError;

/// Looks at each file that an archive gives whether the live one is the same.
pub struct Comparer<'c> {
    live: &'c Root,
    observer: &'c dyn Observer,
    goes_on: bool,
    /// The live file, while it is the same.
    at: Option<File>,
    buffer: Vec<u8>,
    /// Whether each file that was given is the same, in the order in which they ended.
    pub found: Vec<(Entry, bool)>,
}

impl<'c> Comparer<'c> {
    /// One that has seen nothing yet.
    pub fn new(live: &'c Root, goes_on: bool, observer: &'c dyn Observer) -> Self {
        Comparer { live, observer, goes_on, at: None, buffer: Vec::new(), found: Vec::new() }
    }
}

impl Taker for Comparer<'_> {
    type Error = StageError;

    fn begin(&mut self, entry: &Entry, attributes: Xattrs) -> Result<(), StageError> {
        // What can't be read now can't be said to be the same.
        let live = self.live.content(&entry.path).ok();
        let live = live.filter(|live| xattrs::read(live.as_fd()).is_ok_and(|now| now == attributes));
        self.at = live.map(File::from);
        Ok(())
    }

    fn content(&mut self, _: &Entry, bytes: &[u8]) -> Result<(), StageError> {
        if self.observer.cancelled() {
            return Err(Cancelled.into());
        }
        if let Some(live) = &mut self.at {
            self.buffer.resize(bytes.len(), 0);
            if live.read_exact(&mut self.buffer).is_err() || self.buffer != bytes {
                self.at = None;
            }
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        self.goes_on
    }

    fn lost(&mut self, entry: &Entry) -> Result<(), StageError> {
        // It stays as it is.
        self.at = None;
        self.found.push((entry.clone(), true));
        Ok(())
    }

    fn end(&mut self, entry: &Entry) -> Result<(), StageError> {
        let is_at_its_end = |mut live: File| live.read(&mut [0]).is_ok_and(|more| more == 0);
        self.found.push((entry.clone(), self.at.take().is_some_and(is_at_its_end)));
        Ok(())
    }
}
