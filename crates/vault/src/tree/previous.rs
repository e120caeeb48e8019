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
    runs: Receiver<Result<Item, VaultError>>,
    head: Option<Item>,
    _reader: JoinHandle<()>,
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
        Previous { runs, head: None, _reader: reader }
    }

    /// The earlier run that begins with the entry and has the signature. Asked for entries in the order of the
    /// walk.
    ///
    /// An earlier manifest that can't be read any further costs only the reuse: the rest is read anew.
    pub fn find(&mut self, first: &Entry, signature: &Signature) -> Option<Item> {
        loop {
            if self.head.is_none() {
                self.head = self.runs.recv().ok()?.ok();
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

/// The order of the walk: byte order of paths, where a folder's ends in `/`.
pub fn in_order(a: &Entry, b: &Entry) -> Ordering {
    fn bytes(entry: &Entry) -> impl Iterator<Item = &u8> {
        let slash: &[u8] = if entry.kind == EntryKind::Folder && !entry.path.is_empty() { b"/" } else { b"" };
        entry.path.iter().chain(slash)
    }
    bytes(a).cmp(bytes(b))
}
