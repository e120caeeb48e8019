//! The index's segments: which packs they name, and how those that name what is gone are replaced.

use std::collections::{HashMap, HashSet};

use undercroft_model::Observer;

use super::plan::Amount;
use crate::error::VaultError;
use crate::fragment::hex;
use crate::index::{PackFacts, read_segment};
use crate::pack::PackId;
use crate::seal::{self, ObjectKind, OpenError};
use crate::store::StoreError;
use crate::vault::Vault;

/// A segment below this is small: many of these are merged.
const SMALL: u64 = 256 << 10;
/// So many small segments may be there before they are merged. Each is a request when a vault is opened.
const MANY: usize = 16;
/// A segment is closed when it has grown to this.
const TARGET: usize = 8 << 20;

/// What the index's segments name.
#[derive(Default)]
pub(super) struct Named {
    /// Packs and the lengths that the segments say.
    pub packs: HashMap<PackId, u64>,
    /// Segments that can't be read.
    pub damaged: Vec<String>,
}

/// A segment and the packs that it names; `None` for the packs if it is damaged.
struct Segment {
    name: String,
    len: u64,
    packs: Option<Vec<PackId>>,
}

/// A segment's packs, `None` if it is damaged.
pub(super) fn facts(vault: &Vault, name: &str) -> Result<Option<Vec<PackFacts>>, VaultError> {
    match vault.open_object(name, ObjectKind::Index, b"") {
        Err(VaultError::Object { source: OpenError::Damaged | OpenError::NotOurs, .. }) => Ok(None),
        // One damaged byte can make it look like a later release's.
        Err(VaultError::Object { .. }) if vault.is_damaged_by_name(name) => Ok(None),
        Err(error) => Err(error),
        Ok(body) => Ok(read_segment(&body).ok()),
    }
}

/// What all segments name.
pub(super) fn named(vault: &Vault) -> Result<Named, VaultError> {
    let mut named = Named::default();
    for segment in vault.store.list(&vault.name("index/"))? {
        match facts(vault, &segment.name)? {
            Some(packs) => named.packs.extend(packs.into_iter().map(|pack| (pack.id, pack.len))),
            None => named.damaged.push(segment.name),
        }
    }
    Ok(named)
}

/// What a segment says of a pack.
pub(super) fn find(vault: &Vault, pack: &PackId) -> Result<Option<PackFacts>, VaultError> {
    for segment in vault.store.list(&vault.name("index/"))? {
        let found =
            facts(vault, &segment.name)?.unwrap_or_default().into_iter().find(|facts| facts.id == *pack);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn segments(vault: &Vault) -> Result<Vec<Segment>, VaultError> {
    let listed = vault.store.list(&vault.name("index/"))?;
    let ids = |packs: Vec<PackFacts>| packs.into_iter().map(|pack| pack.id).collect();
    let segment = |object: crate::store::Listed| {
        let packs = facts(vault, &object.name)?.map(ids);
        Ok(Segment { packs, name: object.name, len: object.len })
    };
    listed.into_iter().map(segment).collect()
}

/// Why segments are to be replaced, in words; `None` if they are well as they are. `stay` are the packs that will be
/// there.
pub(super) fn reason(vault: &Vault, stay: &HashSet<PackId>) -> Result<Option<String>, VaultError> {
    let segments = segments(vault)?;
    let victims = victims(&segments, stay);
    if victims.is_empty() {
        return Ok(None);
    }
    let small = segments.iter().filter(|segment| segment.len < SMALL).count();
    let count = victims.len();
    Ok(Some(if small > MANY {
        format!("{count} small or outdated segments of the index become one")
    } else {
        format!("{count} segments of the index name packs that are gone or are named elsewhere")
    }))
}

/// The segments to be replaced: damaged ones, those that name a pack that is gone or that a segment before them
/// names, and small ones if there are many.
fn victims(segments: &[Segment], stay: &HashSet<PackId>) -> HashSet<String> {
    let merge = segments.iter().filter(|segment| segment.len < SMALL).count() > MANY;
    let mut seen: HashSet<PackId> = HashSet::new();
    let mut victims = HashSet::new();
    for segment in segments {
        let packs = segment.packs.as_deref().unwrap_or_default();
        let whole = !packs.is_empty() && packs.iter().all(|pack| stay.contains(pack) && !seen.contains(pack));
        if whole && !(merge && segment.len < SMALL) {
            seen.extend(packs);
        } else {
            victims.insert(segment.name.clone());
        }
    }
    victims
}

/// What became of the index.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// Segments that went.
    pub gone: Amount,
    /// Bytes that were written.
    pub written: u64,
    /// Segments that the store did not remove.
    pub refused: Vec<StoreError>,
}

/// Writes segments anew so that they name the packs that stay, and these besides; then removes the old ones. Stops
/// between two steps when asked to: what is named twice then is seen to by the next sweep.
pub(super) fn replace(
    vault: &Vault,
    stay: &HashSet<PackId>,
    besides: &[PackFacts],
    observer: &dyn Observer,
) -> Result<Replaced, VaultError> {
    let all = segments(vault)?;
    let victims = victims(&all, stay);
    let kept = all.iter().filter(|segment| !victims.contains(&segment.name));
    let mut written: HashSet<PackId> =
        kept.filter_map(|segment| segment.packs.as_ref()).flatten().copied().collect();
    let mut writer = Writer { vault, body: Vec::new(), written: 0 };
    for pack in besides {
        if written.insert(pack.id) {
            writer.add(pack)?;
        }
    }
    let mut replaced = Replaced::default();
    for name in all.iter().map(|segment| &segment.name).filter(|name| victims.contains(*name)) {
        if observer.cancelled() {
            writer.close()?;
            replaced.written = writer.written;
            return Ok(replaced);
        }
        for pack in facts(vault, name)?.unwrap_or_default() {
            if stay.contains(&pack.id) && written.insert(pack.id) {
                writer.add(&pack)?;
            }
        }
    }
    writer.close()?;
    replaced.written = writer.written;
    for segment in all.iter().filter(|segment| victims.contains(&segment.name)) {
        match vault.store.delete(&segment.name) {
            Ok(()) => replaced.gone.add(segment.len),
            Err(error @ StoreError::Denied { .. }) => replaced.refused.push(error),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(replaced)
}

/// Writes segments of a bounded size.
struct Writer<'v> {
    vault: &'v Vault,
    body: Vec<u8>,
    written: u64,
}

impl Writer<'_> {
    fn add(&mut self, pack: &PackFacts) -> Result<(), VaultError> {
        pack.write(&mut self.body);
        if self.body.len() >= TARGET { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), VaultError> {
        if self.body.is_empty() {
            return Ok(());
        }
        let (vault, keys) = (self.vault, self.vault.keys.for_writer());
        let object =
            seal::seal_object(ObjectKind::Index, vault.id, &keys.public, &keys.writer, b"", &self.body)?;
        vault.put_kept(&vault.name(&format!("index/{}", hex(blake3::hash(&object).as_bytes()))), &object)?;
        self.written += object.len() as u64;
        self.body.clear();
        Ok(())
    }
}
