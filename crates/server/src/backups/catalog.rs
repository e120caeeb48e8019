//! `GET sites/<uuid>/environments/<env>/backups/catalog`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value};
use undercroft_model::api::CatalogEntry;
use undercroft_model::{BackupReport, Element, ElementReport, ElementState};

use crate::app::seconds;
use crate::{ApiError, App};

/// The order within a backup.
const ORDER: [Element; 3] = [Element::Files, Element::Database, Element::Code];

/// All archives of an environment, newest first; those of a failed element are there without a file name.
pub async fn list(
    State(app): State<Arc<App>>,
    Path((site, env)): Path<(String, String)>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    let (site, env) = app.find_env(&site, &env).await?;
    let mut entries = Map::new();
    for report in app.catalog.backups(site.id, &env.name, app.now()).await? {
        for element in ORDER {
            let Some(one) = report.elements.get(&element) else { continue };
            let entry = serde_json::to_value(entry(&report, element, one));
            let entry = entry.map_err(|error| ApiError::internal(&error))?;
            entries.insert(format!("{}_{element}", report.folder), entry);
        }
    }
    Ok(Json(entries))
}

fn entry(report: &BackupReport, element: Element, one: &ElementReport) -> CatalogEntry {
    let there = one.state != ElementState::Failed;
    CatalogEntry {
        folder: report.folder.to_string(),
        filename: there.then(|| report.archive_name(element).to_string()),
        ttl: report.expires.as_second() - report.finished.as_second(),
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
    }
}
