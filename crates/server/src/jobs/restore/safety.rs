//! The backup of what a restore replaces, and what is not to be replaced because that backup could not hold it.

use std::collections::BTreeSet;
use std::sync::Arc;

use undercroft_catalog::JobState;
use undercroft_model::{
    BackupReport, CodeSource, Element, ElementSet, ElementState, EnvSettings, Facts, KeepFor,
};
use undercroft_site::database::IN_A_COMMENT;
use undercroft_site::git::restore::has_code;
use undercroft_worker::Made;
use undercroft_worker::restore::{self, SAFETY_DAYS};

use super::RestoreJob;
use super::wanted::Wanted;
use crate::App;
use crate::app::blocking;
use crate::jobs::ended::Ended;
use crate::jobs::running::Running;
use crate::jobs::{BackupJob, Lease};

impl App {
    /// Backs up what the restore will replace, and keeps what it finds for the restore to compare with.
    pub(super) async fn safety_backup(
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
    // Neither is there anything behind a link to what was deleted.
    let is_there = |path: &std::path::Path| {
        path.metadata().err().is_none_or(|error| error.kind() != std::io::ErrorKind::NotFound)
    };
    match element {
        Element::Files => settings.files.as_ref().is_some_and(|files| is_there(&files.path)),
        Element::Code => match &settings.code {
            Some(CodeSource::Folder { path, .. }) => is_there(path),
            Some(CodeSource::Git { repository, revision, .. }) => has_code(repository, revision),
            None => false,
        },
        Element::Database => settings.database.is_some(),
    }
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
