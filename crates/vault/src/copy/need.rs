//! What the backups that stay in a copy need of the packs that are to go.

use std::collections::HashSet;
use std::sync::Arc;

use undercroft_model::Cancelled;
use uuid::Uuid;

use super::Watch;
use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::fragment::FragmentRef;
use crate::index::Index;
use crate::manifest_io::{ManifestReader, descend};
use crate::pack::PackId;
use crate::record::ArchiveRecord;
use crate::store::{Listed, Store, StoreError};
use crate::vault::Vault;

/// Why it can't be told what is needed.
pub(super) enum Unknown {
    Vault(VaultError),
    Cancelled(Cancelled),
}

impl From<VaultError> for Unknown {
    fn from(error: VaultError) -> Self {
        Unknown::Vault(error)
    }
}

/// The store as it will be without some of its objects.
struct Without {
    store: Arc<dyn Store>,
    gone: HashSet<String>,
}

impl Store for Without {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.put(name, bytes)
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.store.get(name)
    }

    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        self.store.get_range(name, offset, len)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut listed = self.store.list(prefix)?;
        listed.retain(|object| !self.gone.contains(&object.name));
        Ok(listed)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.store.delete(name)
    }
}

/// Finds out which packs are needed of those that are to go.
pub(super) struct Census<'a> {
    vault: &'a Vault,
    watch: &'a dyn Watch,
    /// What is there now.
    now: Arc<Index>,
    /// What is left once the packs are gone.
    left: Index,
    /// Manifests that were read.
    seen: HashSet<(u8, Vec<FragmentRef>)>,
}

impl<'a> Census<'a> {
    /// `going` are the packs that are to go, by their names in the store.
    pub fn begin(vault: &'a Vault, going: HashSet<String>, watch: &'a dyn Watch) -> Result<Self, Unknown> {
        let mut after = vault.clone();
        after.store = Arc::new(Without { store: Arc::clone(&vault.store), gone: going });
        let (now, left) = (Arc::new(vault.read_index()?), after.read_index()?);
        Ok(Census { vault, watch, now, left, seen: HashSet::new() })
    }

    /// The packs that backups need and that are to go. What was met in an earlier call is not told again.
    pub fn needed(&mut self, backups: impl Iterator<Item = Uuid>) -> Result<HashSet<PackId>, Unknown> {
        let mut needed = HashSet::new();
        for backup in backups {
            for archive in self.vault.read_record(backup)?.archives {
                let root = &archive.manifest;
                if self.seen.insert((root.level, root.fragments.clone())) {
                    self.add(&archive, &mut needed)?;
                }
            }
        }
        Ok(needed)
    }

    fn add(&self, archive: &ArchiveRecord, needed: &mut HashSet<PackId>) -> Result<(), Unknown> {
        let mut fetcher = Fetcher::new(self.vault, Arc::clone(&self.now));
        descend(&mut fetcher, &archive.manifest, |fragments| self.count(fragments, needed))?;
        let mut manifest = ManifestReader::open(fetcher, &archive.manifest)?;
        while let Some(fragments) = manifest.next_fragments()? {
            if self.watch.cancelled() {
                return Err(Unknown::Cancelled(Cancelled));
            }
            self.count(&fragments, needed);
        }
        Ok(())
    }

    /// Bytes of content that no pack holds any more once these are gone but for some that are spared; and of all.
    pub fn vanishing(&self, spared: &HashSet<PackId>) -> (u64, u64) {
        let (mut vanishing, mut all) = (0, 0);
        for (fragment, pack) in self.now.fragments() {
            let len = u64::from(fragment.deflated_len);
            all += len;
            if !self.left.has(fragment) && !pack.is_some_and(|pack| spared.contains(pack)) {
                vanishing += len;
            }
        }
        (vanishing, all)
    }

    /// What is not there now was not there before: that is for a check to tell.
    fn count(&self, fragments: &[FragmentRef], needed: &mut HashSet<PackId>) {
        let lost = fragments.iter().filter(|fragment| !self.left.has(fragment));
        needed.extend(lost.filter_map(|fragment| Some(self.now.locate(fragment)?.pack)));
    }
}
