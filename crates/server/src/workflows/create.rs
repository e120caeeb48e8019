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
use crate::jobs::{BackupJob, Running, Work};
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
        env: Some(env.name.clone()),
        kind: JobKind::Backup,
        params: asked.params,
        worker: app.jobs.worker(),
        created: app.seconds(),
    };
    let id = job.id;
    let accept_smaller = params.accept_smaller;
    let backup = BackupJob { site: site.clone(), env, elements, keep_for, accept_smaller };
    app.start(job, Work::Backup(backup), Running::new(elements.iter())).await?;
    let workflow = object::find(&app, &site, id).await?;
    Ok((StatusCode::ACCEPTED, Json(workflow)))
}

/// What is to be captured: what was asked for, less what the environment is known to have none of. An element of
/// which it is not known where it is will fail, unless it was asked for by itself, which is refused here.
fn elements(params: &ExportParams, settings: &EnvSettings, who: &str) -> Result<ElementSet, ApiError> {
    let asked =
        [(Element::Code, params.code), (Element::Database, params.database), (Element::Files, params.files)];
    let asked: Vec<Element> =
        asked.into_iter().filter(|(_, asked)| *asked).map(|(element, _)| element).collect();
    let Some(first) = asked.first() else {
        return Err(ApiError::bad_request("No element was chosen: ask for code, database, files, or all."));
    };
    if let Some(element) = asked.iter().find(|element| !params.only_what_is_there && !settings.has(**element))
    {
        return Err(ApiError::bad_request(lacks(who, *element)));
    }
    if !asked.iter().any(|element| settings.has(*element)) {
        return Err(ApiError::bad_request(lacks(who, *first)));
    }
    let wanted = asked.into_iter().filter(|element| !settings.absent.contains(element));
    ElementSet::of(wanted).ok_or_else(|| ApiError::bad_request(lacks(who, Element::Code)))
}

fn lacks(who: &str, element: Element) -> String {
    let option = match element {
        Element::Code => "--code=FOLDER",
        Element::Database => "--database=-",
        Element::Files => "--files=FOLDER",
    };
    format!(
        "{who} has no {element} to back up: say where it is with undercroft env:update {who} {option}, or that there \
         is none with --no-{element}"
    )
}
