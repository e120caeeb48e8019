//! `POST sites/<uuid>/environments/<env>/workflows`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use http::StatusCode;
use undercroft_catalog::{JobKind, NewJob};
use undercroft_model::api::{ExportParams, NewWorkflow, Workflow};
use undercroft_model::{Element, ElementSet, EnvSettings, KeepFor};
use uuid::Uuid;

use super::object;
use crate::jobs::BackupJob;
use crate::{ApiError, App};

/// Queues a job and answers at once.
pub async fn create(
    State(app): State<Arc<App>>,
    Path((site, env)): Path<(String, String)>,
    body: Result<Json<NewWorkflow>, JsonRejection>,
) -> Result<(StatusCode, Json<Workflow>), ApiError> {
    let Json(asked) = body?;
    let (site, env) = app.find_env(&site, &env).await?;
    if asked.kind != JobKind::Backup.as_str() {
        return Err(ApiError::bad_request(format!("There are no workflows of the type {}.", asked.kind)));
    }
    let params: ExportParams = serde_json::from_value(asked.params.clone())
        .map_err(|error| ApiError::bad_request(format!("The workflow's params can't be read: {error}")))?;
    let keep_for = u64::try_from(params.ttl).ok().and_then(KeepFor::seconds).ok_or_else(|| {
        ApiError::bad_request(format!(
            "A backup can't be kept for {} seconds: ask for 1 to 36500 days.",
            params.ttl
        ))
    })?;
    let elements = elements(&params, &env.settings, &format!("{}.{}", site.name, env.name))?;
    let job = NewJob {
        id: Uuid::new_v4(),
        site: site.id,
        env: env.name.clone(),
        kind: JobKind::Backup,
        params: asked.params,
        worker: app.jobs.worker(),
        created: app.seconds(),
    };
    let id = job.id;
    let accept_smaller = params.accept_smaller;
    app.start(job, BackupJob { site: site.clone(), env, elements, keep_for, accept_smaller }).await?;
    let workflow = object::find(&app, &site, id).await?;
    Ok((StatusCode::ACCEPTED, Json(workflow)))
}

fn elements(params: &ExportParams, settings: &EnvSettings, who: &str) -> Result<ElementSet, ApiError> {
    let asked = [
        (Element::Code, params.code, settings.code.is_some()),
        (Element::Database, params.database, settings.database.is_some()),
        (Element::Files, params.files, settings.files.is_some()),
    ];
    if !asked.iter().any(|(_, asked, _)| *asked) {
        return Err(ApiError::bad_request("No element was chosen: ask for code, database, files, or all."));
    }
    let lacking = asked.iter().find(|(_, asked, there)| *asked && !*there);
    if let Some((element, ..)) = lacking.filter(|_| !params.only_what_is_there) {
        return Err(ApiError::bad_request(lacks(who, *element)));
    }
    let there = asked.iter().filter(|(_, asked, there)| *asked && *there).map(|(element, ..)| *element);
    let nothing =
        || ApiError::bad_request(lacks(who, lacking.map_or(Element::Code, |(element, ..)| *element)));
    ElementSet::of(there).ok_or_else(nothing)
}

fn lacks(who: &str, element: Element) -> String {
    let option = match element {
        Element::Code => "--code=FOLDER",
        Element::Database => "--database=mysql://USER:PASSWORD@HOST/SCHEMA",
        Element::Files => "--files=FOLDER",
    };
    format!("{who} has no {element} to back up: say where it is with undercroft env:update {who} {option}")
}
