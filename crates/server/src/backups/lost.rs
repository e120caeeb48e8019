//! Backups that the catalog knows and the store does not have any more.
//!
//! A backup goes from the store only by a sweep, once its time in the trash is over. One whose record is not there
//! before was lost, by whatever hand: its packs are still there, and only the catalog knows that somebody needs them.

use std::collections::HashSet;

use undercroft_model::retention::{Fate, TrashWhy};
use undercroft_model::{BackupReport, SiteName};
use undercroft_vault::check::Problem;
use uuid::Uuid;

use super::standing::Standing;

/// Those of a site's backups that were lost, when the store has records of these.
pub(crate) fn lost<'s>(all: &'s [Standing], recorded: &[Uuid]) -> Vec<&'s BackupReport> {
    let recorded: HashSet<&Uuid> = recorded.iter().collect();
    let lost = |standing: &&Standing| !recorded.contains(&standing.report.id) && is_needed(standing);
    all.iter().filter(lost).map(|standing| &standing.report).collect()
}

/// Whether a backup has to be in the store. What a person has deleted is missed by nobody.
fn is_needed(standing: &Standing) -> bool {
    matches!(standing.fate, Fate::Listed { .. } | Fate::Trash { why: TrashWhy::Expired, .. })
}

/// Which backup it is, in words.
pub(crate) fn name(report: &BackupReport, site: &SiteName) -> String {
    let moment = report.moment.strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{} of {site}.{}, made at {moment},", report.folder, report.env)
}

/// What a check says of a backup that was lost.
pub(crate) fn problem(report: &BackupReport, site: &SiteName) -> Problem {
    let (name, object) = (name(report, site), format!("vaults/{}/records/{}", report.site, report.id));
    Problem {
        text: format!(
            "the store has lost this record, and with it the backup {name} though nobody deleted that; until that is settled \
             no sweep removes anything: put the file back from a copy of the store (what store:copy made), or, if \
             there is none, give the backup up with backup:delete {site}.{} --file={}",
            report.env, report.folder
        ),
        object: Some(object),
        hits: Vec::new(),
        hits_total: 0,
    }
}
