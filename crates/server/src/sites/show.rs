//! `GET site-names/<name>` and `GET sites/<uuid>`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use undercroft_catalog::Site;
use undercroft_model::api::{SiteNameObject, SiteObject};

use crate::{ApiError, App};

/// The UUID of the site of that name.
pub async fn by_name(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<SiteNameObject>, ApiError> {
    let site = app.find_site(&name).await?;
    Ok(Json(SiteNameObject { id: site.id, name: site.name }))
}

/// The site.
pub async fn show(
    State(app): State<Arc<App>>,
    Path(site): Path<String>,
) -> Result<Json<SiteObject>, ApiError> {
    let site = app.find_site(&site).await?;
    Ok(Json(object(&app, site).await?))
}

/// A site as the API shows it.
pub(super) async fn object(app: &App, site: Site) -> Result<SiteObject, ApiError> {
    let environments = app.catalog.environments(site.id).await?;
    Ok(SiteObject {
        id: site.id,
        label: site.name.to_string(),
        name: site.name,
        created: site.created.as_second(),
        framework: site.framework,
        frozen: false,
        environments: environments.into_iter().map(|env| env.name).collect(),
    })
}
