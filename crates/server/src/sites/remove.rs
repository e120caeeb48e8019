//! `DELETE sites/<uuid>[?backups=delete]`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use undercroft_catalog::CatalogError;

use crate::app::blocking;
use crate::{ApiError, App};

/// What becomes of the site's backups.
#[derive(Debug, Default, Deserialize)]
pub struct Options {
    /// `delete`: they go with the site. Otherwise the store keeps them.
    #[serde(default)]
    backups: String,
}

/// Removes a site from the catalog; its vault only if that is asked for.
pub async fn remove(
    State(app): State<Arc<App>>,
    Path(site): Path<String>,
    Query(options): Query<Options>,
) -> Result<Json<Value>, ApiError> {
    let site = app.find_site(&site).await?;
    if app.catalog.open_jobs().await?.iter().any(|job| job.site == site.id) {
        return Err(CatalogError::Busy.into());
    }
    let vault = app.data.store().join("vaults").join(site.id.to_string());
    let kept = vault.exists() && options.backups != "delete";
    if options.backups == "delete" {
        let store = Arc::clone(&app);
        blocking(move || {
            store.store().and_then(|store| undercroft_vault::delete_vault(store.as_ref(), site.id))
        })
        .await?
        .map_err(|error| ApiError::internal(&error))?;
    }
    // The site goes last: until then the same command can finish what was begun.
    app.catalog.remove_site(site.id).await?;
    Ok(Json(json!({ "kept": kept.then(|| vault.display().to_string()) })))
}
