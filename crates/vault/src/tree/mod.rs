//! Trees: from a source's entries to a tar stream in runs, of which those that did not change are reused without
//! a file being opened.

pub mod compare;
mod header;
mod previous;
mod read;
mod runs;
pub mod take;
mod wanted;

use std::collections::VecDeque;

use undercroft_model::{Cancelled, Element, Observer, Remark};

use crate::cut::Cutter;
use crate::error::VaultError;
use crate::manifest::{Item, NEVER, PlacedEntry, Signature};
use crate::manifest_io::{ManifestReader, ManifestWriter};
use crate::record::{ArchiveRecord, StreamKind};
use crate::session::{Fragments, Session};
use crate::stream::{Entry, TreeSource};

use previous::Previous;
pub(crate) use previous::in_order;

/// How an archive of a tree is to be made.
pub struct TreeJob<'a> {
    /// The archive's file name.
    pub name: &'a str,
    /// The folder that all its entries are in: one name, without a slash.
    pub top: &'a str,
    /// For the observer.
    pub element: Element,
    /// The same archive of the last backup.
    pub previous: Option<ManifestReader>,
    /// Who watches.
    pub observer: &'a dyn Observer,
}

/// What was done to make an archive of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TreeCounts {
    /// Entries in the archive.
    pub entries: u64,
    /// Files among them.
    pub files: u64,
    /// Bytes of all their content.
    pub content: u64,
    /// Entries that had to be opened.
    pub opened: u64,
    /// Bytes that had to be read.
    pub read: u64,
    /// Entries left out because they could not be opened.
    pub skipped: u64,
    /// Files that changed while they were read.
    pub changed: u64,
}

/// A run on its way into the manifest.
enum Pending {
    /// It was read, and its fragments are under way.
    Read(PendingRun),
    /// It is an earlier run as it was.
    Reused(Item),
}

/// A run whose fragments are under way.
struct PendingRun {
    signature: Signature,
    fragments: Fragments,
    entries: Vec<PlacedEntry>,
}

/// Runs that may wait for their fragments, and for the runs before them; the session bounds their bytes.
const PENDING: usize = 256;
/// A run ends here at the latest: whoever chooses the names of files could otherwise make one without end.
const RUN_MAX: usize = 1024;
/// The same for a piece of small neighbours, in bytes.
const PIECE_MAX: usize = 1 << 20;

/// Writes a tree's archive.
///
/// # Errors
/// [`VaultError`] if the source or the session fails, or the observer says stop.
pub fn write_tree(
    session: &Session,
    source: &mut dyn TreeSource,
    job: TreeJob<'_>,
) -> Result<(ArchiveRecord, TreeCounts), VaultError> {
    let mut writer = TreeWriter {
        session,
        top: job.top,
        element: job.element,
        observer: job.observer,
        previous: job.previous.map(Previous::new),
        manifest: ManifestWriter::begin(session)?,
        pending: VecDeque::new(),
        counts: TreeCounts::default(),
        told: 0,
    };
    let mut run: Vec<(Entry, bool)> = Vec::new();
    while let Some(entry) = source.next_entry().map_err(VaultError::Source)? {
        let bounds = runs::bounds(&entry);
        if bounds.starts_run && !run.is_empty() {
            writer.run(source, &mut run)?;
        }
        run.push((entry, bounds.ends_piece));
        if bounds.ends_run || run.len() >= RUN_MAX {
            writer.run(source, &mut run)?;
        }
    }
    if !run.is_empty() {
        writer.run(source, &mut run)?;
    }
    writer.finish(job.name)
}

struct TreeWriter<'s> {
    session: &'s Session,
    top: &'s str,
    element: Element,
    observer: &'s dyn Observer,
    previous: Option<Previous>,
    manifest: ManifestWriter<'s>,
    pending: VecDeque<Pending>,
    counts: TreeCounts,
    /// Bytes of the entry at hand that the observer was told of already.
    told: u64,
}

impl TreeWriter<'_> {
    fn run(&mut self, source: &dyn TreeSource, run: &mut Vec<(Entry, bool)>) -> Result<(), VaultError> {
        if self.observer.cancelled() {
            return Err(Cancelled.into());
        }
        let entries = std::mem::take(run);
        let signature = runs::signature(self.top, entries.iter().map(|(entry, _)| entry));
        if let Some(item) = self.reusable(&entries, &signature) {
            return self.reuse(item);
        }
        let done = self.read_run(source, entries, signature)?;
        self.pending.push_back(Pending::Read(done));
        self.drain(PENDING)
    }

    fn reusable(&mut self, entries: &[(Entry, bool)], signature: &Signature) -> Option<Item> {
        let (first, _) = entries.first()?;
        let item = self.previous.as_mut()?.find(first, signature)?;
        self.session.has_all(item.fragments()).then_some(item)
    }

    fn reuse(&mut self, item: Item) -> Result<(), VaultError> {
        let bytes = item.fragments().iter().map(|f| u64::from(f.raw_len)).sum();
        if let Item::Run { entries, .. } = &item {
            for placed in entries {
                self.count(&placed.entry);
            }
        }
        self.observer.advance(self.element, 0, bytes);
        self.pending.push_back(Pending::Reused(item));
        self.drain(PENDING)
    }

    fn count(&mut self, entry: &Entry) {
        self.counts.entries += 1;
        if entry.kind == crate::stream::EntryKind::File {
            self.counts.files += 1;
            self.counts.content += entry.size;
        }
    }

    /// Writes runs into the manifest: those whose turn it is and whose fragments are known, and as many more as
    /// it takes until at most `keep` wait.
    fn drain(&mut self, keep: usize) -> Result<(), VaultError> {
        while let Some(front) = self.pending.front_mut() {
            let ready = match front {
                Pending::Read(run) => run.fragments.are_known()?,
                Pending::Reused(_) => true,
            };
            if !ready && self.pending.len() <= keep {
                break;
            }
            let item = match self.pending.pop_front() {
                Some(Pending::Read(PendingRun { signature, fragments, entries })) => {
                    Item::Run { signature, fragments: fragments.wait()?, entries }
                }
                Some(Pending::Reused(item)) => item,
                None => break,
            };
            self.manifest.add(&item)?;
        }
        Ok(())
    }

    /// An earlier list that could not be read to its end cost only time, but the store has lost something.
    fn tell_of_previous(&mut self) {
        if let Some(error) = self.previous.as_mut().and_then(Previous::take_error) {
            let text = format!("the last backup's list could not be used, all was read anew: {error}");
            self.observer.remark(self.element, Remark::note("", text));
        }
    }

    fn finish(mut self, name: &str) -> Result<(ArchiveRecord, TreeCounts), VaultError> {
        // What ends a tar stream: two blocks of zeros.
        let mut fragments = Fragments::default();
        fragments.push(self.session.add(vec![0; 2 * crate::tar::BLOCK])?)?;
        let end = PendingRun { signature: NEVER, fragments, entries: Vec::new() };
        self.pending.push_back(Pending::Read(end));
        self.drain(0)?;
        self.tell_of_previous();
        let (manifest, totals) = self.manifest.finish()?;
        let record = ArchiveRecord {
            name: name.to_owned(),
            stream: StreamKind::Tree,
            raw_len: totals.raw_len,
            crc: totals.crc.finalize(),
            deflated_len: totals.deflated_len,
            manifest,
        };
        Ok((record, self.counts))
    }
}

/// Cuts one run's stream into pieces and hands them to the session.
struct RunCutter<'s> {
    session: &'s Session,
    piece: Vec<u8>,
    content: Option<Cutter>,
    fragments: Fragments,
    len: u64,
}

impl<'s> RunCutter<'s> {
    fn new(session: &'s Session) -> Self {
        RunCutter { session, piece: Vec::new(), content: None, fragments: Fragments::default(), len: 0 }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        self.len += bytes.len() as u64;
        let (session, fragments) = (self.session, &mut self.fragments);
        if let Some(cutter) = &mut self.content {
            return cutter.write(bytes, |piece| fragments.push(session.add(piece)?));
        }
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_MAX { self.cut() } else { Ok(()) }
    }

    /// Ends the piece here, if there is one.
    fn cut(&mut self) -> Result<(), VaultError> {
        let (session, fragments) = (self.session, &mut self.fragments);
        if let Some(mut cutter) = self.content.take() {
            cutter.end(|piece| fragments.push(session.add(piece)?))?;
        }
        if !self.piece.is_empty() {
            fragments.push(session.add(std::mem::take(&mut self.piece))?)?;
        }
        Ok(())
    }

    /// From here to the next cut, content decides where it is cut.
    fn cut_by_content(&mut self) -> Result<(), VaultError> {
        self.cut()?;
        self.content = Some(Cutter::new(crate::cut::FILE));
        Ok(())
    }
}
