//! Taking entries out of a tree's archive: only the fragments that cover what is wanted are read.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::bounded;

use super::header::{self, Header};
use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::fragment::FragmentRef;
use crate::manifest::{Item, Packed, PlacedEntry};
use crate::manifest_io::{ManifestReader, malformed};
use crate::reader::Malformed;
use crate::stream::{Entry, EntryKind};
use crate::tar;

pub use super::header::Xattrs;
pub use super::wanted::Wanted;

/// A longer header is none that a file system's attributes make.
const HEADER_MAX: u64 = 64 << 20;
/// Bytes of raw fragments that are held at a time.
const BATCH: u64 = 4 << 20;
/// From so many bytes on, fragments are read ahead on another thread.
const LONG: u64 = 8 << 20;

/// An entry's place in the order of the walk: its path, where a folder's ends in `/`.
fn key(entry: &Entry) -> Vec<u8> {
    let mut key = entry.path.clone();
    if entry.kind == EntryKind::Folder && !key.is_empty() {
        key.push(b'/');
    }
    key
}

/// A wanted entry of a run, and where it stands in the run's stream: header, content, padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// The entry.
    pub entry: Entry,
    /// Where it begins.
    pub at: u64,
    /// Where the next one begins.
    pub end: u64,
}

impl RunEntry {
    /// Bytes of its header; an error if it has no room for its content.
    fn header_len(&self) -> Result<u64, Malformed> {
        let content = self.entry.size.checked_add(tar::padding(self.entry.size) as u64);
        let len = content.and_then(|content| self.end.checked_sub(self.at)?.checked_sub(content));
        len.filter(|len| *len <= HEADER_MAX).ok_or(Malformed)
    }

    /// Where its content is in the run's stream.
    pub fn content(&self) -> Result<Range<u64>, Malformed> {
        let start = self.at + self.header_len()?;
        Ok(start..start + self.entry.size)
    }
}

/// A run, and its wanted entries in their order.
#[derive(Debug, Clone)]
pub struct Run {
    /// The wanted entries. Any may be removed before they are taken.
    pub entries: Vec<RunEntry>,
    top: Arc<str>,
    fragments: Vec<FragmentRef>,
    /// Where each fragment begins, and the run's length.
    starts: Vec<u64>,
}

/// Takes entries as they come out of an archive.
pub trait Taker {
    /// Why it can't.
    type Error: From<VaultError>;

    /// An entry begins.
    fn begin(&mut self, entry: &Entry, xattrs: Xattrs) -> Result<(), Self::Error>;

    /// A stretch of the entry's content.
    fn content(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), Self::Error>;

    /// All of the entry was given.
    fn end(&mut self, entry: &Entry) -> Result<(), Self::Error>;

    /// Whether to go on without what is missing or [damaged](VaultError::is_damage).
    fn goes_on(&self) -> bool {
        false
    }

    /// The entry can't be given whole, after `begin` or instead of it; `end` does not follow. Only if it
    /// [goes on](Taker::goes_on).
    ///
    /// # Errors
    /// The taker's.
    fn lost(&mut self, _entry: &Entry) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// What fragments hold, one after the other.
#[derive(Default)]
struct Raw {
    bytes: Vec<u8>,
    /// Those that can't be had.
    holes: Vec<usize>,
}

impl Run {
    /// A run from its item in the manifest.
    pub(crate) fn new(packed: &Packed, top: &Arc<str>) -> Result<Self, Malformed> {
        let Item::Run { fragments, entries, .. } = packed.item()? else { return Err(Malformed) };
        let (mut starts, mut len) = (Vec::with_capacity(fragments.len() + 1), 0u64);
        starts.push(0);
        for fragment in &fragments {
            len += u64::from(fragment.raw_len);
            starts.push(len);
        }
        let ends = entries.iter().skip(1).map(|placed| placed.at).chain([len]).collect::<Vec<_>>();
        let place = |(PlacedEntry { entry, at }, end)| RunEntry { entry, at, end };
        let entries = entries.into_iter().zip(ends).map(place).collect();
        Ok(Run { entries, top: Arc::clone(top), fragments, starts })
    }

    /// The fragments that cover a stretch of the run's stream, and how far into the first it begins.
    pub fn cover(&self, stretch: Range<u64>) -> (&[FragmentRef], u64) {
        let range = self.cover_at(&stretch);
        let start = self.starts.get(range.start).copied().unwrap_or_default();
        (self.fragments.get(range).unwrap_or_default(), stretch.start.saturating_sub(start))
    }

    fn cover_at(&self, stretch: &Range<u64>) -> Range<usize> {
        if stretch.is_empty() {
            return 0..0;
        }
        let first = self.starts.partition_point(|start| *start <= stretch.start).saturating_sub(1);
        let end = self.starts.partition_point(|start| *start < stretch.end).min(self.fragments.len());
        first.min(end)..end
    }

    /// Whether a fragment begins, or the run ends, at a place in the run's stream.
    pub(crate) fn is_cut_at(&self, place: u64) -> bool {
        self.starts.binary_search(&place).is_ok()
    }

    /// Whether all that there is to know of an entry is in the manifest: it has no content and no extended
    /// attributes, which stand before the header's own block, and which only files and folders have.
    fn is_told(entry: &RunEntry) -> Result<bool, Malformed> {
        let has_none = !matches!(entry.entry.kind, EntryKind::File | EntryKind::Folder);
        let len = entry.header_len()?;
        Ok(entry.entry.size == 0 && (has_none || len == tar::BLOCK as u64))
    }

    /// Gives all entries to `taker`. What needs no reading comes first; the rest in order.
    ///
    /// # Errors
    /// The taker's, also for a fragment that is missing or damaged.
    pub fn take<T: Taker>(&self, fetcher: &mut Fetcher, taker: &mut T) -> Result<(), T::Error> {
        let mut entries = Vec::new();
        for entry in &self.entries {
            if Run::is_told(entry).map_err(malformed)? {
                taker.begin(&entry.entry, Xattrs::new())?;
                taker.end(&entry.entry)?;
            } else {
                entries.push(entry);
            }
        }
        let batches = self.batches(&entries);
        let len: u64 = batches.iter().flatten().map(|n| self.fragment_len(*n)).sum();
        let mut feeder =
            Feeder { run: self, entries: entries.into_iter().peekable(), at: None, header: None, taker };
        if len >= LONG {
            return self.take_ahead(fetcher, &batches, &mut feeder);
        }
        let goes_on = feeder.taker.goes_on();
        for batch in &batches {
            let raw = self.fetch(fetcher, batch, goes_on)?;
            feeder.feed_batch(batch, &raw)?;
        }
        feeder.finish()
    }

    fn fragment_len(&self, n: usize) -> u64 {
        self.fragments.get(n).map_or(0, |fragment| fragment.raw_len.into())
    }

    fn fetch(&self, fetcher: &mut Fetcher, batch: &[usize], goes_on: bool) -> Result<Raw, VaultError> {
        let fragments: Vec<_> = batch.iter().filter_map(|n| self.fragments.get(*n).copied()).collect();
        let mut raw = Raw::default();
        match fetcher.raw(&fragments, &mut raw.bytes) {
            Err(error) if goes_on && error.is_damage() => {}
            other => return other.map(|()| raw),
        }
        raw.bytes.clear();
        for (n, fragment) in batch.iter().zip(&fragments) {
            if !fetcher.raw_if_whole(fragment, &mut raw.bytes)? {
                raw.holes.push(*n);
            }
        }
        Ok(raw)
    }

    /// The fragments that have to be read, in order, as many at a time as may be held.
    fn batches(&self, entries: &[&RunEntry]) -> Vec<Vec<usize>> {
        let (mut batches, mut batch, mut len, mut next) = (Vec::new(), Vec::new(), 0, 0);
        for entry in entries {
            for n in self.cover_at(&(entry.at..entry.end)) {
                if n < next {
                    continue;
                }
                next = n + 1;
                batch.push(n);
                len += self.fragment_len(n);
                if len >= BATCH {
                    batches.push(std::mem::take(&mut batch));
                    len = 0;
                }
            }
        }
        batches.extend((!batch.is_empty()).then_some(batch));
        batches
    }

    fn take_ahead<T: Taker>(
        &self,
        fetcher: &mut Fetcher,
        batches: &[Vec<usize>],
        feeder: &mut Feeder<'_, T>,
    ) -> Result<(), T::Error> {
        let goes_on = feeder.taker.goes_on();
        thread::scope(|scope| {
            let (send, receive) = bounded(1);
            scope.spawn(move || {
                for batch in batches {
                    let read = self.fetch(fetcher, batch, goes_on);
                    let failed = read.is_err();
                    if send.send(read).is_err() || failed {
                        return;
                    }
                }
            });
            let receive = receive; // Dropped when this fails, so that the thread ends.
            for batch in batches {
                let raw = receive.recv().map_err(|_| VaultError::Panicked)??;
                feeder.feed_batch(batch, &raw)?;
            }
            feeder.finish()
        })
    }
}

/// Parts a run's stream into entries.
struct Feeder<'r, T> {
    run: &'r Run,
    entries: std::iter::Peekable<std::vec::IntoIter<&'r RunEntry>>,
    /// How far into the stream the entry at hand was given; `None` before its first byte.
    at: Option<u64>,
    /// Its header, as far as it has come; `None` once it was read.
    header: Option<Vec<u8>>,
    taker: &'r mut T,
}

impl<T: Taker> Feeder<'_, T> {
    fn feed_batch(&mut self, batch: &[usize], raw: &Raw) -> Result<(), T::Error> {
        let mut rest = raw.bytes.as_slice();
        for n in batch {
            let start = self.run.starts.get(*n).copied().unwrap_or_default();
            let len = self.run.fragment_len(*n) as usize;
            if raw.holes.contains(n) {
                self.miss(start + len as u64)?;
                continue;
            }
            let (bytes, after) = rest.split_at_checked(len).ok_or(malformed(Malformed))?;
            rest = after;
            self.feed(start, bytes)?;
        }
        Ok(())
    }

    /// A fragment that ends there can't be had: neither can what it holds something of.
    fn miss(&mut self, end: u64) -> Result<(), T::Error> {
        while let Some(entry) = self.entries.next_if(|entry| self.at.unwrap_or(entry.at) < end) {
            self.taker.lost(&entry.entry)?;
            (self.at, self.header) = (None, None);
        }
        Ok(())
    }

    /// Takes a fragment that begins at `start` in the stream.
    fn feed(&mut self, start: u64, bytes: &[u8]) -> Result<(), T::Error> {
        let end = start + bytes.len() as u64;
        while let Some(entry) = self.entries.peek().copied() {
            let at = self.at.unwrap_or(entry.at);
            if at >= end {
                return Ok(());
            }
            if self.at.is_none() {
                self.header = Some(Vec::new());
            }
            let to = entry.end.min(end);
            let stretch =
                at.checked_sub(start).and_then(|from| bytes.get(from as usize..(to - start) as usize));
            self.give(entry, at, stretch.ok_or(malformed(Malformed))?)?;
            self.at = Some(to);
            if to < entry.end {
                return Ok(());
            }
            self.taker.end(&entry.entry)?;
            self.entries.next();
            self.at = None;
        }
        Ok(())
    }

    /// Gives a stretch of the entry at hand, which begins at `at`, to the taker.
    fn give(&mut self, entry: &RunEntry, mut at: u64, mut bytes: &[u8]) -> Result<(), T::Error> {
        let content = entry.content().map_err(malformed)?;
        if let Some(mut header) = self.header.take() {
            let (head, rest) = bytes.split_at(bytes.len().min((content.start - at) as usize));
            header.extend(head);
            (at, bytes) = (at + head.len() as u64, rest);
            if at < content.start {
                self.header = Some(header);
                return Ok(());
            }
            let header = self.read(&header, entry).map_err(malformed)?;
            self.taker.begin(&entry.entry, header.xattrs)?;
        }
        let left = content.end.saturating_sub(at).min(bytes.len() as u64) as usize;
        match bytes.get(..left) {
            Some(bytes) if !bytes.is_empty() => self.taker.content(&entry.entry, bytes),
            _ => Ok(()),
        }
    }

    /// Reads a header, which must be the one of the entry.
    fn read(&self, header: &[u8], entry: &RunEntry) -> Result<Header, Malformed> {
        let header = header::read(header, &entry.entry)?;
        let path = header.path.strip_suffix(b"/").unwrap_or(&header.path);
        let below = path.strip_prefix(self.run.top.as_bytes()).ok_or(Malformed)?;
        let below = below.strip_prefix(b"/").unwrap_or(below);
        if below == entry.entry.path { Ok(header) } else { Err(Malformed) }
    }

    fn finish(&mut self) -> Result<(), T::Error> {
        if self.entries.peek().is_some() { Err(malformed(Malformed).into()) } else { Ok(()) }
    }
}

/// The runs of an archive that hold wanted entries, in order.
pub struct Runs {
    manifest: ManifestReader,
    wanted: Wanted,
    top: Arc<str>,
    next: Option<(Packed, Vec<u8>)>,
}

impl Runs {
    /// Begins to read an archive's list.
    ///
    /// # Errors
    /// [`VaultError`] if it can't be read, or is not one of a tree.
    pub fn open(mut manifest: ManifestReader, wanted: Wanted) -> Result<Self, VaultError> {
        let first = manifest.next_packed()?.ok_or(malformed(Malformed))?;
        let top = read_top(&first, manifest.fetcher())?;
        let mut runs = Runs { manifest, wanted, top, next: None };
        runs.next = with_key(first)?;
        Ok(runs)
    }

    /// The archive's top folder.
    pub fn top(&self) -> &str {
        &self.top
    }

    /// The next run, with its wanted entries; `None` after the last.
    ///
    /// # Errors
    /// [`VaultError`] if the list can't be read on.
    pub fn next_run(&mut self) -> Result<Option<Run>, VaultError> {
        while let Some((packed, from)) = self.next.take() {
            self.next = match self.manifest.next_packed()? {
                Some(packed) => with_key(packed)?,
                None => None,
            };
            let to = self.next.as_ref().map(|(_, key)| key.as_slice());
            if !self.wanted.may_hold(&from, to) {
                if !self.wanted.may_hold(&from, None) {
                    self.next = None;
                }
                continue;
            }
            let mut run = Run::new(&packed, &self.top).map_err(malformed)?;
            run.entries.retain(|entry| self.wanted.takes(&entry.entry.path));
            if !run.entries.is_empty() {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }
}

/// A run with its first entry's place; `None` for the run at the end, which has no entries.
fn with_key(packed: Packed) -> Result<Option<(Packed, Vec<u8>)>, VaultError> {
    let first = packed.first().map_err(malformed)?;
    Ok(first.map(|placed| (packed, key(&placed.entry))))
}

/// The name of the top folder, from the header of its entry, which is the first.
fn read_top(packed: &Packed, fetcher: &mut Fetcher) -> Result<Arc<str>, VaultError> {
    let run = Run::new(packed, &Arc::from("")).map_err(malformed)?;
    let first = run.entries.first().filter(|first| first.entry.path.is_empty() && first.at == 0);
    let first = first.ok_or(malformed(Malformed))?;
    let len = first.header_len().map_err(malformed)?;
    let mut raw = Vec::new();
    fetcher.raw(run.cover(0..len).0, &mut raw)?;
    let header = raw.get(..len as usize).ok_or(Malformed).and_then(|bytes| header::read(bytes, &first.entry));
    let path = header.map_err(malformed)?.path;
    let top = path.strip_suffix(b"/").and_then(|top| std::str::from_utf8(top).ok());
    top.map(Arc::from).ok_or(malformed(Malformed))
}
