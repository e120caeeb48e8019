//! The data folder: where the catalog, the keys and the local store are.
//!
//! | name | what |
//! |---|---|
//! | `catalog.sqlite` | the catalog |
//! | `keys/recovery.key` | the recovery key, as text |
//! | `keys/server.key` | 32 random bytes, from which the keys for the catalog's secrets and for links are derived |
//! | `store/` | the local store |
//! | `cache/` | what can be had again: mirrors of remote repositories |
//! | `restores/` | a journal for each restore that is under way |
//! | `reserve` | room that is given up when the disk is full |
//! | `workers/` | a locked file for each program that runs jobs: whose lock is free is gone |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::hkdf;
use rustix::fs::{FlockOperation, flock};
use undercroft_vault::keys::{RecoveryKey, SecretKey, random};
use undercroft_vault::store::{self, Store};
use undercroft_vault::{Vault, VaultError, check};
use uuid::Uuid;

/// Why a data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system refused.
    #[error("{action} {} failed; name another data folder with --data, or run as its owner", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The disk is full.
    #[error(
        "the disk of the data folder {} is full: free some space and try again; backup:delete and vault:sweep work \
         all the same",
        path.display()
    )]
    Full {
        /// The data folder.
        path: PathBuf,
    },
    /// A key file holds something else.
    #[error("{} is damaged: {why}; put back the file from your own copy of it", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A key file is not there any more.
    #[error(
        "{} is missing: put it back from your copy (recovery.key holds what key:export printed)",
        path.display()
    )]
    KeyLost {
        /// The file.
        path: PathBuf,
    },
    /// A text is no recovery key.
    #[error("what was given as the recovery key is none: {why}")]
    NotAKey {
        /// What is wrong.
        why: String,
    },
    /// A key is not that of the store.
    #[error(
        "the key that was given opens nothing in the store {}: give the one that key:export printed where that store \
         was written",
        store.display()
    )]
    WrongKey {
        /// The store.
        store: PathBuf,
    },
    /// A key could not be tried.
    #[error(
        "the key that was given was not taken, since it opened nothing in the store {} and something there is missing, \
         damaged or can't be read",
        store.display()
    )]
    KeyUntried {
        /// The store.
        store: PathBuf,
        /// What.
        source: VaultError,
    },
    /// There is another key already.
    #[error(
        "{} is there already and is another key: use an empty data folder (--data), or leave --key out",
        path.display()
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
    },
    /// There are backups, and no key that opens them.
    #[error(
        "the store {} holds backups, and {} is not there: give the recovery key, which is what key:export printed, with \
         catalog:rebuild --key=FILE",
        store.display(),
        path.display()
    )]
    NoKey {
        /// The key's file.
        path: PathBuf,
        /// The store.
        store: PathBuf,
    },
    /// A folder is no store.
    #[error("{} holds no store: there is no folder named vaults in it", store.display())]
    NoStore {
        /// The folder.
        store: PathBuf,
    },
    /// The data folder has a store of its own.
    #[error(
        "{} is there already: use an empty data folder (--data), or move that store away first",
        path.display()
    )]
    OtherStore {
        /// The data folder's store.
        path: PathBuf,
    },
    /// The system gave no randomness.
    #[error("no key could be made")]
    NoRandomness(#[from] undercroft_vault::keys::NoRandomness),
}

/// A data folder.
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
}

fn io<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> DataError + 'p {
    move |source| DataError::Io { action, path: path.to_owned(), source }
}

impl DataFolder {
    /// Opens a data folder; it is made if it isn't there, for its owner's eyes only.
    ///
    /// # Errors
    /// [`DataError`] if it can't be made.
    pub fn open(root: &Path) -> Result<Self, DataError> {
        let root = std::path::absolute(root).map_err(io("finding", root))?;
        for folder in
            [root.clone(), root.join("keys"), root.join("workers"), root.join("cache"), root.join("restores")]
        {
            let made = DirBuilder::new().mode(0o700).recursive(true).create(&folder);
            made.map_err(io("making", &folder))?;
        }
        Ok(DataFolder { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The catalog's file.
    pub fn catalog(&self) -> PathBuf {
        self.root.join("catalog.sqlite")
    }

    /// The local store's folder.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Where restores keep their journals.
    pub fn restores(&self) -> PathBuf {
        self.root.join("restores")
    }

    /// Where mirrors of remote repositories are.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// The recovery key; made at first use.
    ///
    /// # Errors
    /// [`DataError`] if it can't be made or read.
    pub fn recovery_key(&self) -> Result<RecoveryKey, DataError> {
        let path = self.root.join("keys/recovery.key");
        self.refuse_lost(&path)?;
        refuse_new_key(&path, &self.store())?;
        let text = read_or_make(&path, || {
            Ok(format!("{}\n", RecoveryKey(SecretKey::generate()?).to_text()).into_bytes())
        })?;
        let text = String::from_utf8_lossy(&text);
        RecoveryKey::from_text(text.trim()).map_err(|why| DataError::Key { path, why: why.to_string() })
    }

    /// Takes a store that is in another folder, and a recovery key that was made elsewhere, given as text, into use. If
    /// either can't be, nothing is changed.
    ///
    /// # Errors
    /// [`DataError`] if that is no store or no key of it, or the data folder has another one already.
    pub fn take(&self, store: Option<&Path>, key: Option<&str>) -> Result<(), DataError> {
        let store = store.map(|store| self.usable_store(store)).transpose()?;
        let place = store.clone().unwrap_or_else(|| self.store());
        match key {
            Some(text) => {
                let key = RecoveryKey::from_text(text)
                    .map_err(|why| DataError::NotAKey { why: why.to_string() })?;
                // One that is here already proved itself when it came.
                if !self.has_recovery_key(&key) {
                    prove(&place, &key)?;
                }
                self.take_recovery_key(&key)?;
            }
            None => refuse_new_key(&self.root.join("keys/recovery.key"), &place)?,
        }
        store.map_or(Ok(()), |store| self.take_store(&store))
    }

    fn has_recovery_key(&self, key: &RecoveryKey) -> bool {
        let kept = fs::read_to_string(self.root.join("keys/recovery.key")).unwrap_or_default();
        RecoveryKey::from_text(kept.trim()).is_ok_and(|kept| kept.to_text() == key.to_text())
    }

    fn take_recovery_key(&self, key: &RecoveryKey) -> Result<(), DataError> {
        let path = self.root.join("keys/recovery.key");
        let given = key.to_text();
        let kept = read_or_make(&path, || Ok(format!("{given}\n").into_bytes()))?;
        let kept = RecoveryKey::from_text(String::from_utf8_lossy(&kept).trim()).map(|key| key.to_text());
        if kept.is_ok_and(|kept| kept == given) { Ok(()) } else { Err(DataError::OtherKey { path }) }
    }

    /// The folder of another store, if it is one and may take the place of the data folder's own.
    fn usable_store(&self, store: &Path) -> Result<PathBuf, DataError> {
        let found = match fs::canonicalize(store) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataError::NoStore { store: store.to_owned() });
            }
            other => other.map_err(io("finding", store))?,
        };
        if !found.join("vaults").is_dir() {
            return Err(DataError::NoStore { store: found });
        }
        let path = self.store();
        if !is_same(&path, &found) && path.join("vaults").exists() {
            return Err(DataError::OtherStore { path });
        }
        Ok(found)
    }

    /// Makes a store that is in another folder the data folder's, where it is.
    fn take_store(&self, store: &Path) -> Result<(), DataError> {
        let path = self.store();
        if is_same(&path, store) {
            return Ok(());
        }
        // One that is empty was made by a command that only looked.
        let _ = fs::remove_dir_all(path.join("tmp"));
        match fs::remove_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io("replacing", &path)(error));
            }
            _ => {}
        }
        std::os::unix::fs::symlink(store, &path).map_err(io("making", &path))
    }

    /// A key that is missing in a data folder in use was lost. A new one would open nothing that is there, and
    /// what it seals would be opened by no copy that anybody has.
    fn refuse_lost(&self, path: &Path) -> Result<(), DataError> {
        let lost = self.catalog().exists() && !path.exists();
        if lost { Err(DataError::KeyLost { path: path.to_owned() }) } else { Ok(()) }
    }

    /// A key of this data folder for one purpose.
    ///
    /// # Errors
    /// [`DataError`] if the key that it is derived from can't be made or read.
    pub fn key_for(&self, purpose: &str) -> Result<[u8; 32], DataError> {
        let path = self.root.join("keys/server.key");
        self.refuse_lost(&path)?;
        let secret = read_or_make(&path, || Ok(random::<32>()?.to_vec()))?;
        if secret.len() != 32 {
            return Err(DataError::Key { path, why: "it is not 32 bytes long".to_owned() });
        }
        let mut key = [0; 32];
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"undercroft data folder v1");
        let info = [purpose.as_bytes()];
        salt.extract(&secret)
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .map_err(|_| DataError::Key { path, why: "nothing can be derived from it".to_owned() })?;
        Ok(key)
    }

    /// Takes the lock that shows that a worker lives. It is let go when the program ends, however it ends.
    ///
    /// # Errors
    /// [`DataError`] if the lock can't be taken.
    pub fn register_worker(&self, worker: Uuid) -> Result<File, DataError> {
        let path = self.worker(worker);
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
            let file = file.map_err(io("making", &path))?;
            flock(&file, FlockOperation::LockExclusive)
                .map_err(|error| io("locking", &path)(error.into()))?;
            // Somebody who cleaned up may have removed the name between the two steps.
            let ours = file.metadata().map_err(io("reading", &path))?.ino();
            if fs::metadata(&path).is_ok_and(|there| there.ino() == ours) {
                return Ok(file);
            }
        }
    }

    /// Whether the program that registered as this worker is still running.
    pub fn worker_lives(&self, worker: Uuid) -> bool {
        match File::open(self.worker(worker)) {
            Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared).is_err(),
            // Whatever else is wrong, a job that may be running must not be ended.
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Removes the files of workers that are gone. A best effort.
    pub fn forget_dead_workers(&self) {
        let Ok(entries) = fs::read_dir(self.root.join("workers")) else { return };
        for entry in entries.flatten() {
            let Ok(file) = File::open(entry.path()) else { continue };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn worker(&self, worker: Uuid) -> PathBuf {
        self.root.join("workers").join(worker.to_string())
    }
}

/// Refuses to make a key where there are backups that it would not open.
fn refuse_new_key(path: &Path, store: &Path) -> Result<(), DataError> {
    let holds = store.join("vaults").is_dir();
    if holds && !path.exists() {
        return Err(DataError::NoKey { path: path.to_owned(), store: store.to_owned() });
    }
    Ok(())
}

fn is_same(path: &Path, canonical: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|there| there == canonical)
}

/// Proves that a key opens a vault of a store, if that has any: what is installed stands in the way of another key.
fn prove(store: &Path, key: &RecoveryKey) -> Result<(), DataError> {
    let unreadable = |source| DataError::KeyUntried { store: store.to_owned(), source };
    let opened: Arc<dyn Store> =
        Arc::new(store::local(store.to_owned()).map_err(|error| unreadable(error.into()))?);
    let vaults = check::vaults(opened.as_ref()).map_err(|error| unreadable(error.into()))?;
    let mut trouble = None;
    for vault in &vaults {
        match Vault::prove_key(Arc::clone(&opened), *vault, &key.0) {
            Ok(()) => return Ok(()),
            Err(VaultError::OtherRecoveryKey { .. }) => {}
            Err(error) => trouble = Some(error),
        }
    }
    match trouble {
        Some(error) => Err(unreadable(error)),
        None if vaults.is_empty() => Ok(()),
        None => Err(DataError::WrongKey { store: store.to_owned() }),
    }
}

/// Reads a key file, or makes it: whole or not at all, and never over one that is there.
fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, DataError>,
) -> Result<Vec<u8>, DataError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map(|_| bytes)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(io("reading", path)),
    }
    let temporary = path.with_extension(Uuid::new_v4().to_string());
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(io("writing", &temporary))
        .and_then(|mut file| {
            let bytes = make()?;
            file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(io("writing", &temporary))
        })
        // A hard link, unlike a rename, does not replace what another program made meanwhile.
        .and_then(|()| match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io("making", path)(error)),
            _ => Ok(()),
        });
    let _ = fs::remove_file(&temporary);
    written?;
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("writing", folder))?;
    }
    read().map_err(io("reading", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_and_differ_by_purpose() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(&folder.path().join("new")).unwrap();
        let key = data.recovery_key().unwrap();
        let again = DataFolder::open(data.root()).unwrap();
        assert_eq!(again.recovery_key().unwrap().to_text(), key.to_text());
        assert_eq!(again.key_for("links").unwrap(), data.key_for("links").unwrap());
        assert_ne!(data.key_for("links").unwrap(), data.key_for("catalog").unwrap());
        for file in ["keys/recovery.key", "keys/server.key", "."] {
            let mode = fs::metadata(data.root().join(file)).unwrap().mode();
            assert_eq!(mode & 0o077, 0, "{file} is for its owner only");
        }
    }

    #[test]
    fn a_worker_lives_as_long_as_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let worker = Uuid::new_v4();
        assert!(!data.worker_lives(worker));
        let lock = data.register_worker(worker).unwrap();
        data.forget_dead_workers();
        assert!(data.worker_lives(worker));
        drop(lock);
        assert!(!data.worker_lives(worker));
        data.forget_dead_workers();
        assert_eq!(fs::read_dir(data.root().join("workers")).unwrap().count(), 0);
    }
}
