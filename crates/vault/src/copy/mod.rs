//! Copies: brings the vaults of a store to another one, and keeps them in step.
//!
//! No key is needed for that. Objects go in the order in which they are written, records last, so that a backup exists
//! in the copy when all that it needs does; what the source has removed goes from the copy in the reverse order, and
//! needs the key: a source may lack something because it lost it.

mod compare;
mod ledger;
mod need;
mod object;
mod remove;
mod report;
mod vault;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use undercroft_model::Cancelled;
use uuid::Uuid;

use crate::keys::SecretKey;
use crate::store::{Listed, Store, StoreError};
use crate::sweep::Candidate;

use vault::Route;

pub use report::{Copied, CopiedVault, CopyError, CopyPolicy, Damaged, Failed, Withheld};

/// Which vaults are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All that the source has.
    All,
    /// These.
    These(Vec<Uuid>),
}

/// What tells a backup that the source removed from one that it lost.
pub struct Witness<'a> {
    /// The key of the copy's vaults. One that it doesn't open loses nothing.
    pub recovery: &'a SecretKey,
    /// Given all backups that a vault has in the copy, with the marks that they have there: those that were to go.
    pub removed: &'a (dyn Fn(Uuid, &[Candidate]) -> HashSet<Uuid> + Sync),
}

/// Watches a copy. Calls come from several threads and must return quickly.
pub trait Watch: Sync {
    /// So many objects and bytes of a vault are to be copied. Comes once for each vault, before its first object;
    /// again if the source changed meanwhile.
    fn expect(&self, vault: Uuid, objects: u64, bytes: u64);
    /// An object of so many bytes is in the target.
    fn copied(&self, vault: Uuid, name: &str, bytes: u64);
    /// Whether to stop; asked between objects.
    fn cancelled(&self) -> bool;
}

/// Copies what the target lacks, and removes from it what was copied earlier and the source has removed since.
///
/// What is in the target already is not copied again, so a copy that was cut off goes on where it was; but config, keys
/// and records are compared each time, and all else if the policy says so, and what is damaged in the target while the
/// source's is whole is written anew. Nothing is ever
/// removed that did not come from the source: the target keeps a list of what did. Nor is anything that a backup needs
/// which stays. If the source looks as if it had lost something, nothing is removed ([`CopiedVault::withheld`]).
///
/// A vault that can't be copied keeps no other one from being copied: [`Copied::failed`] tells of it.
///
/// # Errors
/// [`CopyError`]: a store can't even be listed, there is no such vault, or the copy was stopped.
pub fn copy(
    from: &dyn Store,
    to: &Arc<dyn Store>,
    which: &Which,
    policy: &CopyPolicy,
    witness: &Witness<'_>,
    watch: &dyn Watch,
) -> Result<Copied, CopyError> {
    let there = vaults(from).map_err(CopyError::Source)?;
    let chosen: BTreeSet<Uuid> = match which {
        Which::All => there.clone(),
        Which::These(vaults) => vaults.iter().copied().collect(),
    };
    if let Some(vault) = chosen.difference(&there).next() {
        return Err(CopyError::NoVault { vault: *vault });
    }
    let mut copied = Copied::default();
    for vault in chosen {
        if watch.cancelled() {
            return Err(Cancelled.into());
        }
        match (Route { from, to, vault, witness, watch }).copy(policy) {
            Ok(done) => copied.vaults.push(done),
            Err(error @ CopyError::Cancelled(_)) => return Err(error),
            Err(error) => copied.failed.push(Failed { vault, error }),
        }
    }
    copied.only_in_target =
        vaults(to.as_ref()).map_err(CopyError::Target)?.difference(&there).copied().collect();
    Ok(copied)
}

/// The vaults in a store: those that have a config, or that have lost it and have a backup.
fn vaults(store: &dyn Store) -> Result<BTreeSet<Uuid>, StoreError> {
    let config = |object: &Listed| {
        let (vault, rest) = object.name.strip_prefix("vaults/")?.split_once('/')?;
        if rest == "config" || rest.starts_with("records/") { Uuid::parse_str(vault).ok() } else { None }
    };
    Ok(store.list("vaults/")?.iter().filter_map(config).collect())
}
