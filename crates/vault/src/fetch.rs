//! Getting fragments back out of packs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::deflate::Deflater;
use crate::error::VaultError;
use crate::fragment::FragmentRef;
use crate::index::{Index, Located};
use crate::pack::{PackId, open_fragment};
use crate::seal::{self, BodyKey, HEADER_LEN, OpenError, TAG_LEN};
use crate::vault::Vault;

/// Sealed bytes that are read from a pack in one go.
const BATCH: usize = 4 << 20;

/// Reads fragments. Keeps the keys of the packs it has met.
pub struct Fetcher {
    vault: Vault,
    index: Arc<Index>,
    keys: HashMap<PackId, BodyKey>,
    deflater: Deflater,
}

impl Fetcher {
    /// A reader of what `index` knows.
    pub fn new(vault: &Vault, index: Arc<Index>) -> Self {
        Fetcher { vault: vault.clone(), index, keys: HashMap::new(), deflater: Deflater::new() }
    }

    /// Gives each fragment's bytes, as stretches of deflate, to `take`, in order.
    ///
    /// # Errors
    /// [`VaultError`] if one is missing or damaged, or if `take` fails.
    pub fn deflated(
        &mut self,
        fragments: &[FragmentRef],
        mut take: impl FnMut(&FragmentRef, &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let located = fragments.iter().map(|f| self.locate(f)).collect::<Result<Vec<_>, _>>()?;
        let mut rest = &located[..];
        while let Some(first) = rest.first() {
            let count = neighbours(rest);
            let (batch, after) = rest.split_at(count);
            self.read_batch(first, batch, &mut take)?;
            rest = after;
        }
        Ok(())
    }

    /// The raw bytes of one fragment.
    ///
    /// # Errors
    /// [`VaultError`] if it is missing or damaged.
    pub fn raw(&mut self, fragment: &FragmentRef) -> Result<Vec<u8>, VaultError> {
        let mut deflated = Vec::new();
        self.deflated(std::slice::from_ref(fragment), |_, bytes| {
            deflated.extend(bytes);
            Ok(())
        })?;
        self.deflater.inflate(&deflated, fragment.raw_len as usize).map_err(|_| self.damaged(fragment))
    }

    fn locate(&self, fragment: &FragmentRef) -> Result<Located, VaultError> {
        self.index.locate(&fragment.id).ok_or(VaultError::MissingFragment(fragment.id))
    }

    fn damaged(&self, fragment: &FragmentRef) -> VaultError {
        let pack = self.index.locate(&fragment.id).map(|l| self.vault.pack_name(&l.pack));
        VaultError::DamagedFragment { fragment: fragment.id, object: pack.unwrap_or_default() }
    }

    fn read_batch(
        &mut self,
        first: &Located,
        batch: &[Located],
        take: &mut impl FnMut(&FragmentRef, &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let name = self.vault.pack_name(&first.pack);
        self.read_key(first, &name)?;
        let len = batch.iter().map(sealed_len).sum();
        let mut sealed = self.vault.store.get_range(&name, u64::from(first.place.offset), len)?;
        let key = self.keys.get(&first.pack).ok_or(VaultError::Stopped)?;
        let mut rest = &mut sealed[..];
        for located in batch {
            let (bytes, after) = rest.split_at_mut(sealed_len(located));
            let opened = open_fragment(key, &located.fragment, located.place.slot, bytes);
            let fragment = located.fragment.id;
            let damaged = |_| VaultError::DamagedFragment { fragment, object: name.clone() };
            take(&located.fragment, opened.map_err(damaged)?)?;
            rest = after;
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

fn sealed_len(located: &Located) -> usize {
    located.fragment.deflated_len as usize + TAG_LEN
}

/// How many of the first fragments lie side by side in one pack, up to a batch; at least one.
fn neighbours(located: &[Located]) -> usize {
    let mut len = 0;
    let side_by_side = |pair: &[Located]| {
        let (a, b) = (&pair[0], &pair[1]);
        len += sealed_len(a);
        a.pack == b.pack && a.place.offset as usize + sealed_len(a) == b.place.offset as usize && len < BATCH
    };
    1 + located
        .windows(2)
        .take_while({
            let mut side_by_side = side_by_side;
            move |pair| side_by_side(pair)
        })
        .count()
}
