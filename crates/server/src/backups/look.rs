//! `GET …/backups/catalog/<folder>/<element>/entries`, `GET …/backups/diff`: looks into archives.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use undercroft_model::api::DiffObject;
use undercroft_model::{BackupReport, Cancelled, Element, Facts, Silent};
use undercroft_vault::VaultError;
use undercroft_worker::{Histories, add_commits, browse, diff};
use uuid::Uuid;

use super::standing::find_archive;
use crate::app::blocking;
use crate::{ApiError, App};

/// Which entries are wanted.
#[derive(Debug, Deserialize)]
pub struct Which {
    /// At or below this path.
    #[serde(default)]
    path: String,
    /// So many levels deep; all if it is not given.
    depth: Option<usize>,
}

/// Lists what is in an archive: a JSON object a line.
pub async fn entries(
    State(app): State<Arc<App>>,
    Path((site, env, folder, element)): Path<(String, String, String, String)>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(which) = which?;
    let (site, env) = app.find_env(&site, &env).await?;
    let folder = folder.parse().map_err(|e| ApiError::bad_request(format!("{e}")))?;
    let element: Element = element.parse().map_err(|e| ApiError::bad_request(format!("{e}")))?;
    let report = app.find_backup(site.id, &env.name, folder).await?.report;
    let name = report.archive_name(element).to_string();
    let (vault, archive) = app.open_archive(site.id, report.id, &name).await?;
    let (send, receive) = mpsc::channel::<std::io::Result<Bytes>>(64);
    tokio::task::spawn_blocking(move || {
        let listed = browse(&vault, &archive, &which.path, which.depth, |entry| {
            let mut line = serde_json::to_vec(&entry).map_err(|_| Cancelled)?;
            line.push(b'\n');
            // A reader that has seen enough hangs up.
            send.blocking_send(Ok(line.into())).map_err(|_| Cancelled)
        });
        if let Err(error) = listed {
            let _ = send.blocking_send(Err(error.into()));
        }
    });
    let response = Response::builder().header(CONTENT_TYPE, "application/x-ndjson");
    response.body(Body::from_stream(ReceiverStream::new(receive))).map_err(|error| ApiError::internal(&error))
}

/// The two archives that are compared, by file name.
#[derive(Debug, Deserialize)]
pub struct Two {
    before: String,
    after: String,
}

/// Tells what differs between two archives of one environment.
pub async fn differences(
    State(app): State<Arc<App>>,
    Path((site, env)): Path<(String, String)>,
    two: Result<Query<Two>, QueryRejection>,
) -> Result<Json<DiffObject>, ApiError> {
    let Query(two) = two?;
    let (site, env) = app.find_env(&site, &env).await?;
    let listed = app.listed(site.id, &env.name).await?;
    let (before, element) = find_archive(&listed, &two.before)?;
    let (after, other_element) = find_archive(&listed, &two.after)?;
    if element != other_element {
        return Err(ApiError::bad_request(format!(
            "{} holds {} and {} holds {}: only archives of the same element can be compared.",
            two.before, element, two.after, other_element
        )));
    }
    let (vault, one) = app.open_archive(site.id, before.id, &two.before).await?;
    let (_, other) = app.open_archive(site.id, after.id, &two.after).await?;
    let facts = |report: &BackupReport| report.elements.get(&element)?.facts.clone();
    let (before, after) = (facts(before), facts(after));
    let cache = app.data.cache();
    let found = blocking(move || {
        let mut found = diff(&vault, &one, &other, &Silent)?;
        if let (Some(Facts::Code(before)), Some(Facts::Code(after))) = (&before, &after) {
            let histories =
                Histories { vault: &vault, cache: &cache, settings: &env.settings, id: Uuid::new_v4() };
            add_commits(&mut found, &histories, &other, before, after);
        }
        Ok::<_, VaultError>(found)
    });
    Ok(Json(found.await??))
}
