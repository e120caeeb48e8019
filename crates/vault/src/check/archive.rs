//! Proving one archive.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use undercroft_model::{Cancelled, Element, Observer};
use uuid::Uuid;

use super::pool::{Pool, wait, with_pool};
use super::problem::{At, Problems, Wrong};
use super::stream::Passing;
use super::text::{TextCheck, subject_of};
use crate::damage::DamagedPack;
use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::fragment::FragmentRef;
use crate::index::Index;
use crate::manifest::Item;
use crate::manifest_io::{ManifestReader, Totals, is_malformed};
use crate::pack::PackId;
use crate::reader::Reader;
use crate::record::{ArchiveRecord, ManifestRoot};
use crate::vault::Vault;

/// Proves archives of one vault. What several of them share is read once.
pub struct Prover {
    vault: Vault,
    index: Arc<Index>,
    /// Runs and sections that were proven sound, by a hash of all that the manifest says of them.
    sound: Mutex<HashSet<[u8; 16]>>,
    /// What was found damaged.
    bad: Mutex<BTreeMap<PackId, HashSet<FragmentRef>>>,
}

/// An archive that is to be proven.
pub struct ArchiveJob<'a> {
    /// Its backup, if that should be named with what is hit.
    pub backup: Option<Uuid>,
    /// The archive.
    pub archive: &'a ArchiveRecord,
    /// For the observer.
    pub element: Element,
    /// Who knows what a text should say; without, only its bytes are proven.
    pub text: Option<&'a dyn TextCheck>,
    /// Who watches: told of bytes of the stream, `reused` being those that an earlier proof covers.
    pub observer: &'a dyn Observer,
}

/// What became of proving an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveProof {
    /// What is wrong with it.
    pub problems: Problems,
    /// Fragments that were proven, those of its manifest among them.
    pub fragments: u64,
    /// Bytes of the stream that were proven.
    pub bytes: u64,
    /// Bytes of the stream that the same prover had proven before, in another archive.
    pub shared: u64,
    /// Members of a tree, or sections of a text, that were looked at or shared.
    pub parts: u64,
    /// Rows of all tables, as the sections claim them.
    pub rows: u64,
}

impl ArchiveProof {
    /// Whether the archive is whole.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Prover {
    /// A prover of what `index` knows.
    pub fn new(vault: &Vault, index: Arc<Index>) -> Self {
        Prover { vault: vault.clone(), index, sound: Mutex::default(), bad: Mutex::default() }
    }

    /// Proves an archive: every fragment, and that what they make is a tree or a text as the manifest says.
    ///
    /// # Errors
    /// [`VaultError`] if the store does not answer, or the observer says stop. What is wrong with the archive is in the
    /// proof.
    pub fn archive(&self, job: &ArchiveJob<'_>) -> Result<ArchiveProof, VaultError> {
        let at = At { backup: job.backup, archive: &job.archive.name };
        job.observer.expect(job.element, job.archive.raw_len);
        with_pool(&self.vault, &self.index, |pool| {
            let mut passing = Passing::new(self, pool, job, at);
            let list = self.prove_list(pool, job, &mut passing)?;
            self.prove_stream(job, at, list, &mut passing)?;
            let Passing { findings, mut proof, .. } = passing;
            proof.problems = findings.into_problems();
            Ok(proof)
        })
    }

    /// Proves the fragments of a manifest. Gives those that can be read in order, and what is wrong with the next.
    fn prove_list(
        &self,
        pool: &Pool<'_>,
        job: &ArchiveJob<'_>,
        passing: &mut Passing<'_>,
    ) -> Result<List, VaultError> {
        let root = &job.archive.manifest;
        let mut list = List { fragments: root.fragments.clone(), bad: None };
        for level in (0..=root.level).rev() {
            let mut raw = Vec::new();
            let fragments = std::mem::take(&mut list.fragments);
            for window in fragments.chunks(WINDOW) {
                if job.observer.cancelled() {
                    return Err(Cancelled.into());
                }
                let proven = wait(&pool.ask(window.to_vec()))?;
                for (fragment, piece) in window.iter().zip(&proven.pieces) {
                    match piece {
                        Ok(range) if list.bad.is_none() => {
                            passing.proof.fragments += 1;
                            list.fragments.push(*fragment);
                            if level > 0 {
                                raw.extend(proven.raw.get(range.clone()).unwrap_or_default());
                            }
                        }
                        Ok(_) => passing.proof.fragments += 1,
                        Err(wrong) => {
                            let object = self.note(fragment, wrong);
                            passing.findings.wrong(object.as_deref(), wrong, 1);
                            list.bad.get_or_insert((wrong.clone(), object));
                        }
                    }
                }
                pool.recycle(proven);
            }
            if level > 0 {
                list.fragments = references(&raw);
            }
        }
        Ok(list)
    }

    fn prove_stream(
        &self,
        job: &ArchiveJob<'_>,
        at: At<'_>,
        list: List,
        passing: &mut Passing<'_>,
    ) -> Result<(), VaultError> {
        let root = ManifestRoot { level: 0, fragments: list.fragments };
        let mut last = None;
        let read = self.pass_items(&root, passing, &mut last);
        let (wrong, object) = match (read, list.bad) {
            (Ok(totals), None) => {
                passing.finish()?;
                let record = (job.archive.raw_len, job.archive.deflated_len, job.archive.crc);
                if (totals.raw_len, totals.deflated_len, totals.crc.finalize()) != record {
                    let text = "its length or checksum is not what the backup's record says".to_owned();
                    passing.findings.hit(None, &Wrong::Flaw(text), at, std::iter::empty());
                }
                return Ok(());
            }
            (Ok(_), Some(bad)) => bad,
            (Err(error), Some(bad)) if is_malformed(&error) => bad,
            (Err(error), None) if is_malformed(&error) => (
                Wrong::Flaw("its list contradicts itself: it was not written by Undercroft".to_owned()),
                None,
            ),
            // What was proven a moment ago can't be read now.
            (Err(error), _) => return Err(error),
        };
        passing.give_up()?;
        passing.findings.all_after(object.as_deref(), &wrong, at, last.as_deref());
        Ok(())
    }

    /// Hands on the manifest's items as far as it can be read.
    fn pass_items(
        &self,
        root: &ManifestRoot,
        passing: &mut Passing<'_>,
        last: &mut Option<Vec<u8>>,
    ) -> Result<Totals, VaultError> {
        let fetcher = Fetcher::new(&self.vault, Arc::clone(&self.index));
        let mut manifest = ManifestReader::open(fetcher, root)?;
        let mut held: Option<Item> = None;
        loop {
            let next = manifest.next_item();
            let more_follows = matches!(next, Ok(Some(Item::More { .. })) | Err(_));
            if let Some(item) = held.take() {
                note_last(&item, last);
                let whole =
                    matches!(item, Item::Run { .. }) || matches!(item, Item::Section { .. }) && !more_follows;
                passing.item(item, whole)?;
            }
            match next? {
                Some(item) => held = Some(item),
                None => return Ok(manifest.totals().clone()),
            }
        }
    }

    pub(super) fn is_sound(&self, key: &[u8; 16]) -> bool {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    pub(super) fn is_sound_now(&self, key: [u8; 16]) {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// Remembers what is damaged; gives the object's name, where it is known.
    pub(super) fn note(&self, fragment: &FragmentRef, wrong: &Wrong) -> Option<String> {
        let located = self.index.locate(fragment).map(|located| located.pack);
        if let (Some(pack), Wrong::Damaged) = (located, wrong) {
            let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
            bad.entry(pack).or_default().insert(*fragment);
        }
        let pack = located.or_else(|| self.index.lost(fragment))?;
        Some(self.vault.pack_name(&pack))
    }

    /// The fragments that were found damaged so far and were not known to be, for
    /// [`Vault::note_damage`](crate::Vault::note_damage).
    pub fn damaged(&self) -> Vec<DamagedPack> {
        let bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        bad.iter()
            .map(|(pack, fragments)| DamagedPack {
                pack: *pack,
                fragments: fragments.iter().copied().collect(),
            })
            .collect()
    }
}

/// So many fragments of a manifest are proven together.
const WINDOW: usize = 64;

/// A manifest's fragments as far as they can be read in order, and what is wrong with the next, in which object.
struct List {
    fragments: Vec<FragmentRef>,
    bad: Option<(Wrong, Option<String>)>,
}

/// The references that are whole.
fn references(raw: &[u8]) -> Vec<FragmentRef> {
    let mut reader = Reader::new(raw);
    std::iter::from_fn(|| reader.fragment().ok()).collect()
}

/// Remembers the last file or section whose list could be read.
fn note_last(item: &Item, last: &mut Option<Vec<u8>>) {
    match item {
        Item::Run { entries, .. } => {
            if let Some(placed) = entries.last() {
                *last = Some(placed.entry.path.clone());
            }
        }
        Item::Section { label, .. } => *last = Some(subject_of(label).into_bytes()),
        Item::More { .. } | Item::End { .. } => {}
    }
}
