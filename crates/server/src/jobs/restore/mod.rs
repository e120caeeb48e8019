//! Runs a restore: a safety backup first, then the worker, then what came of it is written down.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use undercroft_catalog::{Environment, Site};
use undercroft_model::api::{ElementChanges, RestoreOutcome, RestoreParams};
use undercroft_model::{Element, ElementState};
use undercroft_vault::{Vault, VaultError};
use undercroft_worker::chain;
use undercroft_worker::restore::{self, Journal, JournalPlace, RestoreError, RestoreOrder, TakeOutOrder};
use uuid::Uuid;

use super::Lease;
use super::ended::Ended;
use super::running::Running;
use crate::App;

mod safety;
mod wanted;

use wanted::Wanted;
pub(super) use wanted::changed_database;

/// What a restore job is to do.
#[derive(Clone)]
pub struct RestoreJob {
    /// The site.
    pub site: Site,
    /// The environment.
    pub env: Environment,
    /// What is asked.
    pub params: RestoreParams,
    /// Only tell what would change.
    pub dry_run: bool,
}

impl From<RestoreError> for Ended {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Cancelled(_) => Ended::cancelled(),
            other if is_of_damage(&other) => Ended::failed(format!(
                "{}\nbackup:verify tells all that is damaged. --skip-damaged brings back what is whole, and leaves the \
                 rest as it is.",
                chain(&other)
            )),
            other => Ended::failed(chain(&other)),
        }
    }
}

/// Whether an error comes from something in the vault that is missing or damaged.
fn is_of_damage(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.downcast_ref::<VaultError>().is_some_and(VaultError::is_damage)
        || wrapped.is_some_and(|inner| is_of_damage(inner))
        || error.source().is_some_and(is_of_damage)
}

impl App {
    pub(super) async fn run_restore(
        self: &Arc<Self>,
        lease: Lease,
        job: RestoreJob,
        running: &Arc<Running>,
    ) -> Result<(), Ended> {
        self.settle_environment((&job.site, &job.env), lease, running).await?;
        let Some(vault) = self.vault_if_begun(&job.site).await? else {
            let who = format!("{}.{}", job.site.name, job.env.name);
            return Err(Ended::failed(format!("{who} has no backups yet, and was never restored.")));
        };
        let mut wanted = self.wanted(&job, &vault).await?;
        let mut left = None;
        if job.params.to.is_some() && (job.dry_run || wanted.elements.len() > 1) {
            let why = if job.dry_run {
                "Nothing of the environment changes with --to: backup:browse lists what an archive holds."
            } else {
                "A folder holds one archive: say which with --element=files or --element=code."
            };
            return Err(Ended::failed(why));
        }
        let outcome = if job.dry_run {
            self.plan_restore(lease, job, wanted, vault, running).await?
        } else if let Some(to) = job.params.to.clone() {
            self.take_out(lease, &job, wanted, vault, to, running).await?
        } else {
            self.check_restore(lease, &job, &wanted, &vault, running).await?;
            let notes = self.safety_backup(lease, &job, &mut wanted, running).await?;
            self.restore_into_place(lease, job, wanted, (vault, notes), running, &mut left).await?
        };
        self.end_with(lease, &outcome).await?;
        // What is left over is removed by whoever finds the journal.
        if left.is_none() {
            self.forget_journal(lease.id);
        }
        Ok(())
    }

    fn restore_order(lease: Lease, job: RestoreJob, wanted: Wanted) -> RestoreOrder {
        let foreign = job.params.from.as_ref().is_some_and(|from| *from != job.env.name);
        RestoreOrder {
            id: lease.id,
            site: job.site.id,
            site_name: job.site.name,
            env: job.env.name,
            settings: job.env.settings,
            elements: wanted.elements,
            tables: wanted.tables,
            paths: wanted.paths,
            in_place: wanted.in_place,
            remove_untracked: job.params.remove_untracked,
            may_lose: job.params.no_safety_backup,
            skip_damaged: job.params.skip_damaged,
            search_replace: job.params.search_replace,
            foreign,
            takes_back: wanted.takes_back,
        }
    }

    /// Refuses what can't be done before a whole backup is made for it.
    async fn check_restore(
        self: &Arc<Self>,
        lease: Lease,
        job: &RestoreJob,
        wanted: &Wanted,
        vault: &Vault,
        running: &Arc<Running>,
    ) -> Result<(), Ended> {
        let mut order = App::restore_order(lease, job.clone(), wanted.clone());
        // Where the damage is is looked for once, when it is known that the rest is possible.
        order.skip_damaged = false;
        let place = self.workplace(vault.clone());
        let checked =
            self.at_work(lease, running, move |observer| restore::check(&order, &place, observer)).await?;
        Ok(checked?)
    }

    async fn restore_into_place(
        self: &Arc<Self>,
        lease: Lease,
        job: RestoreJob,
        wanted: Wanted,
        (vault, mut notes): (Vault, Vec<String>),
        running: &Arc<Running>,
        left: &mut Option<String>,
    ) -> Result<RestoreOutcome, Ended> {
        let can_be_undone = wanted.elements.iter().any(|one| one.now.is_some());
        notes.extend(wanted.remarks.iter().cloned());
        notes.extend(advice(&job.site.framework));
        running.restart(wanted.elements.iter().map(|one| one.element));
        running.take_remarks();
        let order = App::restore_order(lease, job, wanted);
        let archives: BTreeMap<_, _> =
            order.elements.iter().map(|one| (one.element, one.archive.name.clone())).collect();
        let (place, worker) = (self.workplace(vault), self.jobs.worker());
        let folder = self.data.restores();
        let done = self.at_work(lease, running, move |observer| {
            restore::restore(&order, &place, JournalPlace { folder: &folder, worker }, observer)
        });
        let done = done.await?;
        if let Err(RestoreError::InPlace(_) | RestoreError::AllButDatabase { .. }) = done {
            // It failed, and there is something to undo.
            let changed = changed_database(archives.get(&Element::Database).cloned());
            self.catalog.set_outcome(lease.id, lease.fence, changed).await?;
        }
        let done = done?;
        *left = done.left;
        if let Some(left) = left {
            notes.push(format!(
                "not all that the restore made could be removed again, the next command tries: {left}"
            ));
        }
        let mut elements = BTreeMap::new();
        for (element, way) in done.elements {
            running.over(element, ElementState::Good, 0);
            let archive = archives.get(&element).cloned().unwrap_or_default();
            elements.insert(element, ElementChanges { archive, way, ..ElementChanges::default() });
        }
        add_remarks(&mut elements, running);
        Ok(RestoreOutcome { elements, to: None, advice: notes, can_be_undone })
    }

    async fn plan_restore(
        self: &Arc<Self>,
        lease: Lease,
        job: RestoreJob,
        wanted: Wanted,
        vault: Vault,
        running: &Arc<Running>,
    ) -> Result<RestoreOutcome, Ended> {
        running.restart(wanted.elements.iter().map(|one| one.element));
        let advice = wanted.remarks.clone();
        let order = App::restore_order(lease, job, wanted);
        let place = self.workplace(vault);
        running.take_remarks();
        let mut elements =
            self.at_work(lease, running, move |observer| restore::plan(&order, &place, observer)).await??;
        add_remarks(&mut elements, running);
        Ok(RestoreOutcome { elements, advice, ..RestoreOutcome::default() })
    }

    async fn take_out(
        self: &Arc<Self>,
        lease: Lease,
        job: &RestoreJob,
        wanted: Wanted,
        vault: Vault,
        to: std::path::PathBuf,
        running: &Arc<Running>,
    ) -> Result<RestoreOutcome, Ended> {
        running.restart(wanted.elements.iter().map(|one| one.element));
        running.take_remarks();
        let (place, folder, worker) = (self.workplace(vault), self.data.restores(), self.jobs.worker());
        let order = TakeOutOrder {
            id: lease.id,
            site: job.site.id,
            site_name: job.site.name.clone(),
            env: job.env.name.clone(),
            elements: wanted.elements,
            paths: job.params.paths.clone(),
            to: to.clone(),
            skip_damaged: job.params.skip_damaged,
        };
        let elements = self.at_work(lease, running, move |observer| {
            restore::take_out(&order, &place, JournalPlace { folder: &folder, worker }, observer)
        });
        let elements = elements.await??;
        let elements = elements.into_iter().map(|(element, (archive, way))| {
            (element, ElementChanges { archive, way, ..ElementChanges::default() })
        });
        let mut elements: BTreeMap<_, _> = elements.collect();
        add_remarks(&mut elements, running);
        Ok(RestoreOutcome { elements, to: Some(to), ..RestoreOutcome::default() })
    }

    /// Removes a restore's journal; one that is left over costs the next command a moment.
    fn forget_journal(&self, id: Uuid) {
        let path = Journal::path_of(&self.data.restores(), id);
        if let Ok(journal) = Journal::read(&path)
            && let Err(error) = journal.remove(&self.data.restores())
        {
            tracing::warn!(%id, %error, "a restore's journal could not be removed");
        }
    }
}

/// Adds what was remarked since the last time.
fn add_remarks(elements: &mut BTreeMap<Element, ElementChanges>, running: &Running) {
    for (element, remark) in running.take_remarks() {
        elements.entry(element).or_default().remarks.push(remark);
    }
}

/// What is left to do for whoever runs the site.
fn advice(framework: &str) -> Vec<String> {
    let text = match framework {
        "wordpress" => {
            "if the site has an object cache or a page cache, flush it now (wp cache flush), as it does not know of \
             the restore"
        }
        "drupal" => "clear the site's caches now (drush cc all), as they do not know of the restore",
        "drupal8" => {
            "rebuild the site's caches now (drush cache:rebuild), as they do not know of the restore"
        }
        _ => return Vec::new(),
    };
    vec![text.to_owned()]
}
