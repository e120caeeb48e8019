//! What a check of the whole vault found is said of the backups that it concerns, as `backup:verify` says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercroft_model::api::{VerifiedArchive, VerifiedBackup};
use undercroft_model::{MarkState, Marked};
use undercroft_vault::check::{Depth, Problem, VaultProof};
use uuid::Uuid;

use crate::App;
use crate::backups::standing::Standing;

impl App {
    /// Marks the backups that are damaged, and those that were and are whole again. What could not be written down is
    /// given back, a sentence each.
    pub(super) async fn mark_found(
        self: &Arc<Self>,
        site: Uuid,
        known: &[Standing],
        proof: &VaultProof,
        depth: Depth,
    ) -> Vec<String> {
        let mut failed = Vec::new();
        for (standing, what) in marks_of(known, proof, depth) {
            if let Err(error) = self.mark(site, standing.report.id, vec![what]).await {
                failed.push(format!(
                    "what was found of {} could not be written down with it: {}",
                    standing.report.folder, error.message
                ));
            }
        }
        failed
    }
}

fn marks_of<'k>(known: &'k [Standing], proof: &VaultProof, depth: Depth) -> Vec<(&'k Standing, Marked)> {
    let is_whole = depth == Depth::Content && proof.is_clean();
    let marked = known.iter().filter(|standing| standing.is_listed()).filter_map(|standing| {
        let last = MarkState::of(&standing.marks, standing.report.finished).proof;
        let was_bad = last.is_some_and(|last| !last.good);
        match damage(standing, &proof.problems.list) {
            Some(found) if !was_bad => Some((standing, bad(found))),
            None if was_bad && is_whole => Some((standing, good())),
            _ => None,
        }
    });
    marked.collect()
}

/// What problems hit of a backup.
fn damage(standing: &Standing, problems: &[Problem]) -> Option<VerifiedBackup> {
    let folder = standing.report.folder.to_string();
    let mut archives: BTreeMap<String, VerifiedArchive> = BTreeMap::new();
    for problem in problems {
        for hit in problem.hits.iter().filter(|hit| hit.backup == Some(standing.report.id)) {
            // What is wrong with the backup itself has no archive's name.
            let name = if hit.archive.is_empty() { folder.clone() } else { hit.archive.clone() };
            let archive = archives.entry(name.clone()).or_default();
            archive.archive = name;
            archive.problems.push(problem.text.clone());
            archive.problems_total += 1;
        }
    }
    let archives: Vec<_> = archives.into_values().collect();
    (!archives.is_empty()).then_some(VerifiedBackup { folder, good: false, archives })
}

fn bad(found: VerifiedBackup) -> Marked {
    let first = found.archives.first().and_then(|archive| archive.problems.first());
    Marked::Proven {
        deep: false,
        good: false,
        summary: first.cloned().unwrap_or_default(),
        details: serde_json::to_value(&found).unwrap_or_default(),
    }
}

fn good() -> Marked {
    Marked::Proven {
        deep: false,
        good: true,
        summary: "every byte of the vault read and hashed".to_owned(),
        details: serde_json::Value::Null,
    }
}
