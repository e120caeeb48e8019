//! `POST sites`: finds out what lives in a folder, and adds it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::StatusCode;
use undercroft_catalog::{Environment, Site};
use undercroft_model::api::{AddSite, AddedSite, SiteNameObject};
use undercroft_model::{EnvSettings, SiteName};
use undercroft_site::profile::{self, Found, LookOptions};
use uuid::Uuid;

use crate::app::blocking;
use crate::settings::{self, Told};
use crate::{ApiError, App};

/// Adds a site, or an environment to the site of that name.
pub async fn add(
    State(app): State<Arc<App>>,
    body: Result<Json<AddSite>, JsonRejection>,
) -> Result<(StatusCode, Json<AddedSite>), ApiError> {
    let Json(asked) = body?;
    let (asked, found, mut told) = blocking(move || look(asked)).await??;
    settings::apply_retention(&mut told, &asked.overrides, app.now());
    let name = asked.name.clone().or_else(|| found.suggested_name.clone()).ok_or_else(|| {
        ApiError::bad_request(format!(
            "No name can be made from {}: give one with --name.",
            asked.folder.display()
        ))
    })?;
    let known = app.catalog.site_by_name(name.as_str()).await?;
    let is_known = known.is_some();
    refuse_taken(&app, known.as_ref(), &name, &asked).await?;
    told.notes.extend(added_before(&app, &told.settings).await?);
    let site = known.unwrap_or_else(|| Site {
        id: Uuid::new_v4(),
        name: name.clone(),
        created: app.now(),
        framework: settings::framework(&found.cms).to_owned(),
    });
    if !asked.dry_run {
        if !is_known {
            app.catalog.add_site(&site).await?;
        }
        let env = Environment {
            site: site.id,
            name: asked.env.clone(),
            created: app.now(),
            settings: told.settings,
        };
        app.catalog.add_environment(&env).await?;
    }
    let added = AddedSite {
        site: SiteNameObject { id: site.id, name },
        env: asked.env,
        known: is_known,
        made_with: found.cms.to_string(),
        findings: told.findings,
        missing: told.missing,
        notes: told.notes,
    };
    let status = if asked.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(added)))
}

fn look(asked: AddSite) -> Result<(AddSite, Found, Told), ApiError> {
    let options = LookOptions {
        multisite: asked.overrides.multisite.clone(),
        environment: asked.variables.clone().into_iter().collect::<HashMap<_, _>>(),
    };
    let found = profile::look(&asked.folder, &options)
        .map_err(|error| ApiError::bad_request(undercroft_worker::chain(&error)))?;
    let mut told = settings::from_found(&found);
    settings::apply(&mut told, &asked.overrides)?;
    settings::probe(&mut told);
    if told.settings.code.is_none() && told.settings.database.is_none() && told.settings.files.is_none() {
        let why: Vec<_> =
            told.missing.iter().map(|m| format!("{}: {} ({})", m.what, m.why, m.option)).collect();
        return Err(ApiError::bad_request(format!(
            "Nothing that could be backed up was found in {}. {}",
            asked.folder.display(),
            why.join("; ")
        )));
    }
    Ok((asked, found, told))
}

/// A note, if the very folder is an environment already.
async fn added_before(app: &App, settings: &EnvSettings) -> Result<Option<String>, ApiError> {
    for site in app.catalog.sites().await? {
        for env in app.catalog.environments(site.id).await? {
            if settings.folder.is_some() && env.settings.folder == settings.folder {
                return Ok(Some(format!("This folder is {}.{} already.", site.name, env.name)));
            }
        }
    }
    Ok(None)
}

async fn refuse_taken(
    app: &App,
    known: Option<&Site>,
    name: &SiteName,
    asked: &AddSite,
) -> Result<(), ApiError> {
    let Some(site) = known else { return Ok(()) };
    if app.catalog.environment(site.id, asked.env.as_str()).await?.is_none() {
        return Ok(());
    }
    Err(ApiError::conflict(format!(
        "{name}.{env} is there already. Change it with env:update {name}.{env} (--find={folder} looks again), add this folder as another \
         environment with --env, or as another site with --name.",
        env = asked.env,
        folder = asked.folder.display()
    )))
}
