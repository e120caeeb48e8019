//! Reading a run anew: headers, contents, and what became of them meanwhile.

use std::io::Read;

use undercroft_model::{Cancelled, Remark, readable_path};

use super::{PendingRun, RunCutter, TreeWriter, runs};
use crate::error::VaultError;
use crate::manifest::{NEVER, PlacedEntry, Signature};
use crate::stream::{Content, Entry, EntryKind, OpenError, Opened, Settled, TreeSource};
use crate::tar::{self, Extras};

/// Content is read in stretches of this size.
const STRETCH: usize = 256 << 10;
/// A small file that changes while it is read is read again so many times.
const ATTEMPTS: usize = 3;

/// A source that contradicts itself would make a tar stream that no reader takes.
fn checked(opened: Opened<'_>) -> Result<Opened<'_>, VaultError> {
    let entry = &opened.entry;
    let is_file = entry.kind == EntryKind::File;
    if opened.content.is_some() == is_file && (is_file || entry.size == 0) {
        return Ok(opened);
    }
    let path = readable_path(&entry.path);
    let text = format!("{path}: a file needs content, and nothing else may have any");
    Err(VaultError::Source(std::io::Error::other(text)))
}

/// An entry that was opened; a small file's content is in memory already.
struct Ready<'a> {
    opened: Opened<'a>,
    small: Option<Vec<u8>>,
    settled: Settled,
}

/// An error of the system costs one entry. One that the source made itself ends the capture: it knows that going
/// on would be wrong.
fn refused_by_system(error: std::io::Error) -> Result<std::io::Error, VaultError> {
    if error.get_ref().is_some() { Err(VaultError::Source(error)) } else { Ok(error) }
}

impl TreeWriter<'_> {
    pub(super) fn read_run(
        &mut self,
        source: &dyn TreeSource,
        entries: Vec<(Entry, bool)>,
        signature: Signature,
    ) -> Result<PendingRun, VaultError> {
        let mut cutter = RunCutter::new(self.session);
        let mut placed = Vec::with_capacity(entries.len());
        let mut trusted = true;
        for (met, ends_piece) in entries {
            let Some(ready) = self.open(source, &met)? else {
                trusted = false;
                continue;
            };
            let before = cutter.len;
            let (entry, settled) = self.write_entry(source, &mut cutter, ready)?;
            // Facts that are not those the signature was made of must not be trusted next time.
            trusted &= settled == Settled::Unchanged && entry == met;
            if settled == Settled::Changed {
                self.counts.changed += 1;
                self.lost(&entry.path, "changed while it was read: its copy may be a mixture of old and new");
            }
            if ends_piece {
                cutter.cut()?;
            }
            self.count(&entry);
            self.counts.opened += 1;
            let told = std::mem::take(&mut self.told);
            self.observer.advance(self.element, (cutter.len - before).saturating_sub(told), 0);
            placed.push(PlacedEntry { entry, at: before });
        }
        cutter.cut()?;
        let signature = if trusted { signature } else { NEVER };
        Ok(PendingRun { signature, fragments: cutter.fragments, entries: placed })
    }

    fn lost(&self, path: &[u8], text: &str) {
        let subject = readable_path(path);
        self.observer.remark(self.element, Remark::lost(subject, text));
    }

    fn open<'a>(&mut self, source: &'a dyn TreeSource, met: &Entry) -> Result<Option<Ready<'a>>, VaultError> {
        for attempt in 1.. {
            let mut opened = match source.open(met) {
                Ok(opened) => checked(opened)?,
                Err(OpenError::Fatal(error)) => return Err(VaultError::Source(error)),
                Err(OpenError::Skip(remark)) => {
                    self.counts.skipped += 1;
                    self.observer.remark(self.element, remark);
                    return Ok(None);
                }
            };
            if opened.entry.size >= runs::LARGE || opened.content.is_none() {
                return Ok(Some(Ready { opened, small: None, settled: Settled::Unchanged }));
            }
            let Some((small, settled)) = self.read_small(&mut opened)? else { return Ok(None) };
            if settled != Settled::Changed || attempt == ATTEMPTS {
                return Ok(Some(Ready { opened, small: Some(small), settled }));
            }
        }
        Ok(None)
    }

    /// The whole content of a small file; `None` if it can't be read, which was told.
    fn read_small(&mut self, opened: &mut Opened<'_>) -> Result<Option<(Vec<u8>, Settled)>, VaultError> {
        let Some(content) = opened.content.as_mut() else {
            return Ok(Some((Vec::new(), Settled::Unchanged)));
        };
        let size = opened.entry.size;
        let mut bytes = Vec::with_capacity(size as usize + 1);
        if let Err(error) = content.by_ref().take(size + 1).read_to_end(&mut bytes) {
            let error = refused_by_system(error)?;
            self.counts.skipped += 1;
            self.lost(&opened.entry.path, &format!("could not be read: {error}"));
            return Ok(None);
        }
        self.counts.read += bytes.len() as u64;
        let whole = bytes.len() as u64 == size;
        bytes.resize(size as usize, 0);
        let settled = if whole { content.settled() } else { Settled::Changed };
        Ok(Some((bytes, settled)))
    }

    fn write_entry(
        &mut self,
        source: &dyn TreeSource,
        cutter: &mut RunCutter<'_>,
        ready: Ready<'_>,
    ) -> Result<(Entry, Settled), VaultError> {
        let Ready { opened, small, mut settled } = ready;
        let entry = opened.entry;
        let (owner, group) = source.owner_names(entry.uid, entry.gid);
        let extras = Extras { owner: owner.as_deref(), group: group.as_deref(), xattrs: &opened.xattrs };
        let mut header = Vec::with_capacity(3 * tar::BLOCK);
        tar::write_header(&mut header, self.top, &entry, &extras);
        cutter.write(&header)?;
        if entry.size >= runs::LARGE {
            cutter.cut_by_content()?;
        } else if entry.size >= runs::OWN_PIECE {
            cutter.cut()?;
        }
        match (small, opened.content) {
            (Some(bytes), _) => cutter.write(&bytes)?,
            (None, Some(mut content)) => settled = self.stream(cutter, &entry, content.as_mut())?,
            (None, None) => {}
        }
        cutter.write(&[0; tar::BLOCK][..tar::padding(entry.size)])?;
        Ok((entry, settled))
    }

    /// Streams a large file. What it lacks of its size is filled with zeros, what it has beyond is left out; both
    /// are told.
    fn stream(
        &mut self,
        cutter: &mut RunCutter<'_>,
        entry: &Entry,
        content: &mut (dyn Content + '_),
    ) -> Result<Settled, VaultError> {
        let mut buffer = vec![0; STRETCH];
        let mut left = entry.size;
        while left > 0 {
            if self.observer.cancelled() {
                return Err(Cancelled.into());
            }
            let want = left.min(STRETCH as u64) as usize;
            let got = match content.read(&mut buffer[..want]) {
                Ok(got) => got,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let error = refused_by_system(error)?;
                    self.lost(&entry.path, &format!("could not be read to its end: {error}"));
                    0
                }
            };
            if got == 0 {
                self.fill(cutter, left)?;
                return Ok(Settled::Changed);
            }
            self.counts.read += got as u64;
            cutter.write(&buffer[..got])?;
            left -= got as u64;
            self.told += got as u64;
            self.observer.advance(self.element, got as u64, 0);
        }
        let more = content.read(&mut buffer[..1]).unwrap_or(1);
        Ok(if more == 0 { content.settled() } else { Settled::Changed })
    }

    fn fill(&self, cutter: &mut RunCutter<'_>, mut len: u64) -> Result<(), VaultError> {
        let zeros = vec![0; STRETCH];
        while len > 0 {
            let now = len.min(STRETCH as u64);
            cutter.write(&zeros[..now as usize])?;
            len -= now;
        }
        Ok(())
    }
}
