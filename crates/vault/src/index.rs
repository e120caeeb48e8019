//! The index: which fragments a vault has, and in which pack each is.
//!
//! In the store it is a set of immutable segments, one for each backup that stored something new. A segment's
//! body is, for each pack: its name (32 bytes), its kind (1), its length (`u64`), the number of its fragments
//! (`u32`) and their references in the order of the pack's directory; numbers little-endian. All of it can be
//! made again from the packs' own directories.

use std::collections::{HashMap, HashSet};

use hashbrown::HashTable;

use crate::fragment::{FragmentId, FragmentRef};
use crate::pack::{PackId, Place};
use crate::reader::{Malformed, Reader};
use crate::seal::{HEADER_LEN, ObjectKind, TAG_LEN};

/// A pack as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackFacts {
    /// Its name.
    pub id: PackId,
    /// What it holds: [`ObjectKind::DataPack`] or [`ObjectKind::MetaPack`].
    pub kind: ObjectKind,
    /// Its length in bytes.
    pub len: u64,
    /// Its fragments, in order.
    pub directory: Vec<FragmentRef>,
}

impl PackFacts {
    /// Appends the pack as a segment has it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.id.0);
        out.push(self.kind as u8);
        out.extend(self.len.to_le_bytes());
        out.extend((self.directory.len() as u32).to_le_bytes());
        for fragment in &self.directory {
            fragment.write(out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let id = PackId(reader.array()?);
        let kind = match reader.byte()? {
            1 => ObjectKind::DataPack,
            2 => ObjectKind::MetaPack,
            _ => return Err(Malformed),
        };
        let len = u64::from_le_bytes(reader.array()?);
        let count = reader.u32()? as usize;
        if count > reader.left() / FragmentRef::LEN {
            return Err(Malformed);
        }
        let directory = (0..count).map(|_| reader.fragment()).collect::<Result<_, _>>()?;
        Ok(PackFacts { id, kind, len, directory })
    }
}

/// The packs that a segment's body names.
pub fn read_segment(body: &[u8]) -> Result<Vec<PackFacts>, Malformed> {
    let mut reader = Reader::new(body);
    let mut packs = Vec::new();
    while reader.left() > 0 {
        packs.push(PackFacts::read(&mut reader)?);
    }
    Ok(packs)
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    fragment: FragmentRef,
    pack: u32,
    place: Place,
}

/// Where a fragment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The fragment, as it was stored.
    pub fragment: FragmentRef,
    /// Its pack.
    pub pack: PackId,
    /// What kind of pack that is.
    pub kind: ObjectKind,
    /// Where in the pack.
    pub place: Place,
}

/// The index in memory: about 60 bytes a fragment.
///
/// One fragment may be there twice with other measures, if two sessions with different deflaters stored it at a
/// time: archives name the one that they were made of.
#[derive(Debug, Default)]
pub struct Index {
    packs: Vec<(PackId, ObjectKind)>,
    numbers: HashMap<PackId, u32>,
    entries: Vec<Entry>,
    table: HashTable<u32>,
    lost: HashMap<FragmentRef, Lost>,
    /// Numbers of packs that are about to go.
    shunned: HashSet<u32>,
}

/// Where a fragment was that can't be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The pack.
    pub pack: PackId,
    /// What became of it.
    pub how: Loss,
}

/// How a fragment was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The store lacks the pack, or has it at another length.
    Gone,
    /// A check found it damaged.
    Damaged,
}

/// Fragments' names are hashes already.
fn hash(id: &FragmentId) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&id.0[..8]);
    u64::from_le_bytes(bytes)
}

impl Index {
    /// Adds a pack. A fragment that another pack has already stays where it is.
    pub fn add(&mut self, pack: &PackFacts) {
        self.add_sound(pack, &HashSet::new());
    }

    /// Adds a pack but for the fragments that are known to be damaged in it: they count as lost.
    pub fn add_sound(&mut self, pack: &PackFacts, damaged: &HashSet<FragmentRef>) {
        if self.numbers.contains_key(&pack.id) {
            return;
        }
        let number = self.packs.len() as u32;
        self.packs.push((pack.id, pack.kind));
        self.numbers.insert(pack.id, number);
        let mut offset = HEADER_LEN as u32;
        for (slot, fragment) in pack.directory.iter().enumerate() {
            let place = Place { slot: slot as u32, offset };
            offset = offset.saturating_add(fragment.deflated_len).saturating_add(TAG_LEN as u32);
            if damaged.contains(fragment) {
                self.lost.insert(*fragment, Lost { pack: pack.id, how: Loss::Damaged });
                continue;
            }
            self.insert(Entry { fragment: *fragment, pack: number, place });
        }
    }

    /// Notes a pack that a segment names and the store lacks, so that errors can tell its name.
    pub fn add_lost(&mut self, pack: &PackFacts) {
        let lost = Lost { pack: pack.id, how: Loss::Gone };
        self.lost.extend(pack.directory.iter().map(|fragment| (*fragment, lost)));
    }

    fn insert(&mut self, entry: Entry) {
        if self.has(&entry.fragment) {
            return;
        }
        let number = self.entries.len() as u32;
        self.entries.push(entry);
        let entries = &self.entries;
        self.table
            .insert_unique(hash(&entry.fragment.id), number, |n| hash(&entries[*n as usize].fragment.id));
    }

    /// Notes a fragment that is in a pack still being filled: it is known, though not to be located yet.
    pub fn claim(&mut self, fragment: FragmentRef) {
        self.insert(Entry { fragment, pack: u32::MAX, place: Place { slot: 0, offset: 0 } });
    }

    fn find(&self, id: &FragmentId, is: impl Fn(&FragmentRef) -> bool) -> Option<&Entry> {
        self.entries.get(self.number_where(id, is)? as usize)
    }

    fn number_where(&self, id: &FragmentId, is: impl Fn(&FragmentRef) -> bool) -> Option<u32> {
        let fits = |n: &u32| {
            let entry = &self.entries[*n as usize];
            is(&entry.fragment) && (self.shunned.is_empty() || !self.shunned.contains(&entry.pack))
        };
        self.table.find(hash(id), fits).copied()
    }

    /// The numbers of the fragment with exactly these measures and of its pack, both counted from 0.
    pub(crate) fn numbers_of(&self, fragment: &FragmentRef) -> Option<(u32, u32)> {
        let number = self.number_where(&fragment.id, |other| other == fragment)?;
        Some((number, self.entries.get(number as usize)?.pack))
    }

    /// The number of a pack, counted from 0.
    pub(crate) fn number_of_pack(&self, id: &PackId) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// From here on, what is in these packs is not there.
    pub(crate) fn shun(&mut self, packs: &HashSet<PackId>) {
        self.shunned.extend(packs.iter().filter_map(|pack| self.numbers.get(pack)));
    }

    /// The fragment as it is stored, if it is.
    pub fn get(&self, id: &FragmentId) -> Option<FragmentRef> {
        self.find(id, |fragment| fragment.id == *id).map(|entry| entry.fragment)
    }

    /// Whether the fragment is stored with exactly these measures.
    pub fn has(&self, fragment: &FragmentRef) -> bool {
        self.find(&fragment.id, |other| other == fragment).is_some()
    }

    /// Where the fragment with exactly these measures is.
    pub fn locate(&self, fragment: &FragmentRef) -> Option<Located> {
        let entry = self.find(&fragment.id, |other| other == fragment)?;
        let (pack, kind) = *self.packs.get(entry.pack as usize)?;
        Some(Located { fragment: entry.fragment, pack, kind, place: entry.place })
    }

    /// The pack that held the fragment before it was lost.
    pub fn lost(&self, fragment: &FragmentRef) -> Option<PackId> {
        self.lost.get(fragment).map(|lost| lost.pack)
    }

    /// How the fragment was lost, if it was.
    pub fn loss(&self, fragment: &FragmentRef) -> Option<Loss> {
        self.lost.get(fragment).map(|lost| lost.how)
    }

    /// The fragment's number among those that the index knows, for sets of them.
    pub(crate) fn number(&self, fragment: &FragmentRef) -> Option<usize> {
        let is = |n: &u32| self.entries[*n as usize].fragment == *fragment;
        self.table.find(hash(&fragment.id), is).map(|number| *number as usize)
    }

    /// Every fragment with its pack, in the order of their numbers.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = (&FragmentRef, Option<&PackId>)> {
        self.entries
            .iter()
            .map(|entry| (&entry.fragment, self.packs.get(entry.pack as usize).map(|(pack, _)| pack)))
    }

    /// Whether the index knows the pack.
    pub fn has_pack(&self, id: &PackId) -> bool {
        self.numbers.contains_key(id)
    }

    /// How many fragments it knows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(n: u8) -> PackFacts {
        let fragment = |m: u8| FragmentRef { id: FragmentId([m; 32]), raw_len: 9, deflated_len: 5, crc: 1 };
        PackFacts {
            id: PackId([n; 32]),
            kind: ObjectKind::DataPack,
            len: 99,
            directory: vec![fragment(n), fragment(n + 1)],
        }
    }

    #[test]
    fn the_first_pack_that_has_a_fragment_keeps_it() {
        let mut index = Index::default();
        index.add(&pack(1));
        index.add(&pack(2));
        index.add(&pack(2));
        assert_eq!(index.len(), 3);
        let found = index.locate(&pack(2).directory[0]).unwrap();
        assert_eq!((found.pack, found.place.slot), (PackId([1; 32]), 1));
        assert_eq!(found.place.offset as usize, HEADER_LEN + 5 + TAG_LEN);
        assert_eq!(index.get(&FragmentId([9; 32])), None);
    }

    #[test]
    fn the_same_fragment_with_other_measures_is_kept_beside_it() {
        let mut index = Index::default();
        let mut other = pack(1);
        other.id = PackId([9; 32]);
        other.directory[0].deflated_len = 6;
        index.add(&pack(1));
        index.add(&other);
        assert_eq!(index.locate(&pack(1).directory[0]).unwrap().pack, PackId([1; 32]));
        assert_eq!(index.locate(&other.directory[0]).unwrap().pack, PackId([9; 32]));
        let mut unknown = pack(1).directory[0];
        unknown.deflated_len = 7;
        assert_eq!(index.locate(&unknown), None);
    }

    #[test]
    fn what_is_in_a_shunned_pack_is_not_there() {
        let mut index = Index::default();
        index.add(&pack(1));
        index.add(&pack(7));
        index.shun(&HashSet::from([PackId([1; 32]), PackId([99; 32])]));
        let (gone, there) = (pack(1).directory[0], pack(7).directory[1]);
        assert_eq!((index.get(&gone.id), index.locate(&gone), index.has(&gone)), (None, None, false));
        assert_eq!(index.numbers_of(&there), Some((3, 1)));
    }

    #[test]
    fn a_lost_pack_is_told_by_name() {
        let mut index = Index::default();
        index.add_lost(&pack(1));
        let fragment = pack(1).directory[0];
        assert_eq!((index.has(&fragment), index.lost(&fragment)), (false, Some(PackId([1; 32]))));
    }

    #[test]
    fn a_damaged_fragment_is_lost_until_another_pack_has_it() {
        let mut index = Index::default();
        let fragment = pack(1).directory[0];
        index.add_sound(&pack(1), &HashSet::from([fragment]));
        assert_eq!((index.has(&fragment), index.lost(&fragment)), (false, Some(PackId([1; 32]))));
        assert_eq!(index.loss(&fragment), Some(Loss::Damaged));
        let next = index.locate(&pack(1).directory[1]).unwrap();
        assert_eq!(next.place.offset as usize, HEADER_LEN + 5 + TAG_LEN, "its place is kept");
        let mut again = pack(1);
        again.id = PackId([8; 32]);
        index.add(&again);
        assert_eq!(index.locate(&fragment).unwrap().pack, again.id);
    }

    #[test]
    fn a_segment_comes_back_and_a_cut_one_is_refused() {
        let mut body = vec![];
        pack(1).write(&mut body);
        pack(7).write(&mut body);
        assert_eq!(read_segment(&body), Ok(vec![pack(1), pack(7)]));
        assert_eq!(read_segment(&body[..body.len() - 1]), Err(Malformed));
    }
}
