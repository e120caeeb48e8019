//! `GET sites/<uuid>/workflows[/<id>]`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use undercroft_model::api::Workflow;
use uuid::Uuid;

use super::object;
use crate::{ApiError, App};

/// One workflow.
pub async fn show(
    State(app): State<Arc<App>>,
    Path((site, id)): Path<(String, Uuid)>,
) -> Result<Json<Workflow>, ApiError> {
    let site = app.find_site(&site).await?;
    Ok(Json(object::find(&app, &site, id).await?))
}

/// How much of the list is wanted.
#[derive(Debug, Deserialize)]
pub struct Page {
    #[serde(default = "hundred")]
    limit: u64,
}

fn hundred() -> u64 {
    100
}

/// A site's workflows, newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    Path(site): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Workflow>>, ApiError> {
    let site = app.find_site(&site).await?;
    let jobs = app.catalog.jobs(site.id, page.limit.min(1000)).await?;
    Ok(Json(jobs.into_iter().map(|job| object::workflow(&app, job, None)).collect()))
}
