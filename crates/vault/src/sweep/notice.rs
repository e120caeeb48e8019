//! Notices: before a sweep removes a pack, it says so in the store.
//!
//! A backup may have begun before the sweep and rely on what goes; a sweep may be stopped for an hour between its
//! decision and its last delete; a delete may reach the store late. So: a sweep first writes down which packs go, and
//! then looks once more whether a backup was recorded. A session that begins after it relies on none of these packs,
//! whether they are still there or not; one that began before it finds the notice when it is to be recorded, and is
//! not recorded. A notice stays until a later sweep has seen that its packs are gone.

use std::collections::HashSet;

use crate::error::VaultError;
use crate::fragment::hex;
use crate::keys::random;
use crate::pack::PackId;
use crate::reader::Reader;
use crate::seal::{self, ObjectKind, OpenError};
use crate::store::StoreError;
use crate::vault::Vault;

impl Vault {
    /// The names of all notices, the newest last.
    pub(crate) fn notices(&self) -> Result<Vec<String>, VaultError> {
        Ok(self.store.list(&self.name("sweeps/"))?.into_iter().map(|object| object.name).collect())
    }

    /// The packs that notices name. A damaged notice says nothing.
    pub(crate) fn doomed(&self, notices: &[String]) -> Result<HashSet<PackId>, VaultError> {
        let mut doomed = HashSet::new();
        for name in notices {
            let body = match self.open_notice(name) {
                Err(VaultError::Object { source: OpenError::Damaged | OpenError::NotOurs, .. })
                | Err(VaultError::Store(StoreError::Missing { .. })) => continue,
                other => other?,
            };
            let mut reader = Reader::new(&body);
            while let Ok(id) = reader.array() {
                doomed.insert(PackId(id));
            }
        }
        Ok(doomed)
    }

    pub(crate) fn open_notice(&self, name: &str) -> Result<Vec<u8>, VaultError> {
        self.open_object(name, ObjectKind::Sweep, bound(name))
    }

    /// An object that gives notice of these packs, after the newest notice that there is: its name and bytes.
    pub(super) fn notice(
        &self,
        newest: Option<&String>,
        packs: &[PackId],
    ) -> Result<(String, Vec<u8>), VaultError> {
        let number = newest.and_then(|name| number(name)).map_or(0, |number| number.saturating_add(1));
        let name = self.name(&format!("sweeps/{number:010}-{}", hex(&random::<8>()?)));
        let plain: Vec<u8> = packs.iter().flat_map(|pack| pack.0).collect();
        let (public, writer) = (self.keys.secret.public(), &self.keys.writer);
        let object = seal::seal_object(ObjectKind::Sweep, self.id, &public, writer, bound(&name), &plain)?;
        Ok((name, object))
    }
}

fn bound(name: &str) -> &[u8] {
    name.rsplit('/').next().unwrap_or_default().as_bytes()
}

fn number(name: &str) -> Option<u64> {
    name.rsplit('/').next()?.split_once('-')?.0.parse().ok()
}
