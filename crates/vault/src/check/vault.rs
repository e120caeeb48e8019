//! Proving a whole vault.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use undercroft_model::Observer;
use uuid::Uuid;

use super::problem::Problems;
use crate::damage::{DamageNote, DamagedPack};
use crate::error::VaultError;
use crate::keys::SecretKey;
use crate::store::{Store, StoreError};

/// How much of a vault is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Everything but the archives' own fragments: of their packs, the two ends.
    Lists,
    /// Every byte.
    Content,
}

/// What became of checking a vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultProof {
    /// The vault.
    pub vault: Uuid,
    /// How much of it was read.
    pub depth: Depth,
    /// What is wrong.
    pub problems: Problems,
    /// What is worth knowing and hits no backup: damage that has healed or that nothing needs, litter.
    pub notes: Vec<String>,
    /// Backups whose records were read.
    pub backups: u64,
    /// Packs that were looked at.
    pub packs: u64,
    /// Fragments that were proven.
    pub fragments: u64,
    /// Bytes that were read.
    pub read: u64,
    /// Fragments that were found damaged and are not noted yet, for [`Vault::note_damage`](crate::Vault::note_damage).
    #[serde(skip)]
    pub damaged: Vec<DamagedPack>,
    /// Notes that are wrong: what they speak of was read, and is sound. For
    /// [`Vault::take_back_damage`](crate::Vault::take_back_damage), after `damaged` was noted.
    #[serde(skip)]
    pub disproved: Vec<DamageNote>,
}

impl VaultProof {
    /// Whether every object is as it should be and every backup restores whole.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Checks everything that is stored for a site, and tells what each damage hits. It needs nothing to be whole: neither
/// the vault's config nor its keys.
///
/// The observer is told of bytes under the element `files`, since packs belong to no element.
///
/// # Errors
/// [`VaultError`] if the store does not answer, the vault is of a later release or there is none, or the observer says
/// stop. What is wrong with the vault is in the proof.
pub fn vault(
    _store: &Arc<dyn Store>,
    _id: Uuid,
    _recovery: &SecretKey,
    _depth: Depth,
    _observer: &dyn Observer,
) -> Result<VaultProof, VaultError> {
    todo!()
}

/// The vaults in a store, whatever is left of them.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn vaults(store: &dyn Store) -> Result<Vec<Uuid>, StoreError> {
    let mut found: Vec<Uuid> = Vec::new();
    for object in store.list("vaults/")? {
        let id = object.name.split('/').nth(1).and_then(|part| Uuid::parse_str(part).ok());
        found.extend(id.filter(|id| found.last() != Some(id)));
    }
    Ok(found)
}
