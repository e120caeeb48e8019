//! `GET sites`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use undercroft_model::api::SiteObject;

use super::show::object;
use crate::{ApiError, App};

/// All sites, by name.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<SiteObject>>, ApiError> {
    let mut objects = Vec::new();
    for site in app.catalog.sites().await? {
        objects.push(object(&app, site).await?);
    }
    Ok(Json(objects))
}
