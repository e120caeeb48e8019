//! Runs checks and sweeps of a site's vault.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercroft_catalog::{JobState, Site};
use undercroft_model::api::{CheckOutcome, CheckParams, SweepOutcome, SweepParams};
use undercroft_model::retention::Fate;
use undercroft_model::{BackupReport, Element};
use undercroft_vault::check::{self, Depth, Problems, VaultProof};
use undercroft_vault::sweep::{self, Brake, SweepError, SweepPlan, SweepPolicy, Swept};
use undercroft_vault::{Vault, VaultError};
use undercroft_worker::chain;
use uuid::Uuid;

use super::Lease;
use super::abandoned::adopt_backups;
use super::ended::Ended;
use super::running::Running;
use crate::App;
use crate::app::{blocking, seconds};
use crate::backups::{lost, standing::Standing};

/// What is said of a vault that nobody needed yet.
const NO_BACKUP: &str = "there is no backup yet";

/// A text in which backups are named as commands know them: the vault has nothing but their ids.
fn named(text: &str, known: &[Standing]) -> String {
    known.iter().fold(text.to_owned(), |text, Standing { report, .. }| {
        let id = format!("the backup {}", report.id);
        match text.contains(&id) {
            true => text.replace(
                &id,
                &format!("the backup {} of {}.{}", report.folder, report.site_name, report.env),
            ),
            false => text,
        }
    })
}

/// A sweep gives way to whoever waits for it; so often it looks.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

impl From<SweepError> for Ended {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Cancelled(_) => Ended::cancelled(),
            SweepError::Vault(error) => error.into(),
            other => Ended::failed(chain(&other)),
        }
    }
}

impl App {
    pub(super) async fn run_check(
        self: &Arc<Self>,
        lease: Lease,
        site: Site,
        params: CheckParams,
        running: &Arc<Running>,
    ) -> Result<(), Ended> {
        running.restart([Element::Files]);
        if !self.has_begun(&site).await? {
            let notes = vec![NO_BACKUP.to_owned()];
            return self
                .end_with(lease, &CheckOutcome { clean: true, notes, ..CheckOutcome::default() })
                .await;
        }
        let depth = if params.quick { Depth::Lists } else { Depth::Content };
        // What is known before the store is looked at has its record by then.
        let known = self.all_standings(site.id).await?;
        let app = Arc::clone(self);
        let proof = self.at_work(lease, running, move |observer| {
            let store = app.store()?;
            let mut proof = check::vault(&store, site.id, &app.recovery.0, depth, observer)?;
            if let Err(error) = app.note_damage(&proof) {
                proof.notes.push(format!(
                    "what is damaged could not be noted, so it does not heal yet; check again later: {}",
                    chain(&error)
                ));
            }
            Ok::<_, VaultError>(proof)
        });
        let proof = proof.await??;
        let mut problems = Problems::default();
        let is_unsure = self.is_unsure(site.id).await?;
        let mut notes: Vec<_> = proof.notes.iter().map(|note| named(note, &known)).collect();
        notes.extend(told_of_unneeded(&proof, &lost::lost(&known, &proof.recorded), is_unsure));
        notes.extend(self.mark_found(site.id, &known, &proof, depth).await);
        for report in lost::lost(&known, &proof.recorded) {
            problems.push(lost::problem(report, &site.name));
        }
        problems.extend(proof.problems);
        let outcome = CheckOutcome {
            clean: problems.is_empty(),
            backups: proof.backups,
            packs: proof.packs,
            read: proof.read,
            problems: problems.list.iter().take(200).map(|one| named(&one.to_string(), &known)).collect(),
            problems_total: problems.total,
            notes,
        };
        self.write_outcome(lease, &outcome).await?;
        if !outcome.clean {
            let reason =
                format!("{} things are wrong in the vault of {}.", outcome.problems_total, site.name);
            return Err(Ended { state: JobState::Failed, reason });
        }
        self.end_well(lease).await
    }

    /// Noted, damage heals with the next backup that meets the same content.
    fn note_damage(&self, proof: &VaultProof) -> Result<(), VaultError> {
        if proof.damaged.is_empty() && proof.disproved.is_empty() {
            return Ok(());
        }
        let vault = self.vault(proof.vault)?;
        vault.note_damage(&proof.damaged, self.now().as_second())?;
        vault.take_back_damage(&proof.disproved)
    }

    pub(super) async fn run_sweep(
        self: &Arc<Self>,
        mut lease: Lease,
        site: Site,
        params: SweepParams,
        dry_run: bool,
        running: &Arc<Running>,
        fence: &mut Option<i64>,
    ) -> Result<(), Ended> {
        running.restart([]);
        self.data.use_reserve_if_full();
        let mut told = SweepOutcome::default();
        loop {
            let Some(vault) = self.vault_if_begun(&site).await? else {
                return self.end_with(lease, &SweepOutcome::default()).await;
            };
            adopt_backups(&self.catalog, &vault, site.id).await?;
            let known = self.all_standings(site.id).await?;
            self.nothing_is_lost(&vault, &site, &known).await?;
            let done = self.sweep_once(lease, &vault, &params, dry_run, running).await;
            let done = done.map_err(|ended| Ended { reason: named(&ended.reason, &known), ..ended })?;
            let mut again = done.is_none();
            if let Some((plan, swept)) = &done {
                again = swept.as_ref().is_some_and(|swept| swept.stopped);
                let mut names = BTreeMap::new();
                for purge in &plan.purge {
                    if let Some(report) = self.catalog.backup(purge.backup).await? {
                        let name = format!("{}.{} {}", report.site_name, report.env, report.folder);
                        names.insert(purge.backup, name);
                    }
                }
                add(&mut told, plan, swept.as_ref(), &names);
            }
            if !dry_run {
                if params.however_much && done.is_some() {
                    self.is_sure(site.id).await?;
                }
                self.forget_swept(&vault, &known).await?;
            }
            if !again || running.was_stopped() {
                break;
            }
            // Somebody waits: they go first, and what is left is planned anew afterwards.
            running.give_way(false);
            self.catalog.give_way(lease.id, lease.fence, self.seconds()).await?;
            lease = self.wait_for_turn(lease.id, running).await?;
            *fence = Some(lease.fence);
        }
        self.keep_reserve().await;
        self.write_outcome(lease, &told).await?;
        if running.was_stopped() {
            return Err(Ended::cancelled());
        }
        self.end_well(lease).await
    }

    async fn sweep_once(
        self: &Arc<Self>,
        lease: Lease,
        vault: &Vault,
        params: &SweepParams,
        dry_run: bool,
        running: &Arc<Running>,
    ) -> Result<Option<(SweepPlan, Option<Swept>)>, Ended> {
        // Whoever took the lease may be at work in the vault now.
        let progress = serde_json::to_value(running.progress()).unwrap_or_default();
        self.catalog.heartbeat(lease.id, lease.fence, self.seconds(), progress).await?;
        if !dry_run && self.is_in_the_way(lease).await? {
            return Ok(None);
        }
        let policy = SweepPolicy {
            most: if params.however_much { 100 } else { SweepPolicy::default().most },
            clock_is_right: params.clock_is_right,
            unsure: !params.however_much && self.is_unsure(vault.id()).await?,
            ..SweepPolicy::default()
        };
        let (vault, now, retention) = (vault.clone(), self.now(), self.policies(vault.id()).await?);
        let work = self.at_work(lease, running, move |observer| {
            let plan = sweep::plan(&vault, &sweep::by_retention(retention, now), &policy, now, observer)?;
            let swept = if dry_run { None } else { Some(sweep::run(&vault, &plan, observer)?) };
            Ok::<_, SweepError>((plan, swept))
        });
        tokio::pin!(work);
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                done = &mut work => {
                    return match done? {
                        // It was still planning when somebody came.
                        Err(SweepError::Cancelled(_)) if !running.was_stopped() => Ok(None),
                        other => Ok(Some(other?)),
                    };
                }
                _ = look.tick(), if !dry_run => {
                    if self.is_in_the_way(lease).await? {
                        running.give_way(true);
                    }
                }
            }
        }
    }

    /// Whether somebody waits for this job.
    async fn is_in_the_way(&self, lease: Lease) -> Result<bool, Ended> {
        match self.catalog.job(lease.id).await? {
            Some(job) => Ok(self.catalog.is_waited_for(&job).await?),
            None => Ok(false),
        }
    }

    /// A sweep frees what no record names: before, each backup that somebody may want must have its record.
    async fn nothing_is_lost(
        self: &Arc<Self>,
        vault: &Vault,
        site: &Site,
        known: &[Standing],
    ) -> Result<(), Ended> {
        let lister = vault.clone();
        let recorded = blocking(move || lister.records()).await??;
        let Some(report) = lost::lost(known, &recorded).into_iter().next() else { return Ok(()) };
        let what = format!(
            "the record of the backup {} is not there, and nobody deleted it",
            lost::name(report, &site.name)
        );
        Err(SweepError::Braked(Brake::Contradiction { what }).into())
    }

    /// Takes what was removed from the store out of the catalog, too. What was lost otherwise stays known.
    async fn forget_swept(self: &Arc<Self>, vault: &Vault, known: &[Standing]) -> Result<(), Ended> {
        let lister = vault.clone();
        let recorded = blocking(move || lister.records()).await??;
        let gone = |standing: &&Standing| matches!(standing.fate, Fate::Gone { .. });
        for report in known.iter().filter(gone).map(|standing| &standing.report) {
            if !recorded.contains(&report.id) {
                self.catalog.forget_backup(report.id).await?;
            }
        }
        Ok(())
    }
}

/// What is said of pieces that no backup with a record needs: that a sweep frees them only if no record is damaged or lost.
fn told_of_unneeded(proof: &VaultProof, lost: &[&BackupReport], is_unsure: bool) -> Option<String> {
    let (count, bytes) = proof.unneeded?;
    let what = format!("{count} pieces of {bytes} bytes are needed by no backup that has a record");
    let all_read = proof.backups == proof.recorded.len() as u64;
    Some(match (lost.is_empty() && all_read, is_unsure) {
        (false, _) => {
            format!("{what} which can be read: those whose records are lost or damaged may need them")
        }
        (true, true) => format!(
            "{what}: since the catalog was rebuilt nobody knows whether a record was lost; if no backup is missing, \
             vault:sweep --however-much frees them"
        ),
        (true, false) => format!("{what}: a sweep frees them"),
    })
}

/// Adds what a plan and its execution came to. What was planned counts only where nothing was to be done. A sweep that
/// gave way is planned anew, so what remains is as the last plan has it.
fn add(told: &mut SweepOutcome, plan: &SweepPlan, swept: Option<&Swept>, names: &BTreeMap<Uuid, String>) {
    for purge in &plan.purge {
        if swept.is_none_or(|swept| swept.backups.contains(&purge.backup)) {
            let name = names.get(&purge.backup).cloned().unwrap_or_else(|| purge.backup.to_string());
            told.backups.push((name, purge.reason.clone()));
        }
    }
    let [dead, anew, spared] = &mut told.packs;
    *spared = plan.spare.len() as u64;
    match swept {
        Some(swept) => {
            *dead += swept.packs.count - swept.anew.count;
            *anew += swept.anew.count;
            told.frees += swept.bytes.removed as i64 - swept.bytes.written as i64;
            told.stays = (plan.room.packs.bytes + swept.written.bytes).saturating_sub(swept.packs.bytes);
            told.refused =
                swept.refused.iter().map(|refused| format!("{}: {}", refused.object, refused.why)).collect();
        }
        None => {
            (*dead, *anew) = (plan.dead.len() as u64, plan.rewrite.len() as u64);
            (told.frees, told.stays) = (plan.room.frees as i64, plan.room.stays);
        }
    }
    told.living = plan.room.living;
    told.waits = plan.waits.iter().map(|w| (w.until.map(seconds), w.bytes, w.reason.clone())).collect();
    told.notes.clone_from(&plan.notes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use undercroft_vault::sweep::{Amount, Cleared, Refused};

    fn plan(purge: &[u128], dead: usize, rewrite: usize) -> SweepPlan {
        let pack = serde_json::json!({ "pack": "00", "bytes": 100, "living": 0 });
        let of = |purge: &u128| {
            let backup = Uuid::from_u128(*purge);
            serde_json::json!({ "backup": backup, "since": "2026-01-01T00:00:00Z", "reason": "old", "seen": 0 })
        };
        let purge: Vec<_> = purge.iter().map(of).collect();
        let plan = serde_json::json!({
            "vault": Uuid::nil(), "made": "2026-02-01T00:00:00Z", "after": null, "records": [], "marks": [],
            "policy": {}, "orphans": [], "purge": purge, "waits": [], "dead": vec![&pack; dead],
            "rewrite": vec![&pack; rewrite], "spare": [], "index": null, "notes": ["a note"],
            "room": { "packs": { "count": 9, "bytes": 900 }, "frees": 500, "stays": 400, "living": 300 },
        });
        serde_json::from_value(plan).unwrap()
    }

    /// A sweep that gave way once, and of which one backup was brought back meanwhile.
    #[test]
    fn what_was_done_is_told_and_not_what_was_planned() {
        let amount = |count| Amount { count, bytes: 100 * count };
        let refused = |why: &str| Refused { object: "records/2".into(), why: why.into() };
        let first = Swept {
            backups: vec![Uuid::from_u128(1)],
            packs: amount(3),
            anew: amount(2),
            written: amount(1),
            bytes: Cleared { removed: 310, written: 110 },
            refused: vec![refused("locked")],
            stopped: true,
            ..Swept::default()
        };
        let second = Swept {
            packs: amount(1),
            bytes: Cleared { removed: 100, written: 0 },
            refused: vec![refused("locked")],
            ..Swept::default()
        };
        let names = BTreeMap::from([(Uuid::from_u128(1), "shop.live 1_backup".to_owned())]);
        let mut told = SweepOutcome::default();
        add(&mut told, &plan(&[1, 2], 2, 3), Some(&first), &names);
        add(&mut told, &plan(&[2], 1, 1), Some(&second), &names);
        assert_eq!(told.backups, [("shop.live 1_backup".to_owned(), "old".to_owned())]);
        assert_eq!((told.packs, told.frees, told.stays), ([2, 2, 0], 300, 800));
        assert_eq!((told.refused.len(), told.notes.len()), (1, 1));

        let mut planned = SweepOutcome::default();
        add(&mut planned, &plan(&[1, 2], 2, 3), None, &names);
        assert_eq!((planned.backups.len(), planned.packs), (2, [2, 3, 0]));
        assert_eq!((planned.frees, planned.stays), (500, 400));
    }
}
