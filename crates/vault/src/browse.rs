//! What is in an archive, read from its manifest alone.

use std::sync::Arc;

use crate::error::VaultError;
use crate::index::Index;
use crate::record::ArchiveRecord;
use crate::stream::{Entry, SectionLabel};
use crate::vault::Vault;

/// What a listing tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// A member of a tree.
    Entry(Entry),
    /// A section of a text.
    Section {
        /// What it is.
        label: SectionLabel,
        /// How many rows it has, if it has rows.
        rows: Option<u64>,
        /// Bytes of its text.
        bytes: u64,
    },
}

/// Which entries of a tree are listed; all sections of a text are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Below {
    /// Only what is at or below this path; empty for everything.
    pub path: Vec<u8>,
    /// How many levels below it; `None` for all. 0 is the path itself.
    pub depth: Option<usize>,
}

/// Lists what is in an archive, in its order. The stream's fragments are not touched.
///
/// # Errors
/// [`VaultError`] if its manifest is missing or damaged; each entry that can't be read any more is one too.
pub fn entries(
    _vault: &Vault,
    _index: &Arc<Index>,
    _archive: &ArchiveRecord,
    _below: Below,
) -> Result<impl Iterator<Item = Result<Listing, VaultError>>, VaultError> {
    todo!() as Result<std::iter::Empty<_>, _>
}
