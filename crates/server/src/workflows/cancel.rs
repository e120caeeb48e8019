//! `DELETE sites/<uuid>/workflows/<id>`: stops a job that this program runs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{ApiError, App};

/// Asks the job to stop; it does so soon, and leaves nothing behind.
pub async fn cancel(
    State(app): State<Arc<App>>,
    Path((site, id)): Path<(String, Uuid)>,
) -> Result<Json<Value>, ApiError> {
    let site = app.find_site(&site).await?;
    let job = app.catalog.job(id).await?.filter(|job| job.site == site.id);
    let job = job.ok_or_else(|| ApiError::not_found(format!("There is no workflow {id}.")))?;
    if job.state.is_final() {
        return Ok(Json(json!({})));
    }
    let running = app.jobs.find(id).ok_or_else(|| {
        ApiError::conflict(format!("The workflow {id} is run by another program: stop it there."))
    })?;
    running.stop();
    Ok(Json(json!({})))
}
