//! `POST catalog/rebuild`: takes everything that the store has into the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use undercroft_catalog::{Environment, Site};
use undercroft_model::api::{RebuiltEnvironment, RebuiltObject};
use undercroft_model::{BackupReport, EnvName, EnvSettings, Mark, SiteName};
use undercroft_vault::{Vault, VaultError, check};
use undercroft_worker::{backup_report, chain};
use uuid::Uuid;

use crate::app::blocking;
use crate::{ApiError, App};

/// A backup as the store has it.
struct Found {
    report: BackupReport,
    about: serde_json::Value,
    marks: Vec<Mark>,
}

/// Looks through the store. What the catalog has already stays as it is; nothing is removed from it.
pub async fn rebuild(State(app): State<Arc<App>>) -> Result<Json<RebuiltObject>, ApiError> {
    let opener = Arc::clone(&app);
    let vaults = blocking(move || opener.store().and_then(|store| check::vaults(store.as_ref()))).await?;
    let vaults = vaults.map_err(|error| ApiError::internal(&error))?;
    let mut told = RebuiltObject::default();
    for id in vaults {
        let (opener, mut problems) = (Arc::clone(&app), Vec::new());
        let found = blocking(move || {
            // What a lost config said is made anew, where the store lets itself be written.
            let vault = opener.vault_to_write(id).or_else(|_| opener.vault(id))?;
            let found = read(&vault, &mut problems)?;
            Ok::<_, VaultError>((found, problems))
        });
        match found.await? {
            Ok((found, problems)) => {
                told.problems.extend(problems);
                // Before a sweep can be asked for.
                told.notes.extend(app.look_for_unrecorded(id).await?);
                // Whatever stands in the way of one vault must not keep the others out.
                if let Err(error) = app.take_in(id, found, &mut told).await {
                    told.problems.push(format!("the vault {id}: {}", error.message));
                }
            }
            Err(error) => told.problems.push(format!("the vault {id}: {}", chain(&error))),
        }
    }
    Ok(Json(told))
}

fn read(vault: &Vault, problems: &mut Vec<String>) -> Result<Vec<Found>, VaultError> {
    let mut marks = vault.marks()?;
    let mut found = Vec::new();
    for id in vault.records()? {
        let record = match vault.read_record(id) {
            Ok(record) => record,
            Err(error) => {
                problems.push(format!("the backup {id} of the vault {}: {}", vault.id(), chain(&error)));
                continue;
            }
        };
        match backup_report(&record) {
            Some(report) => {
                let marks = marks.remove(&id).unwrap_or_default();
                found.push(Found { report, about: record.about, marks });
            }
            None => problems.push(format!(
                "the backup {id} of the vault {} was made by a later release: use that one",
                vault.id()
            )),
        }
    }
    found.sort_by_key(|one| one.report.folder.started);
    Ok(found)
}

impl App {
    async fn take_in(&self, id: Uuid, found: Vec<Found>, told: &mut RebuiltObject) -> Result<(), ApiError> {
        // The newest backup knows best what the site is called, and where it was.
        let Some(newest) = found.last() else {
            told.notes.push(format!("the vault {id} holds no backup any more: it is not known whose it was"));
            return Ok(());
        };
        let site = self.take_in_site(id, newest).await?;
        let mut environments: BTreeMap<EnvName, RebuiltEnvironment> = BTreeMap::new();
        for one in found.iter().rev() {
            let env = &one.report.env;
            if !environments.contains_key(env) {
                let added = self.take_in_environment(&site, one).await?;
                let fresh = RebuiltEnvironment {
                    site: site.name.clone(),
                    env: env.clone(),
                    added,
                    backups: 0,
                    taken_in: 0,
                };
                environments.insert(env.clone(), fresh);
            }
        }
        let known = self.catalog.backup_ids(id).await?;
        for one in found {
            let Some(environment) = environments.get_mut(&one.report.env) else { continue };
            environment.backups += 1;
            if !known.contains(&one.report.id) {
                match self.adopt(&one.report).await? {
                    None => environment.taken_in += 1,
                    Some(problem) => {
                        told.problems.push(problem);
                        continue;
                    }
                }
            }
            self.catalog.set_marks(one.report.id, &one.marks).await?;
        }
        told.environments.extend(environments.into_values());
        Ok(())
    }

    /// Takes a backup in. If that can't be: what stands in the way.
    async fn adopt(&self, report: &BackupReport) -> Result<Option<String>, ApiError> {
        let Err(error) = self.catalog.adopt_backup(report).await else { return Ok(None) };
        // It was being made when the store was looked through.
        if self.catalog.backup(report.id).await?.is_some() {
            return Ok(None);
        }
        let BackupReport { id, site, env, folder, .. } = report;
        let why = match self.catalog.backups(*site, Some(env)).await? {
            known if known.iter().any(|one| one.report.folder.started == folder.started) => {
                "the catalog has another backup of that environment that was begun in the same second"
                    .to_owned()
            }
            _ => chain(&error),
        };
        let name = format!("the backup {id} of the vault {site}, {folder} of its environment {env}");
        Ok(Some(format!("{name}, is not taken in, and stays in the store: {why}")))
    }

    async fn take_in_site(&self, id: Uuid, newest: &Found) -> Result<Site, ApiError> {
        if let Some(site) = self.catalog.site(id).await? {
            return Ok(site);
        }
        let framework = newest.about.get("framework").and_then(|text| text.as_str()).unwrap_or_default();
        let site = Site {
            id,
            name: self.free_name(&newest.report.site_name).await?,
            created: newest.report.moment,
            framework: framework.to_owned(),
        };
        self.catalog.add_site(&site).await?;
        Ok(site)
    }

    /// The name, or one like it that no other site has.
    async fn free_name(&self, name: &SiteName) -> Result<SiteName, ApiError> {
        let mut candidate = name.clone();
        for number in 2..1000 {
            if self.catalog.site_by_name(candidate.as_str()).await?.is_none() {
                return Ok(candidate);
            }
            if let Ok(next) = format!("{name}-{number}").parse() {
                candidate = next;
            }
        }
        Err(ApiError::conflict(format!("There are too many sites named {name}.")))
    }

    async fn take_in_environment(&self, site: &Site, one: &Found) -> Result<bool, ApiError> {
        let env = &one.report.env;
        if self.catalog.environment(site.id, env.as_str()).await?.is_some() {
            return Ok(false);
        }
        let settings = one.about.get("settings").cloned();
        let mut settings: EnvSettings =
            settings.and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default();
        // A record says what held when it was written. That the last good backup may expire must be said anew: it may
        // have been withdrawn since, and what expires by mistake is lost.
        settings.expire_last = None;
        let created = one.report.moment;
        let environment = Environment { site: site.id, name: env.clone(), created, settings };
        self.catalog.add_environment(&environment).await?;
        Ok(true)
    }
}
