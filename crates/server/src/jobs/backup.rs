//! Runs a backup: lets the worker do it, and commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercroft_catalog::{Environment, JobState, Site};
use undercroft_model::{
    BackupFolder, BackupKind, BackupReport, Cancelled, Element, ElementSet, ElementState, KeepFor, Observer,
};
use undercroft_vault::store::StoreError;
use undercroft_vault::{Vault, VaultError};
use undercroft_worker::{BackupError, BackupOrder, Earlier, Made, Workplace, back_up};

use super::Lease;
use super::abandoned::adopt_backups;
use super::ended::Ended;
use super::running::Running;
use crate::App;
use crate::app::blocking;
use crate::reserve::LITTLE;

/// What a backup job is to do.
pub struct BackupJob {
    /// The site.
    pub site: Site,
    /// The environment.
    pub env: Environment,
    /// What is to be in it.
    pub elements: ElementSet,
    /// How long it is kept.
    pub keep_for: KeepFor,
    /// Whether an element may be much smaller than the last good one.
    pub accept_smaller: bool,
    /// Whether it is made of what a restore is about to replace.
    pub safety: bool,
}

impl App {
    pub(super) async fn run_backup(
        self: &Arc<Self>,
        lease: Lease,
        backup: BackupJob,
        running: &Arc<Running>,
    ) -> Result<(), Ended> {
        let (vault, made) = self.make_backup(lease, backup, running).await?;
        running.stored(made.stored.bytes);
        self.commit(lease, vault, made).await
    }

    /// Makes a backup, but for its record.
    pub(super) async fn make_backup(
        self: &Arc<Self>,
        lease: Lease,
        backup: BackupJob,
        running: &Arc<Running>,
    ) -> Result<(Vault, Made), Ended> {
        let site = backup.site.id;
        let opener = Arc::clone(self);
        blocking(move || opener.data.keep_reserve(LITTLE))
            .await?
            .map_err(|error| Ended::failed(error.to_string()))?;
        let opener = Arc::clone(self);
        let vault = match blocking(move || opener.vault_to_add(site)).await? {
            Err(VaultError::Store(StoreError::Missing { .. })) => {
                self.has_begun(&backup.site).await?;
                let maker = Arc::clone(self);
                blocking(move || maker.vault_to_write(site)).await??
            }
            other => other?,
        };
        adopt_backups(&self.catalog, &vault, site).await?;
        let order = self.order(lease, backup, &vault).await?;
        let place = self.workplace(vault.clone());
        let made = self.at_work(lease, running, move |observer| back_up(&order, &place, observer)).await??;
        if running.cancelled() {
            return Err(BackupError::Cancelled(Cancelled).into());
        }
        for (element, report) in &made.report.elements {
            running.over(*element, report.state, report.raw);
        }
        Ok((vault, made))
    }

    /// Where the worker works.
    pub(super) fn workplace(&self, vault: Vault) -> Workplace {
        Workplace {
            vault,
            cache: self.data.cache(),
            own: vec![self.data.root().to_owned()],
            clock: Arc::clone(&self.clock),
            program: format!("undercroft {}", env!("CARGO_PKG_VERSION")),
        }
    }

    async fn order(&self, lease: Lease, backup: BackupJob, vault: &Vault) -> Result<BackupOrder, Ended> {
        let listed = self.listed(backup.site.id, &backup.env.name).await?;
        let reports: Vec<_> = listed.into_iter().map(|standing| standing.report).collect();
        let vault = vault.clone();
        let elements = backup.elements;
        let earlier = blocking(move || earlier(&vault, &reports, elements)).await?;
        Ok(BackupOrder {
            id: lease.id,
            site: backup.site.id,
            site_name: backup.site.name,
            framework: backup.site.framework,
            env: backup.env.name,
            folder: BackupFolder { started: lease.folder, kind: BackupKind::Manual },
            keep_for: backup.keep_for,
            elements,
            settings: backup.env.settings,
            earlier,
            accept_smaller: backup.accept_smaller,
            safety: backup.safety,
        })
    }

    async fn commit(&self, lease: Lease, vault: Vault, made: Made) -> Result<(), Ended> {
        let (Lease { id, fence, .. }, Made { record, report, .. }) = (lease, made);
        let reason = shortfall(&report);
        let state = if reason.is_empty() { JobState::Succeeded } else { JobState::Failed };
        let write =
            async move || blocking(move || vault.write_record(id, &record)).await?.map_err(Ended::from);
        self.catalog.commit_backup(id, fence, &report, (state, &reason), write).await
    }
}

/// What earlier backups know of each element: the newest archive, and what the last good one held.
fn earlier(vault: &Vault, reports: &[BackupReport], elements: ElementSet) -> BTreeMap<Element, Earlier> {
    let of = |element: Element| {
        let archive = reports.iter().find_map(|report| {
            let there = report.elements.get(&element)?.state != ElementState::Failed;
            // A record that can't be read costs the reuse, not the backup.
            let record = there.then(|| vault.read_record(report.id).ok()).flatten()?;
            let name = report.archive_name(element).to_string();
            record.archive(&name).cloned()
        });
        let good = reports.iter().filter(|report| !report.safety).find_map(|report| {
            let one = report.elements.get(&element)?;
            (one.state == ElementState::Good).then(|| one.facts.clone()).flatten()
        });
        Earlier { archive, good }
    };
    elements.iter().map(|element| (element, of(element))).collect()
}

/// What is not as it should be in a backup, an element a line; empty if all is good.
fn shortfall(report: &BackupReport) -> String {
    let lines = report.elements.iter().filter_map(|(element, one)| match one.state {
        ElementState::Good => None,
        ElementState::Failed => {
            Some(format!("{element}: it failed: {}", one.error.as_deref().unwrap_or("no reason is known")))
        }
        ElementState::Incomplete => Some(format!("{element}: it is incomplete: {} lost", one.lost_total)),
    });
    lines.collect::<Vec<_>>().join("\n")
}
