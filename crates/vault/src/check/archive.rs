//! Proving one archive.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use undercroft_model::{Element, Observer};
use uuid::Uuid;

use super::problem::Problems;
use super::text::TextCheck;
use crate::damage::DamagedPack;
use crate::error::VaultError;
use crate::index::Index;
use crate::record::ArchiveRecord;
use crate::vault::Vault;

/// Proves archives of one vault. What several of them share is read once.
pub struct Prover {
    vault: Vault,
    index: Arc<Index>,
    /// Runs and sections that were proven sound, by a hash of all that the manifest says of them.
    sound: Mutex<HashSet<[u8; 16]>>,
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
        Prover { vault: vault.clone(), index, sound: Mutex::default() }
    }

    /// Proves an archive: every fragment, and that what they make is a tree or a text as the manifest says.
    ///
    /// # Errors
    /// [`VaultError`] if the store does not answer, or the observer says stop. What is wrong with the archive is in the
    /// proof.
    pub fn archive(&self, _job: &ArchiveJob<'_>) -> Result<ArchiveProof, VaultError> {
        todo!()
    }

    /// The fragments that were found damaged so far and were not known to be, for
    /// [`Vault::note_damage`](crate::Vault::note_damage).
    pub fn damaged(&self) -> Vec<DamagedPack> {
        todo!()
    }
}
