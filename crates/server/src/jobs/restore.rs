//! Runs a restore: a safety backup first, then the worker, then what came of it is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use undercroft_catalog::{Environment, Job, JobState, Site};
use undercroft_model::api::{ElementChanges, RestoreOutcome, RestoreParams};
use undercroft_model::{
    BackupReport, CodeSource, Element, ElementSet, ElementState, EnvSettings, Facts, KeepFor,
};
use undercroft_site::database::IN_A_COMMENT;
use undercroft_vault::{Vault, VaultError};
use undercroft_worker::restore::{
    self, ElementOrder, Journal, JournalPlace, RestoreError, RestoreOrder, SAFETY_DAYS, TakeOutOrder,
};
use undercroft_worker::{Made, backup_report, chain};
use uuid::Uuid;

use super::ended::Ended;
use super::running::Running;
use super::{BackupJob, Lease};
use crate::app::blocking;
use crate::backups::standing::find_archive;
use crate::{ApiError, App};

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

/// The archives that come back, and what for.
#[derive(Clone)]
struct Wanted {
    elements: Vec<ElementOrder>,
    takes_back: Option<Uuid>,
    tables: Vec<String>,
    paths: Vec<String>,
    in_place: bool,
    remarks: Vec<String>,
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
        if !self.has_begun(&job.site).await? {
            let who = format!("{}.{}", job.site.name, job.env.name);
            return Err(Ended::failed(format!("{who} has no backups yet, and was never restored.")));
        }
        let opener = Arc::clone(self);
        let site = job.site.id;
        let vault = blocking(move || opener.vault(site)).await??;
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
        let json = serde_json::to_value(&outcome).map_err(|error| ApiError::internal(&error))?;
        self.catalog.set_outcome(lease.id, lease.fence, json).await?;
        self.end_well(lease).await?;
        // What is left over is removed by whoever finds the journal.
        if left.is_none() {
            self.forget_journal(lease.id);
        }
        Ok(())
    }

    /// Writes down that a job succeeded.
    pub(super) async fn end_well(&self, lease: Lease) -> Result<(), Ended> {
        let end = (JobState::Succeeded, "");
        Ok(self.catalog.end_job(lease.id, Some(lease.fence), end, self.seconds()).await?)
    }

    /// Finds the archives that come back.
    async fn wanted(&self, job: &RestoreJob, vault: &Vault) -> Result<Wanted, Ended> {
        if job.params.undo {
            return self.wanted_back(job, vault).await;
        }
        let from = job.params.from.as_ref().unwrap_or(&job.env.name);
        let listed = self.listed(job.site.id, from).await?;
        let mut named = Vec::new();
        for name in &job.params.archives {
            let (report, element) = find_archive(&listed, name)?;
            named.push((report.id, element));
        }
        let vault = vault.clone();
        let elements = blocking(move || sources(&vault, &named)).await??;
        Ok(Wanted {
            elements,
            takes_back: None,
            tables: job.params.tables.clone(),
            paths: job.params.paths.clone(),
            in_place: job.params.in_place,
            remarks: Vec::new(),
        })
    }

    /// Finds what the last restore replaced.
    async fn wanted_back(&self, job: &RestoreJob, vault: &Vault) -> Result<Wanted, Ended> {
        let who = format!("{}.{}", job.site.name, job.env.name);
        let jobs = self.catalog.jobs(job.site.id, JOBS).await?;
        let mut changed = jobs.into_iter().filter(|one| {
            one.env.as_ref() == Some(&job.env.name) && one.kind.is_restore() && has_changed_something(one)
        });
        let last = changed.next();
        let last =
            last.ok_or_else(|| Ended::failed(format!("{who} was never restored: nothing is undone.")))?;
        let mut asked = asked_of(&last);
        // What an undoing brought back is what that restore had replaced which it undid, or the one before that.
        while asked.undo
            && let Some(before) = changed.next()
        {
            let in_place = asked.in_place;
            asked = asked_of(&before);
            asked.in_place |= in_place;
        }
        let safety = self.standings(job.site.id, &job.env.name).await?;
        let safety = safety.into_iter().find(|standing| standing.report.id == last.id);
        let gone = || {
            Ended::failed(format!(
                "The last restore of {who} was done without a safety backup, or that is not kept any more: nothing \
                 is undone. backup:list {who} shows what else there is."
            ))
        };
        let safety = safety.ok_or_else(gone)?;
        let there = safety.report.elements.iter().filter(|(_, one)| one.state != ElementState::Failed);
        let named: Vec<_> = there.map(|(element, _)| (safety.report.id, *element)).collect();
        let vault = vault.clone();
        let elements = blocking(move || sources(&vault, &named)).await??;
        let outcome: RestoreOutcome = serde_json::from_value(last.outcome).unwrap_or_default();
        let mut remarks = Vec::new();
        for element in outcome.elements.keys() {
            if !elements.iter().any(|one| one.element == *element) {
                remarks.push(format!(
                    "the {element} stay as they are: there were none before the restore that is undone"
                ));
            }
        }
        Ok(Wanted {
            elements,
            takes_back: Some(last.id),
            tables: asked.tables,
            paths: asked.paths,
            // Whoever may make no second schema can go back by the way that led here alone.
            in_place: asked.in_place || job.params.in_place,
            remarks,
        })
    }

    /// Backs up what the restore will replace, and keeps what it finds for the restore to compare with.
    async fn safety_backup(
        self: &Arc<Self>,
        lease: Lease,
        job: &RestoreJob,
        wanted: &mut Wanted,
        running: &Arc<Running>,
    ) -> Result<Vec<String>, Ended> {
        if job.params.no_safety_backup {
            return Ok(Vec::new());
        }
        let there = wanted.elements.iter().map(|one| one.element);
        let there = there.filter(|element| has_something(&job.env.settings, *element));
        let Some(elements) = ElementSet::of(there) else {
            return Ok(vec!["no safety backup was made: there is nothing that it could hold".to_owned()]);
        };
        let days = KeepFor::days(SAFETY_DAYS);
        let keep_for = days.ok_or_else(|| Ended::failed("The safety backup has no time to live."))?;
        let (site, env) = (job.site.clone(), job.env.clone());
        let backup = BackupJob { site, env, elements, keep_for, accept_smaller: true, safety: true };
        let captured = restore::now();
        running.restart(elements.iter());
        let made = self.make_backup(lease, backup, running).await;
        let (vault, made) = made.map_err(without_safety)?;
        let Made { record, report, .. } = made;
        let failed = report.elements.iter().find(|(_, one)| one.state == ElementState::Failed);
        if let Some((element, one)) = failed {
            let why = one.error.clone().unwrap_or_default();
            return Err(without_safety(Ended::failed(format!("{element}: {why}"))));
        }
        for one in &mut wanted.elements {
            let name = report.archive_name(one.element).to_string();
            one.now = record.archive(&name).map(|archive| (archive.clone(), captured));
        }
        let id = lease.id;
        let write =
            async move || blocking(move || vault.write_record(id, &record)).await?.map_err(Ended::from);
        self.catalog.commit_backup_within(lease.id, lease.fence, &report, write).await?;
        let lost = lost_for_good(&report, job, wanted);
        if !lost.is_empty() {
            return Err(Ended::failed(incomplete_safety(
                &report,
                &lost,
                &format!("{}.{}", job.site.name, report.env),
            )));
        }
        let mut notes =
            vec![format!("what was there before is kept as {} for {SAFETY_DAYS} days", report.folder)];
        for (element, one) in &report.elements {
            if one.state == ElementState::Incomplete {
                notes.push(format!("the safety backup of the {element} lacks {} things", one.lost_total));
            }
        }
        Ok(notes)
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

/// So many of a site's last jobs are looked through for the last restore.
const JOBS: u64 = 100_000;

/// What a restore was asked to do.
fn asked_of(job: &Job) -> RestoreParams {
    serde_json::from_value(job.params.clone()).unwrap_or_default()
}

/// Whether a restore left the environment other than it was, so that there is something to undo. One that failed did
/// not, unless it says so.
fn has_changed_something(job: &Job) -> bool {
    let elsewhere = job.params.get("to").is_some_and(|to| !to.is_null());
    let changed =
        job.state == JobState::Succeeded || (job.state == JobState::Failed && !job.outcome.is_null());
    changed && !elsewhere
}

/// The outcome of a restore that failed, and left a database other than it was.
pub(super) fn changed_database(archive: Option<String>) -> serde_json::Value {
    let changes = ElementChanges { archive: archive.unwrap_or_default(), ..ElementChanges::default() };
    let elements = BTreeMap::from([(Element::Database, changes)]);
    serde_json::to_value(RestoreOutcome { elements, ..RestoreOutcome::default() }).unwrap_or_default()
}

fn without_safety(ended: Ended) -> Ended {
    if ended.state == JobState::Cancelled {
        return ended;
    }
    Ended::failed(format!(
        "No safety backup of what is there now could be made, so nothing was restored. To go without one: \
         --no-safety-backup.\n{}",
        ended.reason
    ))
}

/// So many things that a safety backup lacks are named.
const NAMED: usize = 20;

/// What the safety backup lacks of that which the restore replaces: a line each.
fn lost_for_good(report: &BackupReport, job: &RestoreJob, wanted: &Wanted) -> Vec<String> {
    let mut lost = Vec::new();
    for (element, one) in &report.elements {
        let live = match element {
            Element::Files => job.env.settings.files.as_ref().map(|files| files.path.as_path()),
            Element::Code => match &job.env.settings.code {
                // A repository keeps what it has through a restore, and its work tree's files in itself.
                Some(CodeSource::Git { .. }) => continue,
                Some(CodeSource::Folder { path, .. }) => Some(path.as_path()),
                None => None,
            },
            Element::Database => None,
        };
        let paths = if *element == Element::Database { &[][..] } else { &wanted.paths };
        let spared = spared_tables(one.facts.as_ref(), wanted);
        let gone = one
            .lost()
            // A view that something broken has broken, too, is in the safety backup for whoever wants it.
            .filter(|remark| !remark.text.contains(IN_A_COMMENT))
            .filter(|remark| is_replaced(&remark.subject, live, paths) && !spared.contains(&remark.subject));
        lost.extend(gone.map(|remark| match remark.subject.as_str() {
            "" => format!("{element}: {}", remark.text),
            subject => format!("{element}: {subject} {}", remark.text),
        }));
        let untold = one.lost_total.saturating_sub(one.lost().count() as u64);
        if untold > 0 {
            lost.push(format!("{element}: {untold} more"));
        }
    }
    lost
}

/// The tables that are known and stay as they are, since others were named.
fn spared_tables(now: Option<&Facts>, wanted: &Wanted) -> BTreeSet<String> {
    if wanted.tables.is_empty() {
        return BTreeSet::new();
    }
    let archived = wanted.elements.iter().filter_map(|one| one.facts.as_ref());
    let tables = archived.chain(now).flat_map(|facts| match facts {
        Facts::Database(facts) => &facts.contents[..],
        _ => &[],
    });
    tables.map(|one| one.table.clone()).filter(|table| !wanted.tables.contains(table)).collect()
}

/// Whether a restore replaces something: it is there still, and is named if anything is.
fn is_replaced(subject: &str, live: Option<&std::path::Path>, paths: &[String]) -> bool {
    let within = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || outer.is_empty() || rest.starts_with('/'))
    };
    let is_named = |path: &String| {
        let path = path.trim_matches('/');
        within(path, subject) || within(subject, path)
    };
    // What is not UTF-8 is told escaped, and can't be looked for.
    let vanished = |live: &std::path::Path| {
        !subject.contains('\\')
            && live
                .join(subject)
                .symlink_metadata()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    };
    (paths.is_empty() || paths.iter().any(is_named)) && !live.is_some_and(vanished)
}

fn incomplete_safety(report: &BackupReport, lost: &[String], who: &str) -> String {
    let folder = report.folder;
    let more = match lost.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    format!(
        "The safety backup lacks things that the restore would replace, and that would be lost for good. Nothing was \
         restored.\n{}{more}\nMend the cause and restore again. If you can do without these, restore with \
         --no-safety-backup: all else of what is there now is kept as {folder} for {SAFETY_DAYS} days, and \
         backup:restore {who} --file={folder} brings it back.",
        lost.iter().take(NAMED).cloned().collect::<Vec<_>>().join("\n")
    )
}

/// Whether there is anything of an element that a safety backup could hold: what was deleted altogether needs none.
fn has_something(settings: &EnvSettings, element: Element) -> bool {
    let is_there = |path: &std::path::Path| path.symlink_metadata().is_ok();
    match element {
        Element::Files => settings.files.as_ref().is_some_and(|files| is_there(&files.path)),
        Element::Code => match &settings.code {
            Some(CodeSource::Folder { path, .. }) => is_there(path),
            Some(CodeSource::Git { .. }) => true,
            None => false,
        },
        Element::Database => settings.database.is_some(),
    }
}

/// The archives, with what their backups say of them.
fn sources(vault: &Vault, named: &[(Uuid, Element)]) -> Result<Vec<ElementOrder>, VaultError> {
    let mut elements = Vec::new();
    for (backup, element) in named {
        let record = vault.read_record(*backup)?;
        let Some(report) = backup_report(&record) else { continue };
        let name = report.archive_name(*element).to_string();
        let facts: Option<Facts> = report.elements.get(element).and_then(|one| one.facts.clone());
        if let Some(archive) = record.archive(&name) {
            let (archive, backup) = (archive.clone(), *backup);
            elements.push(ElementOrder { element: *element, backup, archive, facts, now: None });
        }
    }
    Ok(elements)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_and_named_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("2025")).unwrap();
        std::fs::write(folder.path().join("2025/a.jpg"), "a").unwrap();
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let replaced =
            |subject: &str, paths: &[&str]| is_replaced(subject, Some(folder.path()), &named(paths));
        assert!(replaced("2025/a.jpg", &[]));
        assert!(replaced("", &[]));
        assert!(replaced("2025/a.jpg", &["logo.svg", "/2025/"]));
        assert!(replaced("2025", &["2025/a.jpg"]));
        assert!(replaced("", &["2025/a.jpg"]));
        assert!(!replaced("2025/a.jpg", &["2025/a", "2026"]));
        assert!(!replaced("2025/vanished.jpg", &[]));
        assert!(replaced("2025/\\xff.jpg", &[]));
        assert!(is_replaced("the function f", None, &[]));
    }
}
