//! What a check found damaged, noted in the vault, so that it heals.
//!
//! A note says which fragments of which packs can't be read any more. The index leaves them out as if they were lost:
//! the next backup that meets their content stores it again, in another pack, and every archive that needs it is whole.
//! A note that is healed is harmless. One that turns out wrong is taken back by removing it.
//!
//! In the store a note is an object `damage/H…`, named by the BLAKE3 hash of its bytes; its body is the Unix seconds at
//! which the damage was found (`i64`), then for each pack its name (32 bytes), the number of fragments (`u32`) and their
//! references; numbers little-endian.

use std::collections::{HashMap, HashSet};

use crate::error::VaultError;
use crate::fragment::{FragmentRef, hex};
use crate::index::{Index, PackFacts};
use crate::pack::PackId;
use crate::reader::{Malformed, Reader};
use crate::seal::{self, ObjectKind, OpenError};
use crate::store::StoreError;
use crate::vault::{Operation, Vault};

/// Fragments of one pack that can't be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedPack {
    /// The pack.
    pub pack: PackId,
    /// The fragments.
    pub fragments: Vec<FragmentRef>,
}

/// A note as the vault has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamageNote {
    /// Its object's name in the store.
    pub object: String,
    /// When the damage was found, in Unix seconds.
    pub at: i64,
    /// What was found.
    pub packs: Vec<DamagedPack>,
}

/// No note has more fragments than this, so that none is long: 3 MB.
const FRAGMENTS_MAX: usize = 64 << 10;

/// What all notes of a vault come to.
#[derive(Debug, Default)]
pub(crate) struct Noted(HashMap<PackId, HashSet<FragmentRef>>);

impl Noted {
    pub(crate) fn new(notes: &[DamageNote]) -> Self {
        let mut noted = Noted::default();
        for pack in notes.iter().flat_map(|note| &note.packs) {
            noted.0.entry(pack.pack).or_default().extend(&pack.fragments);
        }
        noted
    }

    /// The packs that are noted.
    pub(crate) fn packs(self) -> impl Iterator<Item = PackId> {
        self.0.into_keys()
    }

    /// Whether a fragment of a pack is noted.
    pub(crate) fn has(&self, pack: Option<PackId>, fragment: &FragmentRef) -> bool {
        pack.and_then(|pack| self.0.get(&pack)).is_some_and(|damaged| damaged.contains(fragment))
    }

    /// Adds a pack to an index, without what is noted of it.
    pub(crate) fn add(&self, index: &mut Index, pack: &PackFacts) {
        match self.0.get(&pack.id) {
            Some(damaged) => index.add_sound(pack, damaged),
            None => index.add(pack),
        }
    }
}

fn body(packs: &[DamagedPack], at: i64) -> Vec<u8> {
    let mut out = at.to_le_bytes().to_vec();
    for pack in packs {
        out.extend(pack.pack.0);
        out.extend((pack.fragments.len() as u32).to_le_bytes());
        pack.fragments.iter().for_each(|fragment| fragment.write(&mut out));
    }
    out
}

pub(crate) fn read_body(object: &str, body: &[u8]) -> Result<DamageNote, Malformed> {
    let mut reader = Reader::new(body);
    let at = i64::from_le_bytes(reader.array()?);
    let mut packs = Vec::new();
    while reader.left() > 0 {
        let pack = PackId(reader.array()?);
        let count = reader.u32()? as usize;
        if count > reader.left() / FragmentRef::LEN {
            return Err(Malformed);
        }
        let fragments = (0..count).map(|_| reader.fragment()).collect::<Result<_, _>>()?;
        packs.push(DamagedPack { pack, fragments });
    }
    Ok(DamageNote { object: object.to_owned(), at, packs })
}

/// The packs in portions, none of which is longer than a note may be.
fn portions(packs: &[DamagedPack]) -> Vec<Vec<DamagedPack>> {
    let mut portions: Vec<Vec<DamagedPack>> = Vec::new();
    let mut room = 0;
    for pack in packs {
        for fragments in pack.fragments.chunks(FRAGMENTS_MAX) {
            let part = DamagedPack { pack: pack.pack, fragments: fragments.to_vec() };
            match portions.last_mut().filter(|_| room >= fragments.len()) {
                Some(portion) => portion.push(part),
                None => {
                    room = FRAGMENTS_MAX;
                    portions.push(vec![part]);
                }
            }
            room -= fragments.len();
        }
    }
    portions
}

impl Vault {
    /// Notes what a check found damaged at a moment, in Unix seconds: from the next backup on it heals. Durable when
    /// this returns; to note the same twice does no harm.
    ///
    /// # Errors
    /// [`VaultError`] if the store fails or this release may not write the vault.
    pub fn note_damage(&self, packs: &[DamagedPack], at: i64) -> Result<(), VaultError> {
        self.may(Operation::Write)?;
        for portion in portions(packs) {
            let (public, writer) = (self.keys.secret.public(), &self.keys.writer);
            let plain = body(&portion, at);
            let object = seal::seal_object(ObjectKind::Damage, self.id, &public, writer, b"", &plain)?;
            let name = self.name(&format!("damage/{}", hex(blake3::hash(&object).as_bytes())));
            self.store.put(&name, &object)?;
        }
        Ok(())
    }

    /// Takes notes back that a check found wrong: what they speak of can be read after all.
    ///
    /// # Errors
    /// [`VaultError`] if the store fails.
    pub fn take_back_damage(&self, notes: &[DamageNote]) -> Result<(), VaultError> {
        notes.iter().try_for_each(|note| Ok(self.store.delete(&note.object)?))
    }

    /// The notes of damage. One that can't be read says nothing: what it speaks of is found again by the next check.
    ///
    /// # Errors
    /// [`VaultError`] if the store fails or a note is of a later release.
    pub fn damage_notes(&self) -> Result<Vec<DamageNote>, VaultError> {
        let mut notes = Vec::new();
        for listed in self.store.list(&self.name("damage/"))? {
            match self.read_damage_note(&listed.name) {
                Err(VaultError::Object { source: OpenError::Damaged | OpenError::NotOurs, .. })
                | Err(VaultError::Store(StoreError::Missing { .. })) => {}
                other => notes.push(other?),
            }
        }
        Ok(notes)
    }

    pub(crate) fn read_damage_note(&self, name: &str) -> Result<DamageNote, VaultError> {
        let body = self.open_object(name, ObjectKind::Damage, b"")?;
        let fail = |error: Malformed| VaultError::Object { object: name.to_owned(), source: error.into() };
        read_body(name, &body).map_err(fail)
    }

    pub(crate) fn noted_damage(&self) -> Result<Noted, VaultError> {
        Ok(Noted::new(&self.damage_notes()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::FragmentId;

    fn damaged(pack: u8, count: usize) -> DamagedPack {
        let fragment =
            |n: usize| FragmentRef { id: FragmentId([pack; 32]), raw_len: n as u32, deflated_len: 2, crc: 3 };
        DamagedPack { pack: PackId([pack; 32]), fragments: (0..count).map(fragment).collect() }
    }

    #[test]
    fn a_note_comes_back_and_a_cut_one_is_refused() {
        let packs = vec![damaged(1, 3), damaged(2, 1)];
        let bytes = body(&packs, -7);
        let note = DamageNote { object: "damage/x".to_owned(), at: -7, packs };
        assert_eq!(read_body("damage/x", &bytes), Ok(note));
        for len in (0..8).chain([9, 50, bytes.len() - 1]) {
            assert_eq!(read_body("", &bytes[..len]), Err(Malformed), "{len}");
        }
    }

    #[test]
    fn no_note_is_long() {
        let packs = vec![damaged(1, 10), damaged(2, 2 * FRAGMENTS_MAX + 5), damaged(3, 1)];
        let portions = portions(&packs);
        let count = |portion: &Vec<DamagedPack>| portion.iter().map(|p| p.fragments.len()).sum::<usize>();
        assert!(portions.iter().all(|portion| count(portion) <= FRAGMENTS_MAX));
        assert_eq!(portions.iter().map(count).sum::<usize>(), 2 * FRAGMENTS_MAX + 16);
    }
}
