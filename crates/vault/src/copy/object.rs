//! One object on its way: checked as far as that goes without a key, written, and read back.

use uuid::Uuid;

use super::report::CopyError;
use crate::config::{config_name, is_config_of};
use crate::fragment::hex;
use crate::seal::{HEADER_LEN, MAGIC};
use crate::store::{Store, StoreError};

/// Bytes that are read back from an object's end.
const END: usize = 64;

/// What became of an object.
pub(super) enum Fetched {
    /// Its bytes, which are as they should be.
    Whole(Vec<u8>),
    /// It is not what it should be, and why.
    Damaged(String),
    /// The source has it no more.
    Gone,
}

/// The parts of a vault, in the order in which they are written: what a part needs stands before it. Names that this
/// release does not know come before the records.
const PARTS: [(&str, u8); 8] = [
    ("keys/", 5),
    ("config", 0),
    ("sweeps/", 8),
    ("packs/", 1),
    ("index/", 3),
    ("", 0),
    ("marks/", 6),
    ("records/", 4),
];

/// Whether an object, by its name below the vault's prefix, speaks of the store that it is in, and not of the vault: a
/// note of damage. What is damaged in the source is whole in the copy.
pub(super) fn is_of_its_store(name: &str) -> bool {
    name.starts_with("damage/")
}

/// The place of an object in that order, by its name below the vault's prefix.
pub(super) fn order(name: &str) -> usize {
    let known = PARTS.iter().position(|(part, _)| !part.is_empty() && name.starts_with(part));
    known.or_else(|| PARTS.iter().position(|(part, _)| part.is_empty())).unwrap_or_default()
}

/// Reads an object of the source, whose name below the vault's prefix is `name`.
pub(super) fn fetch(from: &dyn Store, vault: Uuid, name: &str, len: u64) -> Result<Fetched, CopyError> {
    match from.get(&format!("vaults/{vault}/{name}")) {
        Err(StoreError::Missing { .. }) => Ok(Fetched::Gone),
        Err(error) if answers(from, vault) => {
            let why = match error {
                StoreError::Failed { source, .. } => source.to_string(),
                other => other.to_string(),
            };
            Ok(Fetched::Damaged(format!("it can't be read: {why}")))
        }
        Err(error) => Err(CopyError::Source(error)),
        Ok(bytes) => Ok(match fault(&bytes, vault, name, len) {
            Some(why) => Fetched::Damaged(why),
            None => Fetched::Whole(bytes),
        }),
    }
}

/// Whether the store gives anything of a vault at all: what it does not give then is that object's own fault.
pub(super) fn answers(from: &dyn Store, vault: Uuid) -> bool {
    let gives = |name: &str| matches!(from.get(name), Ok(_) | Err(StoreError::Missing { .. }));
    let keys = from.list(&format!("vaults/{vault}/keys/")).unwrap_or_default();
    gives(&config_name(vault)) || keys.iter().any(|object| gives(&object.name))
}

/// What is wrong with an object, as far as that can be told without a key.
pub(super) fn fault(bytes: &[u8], vault: Uuid, name: &str, len: u64) -> Option<String> {
    if bytes.len() as u64 != len {
        return Some(format!("it has {} bytes and is listed with {len}", bytes.len()));
    }
    let hash = name.strip_prefix("packs/").or_else(|| name.strip_prefix("index/"));
    if hash.is_some_and(|hash| hash != hex(blake3::hash(bytes).as_bytes())) {
        return Some("its name is not the hash of its bytes".to_owned());
    }
    if name == "config" && !is_config_of(bytes, vault) {
        return Some("it is damaged, or is another vault's".to_owned());
    }
    let (_, kind) = PARTS.get(order(name))?;
    let kinds: &[u8] = match kind {
        0 => return None,
        1 => &[1, 2],
        kind => std::slice::from_ref(kind),
    };
    let front = bytes.first_chunk::<28>().filter(|_| bytes.len() >= HEADER_LEN);
    let fits = front.is_some_and(|front| {
        front.starts_with(MAGIC) && kinds.contains(&front[8]) && front[12..] == vault.as_bytes()[..]
    });
    (!fits).then(|| "it is damaged, or no object of this vault and of the kind that belongs there".to_owned())
}

/// Writes an object to the target, and looks whether it is there.
pub(super) fn store(to: &dyn Store, name: &str, bytes: &[u8]) -> Result<(), CopyError> {
    to.put(name, bytes).map_err(CopyError::Target)?;
    let start = bytes.len().saturating_sub(END);
    let end = bytes.get(start..).unwrap_or_default();
    match to.get_range(name, start as u64, end.len()) {
        Ok(found) if found == end => Ok(()),
        Ok(_) | Err(StoreError::Missing { .. }) => Err(CopyError::NotKept { object: name.to_owned() }),
        Err(error) => Err(CopyError::Target(error)),
    }
}
