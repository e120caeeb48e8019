//! A text archive by its sections: what is in it, and the text of each, without reading the others.
//!
//! Listing reads the manifest alone. Each section has a reader of its own, with its own keys and buffers, so
//! several threads can read several sections at once.

use std::io::{self, Read};
use std::sync::Arc;

use undercroft_model::{Cancelled, Observer};

use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::fragment::FragmentRef;
use crate::index::Index;
use crate::manifest::Item;
use crate::manifest_io::ManifestReader;
use crate::record::ArchiveRecord;
use crate::seal::OpenError;
use crate::stream::SectionLabel;
use crate::vault::Vault;

/// So many bytes of a section's text are asked for together, but at least one fragment.
const AHEAD: u64 = 2 << 20;

/// One section of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSection {
    /// What it is.
    pub label: SectionLabel,
    /// How many rows it has, if it has rows.
    pub rows: Option<u64>,
    /// Bytes of its text.
    pub raw_len: u64,
}

/// Gives a text out by sections: an archive in a vault, or a text from elsewhere.
pub trait SectionSource: Sync {
    /// The sections, in their order.
    fn sections(&self) -> &[TextSection];

    /// Opens the section at a place of that list. Several may be open at a time.
    ///
    /// # Errors
    /// [`io::Error`] if there is none, or its text can't be had.
    fn open(&self, place: usize) -> io::Result<Box<dyn Read + Send + '_>>;
}

/// A text archive, by its sections.
pub struct Sections {
    vault: Vault,
    index: Arc<Index>,
    list: Vec<TextSection>,
    fragments: Vec<Vec<FragmentRef>>,
}

impl Sections {
    /// Reads an archive's manifest.
    ///
    /// # Errors
    /// [`VaultError`] if the manifest is missing, damaged or no text's, or says other sums than the record.
    pub fn read(vault: &Vault, index: &Arc<Index>, archive: &ArchiveRecord) -> Result<Self, VaultError> {
        let malformed = || VaultError::Object {
            object: format!("the manifest of {}", archive.name),
            source: OpenError::Damaged,
        };
        let mut manifest = ManifestReader::open(Fetcher::new(vault, Arc::clone(index)), &archive.manifest)?;
        let (mut list, mut all) = (Vec::new(), Vec::<Vec<FragmentRef>>::new());
        while let Some(item) = manifest.next_item()? {
            match item {
                Item::Section { label, rows, fragments } => {
                    list.push(TextSection { label, rows, raw_len: raw_len(&fragments) });
                    all.push(fragments);
                }
                Item::More { fragments } => {
                    let (Some(section), Some(before)) = (list.last_mut(), all.last_mut()) else {
                        return Err(malformed());
                    };
                    section.raw_len += raw_len(&fragments);
                    before.extend(fragments);
                }
                Item::Run { .. } | Item::End { .. } => return Err(malformed()),
            }
        }
        let totals = manifest.totals();
        if totals.raw_len != archive.raw_len || totals.crc.clone().finalize() != archive.crc {
            return Err(malformed());
        }
        Ok(Sections { vault: vault.clone(), index: Arc::clone(index), list, fragments: all })
    }
}

impl Sections {
    /// Whether a section has the same text as one of another dump of the same vault.
    pub fn is_same(&self, place: usize, other: &Sections, other_place: usize) -> bool {
        let (one, two) = (self.fragments.get(place), other.fragments.get(other_place));
        one.is_some() && one == two
    }
}

impl Sections {
    /// The places of sections whose text is missing or [damaged](VaultError::is_damage). Reads everything.
    ///
    /// # Errors
    /// [`VaultError`] if the store does not answer, or the observer says stop.
    pub fn damaged(&self, observer: &dyn Observer) -> Result<Vec<usize>, VaultError> {
        let mut fetcher = Fetcher::new(&self.vault, Arc::clone(&self.index));
        let (mut damaged, mut raw) = (Vec::new(), Vec::new());
        for (place, fragments) in self.fragments.iter().enumerate() {
            for fragment in fragments {
                if observer.cancelled() {
                    return Err(Cancelled.into());
                }
                raw.clear();
                if !fetcher.raw_if_whole(fragment, &mut raw)? {
                    damaged.push(place);
                    break;
                }
            }
        }
        Ok(damaged)
    }
}

impl SectionSource for Sections {
    fn sections(&self) -> &[TextSection] {
        &self.list
    }

    fn open(&self, place: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        let fragments = self.fragments.get(place).ok_or(io::ErrorKind::NotFound)?;
        let fetcher = Fetcher::new(&self.vault, Arc::clone(&self.index));
        Ok(Box::new(SectionText { fetcher, fragments, buffer: Vec::new(), at: 0 }))
    }
}

/// The text of one section.
struct SectionText<'s> {
    fetcher: Fetcher,
    fragments: &'s [FragmentRef],
    buffer: Vec<u8>,
    at: usize,
}

impl Read for SectionText<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.buffer.len() {
            let (next, rest) = self.fragments.split_at(window(self.fragments));
            if next.is_empty() {
                return Ok(0);
            }
            self.buffer.clear();
            self.at = 0;
            self.fetcher.raw(next, &mut self.buffer)?;
            self.fragments = rest;
        }
        let ready = self.buffer.get(self.at..).unwrap_or_default();
        let (to, _) = out.split_at_mut(ready.len().min(out.len()));
        to.copy_from_slice(ready.get(..to.len()).unwrap_or_default());
        self.at += to.len();
        Ok(to.len())
    }
}

fn raw_len(fragments: &[FragmentRef]) -> u64 {
    fragments.iter().map(|fragment| u64::from(fragment.raw_len)).sum()
}

/// How many of the first fragments are read together.
fn window(fragments: &[FragmentRef]) -> usize {
    let mut len = 0;
    let fits = |fragment: &&FragmentRef| {
        len += u64::from(fragment.raw_len);
        len <= AHEAD
    };
    fragments.iter().take_while(fits).count().max(1).min(fragments.len())
}
