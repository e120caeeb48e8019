//! `GET sites/<uuid>/environments/<env>/backups/catalog`, and `…/backups/trash`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, Value};
use undercroft_model::api::CatalogEntry;
use undercroft_model::{Element, ElementReport, ElementState};

use super::standing::Standing;
use crate::app::seconds;
use crate::{ApiError, App};

/// The order within a backup.
const ORDER: [Element; 3] = [Element::Files, Element::Database, Element::Code];

/// Which backups are wanted.
#[derive(Debug, Deserialize)]
pub struct Which {
    /// Those, too, that hold what a restore replaced. The client of Terminus takes the newest that it is shown, which
    /// must not be the one of a broken site.
    #[serde(default)]
    safety: bool,
}

/// All archives of an environment, newest first; those of a failed element are there without a file name.
pub async fn list(
    State(app): State<Arc<App>>,
    Path((site, env)): Path<(String, String)>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    let Query(which) = which?;
    let (site, env) = app.find_env(&site, &env).await?;
    let mut all = app.listed(site.id, &env.name).await?;
    all.retain(|standing| which.safety || !standing.report.safety);
    entries(all)
}

/// The archives that lie in the trash, in the same form.
pub async fn trash(
    State(app): State<Arc<App>>,
    Path((site, env)): Path<(String, String)>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    let (site, env) = app.find_env(&site, &env).await?;
    let mut all = app.standings(site.id, &env.name).await?;
    all.retain(|standing| standing.trash().is_some());
    entries(all)
}

fn entries(standings: Vec<Standing>) -> Result<Json<Map<String, Value>>, ApiError> {
    let mut entries = Map::new();
    for standing in standings {
        for element in ORDER {
            let Some(one) = standing.report.elements.get(&element) else { continue };
            let entry = serde_json::to_value(entry(&standing, element, one));
            let entry = entry.map_err(|error| ApiError::internal(&error))?;
            entries.insert(format!("{}_{element}", standing.report.folder), entry);
        }
    }
    Ok(Json(entries))
}

fn entry(standing: &Standing, element: Element, one: &ElementReport) -> CatalogEntry {
    let report = &standing.report;
    let kept = standing.kept();
    let ttl = kept.until.map(|until| until as i64).unwrap_or_else(|| report.expires.as_second());
    let there = one.state != ElementState::Failed;
    CatalogEntry {
        folder: report.folder.to_string(),
        filename: there.then(|| report.archive_name(element).to_string()),
        ttl: ttl - report.finished.as_second(),
        size: one.size,
        start_time: report.folder.started as f64,
        finish_time: seconds(report.finished),
        timestamp: report.finished.as_second(),
        task_id: report.id,
        moment: seconds(report.moment),
        state: one.state,
        error: one.error.clone(),
        read: one.read,
        reused: one.reused,
        facts: one.facts.clone(),
        remarks: one.remarks.clone(),
        remarks_total: one.remarks_total,
        lost_total: one.lost_total,
        safety: report.safety,
        kept,
        proven: standing.proven(element),
        trash: standing.trash(),
    }
}
