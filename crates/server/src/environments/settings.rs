//! `GET` and `PUT sites/<uuid>/environments/<env>/settings`

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use undercroft_catalog::Environment;
use undercroft_model::api::{AddedSite, Overrides, SiteNameObject};
use undercroft_model::{CodeSource, EnvSettings};
use undercroft_site::profile::{self, LookOptions};

use super::list::object;
use crate::app::blocking;
use crate::settings::{self, Told};
use crate::{ApiError, App};

/// An environment's settings, without its database's password.
pub async fn show(
    State(app): State<Arc<App>>,
    Path((site, env)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let (_, env) = app.find_env(&site, &env).await?;
    let mut value = serde_json::to_value(object(env)).map_err(|error| ApiError::internal(&error))?;
    value["is_initialized"] = json!(true);
    Ok(Json(value))
}

/// Changes what the body says, and nothing else.
pub async fn update(
    State(app): State<Arc<App>>,
    Path((site, env)): Path<(String, String)>,
    body: Result<Json<Overrides>, JsonRejection>,
) -> Result<Json<AddedSite>, ApiError> {
    let Json(overrides) = body?;
    if overrides.multisite.is_some() && overrides.find.is_none() {
        return Err(ApiError::bad_request(
            "--multisite tells site:add, or --find, where to look: add the other site as a site or environment of its own.",
        ));
    }
    let (site, env) = app.find_env(&site, &env).await?;
    let (settings, now) = (env.settings.clone(), app.now());
    let told = blocking(move || {
        let mut told = match &overrides.find {
            Some(folder) => found_anew(settings, folder, &overrides)?,
            None => Told { settings, ..Told::default() },
        };
        settings::apply(&mut told, &overrides)?;
        settings::apply_retention(&mut told, &overrides, now);
        settings::probe(&mut told);
        Ok::<_, ApiError>(told)
    })
    .await??;
    app.catalog.update_environment(&Environment { settings: told.settings, ..env.clone() }).await?;
    Ok(Json(AddedSite {
        site: SiteNameObject { id: site.id, name: site.name },
        env: env.name,
        known: true,
        made_with: String::new(),
        findings: told.findings,
        missing: told.missing,
        notes: told.notes,
    }))
}

/// The settings with what is found in a folder now. What is left out of backups stays what it was, and so does what is
/// not found.
fn found_anew(before: EnvSettings, folder: &FilePath, overrides: &Overrides) -> Result<Told, ApiError> {
    let options = LookOptions { multisite: overrides.multisite.clone(), ..LookOptions::default() };
    let found = profile::look(folder, &options)
        .map_err(|error| ApiError::bad_request(undercroft_worker::chain(&error)))?;
    let mut told = settings::from_found(&found);
    let now = &mut told.settings;
    if let (Some(CodeSource::Folder { exclude, .. }), Some(CodeSource::Folder { exclude: old, .. })) =
        (&mut now.code, &before.code)
    {
        exclude.clone_from(old);
    }
    if let (Some(files), Some(old)) = (&mut now.files, &before.files) {
        files.exclude.clone_from(&old.exclude);
    }
    if let (Some(database), Some(old)) = (&mut now.database, &before.database) {
        database.structure_only.clone_from(&old.structure_only);
    }
    let (code, files, database) = (now.code.take(), now.files.take(), now.database.take());
    *now = EnvSettings {
        folder: now.folder.take().or(before.folder),
        code: code.or(before.code),
        files: files.or(before.files),
        database: database.or(before.database),
        ..before
    };
    Ok(told)
}
