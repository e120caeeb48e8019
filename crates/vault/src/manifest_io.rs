//! Writing manifests into a session and reading them back.

use std::collections::VecDeque;

use crate::cut::{Cutter, MANIFEST};
use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::fragment::FragmentRef;
use crate::manifest::{self, Item, Packed, SECTION_MAX, START};
use crate::reader::{Malformed, Reader};
use crate::record::ManifestRoot;
use crate::seal::OpenError;
use crate::session::{Fragments, Session};
use crate::stream::SectionLabel;

/// So many references fit a record; more are kept as fragments themselves.
const ROOT_MAX: usize = 64;

/// So many fragments of a manifest are read together: each alone would be a request.
const AHEAD: usize = 16;

/// Writes a manifest, item by item, and sums up the stream that it describes.
pub struct ManifestWriter<'s> {
    session: &'s Session,
    cutter: Cutter,
    pieces: Fragments,
    totals: Totals,
    scratch: Vec<u8>,
}

/// What a manifest's items come to.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Items.
    pub items: u64,
    /// Bytes of the stream.
    pub raw_len: u64,
    /// Bytes of its fragments, deflated.
    pub deflated_len: u64,
    /// CRC-32 of the stream so far.
    pub crc: crc32fast::Hasher,
}

impl Totals {
    fn add(&mut self, fragments: &[FragmentRef]) {
        self.items += 1;
        for fragment in fragments {
            self.raw_len += u64::from(fragment.raw_len);
            self.deflated_len += u64::from(fragment.deflated_len);
            self.crc.combine(&crc32fast::Hasher::new_with_initial_len(fragment.crc, fragment.raw_len.into()));
        }
    }
}

impl<'s> ManifestWriter<'s> {
    /// An empty manifest.
    pub fn begin(session: &'s Session) -> Result<Self, VaultError> {
        let mut writer = ManifestWriter {
            session,
            cutter: Cutter::new(MANIFEST),
            pieces: Fragments::default(),
            totals: Totals::default(),
            scratch: Vec::new(),
        };
        writer.write(START)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        let (session, pieces) = (self.session, &mut self.pieces);
        self.cutter.write(bytes, |piece| pieces.push(session.add_meta(piece)?))
    }

    /// Appends an item.
    pub fn add(&mut self, item: &Item) -> Result<(), VaultError> {
        self.totals.add(item.fragments());
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        item.write(&mut scratch);
        let written = self.write(&scratch);
        self.scratch = scratch;
        written
    }

    /// Appends a section of a text, in as many items as it needs.
    pub fn add_section(
        &mut self,
        label: SectionLabel,
        rows: Option<u64>,
        mut fragments: Vec<FragmentRef>,
    ) -> Result<(), VaultError> {
        let rest = fragments.split_off(fragments.len().min(SECTION_MAX));
        self.add(&Item::Section { label, rows, fragments })?;
        rest.chunks(SECTION_MAX).try_for_each(|more| self.add(&Item::More { fragments: more.to_vec() }))
    }

    /// Closes the manifest.
    pub fn finish(mut self) -> Result<(ManifestRoot, Totals), VaultError> {
        let totals = self.totals.clone();
        let end =
            Item::End { items: totals.items, raw_len: totals.raw_len, crc: totals.crc.clone().finalize() };
        self.add(&end)?;
        let (session, pieces) = (self.session, &mut self.pieces);
        self.cutter.end(|piece| pieces.push(session.add_meta(piece)?))?;
        let mut fragments = self.pieces.wait()?;
        let mut level = 0;
        while fragments.len() > ROOT_MAX {
            fragments = store_references(session, &fragments)?;
            level += 1;
        }
        Ok((ManifestRoot { level, fragments }, totals))
    }
}

fn store_references(session: &Session, fragments: &[FragmentRef]) -> Result<Vec<FragmentRef>, VaultError> {
    let mut cutter = Cutter::new(MANIFEST);
    let mut pieces = Fragments::default();
    for fragment in fragments {
        cutter.write(&fragment.to_bytes(), |piece| pieces.push(session.add_meta(piece)?))?;
    }
    cutter.end(|piece| pieces.push(session.add_meta(piece)?))?;
    pieces.wait()
}

/// The fragments that hold a manifest itself. `passed` is told those of each level on the way, and of these too.
pub(crate) fn descend(
    fetcher: &mut Fetcher,
    root: &ManifestRoot,
    mut passed: impl FnMut(&[FragmentRef]),
) -> Result<Vec<FragmentRef>, VaultError> {
    let mut fragments = root.fragments.clone();
    passed(&fragments);
    for _ in 0..root.level {
        let mut bytes = Vec::new();
        fetcher.raw(&fragments, &mut bytes)?;
        let mut reader = Reader::new(&bytes);
        fragments = Vec::with_capacity(bytes.len() / FragmentRef::LEN);
        while reader.left() > 0 {
            fragments.push(reader.fragment().map_err(malformed)?);
        }
        passed(&fragments);
    }
    Ok(fragments)
}

/// Reads a manifest, item by item.
pub struct ManifestReader {
    fetcher: Fetcher,
    fragments: VecDeque<FragmentRef>,
    buffer: Vec<u8>,
    at: usize,
    totals: Totals,
    ended: bool,
}

impl ManifestReader {
    /// Opens a manifest.
    ///
    /// # Errors
    /// [`VaultError`] if its first fragments are missing or damaged, or it is of a later release.
    pub fn open(mut fetcher: Fetcher, root: &ManifestRoot) -> Result<Self, VaultError> {
        let fragments = descend(&mut fetcher, root, |_| ())?;
        let mut reader = ManifestReader {
            fetcher,
            fragments: fragments.into(),
            buffer: Vec::new(),
            at: 0,
            totals: Totals::default(),
            ended: false,
        };
        if reader.take(START.len())? != START {
            return Err(malformed(Malformed));
        }
        Ok(reader)
    }

    /// The fragments of the next item, whose entries are not looked at; `None` after the end, as
    /// [`next_item`](Self::next_item).
    ///
    /// # Errors
    /// As [`next_item`](Self::next_item).
    pub(crate) fn next_fragments(&mut self) -> Result<Option<Vec<FragmentRef>>, VaultError> {
        if self.ended {
            return Ok(None);
        }
        let (tag, body) = self.take_item()?;
        if manifest::is_end(tag) {
            let end = Packed::new(tag, body.to_vec());
            return self.count(end).map(|_| None);
        }
        let fragments = manifest::read_fragments(tag, body).map_err(malformed)?;
        self.totals.add(&fragments);
        Ok(Some(fragments))
    }

    /// The next item; `None` after the end, whose sums were compared with those of the items.
    ///
    /// # Errors
    /// [`VaultError`] if it is missing, damaged or contradicts itself.
    pub fn next_item(&mut self) -> Result<Option<Item>, VaultError> {
        self.next_packed()?.map(|packed| packed.item().map_err(malformed)).transpose()
    }

    /// The next item, of which only what the sums need was looked at.
    ///
    /// # Errors
    /// As [`next_item`](Self::next_item); a body that says something impossible is met when it is unpacked.
    pub fn next_packed(&mut self) -> Result<Option<Packed>, VaultError> {
        if self.ended {
            return Ok(None);
        }
        let (tag, body) = self.take_item()?;
        let packed = Packed::new(tag, body.to_vec());
        self.count(packed)
    }

    fn take_item(&mut self) -> Result<(u8, &[u8]), VaultError> {
        let tag = self.take(1)?[0];
        let len = self.varint()?;
        let body = self.take(usize::try_from(len).map_err(|_| malformed(Malformed))?)?;
        Ok((tag, body))
    }

    /// Adds an item to the sums; the end, which is no item to its reader, must agree with them.
    fn count(&mut self, packed: Packed) -> Result<Option<Packed>, VaultError> {
        if let Some(Item::End { items, raw_len, crc }) = packed.end().map_err(malformed)? {
            let totals = &self.totals;
            let same =
                items == totals.items && raw_len == totals.raw_len && crc == totals.crc.clone().finalize();
            self.ended = true;
            return if same { Ok(None) } else { Err(malformed(Malformed)) };
        }
        self.totals.add(&packed.fragments().map_err(malformed)?);
        Ok(Some(packed))
    }

    /// What the items so far come to; of the whole stream once [`next_item`](Self::next_item) gave `None`.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What reads the archive's own fragments.
    pub fn fetcher(&mut self) -> &mut Fetcher {
        &mut self.fetcher
    }

    fn varint(&mut self) -> Result<u64, VaultError> {
        let mut bytes = Vec::new();
        loop {
            let byte = self.take(1)?[0];
            bytes.push(byte);
            if byte & 0x80 == 0 || bytes.len() > 10 {
                return Reader::new(&bytes).varint().map_err(malformed);
            }
        }
    }

    fn take(&mut self, len: usize) -> Result<&[u8], VaultError> {
        while self.buffer.len() - self.at < len {
            let next: Vec<_> = self.fragments.drain(..self.fragments.len().min(AHEAD)).collect();
            if next.is_empty() {
                return Err(malformed(Malformed));
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            self.fetcher.raw(&next, &mut self.buffer)?;
        }
        self.at += len;
        Ok(&self.buffer[self.at - len..self.at])
    }
}

/// What errors call a manifest that contradicts itself, though every object that it is in can be read.
const OBJECT: &str = "an archive's manifest";

/// What can't be read in an archive's list.
pub(crate) fn malformed(error: Malformed) -> VaultError {
    VaultError::Object { object: OBJECT.to_owned(), source: OpenError::from(error) }
}

/// Whether an error says that a manifest contradicts itself or ends too early.
pub(crate) fn is_malformed(error: &VaultError) -> bool {
    matches!(error, VaultError::Object { object, .. } if object == OBJECT)
}
