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
use undercroft_model::{Cancelled, Element, Facts, Silent};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::{Vault, VaultError};
use undercroft_worker::{Histories, add_commits, browse, diff};
use uuid::Uuid;

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
    let (vault, archive) = open(&app, site.id, report.id, name).await?;
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
    let find = |name: &str| {
        listed.iter().find_map(|standing| {
            let report = &standing.report;
            let mut elements = report.elements.iter();
            let (element, one) =
                elements.find(|(element, _)| report.archive_name(**element).to_string() == name)?;
            Some((report.id, *element, one.facts.clone()))
        })
    };
    let missing = |name: &str| ApiError::not_found(format!("Could not find a backup identified by {name}."));
    let before = find(&two.before).ok_or_else(|| missing(&two.before))?;
    let after = find(&two.after).ok_or_else(|| missing(&two.after))?;
    if before.1 != after.1 {
        return Err(ApiError::bad_request(format!(
            "{} holds {} and {} holds {}: only archives of the same element can be compared.",
            two.before, before.1, two.after, after.1
        )));
    }
    let (vault, one) = open(&app, site.id, before.0, two.before).await?;
    let (_, other) = open(&app, site.id, after.0, two.after).await?;
    let cache = app.data.cache();
    let found = blocking(move || {
        let mut found = diff(&vault, &one, &other, &Silent)?;
        if let (Some(Facts::Code(before)), Some(Facts::Code(after))) = (&before.2, &after.2) {
            let histories =
                Histories { vault: &vault, cache: &cache, settings: &env.settings, id: Uuid::new_v4() };
            add_commits(&mut found, &histories, &other, before, after);
        }
        Ok::<_, VaultError>(found)
    });
    Ok(Json(found.await??))
}

async fn open(
    app: &Arc<App>,
    site: Uuid,
    backup: Uuid,
    name: String,
) -> Result<(Vault, ArchiveRecord), ApiError> {
    let opener = Arc::clone(app);
    let (vault, record) = blocking(move || {
        let vault = opener.vault(site)?;
        let record = vault.read_record(backup)?;
        Ok::<_, VaultError>((vault, record))
    })
    .await??;
    let missing = || ApiError::not_found(format!("Could not find a backup identified by {name}."));
    let archive = record.archives.into_iter().find(|archive| archive.name == name);
    Ok((vault, archive.ok_or_else(missing)?))
}
