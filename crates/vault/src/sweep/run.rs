//! Carrying a plan out. Each step leaves a vault in which every living backup is whole, and the next plan goes on
//! where this one was cut off.

use std::collections::HashSet;
use std::mem::take;

use undercroft_model::Observer;

use super::census::Census;
use super::decide::sorted;
use super::error::SweepError;
use super::plan::{Refused, SweepPlan, Swept, SweptPack};
use super::purge::Purged;
use super::rewrite::{RewriteError, Rewriter};
use super::segments;
use crate::error::VaultError;
use crate::fragment::unhex;
use crate::index::PackFacts;
use crate::pack::PackId;
use crate::store::StoreError;
use crate::vault::{Operation, Vault};

/// So many packs are written before the old ones go. That frees room as the sweep goes on, and replaces the index's
/// segments only so often.
const BATCH: usize = 16;

/// Carries a plan out. Safe to be killed at any point; the next plan finishes what was begun. Stops soon after
/// `observer` says so, at a safe point, and says in [`Swept::stopped`] that it did.
///
/// # Errors
/// [`SweepError::Changed`] if the vault is not what it was when it was planned, before anything is removed that
/// the change could need; [`SweepError::Vault`] if the store fails.
pub fn run(vault: &Vault, plan: &SweepPlan, observer: &dyn Observer) -> Result<Swept, SweepError> {
    vault.may(Operation::Sweep)?;
    if plan.vault != vault.id {
        return Err(SweepError::OtherVault { plan: plan.vault, vault: vault.id });
    }
    let (dead, rewrite) = (ids(&plan.dead)?, ids(&plan.rewrite)?);
    let notices = vault.notices()?;
    if notices.last() != plan.after.as_ref() {
        return Err(changed("another sweep has begun since it was planned"));
    }
    is_as_planned(vault, plan)?;
    let mut sweeper = Sweeper::new(vault, plan, observer, vault.doomed(&notices)?);
    if plan.is_empty() || sweeper.is_stopped() {
        return Ok(sweeper.swept);
    }
    let doomed: Vec<PackId> = dead.iter().chain(&rewrite).copied().collect();
    let notice = if doomed.is_empty() { None } else { Some(sweeper.give_notice(&notices, &doomed)?) };
    // A sweep that fails leaves its notice: what it names may have gone.
    sweeper.sweep(dead, rewrite)?;
    if let Some(notice) = notice {
        sweeper.settle(&notices, &notice, &doomed)?;
    }
    Ok(sweeper.swept)
}

fn changed(what: &str) -> SweepError {
    SweepError::Changed { what: what.to_owned() }
}

fn is_as_planned(vault: &Vault, plan: &SweepPlan) -> Result<(), SweepError> {
    if sorted(vault.records()?) == plan.records {
        return Ok(());
    }
    Err(changed("a backup was recorded or removed since it was planned"))
}

fn ids(packs: &[SweptPack]) -> Result<Vec<PackId>, SweepError> {
    let id = |pack: &SweptPack| unhex(&pack.pack).map(PackId);
    packs.iter().map(id).collect::<Option<_>>().ok_or_else(|| changed("its plan names what is no pack"))
}

/// A sweep under way.
pub(super) struct Sweeper<'a> {
    pub vault: &'a Vault,
    pub plan: &'a SweepPlan,
    observer: &'a dyn Observer,
    /// Packs that earlier sweeps gave notice of.
    doomed: HashSet<PackId>,
    pub swept: Swept,
    /// Packs that no segment names any more or yet.
    homeless: Vec<PackFacts>,
    /// Packs whose delete was sent.
    sent: Vec<PackId>,
}

impl<'a> Sweeper<'a> {
    fn new(
        vault: &'a Vault,
        plan: &'a SweepPlan,
        observer: &'a dyn Observer,
        doomed: HashSet<PackId>,
    ) -> Self {
        let (swept, homeless, sent) = (Swept::default(), Vec::new(), Vec::new());
        Sweeper { vault, plan, observer, doomed, swept, homeless, sent }
    }

    fn is_stopped(&mut self) -> bool {
        self.swept.stopped |= self.observer.cancelled();
        self.swept.stopped
    }

    pub fn refuse(&mut self, object: String, why: String) {
        self.swept.refused.push(Refused { object, why });
    }

    /// Says which packs go, and looks whether anything happened since the plan was made: what happens later sees the
    /// notice.
    fn give_notice(&mut self, before: &[String], doomed: &[PackId]) -> Result<String, SweepError> {
        let (name, object) = self.vault.notice(before.last(), doomed)?;
        self.with_room(|vault| vault.put_kept(&name, &object))?;
        let others: Vec<_> = self.vault.notices()?.into_iter().filter(|other| *other != name).collect();
        let unchanged = is_as_planned(self.vault, self.plan);
        if others == before && unchanged.is_ok() {
            return Ok(name);
        }
        // Nothing went yet: it may be taken back.
        self.vault.store.delete(&name).map_err(VaultError::from)?;
        Err(unchanged.err().unwrap_or_else(|| changed("another sweep has begun at the same time")))
    }

    fn sweep(&mut self, mut dead: Vec<PackId>, mut rewrite: Vec<PackId>) -> Result<(), SweepError> {
        let mut all_gone = true;
        for purge in &self.plan.purge {
            if self.is_stopped() {
                return Ok(());
            }
            all_gone &= self.purge(purge, self.plan.made)? == Purged::Gone;
        }
        for mark in &self.plan.orphans {
            self.remove(mark, 0)?;
        }
        // What is needed is looked at again if it may be more than was planned, or if it is to be copied.
        let census = match if all_gone && rewrite.is_empty() { Ok(None) } else { self.census().map(Some) } {
            Err(SweepError::Cancelled(_)) => {
                self.swept.stopped = true;
                return Ok(());
            }
            other => other?,
        };
        if let Some(census) = &census {
            let living: HashSet<_> =
                census.packs.iter().filter(|pack| pack.living > 0).map(|pack| pack.id).collect();
            dead.retain(|pack| !living.contains(pack));
            rewrite.retain(|pack| living.contains(pack));
        }
        // What is needed comes first: a delete of an earlier sweep that comes late may take an old pack at any moment,
        // and what is dead by the census may be the only other copy.
        let mut left = match &census {
            Some(census) => self.rewrite(&rewrite, census)?,
            None => Vec::new(),
        };
        if !self.is_stopped() && (!dead.is_empty() || rewrite.is_empty()) {
            self.remove_packs(&dead, true)?;
        }
        // That made room.
        if let Some(census) = census.filter(|_| !dead.is_empty() && !left.is_empty() && !self.is_stopped()) {
            left = self.rewrite(&left, &census)?;
        }
        if !left.is_empty() && !self.is_stopped() {
            let why = "there is no room to write what is needed of old packs anew: they stay as they are";
            self.refuse(self.vault.name("packs/"), why.to_owned());
        }
        Ok(())
    }

    /// What is needed by all backups that have a record now.
    fn census(&self) -> Result<Census, SweepError> {
        let mut census = Census::begin(self.vault, &self.doomed)?;
        for backup in self.vault.records()? {
            let record = self.vault.read_record(backup).map_err(|source| {
                let what = format!("the record of the backup {backup}");
                SweepError::Unreadable { what, source }
            })?;
            census.add(backup, &record, self.observer)?;
        }
        census.all_there(&self.plan.trash())?;
        Ok(census)
    }

    /// Writes the index so that it no longer names these packs, then removes them.
    ///
    /// On a full disk there may be no room for a new segment until packs went. The index is derived, so that order is
    /// as safe; only then the old segments name, for a moment, what is gone.
    fn remove_packs(&mut self, going: &[PackId], may_stop: bool) -> Result<(), SweepError> {
        let listed = self.vault.store.list(&self.vault.name("packs/")).map_err(VaultError::from)?;
        let gone: HashSet<_> = going.iter().copied().collect();
        let id = |name: &str| name.rsplit('/').next().and_then(unhex).map(PackId);
        let ids = listed.iter().filter_map(|object| id(&object.name));
        let stay: HashSet<PackId> = ids.filter(|pack| !gone.contains(pack)).collect();
        let indexed = self.replace_segments(&stay)?;
        for object in &listed {
            let Some(id) = id(&object.name).filter(|id| gone.contains(id)) else { continue };
            if may_stop && self.is_stopped() {
                return Ok(());
            }
            self.sent.push(id);
            if self.remove(&object.name, object.len)? {
                self.swept.packs.add(object.len);
            }
        }
        if !indexed && !self.replace_segments(&stay)? {
            let why = "there is no room to write the index anew; it is as it was".to_owned();
            self.refuse(self.vault.name("index/"), why);
        }
        Ok(())
    }

    /// Replaces segments; false if there was no room.
    fn replace_segments(&mut self, stay: &HashSet<PackId>) -> Result<bool, SweepError> {
        self.homeless.retain(|pack| stay.contains(&pack.id));
        match segments::replace(self.vault, stay, &self.homeless, self.observer) {
            Err(VaultError::Store(StoreError::Full { .. })) => Ok(false),
            Err(error) => Err(error.into()),
            Ok(replaced) => {
                self.homeless.clear();
                self.swept.segments.count += replaced.gone.count;
                self.swept.segments.bytes += replaced.gone.bytes;
                self.swept.bytes.removed += replaced.gone.bytes;
                self.swept.bytes.written += replaced.written;
                for error in replaced.refused {
                    self.refuse_error(error);
                }
                Ok(true)
            }
        }
    }

    /// Writes packs anew, and removes the old ones as soon as what is needed of them stands in the index. Those that
    /// there was no room for.
    fn rewrite(&mut self, packs: &[PackId], census: &Census) -> Result<Vec<PackId>, SweepError> {
        let mut rewriter = Rewriter::new(self.vault);
        let (mut full, mut left) = (false, packs.to_vec());
        for pack in packs {
            if self.is_stopped() {
                break;
            }
            match rewriter.copy(*pack, |fragment| census.is_needed(fragment, pack)) {
                Ok(()) => {}
                Err(RewriteError::Vault(VaultError::Store(StoreError::Full { .. }))) => {
                    full = true;
                    break;
                }
                Err(error @ RewriteError::Damaged) => {
                    self.refuse(self.vault.pack_name(pack), error.to_string());
                    left.retain(|left| left != pack);
                }
                Err(RewriteError::Vault(error)) => return Err(error.into()),
            }
            if rewriter.written.len() >= BATCH {
                self.replace(&mut rewriter, &mut left)?;
            }
        }
        if !full {
            match rewriter.finish() {
                Err(VaultError::Store(StoreError::Full { .. })) => full = true,
                other => other?,
            }
        }
        self.replace(&mut rewriter, &mut left)?;
        Ok(if full { left } else { Vec::new() })
    }

    /// Removes the old packs that are done with, even when asked to stop: what was copied would lie about twice.
    fn replace(&mut self, rewriter: &mut Rewriter<'_>, left: &mut Vec<PackId>) -> Result<(), SweepError> {
        let (written, done) = (take(&mut rewriter.written), take(&mut rewriter.done));
        if written.is_empty() && done.is_empty() {
            return Ok(());
        }
        for pack in &written {
            self.swept.written.add(pack.len);
            self.swept.bytes.written += pack.len;
        }
        self.homeless.extend(written);
        left.retain(|pack| !done.contains(pack));
        let before = self.swept.packs;
        self.remove_packs(&done, false)?;
        self.swept.anew.count += self.swept.packs.count - before.count;
        self.swept.anew.bytes += self.swept.packs.bytes - before.bytes;
        Ok(())
    }

    /// Removes an object; false if the store does not let it go.
    pub fn remove(&mut self, name: &str, len: u64) -> Result<bool, VaultError> {
        match self.vault.store.delete(name) {
            Ok(()) => {
                self.swept.bytes.removed += len;
                Ok(true)
            }
            Err(error @ StoreError::Denied { .. }) => {
                self.refuse_error(error);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn refuse_error(&mut self, error: StoreError) {
        let StoreError::Denied { name, .. } = &error else { return };
        let why =
            "the store does not let it go (a lock, or no permission); the next sweep tries again".to_owned();
        self.refuse(name.clone(), why);
    }

    /// Writes something small even if the store is full: an index segment makes room, as it can be written again
    /// from the packs themselves. Without any segment a dead pack does, if it was dead before this sweep.
    pub fn with_room<T>(&mut self, write: impl Fn(&Vault) -> Result<T, VaultError>) -> Result<T, VaultError> {
        loop {
            match write(self.vault) {
                Err(VaultError::Store(StoreError::Full { .. })) if self.make_room()? => {}
                other => return other,
            }
        }
    }

    fn make_room(&mut self) -> Result<bool, VaultError> {
        for segment in self.vault.store.list(&self.vault.name("index/"))? {
            let facts = segments::facts(self.vault, &segment.name)?.unwrap_or_default();
            if self.remove(&segment.name, segment.len)? {
                self.homeless.extend(facts);
                return Ok(true);
            }
        }
        let only_litter = self.plan.purge.is_empty();
        for pack in self.plan.dead.iter().filter(|_| only_litter) {
            let Some(id) = unhex(&pack.pack).map(PackId).filter(|id| !self.sent.contains(id)) else {
                continue;
            };
            self.sent.push(id);
            if self.remove(&self.vault.pack_name(&id), pack.bytes)? {
                self.swept.packs.add(pack.bytes);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sees to the notices when the sweep is over. Older ones go if this one names what is left of their packs. If
    /// the sweep stopped early, its own notice is made to name only the packs whose delete was sent: the next backup
    /// may rely on all others.
    fn settle(&mut self, before: &[String], own: &str, doomed: &[PackId]) -> Result<(), SweepError> {
        let sent: HashSet<PackId> = self.sent.iter().copied().collect();
        let mut gone = before.to_vec();
        if sent.len() < doomed.len() {
            if !sent.is_empty() {
                let packs: Vec<_> = sent.iter().copied().collect();
                let (name, object) = self.vault.notice(Some(&own.to_owned()), &packs)?;
                match self.vault.put_kept(&name, &object) {
                    // The notice that names more serves as well.
                    Err(VaultError::Store(StoreError::Full { .. })) => return Ok(()),
                    other => other?,
                }
            }
            gone = vec![own.to_owned()];
        } else {
            let listed = self.vault.store.list(&self.vault.name("packs/")).map_err(VaultError::from)?;
            let there: HashSet<String> = listed.into_iter().map(|object| object.name).collect();
            let left = self.vault.doomed(before)?;
            let left = left.iter().filter(|pack| !sent.contains(pack));
            if left.into_iter().any(|pack| there.contains(&self.vault.pack_name(pack))) {
                return Ok(());
            }
        }
        for notice in gone {
            self.remove(&notice, 0)?;
        }
        Ok(())
    }
}
