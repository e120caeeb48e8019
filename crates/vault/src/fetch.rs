//! Getting fragments back out of packs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::deflate::Deflater;
use crate::error::VaultError;
use crate::fragment::FragmentRef;
use crate::index::{Index, Located};
use crate::pack::{PackId, open_fragment};
use crate::seal::{self, BodyKey, HEADER_LEN, OpenError, TAG_LEN};
use crate::store::StoreError;
use crate::vault::Vault;

/// Sealed bytes that are held at a time.
const WINDOW: usize = 4 << 20;
/// Bytes that are read along, rather than asked for around.
const GAP: usize = 64 << 10;

/// Reads fragments. Keeps the keys of the packs it has met.
pub struct Fetcher {
    packs: Packs,
    deflater: Deflater,
}

/// The packs that fragments come from.
struct Packs {
    vault: Vault,
    index: Arc<Index>,
    keys: HashMap<PackId, BodyKey>,
    /// Whether the index was read again since the fetcher was made.
    refreshed: bool,
}

/// A stretch of a pack that is read in one go.
struct Stretch {
    start: usize,
    bytes: Vec<u8>,
}

impl Fetcher {
    /// A reader of what `index` knows.
    pub fn new(vault: &Vault, index: Arc<Index>) -> Self {
        let packs = Packs { vault: vault.clone(), index, keys: HashMap::new(), refreshed: false };
        Fetcher { packs, deflater: Deflater::new() }
    }

    /// Gives each fragment's bytes, as stretches of deflate, to `take`, in order.
    ///
    /// # Errors
    /// [`VaultError`] if one is missing or damaged, or if `take` fails.
    pub fn deflated(
        &mut self,
        fragments: &[FragmentRef],
        take: impl FnMut(&FragmentRef, &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        self.packs.deflated(fragments, take)
    }

    /// Appends the fragments' raw bytes.
    ///
    /// # Errors
    /// [`VaultError`] if one is missing or damaged.
    pub fn raw(&mut self, fragments: &[FragmentRef], out: &mut Vec<u8>) -> Result<(), VaultError> {
        let (deflater, mut bad) = (&mut self.deflater, None);
        let result = self.packs.deflated(fragments, |fragment, bytes| {
            let start = out.len();
            out.resize(start + fragment.raw_len as usize, 0);
            deflater.inflate_to(bytes, &mut out[start..]).map_err(|_| {
                bad = Some(*fragment);
                VaultError::Stopped
            })
        });
        bad.map_or(result, |fragment| Err(self.packs.damaged(&fragment)))
    }

    /// Appends a fragment's raw bytes; false, and nothing is appended, if it is missing or
    /// [damaged](VaultError::is_damage).
    ///
    /// # Errors
    /// [`VaultError`] if something else is in the way.
    pub fn raw_if_whole(&mut self, fragment: &FragmentRef, out: &mut Vec<u8>) -> Result<bool, VaultError> {
        let start = out.len();
        match self.raw(std::slice::from_ref(fragment), out) {
            Err(error) if error.is_damage() => {
                out.truncate(start);
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }
}

impl Packs {
    fn deflated(
        &mut self,
        fragments: &[FragmentRef],
        mut take: impl FnMut(&FragmentRef, &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let mut located = self.locate_all(fragments)?;
        let mut done = 0;
        while done < located.len() {
            let window = &located[done..done + window(&located[done..])];
            match self.read_window(window, &mut take) {
                // Nothing of the window was given out yet. A sweep may have moved it to another pack.
                Err(VaultError::Store(StoreError::Missing { .. })) if !self.refreshed => {
                    self.refreshed = true;
                    self.index = Arc::new(self.vault.read_index()?);
                    located = self.locate_all(fragments)?;
                }
                other => {
                    other?;
                    done += window.len();
                }
            }
        }
        Ok(())
    }

    fn locate_all(&self, fragments: &[FragmentRef]) -> Result<Vec<Located>, VaultError> {
        fragments.iter().map(|fragment| self.locate(fragment)).collect()
    }

    fn locate(&self, fragment: &FragmentRef) -> Result<Located, VaultError> {
        self.index.locate(fragment).ok_or_else(|| {
            let lost = self.index.lost(fragment).map(|pack| self.vault.pack_name(&pack));
            let object = lost.unwrap_or_else(|| "a pack that no index names".to_owned());
            VaultError::MissingFragment { fragment: fragment.id, object }
        })
    }

    fn damaged(&self, fragment: &FragmentRef) -> VaultError {
        let pack = self.index.locate(fragment).map(|l| self.vault.pack_name(&l.pack));
        VaultError::DamagedFragment { fragment: fragment.id, object: pack.unwrap_or_default() }
    }

    /// Reads the fragments of a window, each stretch of a pack in one go, and gives them out in their order.
    ///
    /// Sealing threads finish in any order, so that neighbours in a stream lie near each other in a pack, but
    /// seldom in step.
    fn read_window(
        &mut self,
        window: &[Located],
        take: &mut impl FnMut(&FragmentRef, &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let mut by_place: Vec<usize> = (0..window.len()).collect();
        by_place.sort_by_key(|n| (window[*n].pack, window[*n].place.offset));
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut stretch_of = vec![0; window.len()];
        for group in by_place.chunk_by(|a, b| side_by_side(&window[*a], &window[*b])) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let (start, end) = (window[*first].place.offset as usize, end(&window[*last]));
            let name = self.vault.pack_name(&window[*first].pack);
            self.read_key(&window[*first], &name)?;
            let bytes = self.vault.store.get_range(&name, start as u64, end - start)?;
            group.iter().for_each(|n| stretch_of[*n] = stretches.len());
            stretches.push(Stretch { start, bytes });
        }
        let mut sealed = Vec::new();
        for (located, stretch) in window.iter().zip(stretch_of) {
            let Stretch { start, bytes } = &stretches[stretch];
            let from = located.place.offset as usize - start;
            sealed.clear();
            // One fragment may be asked for twice: it is opened in a copy.
            sealed.extend_from_slice(bytes.get(from..from + sealed_len(located)).unwrap_or_default());
            let key = self.keys.get(&located.pack).ok_or_else(|| self.damaged(&located.fragment))?;
            let opened = open_fragment(key, &located.fragment, located.place.slot, &mut sealed);
            take(&located.fragment, opened.map_err(|_| self.damaged(&located.fragment))?)?;
        }
        Ok(())
    }

    fn read_key(&mut self, located: &Located, name: &str) -> Result<(), VaultError> {
        if self.keys.contains_key(&located.pack) {
            return Ok(());
        }
        let header = self.vault.store.get_range(name, 0, HEADER_LEN)?;
        let keys = &self.vault.keys;
        let key = seal::open(&header, located.kind, self.vault.id, &keys.secret, &keys.writer);
        let key = key.map_err(|source: OpenError| VaultError::Object { object: name.to_owned(), source })?;
        self.keys.insert(located.pack, key);
        Ok(())
    }
}

pub(crate) fn sealed_len(located: &Located) -> usize {
    located.fragment.deflated_len as usize + TAG_LEN
}

pub(crate) fn end(located: &Located) -> usize {
    located.place.offset as usize + sealed_len(located)
}

/// Whether the second, which lies behind the first, is so near that both are read in one go.
pub(crate) fn side_by_side(a: &Located, b: &Located) -> bool {
    a.pack == b.pack && b.place.offset as usize <= end(a) + GAP
}

/// How many of the first fragments make up a window; at least one.
fn window(located: &[Located]) -> usize {
    let mut len = 0;
    let fits = |located: &&Located| {
        len += sealed_len(located);
        len <= WINDOW
    };
    located.iter().take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SecretKey;
    use crate::pack::{PackWriter, seal_fragment};
    use crate::seal::ObjectKind;
    use crate::session::Session;
    use uuid::Uuid;

    /// Stores raw bytes as another release's deflater might have: as stored blocks.
    fn store_otherwise(vault: &Vault, known: &FragmentRef, raw: &[u8]) -> FragmentRef {
        let mut bytes = vec![0];
        bytes.extend((raw.len() as u16).to_le_bytes());
        bytes.extend((!(raw.len() as u16)).to_le_bytes());
        bytes.extend(raw);
        bytes.extend([0, 0, 0, 0xff, 0xff]);
        let fragment = FragmentRef { deflated_len: bytes.len() as u32, ..*known };
        let keys = vault.keys.for_writer();
        let mut pack = PackWriter::new(ObjectKind::DataPack, vault.id, &keys, Vec::new()).unwrap();
        let (place, key) = pack.reserve(&fragment).unwrap();
        seal_fragment(&key, &fragment, place.slot, &mut bytes).unwrap();
        pack.fill(place, &mut bytes);
        pack.settle();
        let pack = pack.finish().unwrap();
        vault.store.put(&vault.pack_name(&pack.id), &pack.bytes).unwrap();
        fragment
    }

    /// An archive's bytes are those it was made of, though another release deflated the same content otherwise.
    #[test]
    fn the_fragment_that_is_pinned_is_the_one_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(crate::store::local(folder.path()).unwrap());
        let vault = Vault::open_or_create(store, Uuid::nil(), &SecretKey::generate().unwrap()).unwrap();
        let raw = b"the same text, over and over; ".repeat(100);
        let session = Session::begin(&vault).unwrap();
        let ours = session.add(raw.clone()).unwrap().wait().unwrap();
        session.finish().unwrap();
        let theirs = store_otherwise(&vault, &ours, &raw);
        assert_ne!(ours, theirs);

        let mut fetcher = Fetcher::new(&vault, Arc::new(vault.read_index().unwrap()));
        for fragment in [&ours, &theirs, &ours] {
            let mut back = vec![];
            fetcher.raw(&[*fragment], &mut back).unwrap();
            assert_eq!(back, raw);
            let len = fragment.deflated_len as usize;
            let check = |_: &FragmentRef, bytes: &[u8]| {
                assert_eq!(bytes.len(), len);
                Ok(())
            };
            fetcher.deflated(&[*fragment], check).unwrap();
        }
        let unknown = FragmentRef { deflated_len: 77, ..ours };
        assert!(matches!(fetcher.raw(&[unknown], &mut vec![]), Err(VaultError::MissingFragment { .. })));

        let session = Session::begin(&vault).unwrap();
        assert!(session.has_all(&[ours, theirs]) && !session.has_all(&[ours, unknown]));
        let known = session.add(raw).unwrap().wait().unwrap();
        assert!([ours, theirs].contains(&known), "nothing is stored a third time");
        assert_eq!(session.finish().unwrap().fragments, 0);
    }
}
