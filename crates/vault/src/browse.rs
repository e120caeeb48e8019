//! What is in an archive, read from its manifest alone.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::index::Index;
use crate::manifest::Item;
use crate::manifest_io::ManifestReader;
use crate::record::ArchiveRecord;
use crate::stream::{Entry, EntryKind, SectionLabel};
use crate::vault::Vault;

/// What a listing tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// A member of a tree; its stamp is not known.
    Entry(Entry),
    /// A section of a text.
    Section {
        /// What it is.
        label: SectionLabel,
        /// How many rows it has, if it has rows.
        rows: Option<u64>,
        /// Bytes of its text.
        bytes: u64,
    },
}

/// Which entries of a tree, or sections of a text, are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Below {
    /// Only what is at or below this path, which has no slash at either end, or the section of that name; empty for
    /// everything.
    pub path: Vec<u8>,
    /// How many levels below it; `None` for all. 0 is the path itself.
    pub depth: Option<usize>,
}

/// Lists what is in an archive, in its order. The stream's fragments are not touched.
///
/// # Errors
/// [`VaultError`] if its manifest is missing or damaged; where it is so further on, the listing ends with the error.
pub fn entries(
    vault: &Vault,
    index: &Arc<Index>,
    archive: &ArchiveRecord,
    below: Below,
) -> Result<impl Iterator<Item = Result<Listing, VaultError>> + use<>, VaultError> {
    let manifest = ManifestReader::open(Fetcher::new(vault, Arc::clone(index)), &archive.manifest)?;
    Ok(Browser { manifest, below, ready: VecDeque::new(), open: None, ended: false })
}

/// A listing on its way.
struct Browser {
    manifest: ManifestReader,
    below: Below,
    ready: VecDeque<Listing>,
    /// A section of which more may follow.
    open: Option<Listing>,
    ended: bool,
}

impl Iterator for Browser {
    type Item = Result<Listing, VaultError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.ended {
            match self.manifest.next_item() {
                Ok(Some(item)) => self.take(item),
                Ok(None) => {
                    self.ended = true;
                    self.ready.extend(self.open.take());
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

impl Browser {
    fn take(&mut self, item: Item) {
        let len: u64 = item.fragments().iter().map(|fragment| u64::from(fragment.raw_len)).sum();
        match item {
            Item::Run { entries, .. } => {
                // Entries are in order, so that nothing comes behind what lies behind.
                self.ended = entries.last().is_some_and(|placed| self.below.is_before(&placed.entry));
                let wanted =
                    entries.into_iter().map(|placed| placed.entry).filter(|entry| self.below.has(entry));
                self.ready.extend(wanted.map(Listing::Entry));
            }
            Item::Section { label, rows, .. } => {
                let wanted = self.below.path.is_empty() || self.below.path == label.name.as_bytes();
                let section = wanted.then_some(Listing::Section { label, rows, bytes: len });
                self.ready.extend(std::mem::replace(&mut self.open, section));
            }
            Item::More { .. } => {
                if let Some(Listing::Section { bytes, .. }) = &mut self.open {
                    *bytes += len;
                }
            }
            Item::End { .. } => {}
        }
    }
}

impl Below {
    /// Whether an entry is to be listed.
    fn has(&self, entry: &Entry) -> bool {
        let rest = match entry.path.strip_prefix(self.path.as_slice()) {
            Some([]) => return true,
            Some(rest) if self.path.is_empty() => rest,
            Some([b'/', rest @ ..]) => rest,
            _ => return false,
        };
        let levels = 1 + rest.iter().filter(|byte| **byte == b'/').count();
        self.depth.is_none_or(|depth| levels <= depth)
    }

    /// Whether everything that is to be listed comes before an entry.
    fn is_before(&self, entry: &Entry) -> bool {
        if self.path.is_empty() {
            return false;
        }
        // The first byte after a slash: all that is below the path sorts before it.
        let behind = self.path.iter().chain(b"0");
        let slash: &[u8] = if entry.kind == EntryKind::Folder { b"/" } else { b"" };
        entry.path.iter().chain(slash).ge(behind)
    }
}
