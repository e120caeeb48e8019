//! What damage hits: backups, their archives, and the files and tables in them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::packs::PackLook;
use super::problem::{At, Findings, Wrong};
use super::text::subject_of;
use super::tree::entries_in;
use super::vault::VaultProof;
use crate::damage::{DamageNote, DamagedPack, Noted};
use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::fragment::FragmentRef;
use crate::index::{Index, PackFacts};
use crate::manifest::Item;
use crate::manifest_io::{ManifestReader, is_malformed};
use crate::pack::PackId;
use crate::reader::Reader;
use crate::record::{ArchiveRecord, ManifestRoot};
use crate::seal::TAG_LEN;
use crate::vault::Vault;

/// How something is lost, and in which object.
type Lack = (Wrong, Option<String>);

/// Walks through all that archives need, and finds who needs what is lost.
pub(super) struct Hits {
    vault: Vault,
    /// What can be read, as it was found.
    index: Arc<Index>,
    /// What earlier checks have noted.
    noted: Noted,
    /// Packs that the store does not give out.
    unreadable: HashMap<PackId, Wrong>,
    /// One bit for each fragment of the index: an archive needs it.
    needed: Vec<u64>,
    /// Lost fragments that an archive needs.
    lost: HashSet<FragmentRef>,
}

impl Hits {
    pub(super) fn new(
        vault: &Vault,
        named: &[Arc<PackFacts>],
        looks: &[PackLook],
        notes: &[DamageNote],
    ) -> Self {
        let mut index = Index::default();
        let there: HashMap<_, _> = looks.iter().map(|look| (look.id, look)).collect();
        for pack in named {
            match there.get(&pack.id) {
                Some(look) if !is_lost(look) => index.add_sound(pack, &look.bad),
                _ => index.add_lost(pack),
            }
        }
        for look in looks.iter().filter(|look| !is_lost(look)) {
            // A pack that is there already is not added again.
            if let Some(facts) = &look.facts {
                index.add_sound(facts, &look.bad);
            }
        }
        let unreadable = looks.iter().filter_map(|look| match &look.wrong {
            Some(wrong @ Wrong::Unreadable(_)) => Some((look.id, wrong.clone())),
            _ => None,
        });
        Hits {
            vault: vault.clone(),
            noted: Noted::new(notes),
            unreadable: unreadable.collect(),
            needed: vec![0; index.len().div_ceil(64)],
            index: Arc::new(index),
            lost: HashSet::new(),
        }
    }

    /// Notes that an archive needs a fragment. If it is lost: where it was, and how.
    fn need(&mut self, fragment: &FragmentRef, findings: &mut Findings) -> Option<Lack> {
        if let Some(number) = self.index.number(fragment) {
            if let Some(word) = self.needed.get_mut(number / 64) {
                *word |= 1 << (number % 64);
            }
            return None;
        }
        let pack = self.index.lost(fragment);
        let wrong = match pack.and_then(|pack| self.unreadable.get(&pack)) {
            Some(wrong) => wrong.clone(),
            None => match self.index.loss(fragment) {
                Some(crate::index::Loss::Damaged) if self.noted.has(pack, fragment) => Wrong::Noted,
                Some(crate::index::Loss::Damaged) => Wrong::Damaged,
                Some(crate::index::Loss::Gone) => Wrong::Missing,
                None => Wrong::Flaw("a piece of it is in no pack that can be read".to_owned()),
            },
        };
        let object = pack.map(|pack| self.vault.pack_name(&pack));
        if self.lost.insert(*fragment) {
            findings.wrong(object.as_deref(), &wrong, 1);
        }
        Some((wrong, object))
    }

    /// Walks through an archive.
    pub(super) fn archive(
        &mut self,
        backup: Uuid,
        archive: &ArchiveRecord,
        findings: &mut Findings,
    ) -> Result<(), VaultError> {
        let at = At { backup: Some(backup), archive: &archive.name };
        let mut fetcher = Fetcher::new(&self.vault, Arc::clone(&self.index));
        let (root, bad) = self.list(&mut fetcher, &archive.manifest, findings)?;
        let mut last = None;
        let (wrong, object) = match (self.items(fetcher, &root, at, archive, &mut last, findings), bad) {
            (Ok(()), None) => return Ok(()),
            (Ok(()), Some(bad)) => bad,
            (Err(error), Some(bad)) if is_malformed(&error) => bad,
            (Err(error), None) if is_malformed(&error) => (
                Wrong::Flaw("its list contradicts itself: it was not written by Undercroft".to_owned()),
                None,
            ),
            // What was proven a moment ago can't be read now.
            (Err(error), _) => return Err(error),
        };
        findings.all_after(object.as_deref(), &wrong, at, last.as_deref());
        Ok(())
    }

    /// A manifest's fragments as far as they can be read in order, and what is wrong with the next.
    fn list(
        &mut self,
        fetcher: &mut Fetcher,
        root: &ManifestRoot,
        findings: &mut Findings,
    ) -> Result<(ManifestRoot, Option<Lack>), VaultError> {
        let mut fragments = root.fragments.clone();
        let mut bad = None;
        for level in (0..=root.level).rev() {
            let mut readable = Vec::with_capacity(fragments.len());
            for fragment in &fragments {
                match self.need(fragment, findings) {
                    Some(lost) => drop(bad.get_or_insert(lost)),
                    None if bad.is_none() => readable.push(*fragment),
                    None => {}
                }
            }
            fragments = readable;
            if level > 0 {
                let mut raw = Vec::new();
                fetcher.raw(&fragments, &mut raw)?;
                let mut reader = Reader::new(&raw);
                fragments = std::iter::from_fn(|| reader.fragment().ok()).collect();
            }
        }
        Ok((ManifestRoot { level: 0, fragments }, bad))
    }

    fn items(
        &mut self,
        fetcher: Fetcher,
        root: &ManifestRoot,
        at: At<'_>,
        archive: &ArchiveRecord,
        last: &mut Option<Vec<u8>>,
        findings: &mut Findings,
    ) -> Result<(), VaultError> {
        let mut manifest = ManifestReader::open(fetcher, root)?;
        let mut section = Vec::new();
        while let Some(item) = manifest.next_item()? {
            match &item {
                Item::Run { fragments, entries, .. } => {
                    let len = fragments.iter().map(|fragment| u64::from(fragment.raw_len)).sum();
                    let mut start = 0;
                    for fragment in fragments {
                        let end = start + u64::from(fragment.raw_len);
                        if let Some((wrong, object)) = self.need(fragment, findings) {
                            let paths = entries_in(entries, len, start, end);
                            findings.hit(object.as_deref(), &wrong, at, paths);
                        }
                        start = end;
                    }
                    *last = entries.last().map(|placed| placed.entry.path.clone()).or(last.take());
                }
                Item::Section { label, .. } => {
                    section = subject_of(label).into_bytes();
                    *last = Some(section.clone());
                    self.pieces_of(&item, &section, at, findings);
                }
                Item::More { .. } | Item::End { .. } => self.pieces_of(&item, &section, at, findings),
            }
        }
        let totals = manifest.totals();
        let record = (archive.raw_len, archive.deflated_len, archive.crc);
        if (totals.raw_len, totals.deflated_len, totals.crc.clone().finalize()) != record {
            let text = "its length or checksum is not what the backup's record says".to_owned();
            findings.hit(None, &Wrong::Flaw(text), at, std::iter::empty());
        }
        Ok(())
    }

    fn pieces_of(&mut self, item: &Item, section: &[u8], at: At<'_>, findings: &mut Findings) {
        for fragment in item.fragments() {
            if let Some((wrong, object)) = self.need(fragment, findings) {
                findings.hit(object.as_deref(), &wrong, at, std::iter::once(section));
            }
        }
    }

    /// Tells of packs that hit nobody, and of what nobody needs.
    pub(super) fn tell(
        &self,
        looks: &[PackLook],
        known: &HashMap<PackId, Arc<PackFacts>>,
        findings: &mut Findings,
        proof: &mut VaultProof,
    ) {
        let there: HashSet<_> = looks.iter().map(|look| look.id).collect();
        for (id, facts) in known.iter().filter(|(id, _)| !there.contains(*id)) {
            self.tell_of_lost(&self.vault.pack_name(id), &facts.directory, "the store has lost it", proof);
        }
        for look in looks {
            let lost = "it is cut short or otherwise not as long as it was";
            match &look.wrong {
                Some(Wrong::Missing) => {
                    let directory = look.facts.as_ref().map_or(&[][..], |facts| facts.directory.as_slice());
                    self.tell_of_lost(&look.name, directory, lost, proof);
                }
                // Who needs it is told; if nobody does, that it can't be read is still not as it should be.
                Some(wrong) => findings.wrong(Some(&look.name), wrong, 0),
                None => {}
            }
            let bad: Vec<FragmentRef> = look.bad.iter().copied().collect();
            if !bad.is_empty() {
                self.tell_of_lost(&look.name, &bad, "it is damaged", proof);
            }
        }
        self.tell_of_litter(looks, known, proof);
    }

    /// Of lost fragments, those that are elsewhere too have healed, and others are needed by nobody.
    fn tell_of_lost(&self, name: &str, fragments: &[FragmentRef], how: &str, proof: &mut VaultProof) {
        if fragments.iter().any(|fragment| self.lost.contains(fragment)) {
            return;
        }
        let healed = fragments.iter().filter(|fragment| self.index.has(fragment)).count();
        let text = match (healed, fragments.len() - healed) {
            (0, _) => "no backup needs what was lost with it".to_owned(),
            (_, 0) => "it has healed: what was lost with it is stored again in other packs".to_owned(),
            _ => "it has healed: what backups need of it is stored again in other packs".to_owned(),
        };
        proof.notes.push(format!("{name}: {how}; {text}"));
    }

    fn tell_of_litter(
        &self,
        looks: &[PackLook],
        known: &HashMap<PackId, Arc<PackFacts>>,
        proof: &mut VaultProof,
    ) {
        let unnamed: Vec<&PackLook> =
            looks.iter().filter(|look| !known.contains_key(&look.id) && look.facts.is_some()).collect();
        if !unnamed.is_empty() {
            let bytes: u64 = unnamed.iter().filter_map(|look| Some(look.facts.as_ref()?.len)).sum();
            proof.notes.push(format!(
                "{} packs of {bytes} bytes are in no segment of the index: a backup ended before it was done, or a \
                 segment was lost; the next backup takes them up",
                unnamed.len()
            ));
        }
        let (mut count, mut bytes) = (0_u64, 0_u64);
        for (number, (fragment, _)) in self.index.fragments().enumerate() {
            if self.needed.get(number / 64).is_some_and(|word| word & 1 << (number % 64) == 0) {
                count += 1;
                bytes += u64::from(fragment.deflated_len) + TAG_LEN as u64;
            }
        }
        proof.unneeded = (count > 0).then_some((count, bytes));
    }

    /// What is damaged and not noted yet, or noted in a note that is partly wrong.
    pub(super) fn damaged(&self, looks: &[PackLook], notes: &[DamageNote]) -> Vec<DamagedPack> {
        let wrong = super::vault::disproved(looks, notes);
        let kept: Vec<DamageNote> = notes.iter().filter(|note| !wrong.contains(note)).cloned().collect();
        let kept = Noted::new(&kept);
        let mut packs: BTreeMap<PackId, Vec<FragmentRef>> = BTreeMap::new();
        for look in looks.iter().filter(|look| !is_lost(look)) {
            for fragment in look.bad.iter().filter(|fragment| !kept.has(Some(look.id), fragment)) {
                packs.entry(look.id).or_default().push(*fragment);
            }
        }
        packs.into_iter().map(|(pack, fragments)| DamagedPack { pack, fragments }).collect()
    }
}

/// Whether nothing of the pack counts as there: it has another length, or is not given out.
fn is_lost(look: &PackLook) -> bool {
    matches!(look.wrong, Some(Wrong::Missing | Wrong::Unreadable(_)))
}
