//! Deleting a backup, bringing it back, keeping it longer.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use undercroft_model::api::KeepParams;
use undercroft_model::retention::Fate;
use undercroft_model::{BackupFolder, Mark, MarkState, Marked, TrashedWhy};
use undercroft_vault::MarkError;
use uuid::Uuid;

use super::standing::Standing;
use crate::app::blocking;
use crate::{ApiError, App};

type Place = (String, String, String);

impl App {
    /// Says something of a backup: in the vault first, which is the truth.
    pub(crate) async fn mark(
        self: &Arc<Self>,
        site: Uuid,
        backup: Uuid,
        marks: Vec<Marked>,
    ) -> Result<(), ApiError> {
        let (app, at) = (Arc::clone(self), self.now());
        let all = blocking(move || {
            let vault = app.vault_to_add(site)?;
            for what in marks {
                vault.write_mark(backup, &Mark { at, what })?;
            }
            Ok::<_, MarkError>(vault.marks_of(backup)?)
        });
        let all = all.await?.map_err(|error| ApiError::conflict(undercroft_worker::chain(&error)))?;
        Ok(self.catalog.set_marks(backup, &all).await?)
    }
}

async fn find(app: &App, (site, env, folder): &Place) -> Result<(Uuid, Standing), ApiError> {
    let (site, env) = app.find_env(site, env).await?;
    let folder: BackupFolder = folder.parse().map_err(|e| ApiError::bad_request(format!("{e}")))?;
    Ok((site.id, app.find_any_backup(site.id, &env.name, folder).await?))
}

/// `DELETE …/backups/catalog/<folder>`: into the trash. One that the store has lost is given up: there is nothing that
/// could be brought back.
pub async fn delete(State(app): State<Arc<App>>, Path(place): Path<Place>) -> Result<Json<Value>, ApiError> {
    app.data.use_reserve_if_full();
    let (site, backup) = find(&app, &place).await?;
    if backup.is_listed() {
        let opener = Arc::clone(&app);
        let recorded = blocking(move || opener.vault(site)?.records()).await??;
        if !recorded.contains(&backup.report.id) {
            app.catalog.forget_backup(backup.report.id).await?;
            return Ok(Json(json!({ "trash": null })));
        }
        let why = Marked::Trashed { why: TrashedWhy::Asked };
        app.mark(site, backup.report.id, vec![why]).await?;
    }
    let (_, backup) = find(&app, &place).await?;
    Ok(Json(json!({ "trash": backup.trash() })))
}

/// `POST …/backups/catalog/<folder>/undelete`: back from the trash. One whose time is over is kept for as long again.
pub async fn undelete(
    State(app): State<Arc<App>>,
    Path(place): Path<Place>,
) -> Result<Json<Value>, ApiError> {
    let (site, backup) = find(&app, &place).await?;
    let report = &backup.report;
    match backup.fate {
        Fate::Listed { .. } => {}
        Fate::Gone { .. } => {
            return Err(ApiError::conflict(format!(
                "The backup {} can't be brought back any more: its time in the trash is over.",
                report.folder
            )));
        }
        Fate::Trash { .. } => {
            let mut marks = vec![Marked::Restored];
            let end = match MarkState::of(&backup.marks, report.finished).keep {
                // It was pinned, and is again.
                Some(None) => Timestamp::MAX,
                Some(Some(until)) => until,
                None => report.expires,
            };
            if end <= app.now() {
                let span = report.expires.duration_since(report.finished);
                let until = app.now().checked_add(span).ok();
                marks.push(Marked::Keep { until, note: "brought back after its time was over".to_owned() });
            }
            app.mark(site, report.id, marks).await?;
        }
    }
    let (_, backup) = find(&app, &place).await?;
    Ok(Json(json!({ "kept": backup.kept() })))
}

/// `PUT …/backups/catalog/<folder>/keep`
pub async fn keep(
    State(app): State<Arc<App>>,
    Path(place): Path<Place>,
    body: Result<Json<KeepParams>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(asked) = body?;
    let (site, backup) = find(&app, &place).await?;
    if !backup.is_listed() {
        return Err(ApiError::conflict(format!(
            "The backup {} is in the trash: bring it back with backup:undelete first.",
            backup.report.folder
        )));
    }
    let until = match asked.ttl {
        None => None,
        Some(ttl) if (1..=36_500 * 86_400).contains(&ttl) => {
            let until = app.now().checked_add(SignedDuration::from_secs(ttl));
            Some(until.map_err(|error| ApiError::bad_request(format!("{error}")))?)
        }
        Some(ttl) => {
            return Err(ApiError::bad_request(format!(
                "A backup can't be kept for {ttl} seconds: ask for 1 to 36500 days."
            )));
        }
    };
    app.mark(site, backup.report.id, vec![Marked::Keep { until, note: asked.note }]).await?;
    let (_, backup) = find(&app, &place).await?;
    Ok(Json(json!({ "kept": backup.kept() })))
}
