//! What says that a backup was to go from a store, and was not lost.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use undercroft_catalog::JobKind;
use undercroft_model::BackupReport;
use undercroft_model::api::SweepOutcome;
use undercroft_model::retention::{Fate, Policies};
use undercroft_vault::sweep::{self, Candidate};
use uuid::Uuid;

use crate::{ApiError, App};

/// Jobs of a site that are looked through, at most.
const JOBS: u64 = 100_000;

/// What is known of the sites' sweeps and policies.
pub struct Removal {
    now: Timestamp,
    sites: HashMap<Uuid, Site>,
}

#[derive(Default)]
struct Site {
    policies: Policies,
    /// What sweeps say that they removed, as they call it.
    swept: HashSet<String>,
}

impl Removal {
    /// Reads it from the catalog.
    pub async fn read(app: &App) -> Result<Self, ApiError> {
        let mut sites = HashMap::new();
        for site in app.catalog.sites().await? {
            let mut swept = HashSet::new();
            for job in app.catalog.jobs(site.id, JOBS).await? {
                if job.kind == JobKind::Sweep
                    && let Ok(outcome) = serde_json::from_value::<SweepOutcome>(job.outcome)
                {
                    swept.extend(outcome.backups.into_iter().map(|(name, _)| without_site(&name).to_owned()));
                }
            }
            sites.insert(site.id, Site { policies: app.policies(site.id).await?, swept });
        }
        Ok(Removal { now: app.now(), sites })
    }

    /// Which of a vault's backups were to go: those that a sweep says it removed, and those that one would remove now.
    pub fn of(&self, vault: Uuid, candidates: &[Candidate]) -> HashSet<Uuid> {
        let none = Site::default();
        let site = self.sites.get(&vault).unwrap_or(&none);
        let judgement = sweep::by_retention(site.policies.clone(), self.now)(candidates);
        let gone = judgement.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Gone { .. }));
        let swept = candidates.iter().filter(|candidate| site.swept.contains(&name(candidate)));
        gone.map(|(backup, _)| *backup).chain(swept.map(|candidate| candidate.id)).collect()
    }
}

/// A backup as sweeps call it, less its site's name.
fn name(candidate: &Candidate) -> String {
    let report = serde_json::from_value::<BackupReport>(candidate.about.clone());
    report.map_or_else(|_| candidate.id.to_string(), |report| format!("{} {}", report.env, report.folder))
}

/// A site may have been renamed meanwhile.
fn without_site(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, rest)| rest)
}
