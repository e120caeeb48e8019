//! The census: which fragments the living backups need, and in which packs these are.
//!
//! Everything is read from the store: the packs' listing, the index, and every manifest of every backup that stays.
//! In memory it is the index and one bit a fragment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use undercroft_model::{Cancelled, Observer};
use uuid::Uuid;

use super::error::{Brake, SweepError};
use super::segments;
use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::fragment::{FragmentId, FragmentRef, unhex};
use crate::index::Index;
use crate::manifest_io::{ManifestReader, descend};
use crate::pack::{PackId, TRAILER_LEN};
use crate::record::{ArchiveRecord, ManifestRoot, Record};
use crate::seal::{HEADER_LEN, TAG_LEN};
use crate::vault::Vault;

/// What a pack weighs beside its fragments: header, directory's tag, trailer.
pub(super) const PACK_OVERHEAD: u64 = (HEADER_LEN + TAG_LEN + TRAILER_LEN) as u64;

/// A pack as the store lists it, and what of it is needed.
pub(super) struct PackRow {
    pub id: PackId,
    pub len: u64,
    pub modified: Option<SystemTime>,
    /// Whether a segment of the index names it.
    pub named: bool,
    /// Bytes in it that are needed, with what its directory says of them.
    pub living: u64,
}

impl PackRow {
    /// Bytes that would be saved if it were written anew.
    pub fn waste(&self) -> u64 {
        self.len.saturating_sub(PACK_OVERHEAD + self.living)
    }
}

/// What an archive of a backup that stays needs and the vault does not have.
#[derive(Clone)]
pub(super) struct Missing {
    backup: Uuid,
    archive: String,
    fragments: u64,
    /// The pack that the first of them was in.
    object: String,
    /// The first of them that is of its manifest: what else it needs can't be told then.
    manifest: Option<FragmentId>,
}

/// Which fragments are needed.
pub(super) struct Census {
    vault: Vault,
    pub index: Arc<Index>,
    /// One bit a fragment, by its number in the index.
    alive: Vec<u64>,
    pub packs: Vec<PackRow>,
    /// The row of each pack, by its number in the index.
    rows: HashMap<u32, usize>,
    /// Manifests that were read, and what was missing then, by its place.
    seen: HashMap<[u8; 32], Option<usize>>,
    /// Bytes of all packs that are needed.
    pub living: u64,
    missing: Vec<Missing>,
}

impl Census {
    /// Reads the index and the packs' listing; nothing is alive yet. What is in a doomed pack is looked for elsewhere
    /// first: a delete that comes late may still take that pack at any moment.
    pub fn begin(vault: &Vault, doomed: &HashSet<PackId>) -> Result<Self, SweepError> {
        let listed = vault.store.list(&vault.name("packs/")).map_err(VaultError::from)?;
        let index = vault.read_index_fully(doomed)?.index;
        let named = segments::named(vault)?;
        let mut packs = Vec::with_capacity(listed.len());
        for object in listed {
            let last = object.name.rsplit('/').next().unwrap_or_default();
            // What is named otherwise is none of ours.
            let Some(id) = unhex(last).map(PackId).filter(|id| vault.pack_name(id) == object.name) else {
                continue;
            };
            if let Some(len) = named.packs.get(&id).filter(|len| **len != object.len) {
                let (name, found) = (&object.name, object.len);
                let what = format!("{name} has {found} bytes, and the index says {len}");
                return Err(SweepError::Braked(Brake::Contradiction { what }));
            }
            let named = named.packs.contains_key(&id);
            packs.push(PackRow { id, len: object.len, modified: object.modified, named, living: 0 });
        }
        if let Some(damaged) = named.damaged.into_iter().next()
            && packs.iter().any(|pack| !pack.named)
        {
            let source =
                VaultError::Object { object: damaged.clone(), source: crate::seal::OpenError::Damaged };
            let what = format!(
                "{damaged}, a segment of the index (the next backup:create writes what it said anew and removes it: make one, \
                 then sweep again),"
            );
            return Err(SweepError::Unreadable { what, source });
        }
        let row = |(row, pack): (usize, &PackRow)| Some((index.number_of_pack(&pack.id)?, row));
        let rows = packs.iter().enumerate().filter_map(row).collect();
        let alive = vec![0; index.len().div_ceil(64)];
        let (vault, index) = (vault.clone(), Arc::new(index));
        let (seen, missing) = (HashMap::new(), Vec::new());
        Ok(Census { vault, index, alive, packs, rows, seen, living: 0, missing })
    }

    /// Counts everything that a backup needs as alive; gives the bytes that were not yet.
    pub fn add(&mut self, backup: Uuid, record: &Record, observer: &dyn Observer) -> Result<u64, SweepError> {
        let before = self.living;
        for archive in &record.archives {
            let (digest, so_far) = (digest(&archive.manifest), self.missing.len());
            if let Some(missing) = self.seen.get(&digest) {
                let missing = missing.and_then(|at| self.missing.get(at)).cloned();
                self.missing.extend(missing.map(|missing| missing.of(backup, archive)));
                continue;
            }
            match self.add_archive(backup, archive, observer) {
                Err(SweepError::Vault(VaultError::MissingFragment { fragment, object })) => {
                    self.note_missing(backup, archive, Some(fragment), || object);
                }
                Err(SweepError::Vault(source)) => {
                    let what = format!("{} of the backup {backup}", archive.name);
                    return Err(SweepError::Unreadable { what, source });
                }
                other => other?,
            }
            self.seen.insert(digest, (self.missing.len() > so_far).then_some(so_far));
        }
        Ok(self.living - before)
    }

    fn add_archive(
        &mut self,
        backup: Uuid,
        archive: &ArchiveRecord,
        observer: &dyn Observer,
    ) -> Result<(), SweepError> {
        let mut fetcher = Fetcher::new(&self.vault, Arc::clone(&self.index));
        let mut of_manifest = Vec::new();
        descend(&mut fetcher, &archive.manifest, |fragments| of_manifest.extend_from_slice(fragments))?;
        self.count(backup, archive, &of_manifest);
        let mut manifest = ManifestReader::open(fetcher, &archive.manifest)?;
        while let Some(fragments) = manifest.next_fragments()? {
            if observer.cancelled() {
                return Err(Cancelled.into());
            }
            self.count(backup, archive, &fragments);
        }
        let totals = manifest.totals();
        let crc = totals.crc.clone().finalize();
        if (totals.raw_len, totals.deflated_len, crc) != (archive.raw_len, archive.deflated_len, archive.crc)
        {
            let what = format!("the manifest of {} is not the one that its record is of", archive.name);
            return Err(SweepError::Braked(Brake::Contradiction { what }));
        }
        Ok(())
    }

    fn count(&mut self, backup: Uuid, archive: &ArchiveRecord, fragments: &[FragmentRef]) {
        for fragment in fragments {
            let place = self.index.numbers_of(fragment);
            let found = place.and_then(|(number, pack)| Some((number, *self.rows.get(&pack)?)));
            let Some((number, row)) = found else {
                let lost = self.index.lost(fragment).map(|pack| self.vault.pack_name(&pack));
                self.note_missing(backup, archive, None, || {
                    lost.unwrap_or_else(|| "no pack that is known".to_owned())
                });
                continue;
            };
            let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
            if let (Some(word), Some(row)) = (self.alive.get_mut(word), self.packs.get_mut(row))
                && *word & bit == 0
            {
                *word |= bit;
                let bytes = u64::from(fragment.deflated_len) + (TAG_LEN + FragmentRef::LEN) as u64;
                row.living += bytes;
                self.living += bytes;
            }
        }
    }

    fn note_missing(
        &mut self,
        backup: Uuid,
        archive: &ArchiveRecord,
        manifest: Option<FragmentId>,
        object: impl FnOnce() -> String,
    ) {
        match self.missing.last_mut().filter(|last| last.backup == backup && last.archive == archive.name) {
            Some(last) => {
                last.fragments += 1;
                last.manifest = last.manifest.or(manifest);
            }
            None => {
                let (archive, object) = (archive.name.clone(), object());
                self.missing.push(Missing { backup, archive, fragments: 1, object, manifest });
            }
        }
    }

    /// Bytes of all that nothing needs of what was counted.
    pub fn unneeded(&self) -> u64 {
        let is_alive =
            |number: usize| self.alive.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1);
        let dead = self.index.fragments().enumerate().filter(|(number, _)| !is_alive(*number));
        dead.map(|(_, (fragment, _))| u64::from(fragment.deflated_len) + TAG_LEN as u64).sum()
    }

    /// Whether the copy of a fragment that is in this pack is needed.
    pub fn is_needed(&self, fragment: &FragmentRef, pack: &PackId) -> bool {
        let Some((number, at)) = self.index.numbers_of(fragment) else { return false };
        let alive = self.alive.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1);
        alive && self.index.number_of_pack(pack) == Some(at)
    }

    /// The brake that stops the sweep if something is missing of a backup that is listed. What is missing of one in the
    /// trash stops nothing, as it would for as long as the trash holds it: what is still there of it is kept, and
    /// sentences say what is not. That needs its manifest.
    pub fn all_there(&self, trash: &HashSet<Uuid>) -> Result<Vec<String>, SweepError> {
        let (listed, trash): (Vec<_>, Vec<_>) =
            self.missing.iter().partition(|missing| !trash.contains(&missing.backup));
        if let Some(first) = listed.first() {
            let backups = listed.iter().map(|missing| (missing.backup, missing.archive.clone())).collect();
            let fragments = listed.iter().map(|missing| missing.fragments).sum();
            let object = first.object.clone();
            return Err(SweepError::Braked(Brake::Missing { fragments, backups, object }));
        }
        for Missing { backup, archive, object, manifest, .. } in &trash {
            if let Some(fragment) = *manifest {
                let what =
                    format!("the manifest of {archive} of the backup {backup}, which is in the trash,");
                let source = VaultError::MissingFragment { fragment, object: object.clone() };
                return Err(SweepError::Unreadable { what, source });
            }
        }
        Ok(trash.into_iter().map(Missing::told).collect())
    }
}

impl Missing {
    /// The same for an archive with the same manifest.
    fn of(self, backup: Uuid, archive: &ArchiveRecord) -> Missing {
        Missing { backup, archive: archive.name.clone(), ..self }
    }

    fn told(&self) -> String {
        let Missing { backup, archive, fragments, object, .. } = self;
        format!(
            "{fragments} pieces of {archive} of the backup {backup}, which is in the trash, are missing or damaged, the first of them in {object}; what there is of it is kept"
        )
    }
}

/// What tells one manifest from another.
fn digest(root: &ManifestRoot) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[root.level]);
    for fragment in &root.fragments {
        hasher.update(&fragment.to_bytes());
    }
    *hasher.finalize().as_bytes()
}
