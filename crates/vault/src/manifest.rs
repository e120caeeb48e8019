//! Manifests: an archive's ordered list of runs, with their fragments and entries.
//!
//! A manifest is a stream of items, itself kept as fragments, so that what did not change costs nothing. It
//! begins with the magic `UCMF` and the version 1. Every item is a tag (1 byte), the length of its body (varint)
//! and the body. A reader refuses a tag that it doesn't know.
//!
//! | tag | item | body |
//! |---|---|---|
//! | 1 | run of a tree | signature (32 bytes; zero: never reused), number of fragments (varint), references; number of entries (varint), entries |
//! | 2 | section of a text | kind (1 byte), name (counted), rows + 1, or 0 if it has none (varint); number of fragments, references |
//! | 3 | more of the section before it | number of fragments, references |
//! | 0 | end | number of items before it (varint), raw length of the stream (varint), its CRC-32 (`u32`) |
//!
//! An entry is: kind (1 byte), how many bytes of the path before it in the run its own begins with (varint), the
//! other bytes (counted), where its header begins in the run (varint), size (varint), seconds (zigzag) and
//! nanoseconds (varint) of its time, mode, owner, group (varints), and for links the target (counted), for
//! devices major and minor (varints).

use crate::fragment::FragmentRef;
use crate::reader::{Malformed, Reader, put_counted, put_varint};
use crate::stream::{Entry, SectionLabel};

mod code;

use code::{
    put_entry, put_fragments, section_code, section_kind, skim_entry, take_entries, take_entry,
    take_fragments,
};

/// What a manifest begins with: magic and version.
pub const START: &[u8; 5] = b"UCMF\x01";
const RUN: u8 = 1;
const SECTION: u8 = 2;
const MORE: u8 = 3;
const END: u8 = 0;
/// A section with more fragments goes on in further items, so that no item is long.
pub const SECTION_MAX: usize = 4096;

/// A run's signature: a hash of what `stat` says of its entries.
pub type Signature = [u8; 32];
/// The signature of a run that is never reused.
pub const NEVER: Signature = [0; 32];

/// An entry and where its tar header begins in its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedEntry {
    /// The entry; its stamp is not kept.
    pub entry: Entry,
    /// Bytes of the run's stream before it.
    pub at: u64,
}

/// An item of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A run of a tree.
    Run {
        /// Tells whether it can be reused.
        signature: Signature,
        /// Its stream.
        fragments: Vec<FragmentRef>,
        /// What is in it.
        entries: Vec<PlacedEntry>,
    },
    /// A section of a text.
    Section {
        /// What it is.
        label: SectionLabel,
        /// How many rows it has, if it has rows.
        rows: Option<u64>,
        /// Its stream.
        fragments: Vec<FragmentRef>,
    },
    /// More of the section that came before.
    More {
        /// What follows in its stream.
        fragments: Vec<FragmentRef>,
    },
    /// The end of the manifest.
    End {
        /// How many items came before.
        items: u64,
        /// Bytes of the stream.
        raw_len: u64,
        /// Its CRC-32.
        crc: u32,
    },
}

impl Item {
    /// The item's fragments.
    pub fn fragments(&self) -> &[FragmentRef] {
        match self {
            Item::Run { fragments, .. } | Item::Section { fragments, .. } | Item::More { fragments } => {
                fragments
            }
            Item::End { .. } => &[],
        }
    }

    /// Appends the item.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        let tag = match self {
            Item::Run { signature, fragments, entries } => {
                body.extend(signature);
                put_fragments(&mut body, fragments);
                put_varint(&mut body, entries.len() as u64);
                let mut before: &[u8] = &[];
                for placed in entries {
                    put_entry(&mut body, placed, before);
                    before = &placed.entry.path;
                }
                RUN
            }
            Item::Section { label, rows, fragments } => {
                body.push(section_code(label.kind));
                put_counted(&mut body, label.name.as_bytes());
                put_varint(&mut body, rows.map_or(0, |rows| rows.saturating_add(1)));
                put_fragments(&mut body, fragments);
                SECTION
            }
            Item::More { fragments } => {
                put_fragments(&mut body, fragments);
                MORE
            }
            Item::End { items, raw_len, crc } => {
                put_varint(&mut body, *items);
                put_varint(&mut body, *raw_len);
                body.extend(crc.to_le_bytes());
                END
            }
        };
        out.push(tag);
        put_counted(out, &body);
    }

    /// Reads an item whose tag and body were taken off the stream.
    ///
    /// # Errors
    /// [`Malformed`] if the tag is unknown or the body isn't one of its kind.
    pub fn read(tag: u8, body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let item = match tag {
            RUN => {
                let signature = reader.array()?;
                let fragments = take_fragments(&mut reader)?;
                Item::Run { signature, fragments, entries: take_entries(&mut reader)? }
            }
            SECTION => {
                let kind = section_kind(reader.byte()?)?;
                let name = String::from_utf8(reader.counted()?.to_vec()).map_err(|_| Malformed)?;
                let rows = reader.varint()?.checked_sub(1);
                let fragments = take_fragments(&mut reader)?;
                Item::Section { label: SectionLabel { kind, name }, rows, fragments }
            }
            MORE => Item::More { fragments: take_fragments(&mut reader)? },
            END => Item::End { items: reader.varint()?, raw_len: reader.varint()?, crc: reader.u32()? },
            _ => return Err(Malformed),
        };
        if reader.left() == 0 { Ok(item) } else { Err(Malformed) }
    }
}

/// An item as it is kept, not yet unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    tag: u8,
    body: Vec<u8>,
}

/// What is known of a run's entries without unpacking them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skimmed {
    /// How many there are.
    pub entries: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

impl Packed {
    /// An item whose tag and body were taken off the stream.
    pub fn new(tag: u8, body: Vec<u8>) -> Self {
        Packed { tag, body }
    }

    /// Unpacks it.
    ///
    /// # Errors
    /// As [`Item::read`].
    pub fn item(&self) -> Result<Item, Malformed> {
        Item::read(self.tag, &self.body)
    }

    /// The end of the manifest, if it is that.
    pub fn end(&self) -> Result<Option<Item>, Malformed> {
        (self.tag == END).then(|| self.item()).transpose()
    }

    /// Its fragments.
    pub fn fragments(&self) -> Result<Vec<FragmentRef>, Malformed> {
        let mut reader = Reader::new(&self.body);
        match self.tag {
            RUN => reader.take(NEVER.len()).map(drop)?,
            MORE => {}
            _ => return Ok(self.item()?.fragments().to_vec()),
        }
        take_fragments(&mut reader)
    }

    /// Whether both are runs of the same entries with the same fragments.
    pub fn is_same_run(&self, other: &Packed) -> bool {
        let run = |packed: &Packed| packed.tag == RUN;
        run(self) && run(other) && self.body.get(NEVER.len()..) == other.body.get(NEVER.len()..)
    }

    /// The first entry of a run; `None` if it has none or is no run.
    pub fn first(&self) -> Result<Option<PlacedEntry>, Malformed> {
        let Some(mut reader) = self.entries()? else { return Ok(None) };
        let count = reader.varint()?;
        (count > 0).then(|| take_entry(&mut reader, &[])).transpose()
    }

    /// Sums up a run's entries.
    pub fn skim(&self) -> Result<Skimmed, Malformed> {
        let Some(mut reader) = self.entries()? else { return Ok(Skimmed::default()) };
        let mut sum = Skimmed::default();
        for _ in 0..reader.varint()? {
            sum.entries += 1;
            sum.bytes = sum.bytes.saturating_add(skim_entry(&mut reader)?);
        }
        Ok(sum)
    }

    /// A reader that stands before the number of entries.
    fn entries(&self) -> Result<Option<Reader<'_>>, Malformed> {
        if self.tag != RUN {
            return Ok(None);
        }
        let mut reader = Reader::new(&self.body);
        reader.take(NEVER.len())?;
        let fragments = usize::try_from(reader.varint()?).map_err(|_| Malformed)?;
        reader.take(fragments.checked_mul(FragmentRef::LEN).ok_or(Malformed)?)?;
        Ok(Some(reader))
    }
}

/// The fragments of an item whose tag and body were taken off the stream, without its entries.
///
/// # Errors
/// [`Malformed`] as [`Item::read`], as far as the fragments.
pub(crate) fn read_fragments(tag: u8, body: &[u8]) -> Result<Vec<FragmentRef>, Malformed> {
    let mut reader = Reader::new(body);
    match tag {
        RUN => drop(reader.array::<32>()?),
        SECTION => {
            section_kind(reader.byte()?)?;
            reader.counted()?;
            reader.varint()?;
        }
        MORE => {}
        _ => return Err(Malformed),
    }
    take_fragments(&mut reader)
}

/// Whether the tag is that of a manifest's end.
pub(crate) fn is_end(tag: u8) -> bool {
    tag == END
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::FragmentId;
    use crate::stream::{EntryKind, FileTime, SectionKind};

    fn items() -> Vec<Item> {
        let fragment = FragmentRef { id: FragmentId([3; 32]), raw_len: 1, deflated_len: 2, crc: 3 };
        let entry = |path: &[u8], kind| Entry {
            path: path.to_vec(),
            kind,
            size: 70_000,
            mtime: FileTime { seconds: -5, nanos: 999_999_999 },
            mode: 0o4755,
            uid: u32::MAX,
            gid: 0,
            stamp: [0; 32],
        };
        let placed = |n: u64, e| PlacedEntry { entry: e, at: n };
        vec![
            Item::Run {
                signature: [9; 32],
                fragments: vec![fragment; 3],
                entries: vec![
                    placed(0, entry(b"", EntryKind::Folder)),
                    placed(512, entry(b"uploads/a.jpg", EntryKind::File)),
                    placed(
                        1024,
                        entry(b"uploads/\xff", EntryKind::HardLink { target: b"uploads/a.jpg".to_vec() }),
                    ),
                    placed(2048, entry(b"uploads/z", EntryKind::BlockDevice { major: 8, minor: 1 })),
                ],
            },
            Item::Section {
                label: SectionLabel { kind: SectionKind::Table, name: "wp_posts".into() },
                rows: Some(0),
                fragments: vec![],
            },
            Item::More { fragments: vec![fragment; 2] },
            Item::End { items: 3, raw_len: 5, crc: 6 },
        ]
    }

    #[test]
    fn every_item_comes_back() {
        for item in items() {
            let mut out = vec![];
            item.write(&mut out);
            let mut reader = Reader::new(&out);
            let tag = reader.byte().unwrap();
            assert_eq!(Item::read(tag, reader.counted().unwrap()), Ok(item));
        }
    }

    proptest::proptest! {
        #[test]
        fn garbage_is_refused_or_read_and_never_panics(
            tag in 0_u8..5,
            body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600),
        ) {
            let _ = Item::read(tag, &body);
        }

        #[test]
        fn damage_is_refused_or_read_and_never_panics(n in 0_usize..4, at in 0_usize..400, bit in 0_u8..8) {
            let mut out = vec![];
            items()[n].write(&mut out);
            let at = at % out.len();
            out[at] ^= 1 << bit;
            let mut reader = Reader::new(&out);
            if let (Ok(tag), Ok(body)) = (reader.byte(), reader.counted()) {
                let _ = Item::read(tag, body);
            }
        }
    }

    #[test]
    fn what_is_known_of_a_packed_run_is_what_is_in_it() {
        for item in items() {
            let mut out = vec![];
            item.write(&mut out);
            let mut reader = Reader::new(&out);
            let packed = Packed::new(reader.byte().unwrap(), reader.counted().unwrap().to_vec());
            assert_eq!(packed.fragments().unwrap(), item.fragments());
            let entries = match &item {
                Item::Run { entries, .. } => &entries[..],
                _ => &[],
            };
            let bytes = entries.iter().map(|placed| placed.entry.size).sum();
            assert_eq!(packed.skim(), Ok(Skimmed { entries: entries.len() as u64, bytes }));
            assert_eq!(packed.first().unwrap().as_ref(), entries.first());
            assert_eq!(packed.is_same_run(&packed), matches!(item, Item::Run { .. }));
        }
    }

    #[test]
    fn an_item_that_is_cut_or_unknown_is_refused() {
        for item in items() {
            let mut out = vec![];
            item.write(&mut out);
            let mut reader = Reader::new(&out);
            let tag = reader.byte().unwrap();
            let body = reader.counted().unwrap();
            for len in 0..body.len() {
                assert!(Item::read(tag, &body[..len]).is_err());
            }
            assert!(Item::read(77, body).is_err());
        }
    }
}
