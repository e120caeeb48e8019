//! `POST …/backups/catalog/<folder>/<element>/s3token`: a link to an archive.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use undercroft_model::api::DownloadToken;
use undercroft_model::{BackupFolder, Element, ElementState};

use super::link;
use crate::{ApiError, App};

/// A new link, good for an hour.
pub async fn make(
    State(app): State<Arc<App>>,
    Path((site, env, folder, element)): Path<(String, String, String, String)>,
) -> Result<Json<DownloadToken>, ApiError> {
    let (site, env) = app.find_env(&site, &env).await?;
    let folder: BackupFolder = folder.parse().map_err(|e| ApiError::bad_request(format!("{e}")))?;
    let element: Element = element.parse().map_err(|e| ApiError::bad_request(format!("{e}")))?;
    let report = app.find_backup(site.id, &env.name, folder).await?.report;
    let there = report.elements.get(&element).is_some_and(|one| one.state != ElementState::Failed);
    if !there {
        return Err(ApiError::not_found(format!("The backup {folder} has no archive of its {element}.")));
    }
    let name = report.archive_name(element);
    let path = format!("/download/{}/{}/{folder}/{name}", site.id, env.name);
    let expires = app.now().as_second() + link::GOOD_FOR;
    Ok(Json(DownloadToken { url: link::sign(&app.link_key, &path, expires) }))
}
