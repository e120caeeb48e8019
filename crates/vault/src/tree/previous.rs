//! The last backup's runs, met in step with the new walk.

use std::cmp::Ordering;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, bounded};

use crate::error::VaultError;
use crate::manifest::{Item, NEVER, PlacedEntry, Signature};
use crate::manifest_io::ManifestReader;
use crate::stream::{Entry, EntryKind};

/// Runs of an earlier manifest, read ahead on a thread of their own.
pub struct Previous {
    runs: Option<Receiver<Result<Item, VaultError>>>,
    head: Option<Item>,
    error: Option<VaultError>,
    reader: Option<JoinHandle<()>>,
}

impl Previous {
    /// Begins to read ahead.
    pub fn new(mut manifest: ManifestReader) -> Self {
        let (send, runs) = bounded(64);
        let reader = thread::spawn(move || {
            while let Some(item) = manifest.next_item().transpose() {
                let last = item.is_err();
                if send.send(item).is_err() || last {
                    return;
                }
            }
        });
        Previous { runs: Some(runs), head: None, error: None, reader: Some(reader) }
    }

    /// Why the earlier manifest could not be read any further, if it could not.
    pub fn take_error(&mut self) -> Option<VaultError> {
        self.error.take()
    }

    fn next_run(&mut self) -> Option<Item> {
        match self.runs.as_ref()?.recv().ok()? {
            Ok(item) => Some(item),
            Err(error) => {
                self.error = Some(error);
                self.runs = None;
                None
            }
        }
    }

    /// The earlier run that begins with the entry and has the signature. Asked for entries in the order of the
    /// walk.
    ///
    /// An earlier manifest that can't be read any further costs only the reuse: the rest is read anew.
    pub fn find(&mut self, first: &Entry, signature: &Signature) -> Option<Item> {
        loop {
            if self.head.is_none() {
                self.head = Some(self.next_run()?);
            }
            let Some(Item::Run { signature: of, entries, .. }) = &self.head else {
                self.head.take()?;
                continue;
            };
            match entries.first().map_or(Ordering::Less, |e: &PlacedEntry| in_order(&e.entry, first)) {
                Ordering::Less => self.head = None,
                Ordering::Equal if of == signature && *of != NEVER => return self.head.take(),
                Ordering::Equal | Ordering::Greater => return None,
            }
        }
    }
}

/// The thread ends with it.
impl Drop for Previous {
    fn drop(&mut self) {
        self.runs = None;
        if let Some(reader) = self.reader.take() {
            // If it panicked, that cost only the reuse.
            let _ = reader.join();
        }
    }
}

/// The order of the walk: byte order of paths, where a folder's ends in `/`.
pub fn in_order(a: &Entry, b: &Entry) -> Ordering {
    fn bytes(entry: &Entry) -> impl Iterator<Item = &u8> {
        let slash: &[u8] = if entry.kind == EntryKind::Folder && !entry.path.is_empty() { b"/" } else { b"" };
        entry.path.iter().chain(slash)
    }
    bytes(a).cmp(bytes(b))
}
