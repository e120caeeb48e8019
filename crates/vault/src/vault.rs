//! A vault: its objects' names, how it is made and how it is opened.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::config::{self, ConfigFault, Features, config_name};
use crate::error::VaultError;
use crate::fragment::hex;
use crate::index::{Index, PackFacts, read_segment};
use crate::keys::{PublicKey, SecretKey, VaultKeys};
use crate::pack::{self, FinishedPack, PackId, TRAILER_LEN};
use crate::reader::Reader;
use crate::record::Record;
use crate::seal::{self, HEADER_LEN, ObjectKind, OpenError};
use crate::store::{Listed, Store, StoreError};

/// What a program wants to do to a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Read what is there.
    Read,
    /// Add a backup.
    Write,
    /// Prove that what is there is whole.
    Check,
    /// Remove what no backup needs.
    Sweep,
}

/// A session that a record may be of.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    /// The newest notice of a sweep when it began.
    pub notice: Option<String>,
    /// Whether it is done.
    pub finished: bool,
}

/// The index as it was read.
pub(crate) struct IndexRead {
    pub index: Index,
    /// Packs that no segment names.
    pub unlisted: Vec<PackFacts>,
    /// Segments that are damaged, by their names.
    pub damaged: Vec<String>,
}

/// Everything stored for one site, opened. Each backup in the making has a value of its own.
#[derive(Clone)]
pub struct Vault {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) id: Uuid,
    pub(crate) keys: VaultKeys,
    features: Arc<Features>,
    /// What is wrong with the config, of a vault that was opened without it.
    lost_config: Option<ConfigFault>,
    /// Sessions that were begun on this value or a clone of it, and were not recorded yet.
    relied: Arc<Mutex<Vec<Begun>>>,
}

impl Vault {
    /// Opens a site's vault, or makes it if the store has none. `recovery` opens the vault's keys.
    ///
    /// Two that make one vault at a time need a store in which the first of two puts wins, as the local one; with
    /// any other, the caller lets only one at a time.
    ///
    /// # Errors
    /// [`VaultError`] if the store fails, the vault is of a later release, its keys don't open, or they were lost.
    pub fn open_or_create(store: Arc<dyn Store>, id: Uuid, recovery: &SecretKey) -> Result<Self, VaultError> {
        match config::look(store.as_ref(), id)? {
            Err(ConfigFault::Missing) => {}
            Err(ConfigFault::Damaged) => {
                // Only who has the keys may replace it.
                Vault::open_without_config(Arc::clone(&store), id, recovery)?;
                store.delete(&config_name(id))?;
            }
            Ok(_) => return Vault::open(store, id, recovery),
        }
        if !Vault::has_keys(store.as_ref(), id, recovery)? {
            Vault::create_keys(store.as_ref(), id, recovery)?;
        }
        let text = config::text(id).map_err(|error| VaultError::Source(error.into()))?;
        // The keys come first: a vault whose config is there has its keys.
        store.put(&config_name(id), &text)?;
        Vault::open(store, id, recovery)
    }

    /// Whether the keys are there, of a vault that has no config. They come before anything else: where there is
    /// something without them, they were lost.
    fn has_keys(store: &dyn Store, id: Uuid, recovery: &SecretKey) -> Result<bool, VaultError> {
        let own = keys_name(id, &recovery.public());
        let there = store.list(&format!("vaults/{id}/"))?;
        match there.iter().any(|object| object.name == own) {
            false if !there.is_empty() => Err(Vault::no_keys(&there, id, own)),
            found => Ok(found),
        }
    }

    /// Why there are no keys for a recovery key, in a vault that has these objects.
    fn no_keys(there: &[Listed], id: Uuid, own: String) -> VaultError {
        let front = format!("vaults/{id}/keys/");
        if there.iter().any(|object| object.name.starts_with(&front)) {
            VaultError::OtherRecoveryKey { vault: id }
        } else {
            VaultError::KeysLost { vault: id, object: own }
        }
    }

    fn create_keys(store: &dyn Store, id: Uuid, recovery: &SecretKey) -> Result<(), VaultError> {
        let keys = VaultKeys::generate()?;
        let public = recovery.public();
        let mut plain = keys.secret.reveal().to_vec();
        plain.extend(keys.writer.reveal());
        // The recovery key's owner needs nothing else to open it: the salt is the vault's own UUID.
        let object = seal::seal_object(ObjectKind::Keys, id, &public, &salt(id), b"", &plain)?;
        zeroize::Zeroize::zeroize(&mut plain);
        Ok(store.put(&keys_name(id, &public), &object)?)
    }

    /// Opens a vault that is there. One whose config is missing or damaged opens to be read, and says so
    /// ([`lost_config`](Self::lost_config)): what a later release wrote is refused object by object.
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create), and if there is none.
    pub fn open(store: Arc<dyn Store>, id: Uuid, recovery: &SecretKey) -> Result<Self, VaultError> {
        let fault = match config::look(store.as_ref(), id)? {
            Ok(features) => {
                features.allow(Operation::Read, id)?;
                return Vault::open_keys(store, id, recovery, features);
            }
            Err(fault) => fault,
        };
        if fault == ConfigFault::Missing && store.list(&format!("vaults/{id}/"))?.is_empty() {
            store.get(&config_name(id))?;
        }
        let vault = Vault::open_without_config(store, id, recovery)?;
        Ok(Vault { lost_config: Some(fault), ..vault })
    }

    /// Whether a recovery key opens a vault's keys, whatever else is wrong with the vault.
    ///
    /// # Errors
    /// [`VaultError`]: why it does not.
    pub fn prove_key(store: Arc<dyn Store>, id: Uuid, recovery: &SecretKey) -> Result<(), VaultError> {
        Vault::open_without_config(store, id, recovery).map(|_| ())
    }

    /// What is wrong with the vault's config, if it was opened without.
    pub fn lost_config(&self) -> Option<ConfigFault> {
        self.lost_config
    }

    /// Opens a vault whose config is gone or damaged.
    pub(crate) fn open_without_config(
        store: Arc<dyn Store>,
        id: Uuid,
        recovery: &SecretKey,
    ) -> Result<Self, VaultError> {
        Vault::open_keys(store, id, recovery, Features::default())
    }

    fn open_keys(
        store: Arc<dyn Store>,
        id: Uuid,
        recovery: &SecretKey,
        features: Features,
    ) -> Result<Self, VaultError> {
        let name = keys_name(id, &recovery.public());
        let object = match store.get(&name) {
            Err(StoreError::Missing { .. }) => {
                let there = store.list(&format!("vaults/{id}/keys/"))?;
                return Err(Vault::no_keys(&there, id, name));
            }
            other => other?,
        };
        let keys = open_keys_object(&object, id, recovery).map_err(|source| match source {
            OpenError::Newer(_) | OpenError::Feature(_) => {
                VaultError::Object { object: name.clone(), source }
            }
            source => VaultError::KeysDamaged { vault: id, object: name.clone(), source },
        })?;
        Ok(Vault { store, id, keys, features: Arc::new(features), lost_config: None, relied: Arc::default() })
    }

    /// Whether this release knows all that it must know of the vault to do this.
    ///
    /// # Errors
    /// [`VaultError::Object`] names the vault's config and the features that are not known;
    /// [`VaultError::ConfigLost`] if it can't be told whether there are any, and something is to be changed.
    pub fn may(&self, operation: Operation) -> Result<(), VaultError> {
        if let (Operation::Write | Operation::Sweep, Some(fault)) = (operation, self.lost_config) {
            return Err(VaultError::ConfigLost { object: config_name(self.id), fault });
        }
        self.features.allow(operation, self.id)
    }

    /// The vault's UUID, which is its site's.
    pub fn id(&self) -> Uuid {
        self.id
    }

    pub(crate) fn name(&self, rest: &str) -> String {
        format!("vaults/{}/{rest}", self.id)
    }

    pub(crate) fn pack_name(&self, id: &PackId) -> String {
        self.name(&format!("packs/{}", hex(&id.0)))
    }

    pub(crate) fn record_name(&self, id: Uuid) -> String {
        self.name(&format!("records/{id}"))
    }

    pub(crate) fn open_object(
        &self,
        name: &str,
        kind: ObjectKind,
        bound: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let object = self.store.get(name)?;
        seal::open_object(&object, kind, self.id, &self.keys.secret, &self.keys.writer, bound)
            .map_err(|source| VaultError::Object { object: name.to_owned(), source })
    }

    /// Reads the index, and leaves out packs that the store lacks or has at another length, and fragments that a
    /// check found damaged: what was in them is stored again when it is met. Packs that no segment names are read from their own directories.
    ///
    /// # Errors
    /// [`VaultError`] if the store fails or a segment is of a later release.
    pub fn read_index(&self) -> Result<Index, VaultError> {
        self.read_index_fully(&HashSet::new()).map(|read| read.index)
    }

    /// The index, and what there is beside it. Packs that are doomed come last: where another has a fragment too, it is
    /// that one which counts.
    pub(crate) fn read_index_fully(&self, doomed: &HashSet<PackId>) -> Result<IndexRead, VaultError> {
        let mut there: HashMap<String, u64> =
            self.store.list(&self.name("packs/"))?.into_iter().map(|l| (l.name, l.len)).collect();
        let (mut index, noted, mut last) = (Index::default(), self.noted_damage()?, BTreeMap::new());
        let mut damaged = Vec::new();
        for segment in self.store.list(&self.name("index/"))? {
            let Some(packs) = self.read_segment(&segment.name)? else {
                damaged.push(segment.name);
                continue;
            };
            for pack in packs {
                if there.remove(&self.pack_name(&pack.id)) == Some(pack.len) {
                    if doomed.contains(&pack.id) {
                        last.insert(pack.id, pack);
                    } else {
                        noted.add(&mut index, &pack);
                    }
                } else if !index.has_pack(&pack.id) && !last.contains_key(&pack.id) {
                    index.add_lost(&pack);
                }
            }
        }
        let mut left: Vec<_> = there.into_iter().collect();
        left.sort();
        let mut unlisted = Vec::new();
        for (name, len) in left {
            if let Some(pack) = self.read_directory(&name, len)? {
                unlisted.push(pack);
            }
        }
        let (undoomed, rest): (Vec<_>, Vec<_>) = unlisted.iter().partition(|pack| !doomed.contains(&pack.id));
        undoomed.into_iter().chain(last.values()).chain(rest).for_each(|pack| noted.add(&mut index, pack));
        Ok(IndexRead { index, unlisted, damaged })
    }

    /// Whether an object's bytes are those that it is named by, if its name is a hash.
    pub(crate) fn is_named_well(&self, name: &str) -> Result<(), VaultError> {
        let Some(hash) = name.rsplit('/').next().and_then(crate::fragment::unhex::<32>) else {
            return Ok(());
        };
        if *blake3::hash(&self.store.get(name)?).as_bytes() == hash {
            return Ok(());
        }
        Err(VaultError::Object { object: name.to_owned(), source: OpenError::Damaged })
    }

    /// Whether an object's bytes were read and are not those that it is named by.
    pub(crate) fn is_damaged_by_name(&self, name: &str) -> bool {
        matches!(self.is_named_well(name), Err(VaultError::Object { .. }))
    }

    /// A segment's packs, `None` if it is damaged. Such a one, or one that went between listing and reading, says nothing:
    /// its packs tell of themselves.
    pub(crate) fn read_segment(&self, name: &str) -> Result<Option<Vec<PackFacts>>, VaultError> {
        let body = match self.open_object(name, ObjectKind::Index, b"") {
            Err(VaultError::Object { source: OpenError::Damaged | OpenError::NotOurs, .. }) => {
                return Ok(None);
            }
            Err(VaultError::Store(StoreError::Missing { .. })) => return Ok(Some(Vec::new())),
            // One damaged byte can make it look like a later release's.
            Err(error @ VaultError::Object { .. }) => {
                return if self.is_named_well(name).is_ok() { Err(error) } else { Ok(None) };
            }
            other => other?,
        };
        let fail =
            |e: crate::reader::Malformed| VaultError::Object { object: name.to_owned(), source: e.into() };
        read_segment(&body).map(Some).map_err(fail)
    }

    /// A pack's own directory; `None` if the pack is damaged where it would be.
    pub(crate) fn read_directory(&self, name: &str, len: u64) -> Result<Option<PackFacts>, VaultError> {
        let Some(id) = name.rsplit('/').next().and_then(crate::fragment::unhex).map(PackId) else {
            return Ok(None);
        };
        if len < (HEADER_LEN + TRAILER_LEN) as u64 {
            return Ok(None);
        }
        let header = match self.store.get_range(name, 0, HEADER_LEN) {
            Err(StoreError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        let trailer = self.store.get_range(name, len - TRAILER_LEN as u64, TRAILER_LEN)?;
        let Ok(tail_len) = pack::tail_len(&trailer) else { return Ok(None) };
        let Some(at) = len.checked_sub(tail_len as u64) else { return Ok(None) };
        let tail = self.store.get_range(name, at, tail_len)?;
        for kind in [ObjectKind::DataPack, ObjectKind::MetaPack] {
            let (secret, writer) = (&self.keys.secret, &self.keys.writer);
            match pack::open_directory(&header, &tail, kind, self.id, secret, writer) {
                Ok(directory) => return Ok(Some(PackFacts { id, kind, len, directory })),
                Err(OpenError::NotOurs | OpenError::Damaged) => {}
                Err(source) => return Err(VaultError::Object { object: name.to_owned(), source }),
            }
        }
        Ok(None)
    }

    /// Stores a pack, and looks whether the store has what it took: that is, whether its end is where it should be.
    pub(crate) fn put_pack(&self, pack: &FinishedPack) -> Result<(), VaultError> {
        let (name, bytes) = (self.pack_name(&pack.id), &pack.bytes);
        self.store.put(&name, bytes)?;
        let end = bytes.last_chunk::<TRAILER_LEN>().ok_or(VaultError::BadMemory)?;
        match self.store.get_range(&name, (bytes.len() - TRAILER_LEN) as u64, TRAILER_LEN) {
            Ok(found) if found == end => Ok(()),
            Ok(_) | Err(StoreError::Missing { .. }) => Err(VaultError::NotKept { object: name }),
            Err(error) => Err(error.into()),
        }
    }

    /// The names of all records.
    ///
    /// # Errors
    /// [`VaultError`] if the store fails.
    pub fn records(&self) -> Result<Vec<Uuid>, VaultError> {
        let listed = self.store.list(&self.name("records/"))?;
        Ok(listed.iter().filter_map(|l| Uuid::parse_str(l.name.rsplit('/').next()?).ok()).collect())
    }

    /// Reads a backup's record.
    ///
    /// # Errors
    /// [`VaultError`] if there is none or it doesn't open.
    pub fn read_record(&self, id: Uuid) -> Result<Record, VaultError> {
        let name = self.record_name(id);
        let body = self.open_object(&name, ObjectKind::Record, id.as_bytes())?;
        serde_json::from_slice(&body)
            .map_err(|_| VaultError::Object { object: name, source: OpenError::Damaged })
    }

    /// Writes a backup's record: the moment from which the backup exists. It is read back before this returns.
    ///
    /// A backup whose session began, on this value or a clone of it, before a sweep did is not recorded: the sweep may
    /// have removed what it relies on.
    ///
    /// # Errors
    /// [`VaultError`] if the store fails, has another record of that name or forgets this one, the vault was swept
    /// meanwhile, or this release may not write the vault.
    pub fn write_record(&self, id: Uuid, record: &Record) -> Result<(), VaultError> {
        self.may(Operation::Write)?;
        let plain = serde_json::to_vec(record).map_err(|error| VaultError::Source(error.into()))?;
        let (public, writer) = (self.keys.secret.public(), &self.keys.writer);
        let object = seal::seal_object(ObjectKind::Record, self.id, &public, writer, id.as_bytes(), &plain)?;
        let name = self.record_name(id);
        let relied: Vec<_> = self.relied().iter().map(|begun| begun.notice.clone()).collect();
        if !self.is_still(&relied)? {
            return Err(VaultError::Swept { vault: self.id });
        }
        self.store.put(&name, &object)?;
        match self.store.get(&name) {
            Ok(found) if found == object => {}
            Ok(_) => return Err(VaultError::RecordedBefore { object: name }),
            Err(StoreError::Missing { .. }) => return Err(VaultError::NotKept { object: name }),
            Err(error) => return Err(error.into()),
        }
        // A sweep gives notice and then looks for new records, this records and then looks for a notice: one of the
        // two sees the other.
        let still = self.is_still(&relied);
        if !matches!(still, Ok(true)) {
            self.store.delete(&name)?;
            return still.and(Err(VaultError::Swept { vault: self.id }));
        }
        self.relied().retain(|begun| !begun.finished);
        Ok(())
    }

    pub(crate) fn relied(&self) -> MutexGuard<'_, Vec<Begun>> {
        self.relied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the newest notice is still the one that sessions found when they began.
    pub(crate) fn is_still(&self, relied: &[Option<String>]) -> Result<bool, VaultError> {
        if relied.is_empty() {
            return Ok(true);
        }
        let newest = self.notices()?.pop();
        Ok(relied.iter().all(|notice| *notice == newest))
    }
}

/// The keys that an object of a vault's keys holds.
pub(crate) fn open_keys_object(
    object: &[u8],
    id: Uuid,
    recovery: &SecretKey,
) -> Result<VaultKeys, OpenError> {
    let plain = seal::open_object(object, ObjectKind::Keys, id, recovery, &salt(id), b"")?;
    let plain = zeroize::Zeroizing::new(plain);
    let mut reader = Reader::new(&plain);
    let mut key = || reader.array().map(SecretKey::from_bytes).map_err(OpenError::from);
    Ok(VaultKeys { secret: key()?, writer: key()? })
}

pub(crate) fn keys_name(id: Uuid, recovery: &PublicKey) -> String {
    format!("vaults/{id}/keys/{}", hex(&recovery.0[..8]))
}

fn salt(id: Uuid) -> SecretKey {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(id.as_bytes());
    SecretKey::from_bytes(bytes)
}

/// Removes everything stored for a site: records first, so that a crash leaves no backup that lacks a piece.
///
/// # Errors
/// [`StoreError`] if the store fails; what is left then can be removed by the same call.
pub fn delete_vault(store: &dyn Store, id: Uuid) -> Result<(), StoreError> {
    for part in ["records/", "marks/", "damage/", "index/", "packs/", "sweeps/", "keys/", ""] {
        for object in store.list(&format!("vaults/{id}/{part}"))? {
            store.delete(&object.name)?;
        }
    }
    Ok(())
}
