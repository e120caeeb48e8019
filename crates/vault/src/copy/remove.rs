//! What goes from a copy: only what the source removed on purpose, and nothing that a backup which stays needs.
//!
//! That the source lacks something says little: a disk loses things, too. So a backup goes if the copy's own record and
//! marks, or whoever asks for the copy, say that it was to go; a mark goes with its backup, a pack or a segment of the
//! index if no backup needs it that stays; keys, config and what this release does not know never go. If the source has
//! lost something, nothing is removed, and that is told.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use undercroft_model::{Cancelled, Mark, Marked};
use uuid::Uuid;

use super::ledger::Ledger;
use super::need::{Census, Unknown};
use super::object::order;
use super::report::{CopiedVault, CopyError, CopyPolicy, Withheld};
use super::vault::{Object, Route};
use crate::error::VaultError;
use crate::fragment::hex;
use crate::record::Record;
use crate::store::StoreError;
use crate::sweep::Candidate;
use crate::vault::{Operation, Vault};

/// Why nothing is removed.
enum Stop {
    Withheld(Withheld),
    Failed(CopyError),
}

impl From<VaultError> for Stop {
    fn from(error: VaultError) -> Self {
        Stop::Withheld(Withheld::Unreadable { why: in_full(&error) })
    }
}

impl From<Unknown> for Stop {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Vault(error) => error.into(),
            Unknown::Cancelled(cancelled) => Stop::Failed(cancelled.into()),
        }
    }
}

fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// What the copy has, parted.
struct Scene<'a> {
    /// The backups that the source still has: one that a sweep removes at this moment says nothing of what is lost.
    source: HashSet<Uuid>,
    /// Those that the copy has.
    there: HashSet<Uuid>,
    /// Objects that came from the source, which has them no more.
    surplus: Vec<Object>,
    /// Whether the source has any pack.
    has_packs: bool,
    ledger: &'a Ledger<'a>,
    policy: &'a CopyPolicy,
}

fn backup_of(name: &str) -> Option<Uuid> {
    Uuid::parse_str(name.strip_prefix("records/")?).ok()
}

fn marked(name: &str) -> Option<Uuid> {
    Uuid::parse_str(name.strip_prefix("marks/")?.split_once('/')?.0).ok()
}

fn is_pack(object: &Object) -> bool {
    object.name.starts_with("packs/")
}

fn backups(objects: &[Object]) -> HashSet<Uuid> {
    objects.iter().filter_map(|object| backup_of(&object.name)).collect()
}

impl<'a> Scene<'a> {
    fn new(
        source: &[Object],
        recorded: &[Object],
        there: Vec<Object>,
        ledger: &'a Ledger<'a>,
        policy: &'a CopyPolicy,
    ) -> (Self, u64) {
        let has: HashSet<_> = source.iter().map(|object| &object.name).collect();
        let mut scene = Scene {
            source: backups(recorded),
            there: backups(&there),
            surplus: Vec::new(),
            has_packs: source.iter().any(is_pack),
            ledger,
            policy,
        };
        let (surplus, foreign): (Vec<_>, Vec<_>) = there
            .into_iter()
            .filter(|object| !has.contains(&object.name))
            .partition(|object| ledger.has(&object.name));
        scene.surplus = surplus;
        (scene, foreign.len() as u64)
    }

    /// Whether the brake lets so much of that go at once.
    fn is_too_much(&self, part: u64, of: u64) -> bool {
        let most = u128::from(self.policy.most);
        most < 100 && u128::from(part) * 100 > u128::from(of) * most
    }

    /// What can be told without a key.
    fn look(&self) -> Result<(), Withheld> {
        let front = |object: &&Object| object.name == "config" || object.name.starts_with("keys/");
        if let Some(lost) = self.surplus.iter().find(front) {
            return Err(Withheld::Lost { objects: 1, first: lost.name.clone() });
        }
        let (records, of) = (backups(&self.surplus).len() as u64, self.there.len() as u64);
        if self.is_too_much(records, of) {
            return Err(Withheld::Records { records, of });
        }
        // A source that has nothing but its keys, or not even these, was not swept: something happened to it.
        if !self.has_packs && !self.surplus.is_empty() && self.policy.most < 100 {
            return Err(Withheld::Bare);
        }
        Ok(())
    }
}

impl Route<'_> {
    /// Removes what was copied earlier and the source has removed since, in the order opposite to writing.
    pub(super) fn remove(
        &self,
        source: &[Object],
        ledger: &Ledger<'_>,
        policy: &CopyPolicy,
        done: &mut CopiedVault,
    ) -> Result<(), CopyError> {
        let there = self.objects(&self.target()?);
        let recorded = self.from.list(&format!("{}records/", self.front())).map_err(CopyError::Source)?;
        let (scene, foreign) = Scene::new(source, &self.objects(&recorded), there, ledger, policy);
        done.foreign = foreign;
        match self.going(scene) {
            Ok(going) => self.remove_objects(going, done),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Withheld(withheld)) => {
                done.withheld = Some(withheld);
                Ok(())
            }
        }
    }

    /// What of the surplus goes.
    fn going(&self, scene: Scene<'_>) -> Result<Vec<Object>, Stop> {
        scene.look().map_err(Stop::Withheld)?;
        if scene.surplus.is_empty() {
            return Ok(Vec::new());
        }
        let vault = Vault::open(Arc::clone(self.to), self.vault, self.witness.recovery)?;
        vault.may(Operation::Sweep)?;
        let gone = self.gone(&vault, &scene)?;
        let staying: HashSet<Uuid> = scene.there.difference(&gone).copied().collect();
        let mut going = Vec::new();
        for object in &scene.surplus {
            let goes = match (backup_of(&object.name), marked(&object.name)) {
                (Some(backup), _) => gone.contains(&backup),
                (_, Some(backup)) if scene.source.contains(&backup) => {
                    let first = object.name.clone();
                    return Err(Stop::Withheld(Withheld::Lost { objects: 1, first }));
                }
                (_, Some(backup)) => !staying.contains(&backup),
                _ => ["packs/", "index/", "sweeps/"].iter().any(|part| object.name.starts_with(part)),
            };
            if goes {
                going.push(object.clone());
            }
        }
        self.spare_needed(&vault, &scene, &staying, &mut going)?;
        Ok(going)
    }

    /// The backups that go: the source lacks them, and there is evidence that they were to go. One that somebody has
    /// kept or brought back in the copy stays.
    fn gone(&self, vault: &Vault, scene: &Scene<'_>) -> Result<HashSet<Uuid>, Stop> {
        let mut gone = backups(&scene.surplus);
        if gone.is_empty() {
            return Ok(gone);
        }
        let mut marks: BTreeMap<Uuid, Vec<Mark>> = BTreeMap::new();
        for object in vault.mark_objects("")? {
            let mark = vault.read_mark(&object)?;
            let came = object.name.strip_prefix(&self.front()).is_some_and(|name| scene.ledger.has(name));
            if !came && matches!(mark.what, Marked::Keep { .. } | Marked::Restored | Marked::Unread { .. }) {
                gone.remove(&object.backup);
            }
            marks.entry(object.backup).or_default().push(mark);
        }
        if gone.is_empty() || scene.policy.most >= 100 {
            return Ok(gone);
        }
        let mut candidates = Vec::new();
        for id in &scene.there {
            let Record { about, .. } = vault.read_record(*id)?;
            candidates.push(Candidate { id: *id, about, marks: marks.remove(id).unwrap_or_default() });
        }
        candidates.sort_by_key(|candidate| candidate.id);
        let removed = (self.witness.removed)(self.vault, &candidates);
        match gone.iter().filter(|backup| !removed.contains(backup)).min() {
            None => Ok(gone),
            Some(first) => {
                let records = gone.difference(&removed).count() as u64;
                Err(Stop::Withheld(Withheld::Unexplained { records, first: *first }))
            }
        }
    }

    /// Takes out of what goes the packs that backups need which stay; if the source has such a backup, it has lost them.
    fn spare_needed(
        &self,
        vault: &Vault,
        scene: &Scene<'_>,
        staying: &HashSet<Uuid>,
        going: &mut Vec<Object>,
    ) -> Result<(), Stop> {
        let front = self.front();
        let packs: HashSet<String> = going
            .iter()
            .filter(|object| is_pack(object))
            .map(|object| format!("{front}{}", object.name))
            .collect();
        if packs.is_empty() {
            return Ok(());
        }
        let mut census = Census::begin(vault, packs, self.watch)?;
        let (ours, others): (Vec<Uuid>, Vec<Uuid>) =
            staying.iter().partition(|backup| scene.source.contains(backup));
        let lost = census.needed(ours.into_iter())?;
        if let Some(first) = lost.iter().min() {
            let (objects, first) = (lost.len() as u64, format!("packs/{}", hex(&first.0)));
            return Err(Stop::Withheld(Withheld::Lost { objects, first }));
        }
        let kept = census.needed(others.into_iter())?;
        // What a sweep wrote anew goes from its old packs, and is still there.
        let (bytes, of) = census.vanishing(&kept);
        if scene.is_too_much(bytes, of) {
            return Err(Stop::Withheld(Withheld::Bytes { bytes, of }));
        }
        let kept: HashSet<String> = kept.iter().map(|pack| format!("packs/{}", hex(&pack.0))).collect();
        going.retain(|object| {
            !kept.contains(&object.name) && (kept.is_empty() || !object.name.starts_with("index/"))
        });
        Ok(())
    }

    fn remove_objects(&self, mut going: Vec<Object>, done: &mut CopiedVault) -> Result<(), CopyError> {
        going.sort_by(|a, b| (order(&b.name), &b.name).cmp(&(order(&a.name), &a.name)));
        for object in going {
            if self.watch.cancelled() {
                return Err(Cancelled.into());
            }
            let name = format!("{}{}", self.front(), object.name);
            match self.to.delete(&name) {
                Ok(()) => {
                    done.removed += 1;
                    done.removed_bytes += object.len;
                }
                Err(StoreError::Denied { .. }) => {
                    done.refused.push(name);
                    // A record that stays keeps all that it may need.
                    if object.name.starts_with("records/") {
                        return Ok(());
                    }
                }
                Err(error) => return Err(CopyError::Target(error)),
            }
        }
        Ok(())
    }
}
