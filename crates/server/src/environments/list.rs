//! `GET sites/<uuid>/environments`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value};
use undercroft_catalog::Environment;
use undercroft_model::api::{EnvironmentObject, LockObject};

use crate::{ApiError, App};

/// A site's environments by name, in the order in which they were added.
pub async fn list(
    State(app): State<Arc<App>>,
    Path(site): Path<String>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    let site = app.find_site(&site).await?;
    let mut objects = Map::new();
    for env in app.catalog.environments(site.id).await? {
        let name = env.name.to_string();
        let object = serde_json::to_value(object(env)).map_err(|error| ApiError::internal(&error))?;
        objects.insert(name, object);
    }
    Ok(Json(objects))
}

/// An environment as the API shows it: without its secrets.
pub(super) fn object(env: Environment) -> EnvironmentObject {
    let (settings, _) = env.settings.without_secrets();
    EnvironmentObject {
        environment_created: env.created.as_second(),
        on_server_development: false,
        lock: LockObject::default(),
        settings,
    }
}
