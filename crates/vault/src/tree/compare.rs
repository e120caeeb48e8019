//! Two archives of trees compared by their lists alone, in step: nothing but manifests is read, and no more than a
//! run of each is held.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use undercroft_model::{Cancelled, Observer};

use super::previous::in_order;
use super::take::{Run, RunEntry};
use crate::error::VaultError;
use crate::manifest::{Packed, Skimmed};
use crate::manifest_io::{ManifestReader, malformed};
use crate::reader::Malformed;
use crate::stream::Entry;

/// What is known of two contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// They are the same: the same fragments hold them.
    Same,
    /// They differ.
    Other,
    /// They have the same size; that their fragments differ may be due to neighbours.
    Unproven,
}

/// What differs in an entry that both archives have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct What {
    /// Its content.
    pub content: Content,
    /// When it changed last.
    pub time: bool,
    /// Its permissions.
    pub mode: bool,
    /// Its owner or group.
    pub owner: bool,
    /// What it is: a file has become a symlink. (One that has become a folder is told as removed and added.)
    pub kind: bool,
    /// What a link points at, or a device stands for.
    pub target: bool,
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference<'a> {
    /// Only the later archive has it.
    Added(&'a Entry),
    /// Only the earlier archive has it.
    Removed(&'a Entry),
    /// Both have it, and it is not the same.
    Changed {
        /// In the earlier archive.
        before: &'a Entry,
        /// In the later one.
        after: &'a Entry,
        /// What differs.
        what: What,
    },
}

/// Entries and the bytes of their content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Entries.
    pub entries: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// What only the later archive has.
    pub added: Sum,
    /// What only the earlier archive has.
    pub removed: Sum,
    /// What differs; bytes as in the later archive.
    pub changed: Sum,
    /// What is proved to be the same.
    pub same: Sum,
    /// What is the same by all that the lists say, and most likely is, but not proved by its fragments.
    pub unproven: Sum,
}

impl Sum {
    /// Counts an entry.
    pub fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
    }

    fn add_all(&mut self, skimmed: Skimmed) {
        self.entries += skimmed.entries;
        self.bytes = self.bytes.saturating_add(skimmed.bytes);
    }
}

/// Compares two archives; every difference goes to `each`, in order of the paths.
///
/// # Errors
/// [`VaultError`] if a list can't be read, or the observer says stop.
pub fn compare(
    before: ManifestReader,
    after: ManifestReader,
    observer: &dyn Observer,
    each: &mut dyn FnMut(Difference<'_>),
) -> Result<Compared, VaultError> {
    let (mut before, mut after) = (Side::open(before)?, Side::open(after)?);
    let mut sums = Compared::default();
    loop {
        if observer.cancelled() {
            return Err(Cancelled.into());
        }
        while let (Some(a), Some(b)) = (before.untouched(), after.untouched()) {
            if !a.is_same_run(b) {
                break;
            }
            sums.same.add_all(a.skim().map_err(malformed)?);
            before.next_run()?;
            after.next_run()?;
        }
        if !step(&mut before, &mut after, &mut sums, each)? {
            return Ok(sums);
        }
    }
}

/// Compares the entries that come next; false if there are none.
fn step(
    before: &mut Side,
    after: &mut Side,
    sums: &mut Compared,
    each: &mut dyn FnMut(Difference<'_>),
) -> Result<bool, VaultError> {
    let order = match (before.entry()?, after.entry()?) {
        (None, None) => return Ok(false),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some((_, a)), Some((_, b))) => in_order(&a.entry, &b.entry),
    };
    match (before.entry()?, after.entry()?) {
        (Some((_, gone)), _) if order == Ordering::Less => {
            sums.removed.add(&gone.entry);
            each(Difference::Removed(&gone.entry));
        }
        (_, Some((_, new))) if order == Ordering::Greater => {
            sums.added.add(&new.entry);
            each(Difference::Added(&new.entry));
        }
        (Some(a), Some(b)) => pair(a, b, sums, each).map_err(malformed)?,
        _ => {}
    }
    if order != Ordering::Greater {
        before.advance()?;
    }
    if order != Ordering::Less {
        after.advance()?;
    }
    Ok(true)
}

/// An entry and its run.
type InRun<'a> = (&'a Run, &'a RunEntry);

fn pair(
    a: InRun<'_>,
    b: InRun<'_>,
    sums: &mut Compared,
    each: &mut dyn FnMut(Difference<'_>),
) -> Result<(), Malformed> {
    let (before, after) = (&a.1.entry, &b.1.entry);
    if is_proved(a, b) {
        sums.same.add(after);
        return Ok(());
    }
    let what = What {
        content: content(a, b)?,
        time: before.mtime != after.mtime,
        mode: before.mode != after.mode,
        owner: (before.uid, before.gid) != (after.uid, after.gid),
        kind: std::mem::discriminant(&before.kind) != std::mem::discriminant(&after.kind),
        target: before.kind != after.kind,
    };
    let what = What { target: what.target && !what.kind, ..what };
    if before == after && what.content != Content::Other {
        sums.unproven.add(after);
    } else {
        sums.changed.add(after);
        each(Difference::Changed { before, after, what });
    }
    Ok(())
}

/// Whether all of an entry, its extended attributes too, is proved to be the same.
fn is_proved((a_run, a): InRun<'_>, (b_run, b): InRun<'_>) -> bool {
    a.entry == b.entry
        && a.end.checked_sub(a.at) == b.end.checked_sub(b.at)
        && covers_agree(a_run, a.at..a.end, b_run, b.at..b.end)
}

fn covers_agree(a_run: &Run, a: Range<u64>, b_run: &Run, b: Range<u64>) -> bool {
    let ((a, a_offset), (b, b_offset)) = (a_run.cover(a), b_run.cover(b));
    a_offset == b_offset && a.iter().map(|fragment| fragment.id).eq(b.iter().map(|fragment| fragment.id))
}

fn content((a_run, a): InRun<'_>, (b_run, b): InRun<'_>) -> Result<Content, Malformed> {
    if a.entry.size != b.entry.size {
        return Ok(Content::Other);
    }
    let (of_a, of_b) = (a.content()?, b.content()?);
    if covers_agree(a_run, of_a.clone(), b_run, of_b.clone()) {
        return Ok(Content::Same);
    }
    // Where fragments hold nothing but the content, other fragments are other content.
    let alone = |run: &Run, start: u64, end: u64| run.is_cut_at(start) && run.is_cut_at(end);
    let other = alone(a_run, of_a.start, a.end) && alone(b_run, of_b.start, b.end);
    Ok(if other { Content::Other } else { Content::Unproven })
}

/// One archive's list, being walked.
struct Side {
    manifest: ManifestReader,
    top: Arc<str>,
    packed: Option<Packed>,
    /// The run at hand, once it was unpacked.
    run: Option<Run>,
    next: usize,
}

impl Side {
    fn open(mut manifest: ManifestReader) -> Result<Self, VaultError> {
        let packed = manifest.next_packed()?;
        Ok(Side { manifest, top: Arc::from(""), packed, run: None, next: 0 })
    }

    /// The run at hand, if none of its entries was met.
    fn untouched(&self) -> Option<&Packed> {
        self.packed.as_ref().filter(|_| self.next == 0)
    }

    fn next_run(&mut self) -> Result<(), VaultError> {
        self.packed = self.manifest.next_packed()?;
        self.run = None;
        self.next = 0;
        Ok(())
    }

    fn entry(&mut self) -> Result<Option<InRun<'_>>, VaultError> {
        loop {
            let Some(packed) = &self.packed else { return Ok(None) };
            if self.run.is_none() {
                self.run = Some(Run::new(packed, &self.top).map_err(malformed)?);
            }
            if self.run.as_ref().is_some_and(|run| self.next < run.entries.len()) {
                break;
            }
            self.next_run()?;
        }
        let run = self.run.as_ref();
        Ok(run.and_then(|run| Some((run, run.entries.get(self.next)?))))
    }

    /// Passes over the entry at hand.
    fn advance(&mut self) -> Result<(), VaultError> {
        self.next += 1;
        if self.run.as_ref().is_some_and(|run| self.next >= run.entries.len()) {
            self.next_run()?;
        }
        Ok(())
    }
}

/// Tells of an archive's entries, in their order, whether another archive has them exactly the same.
pub struct Proofs {
    other: Side,
}

impl Proofs {
    /// Proofs by this other archive.
    ///
    /// # Errors
    /// [`VaultError`] if its list can't be read.
    pub fn new(other: ManifestReader) -> Result<Self, VaultError> {
        Ok(Proofs { other: Side::open(other)? })
    }

    /// Of each entry of a run, whether content, facts and extended attributes are proved to be the same in the other
    /// archive. Runs are asked for in the order of the archive.
    ///
    /// # Errors
    /// [`VaultError`] if the other list can't be read on.
    pub fn of(&mut self, run: &Run) -> Result<Vec<bool>, VaultError> {
        run.entries.iter().map(|entry| self.of_entry(run, entry)).collect()
    }

    fn of_entry(&mut self, run: &Run, entry: &RunEntry) -> Result<bool, VaultError> {
        loop {
            let Some(theirs) = self.other.entry()? else { return Ok(false) };
            match in_order(&theirs.1.entry, &entry.entry) {
                Ordering::Less => self.other.advance()?,
                Ordering::Equal => return Ok(is_proved(theirs, (run, entry))),
                Ordering::Greater => return Ok(false),
            }
        }
    }
}
