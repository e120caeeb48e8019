//! `POST sites/<uuid>/environments/<env>/workflows` and `POST sites/<uuid>/workflows`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use undercroft_catalog::{Environment, JobKind, NewJob, Site};
use undercroft_model::api::{ExportParams, NewWorkflow, RestoreOneParams, RestoreParams, Workflow};
use undercroft_model::{Element, ElementSet, EnvName, EnvSettings, KeepFor};
use uuid::Uuid;

use super::object;
use crate::jobs::{BackupJob, RestoreJob, Running, VerifyJob, Work};
use crate::{ApiError, App};

/// Queues a job of an environment and answers at once.
pub async fn create(
    State(app): State<Arc<App>>,
    Path((site, env)): Path<(String, String)>,
    body: Result<Json<NewWorkflow>, JsonRejection>,
) -> Result<(StatusCode, Json<Workflow>), ApiError> {
    let Json(asked) = body?;
    let (site, env) = app.find_env(&site, &env).await?;
    let kind = JobKind::parse(&asked.kind).ok_or_else(|| unknown(&asked.kind))?;
    let params = asked.params.clone();
    let (work, running) = match kind {
        JobKind::Backup => backup(&site, &env, params)?,
        JobKind::Restore | JobKind::PlanRestore => {
            let params = read(params)?;
            restore(&site, &env, params, kind == JobKind::PlanRestore)?
        }
        JobKind::RestoreCode | JobKind::RestoreDatabase | JobKind::RestoreFiles => {
            let one: RestoreOneParams = read(params)?;
            let params = RestoreParams { archives: vec![archive_of(&one.key)?], ..RestoreParams::default() };
            restore(&site, &env, params, false)?
        }
        JobKind::Verify => {
            let job = VerifyJob { site: site.clone(), env: env.clone(), params: read(params)? };
            (Work::Verify(job), Running::new([]))
        }
        JobKind::Check | JobKind::Sweep | JobKind::PlanSweep => return Err(unknown(&asked.kind)),
    };
    queue(&app, &site, Some(env.name), kind, asked.params, (work, running)).await
}

/// Queues a job of a whole site and answers at once.
pub async fn create_for_site(
    State(app): State<Arc<App>>,
    Path(site): Path<String>,
    body: Result<Json<NewWorkflow>, JsonRejection>,
) -> Result<(StatusCode, Json<Workflow>), ApiError> {
    let Json(asked) = body?;
    let site = app.find_site(&site).await?;
    let kind = JobKind::parse(&asked.kind).ok_or_else(|| unknown(&asked.kind))?;
    let work = match kind {
        JobKind::Check => Work::Check(site.clone(), read(asked.params.clone())?),
        JobKind::Sweep => Work::Sweep(site.clone(), read(asked.params.clone())?),
        JobKind::PlanSweep => Work::PlanSweep(site.clone(), read(asked.params.clone())?),
        _ => return Err(unknown(&asked.kind)),
    };
    queue(&app, &site, None, kind, asked.params, (work, Running::new([]))).await
}

fn unknown(kind: &str) -> ApiError {
    ApiError::bad_request(format!("There are no workflows of the type {kind}."))
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, ApiError> {
    // What has no params may come without.
    let params = if params.is_null() { Value::Object(Map::new()) } else { params };
    serde_json::from_value(params)
        .map_err(|error| ApiError::bad_request(format!("The workflow's params can't be read: {error}")))
}

async fn queue(
    app: &Arc<App>,
    site: &Site,
    env: Option<EnvName>,
    kind: JobKind,
    params: Value,
    (work, running): (Work, Running),
) -> Result<(StatusCode, Json<Workflow>), ApiError> {
    let (id, worker, created) = (Uuid::new_v4(), app.jobs.worker(), app.seconds());
    let job = NewJob { id, site: site.id, env, kind, params, worker, created };
    app.start(job, work, running).await?;
    let workflow = object::find(app, site, id).await?;
    Ok((StatusCode::ACCEPTED, Json(workflow)))
}

fn backup(site: &Site, env: &Environment, params: Value) -> Result<(Work, Running), ApiError> {
    let params: ExportParams = read(params)?;
    let keep_for = u64::try_from(params.ttl).ok().and_then(KeepFor::seconds).ok_or_else(|| {
        ApiError::bad_request(format!(
            "A backup can't be kept for {} seconds: ask for 1 to 36500 days.",
            params.ttl
        ))
    })?;
    let elements = elements(&params, &env.settings, &format!("{}.{}", site.name, env.name))?;
    let accept_smaller = params.accept_smaller;
    let backup =
        BackupJob { site: site.clone(), env: env.clone(), elements, keep_for, accept_smaller, safety: false };
    Ok((Work::Backup(backup), Running::new(elements.iter())))
}

fn restore(
    site: &Site,
    env: &Environment,
    params: RestoreParams,
    dry_run: bool,
) -> Result<(Work, Running), ApiError> {
    if params.archives.is_empty() && !params.undo {
        return Err(ApiError::bad_request("No archive was named that is to be restored."));
    }
    if params.undo && !(params.tables.is_empty() && params.paths.is_empty()) {
        return Err(ApiError::bad_request(
            "An undoing brings back all that the restore replaced: no tables or paths can be named.",
        ));
    }
    let elements: Result<BTreeSet<Element>, _> =
        params.archives.iter().map(|name| element_of(name)).collect();
    let elements = elements?;
    if elements.len() < params.archives.len() {
        return Err(ApiError::bad_request("Of each element only one archive can be restored."));
    }
    for name in &params.archives {
        has_what_is_named(name, &params)?;
    }
    let job = RestoreJob { site: site.clone(), env: env.clone(), params, dry_run };
    Ok((Work::Restore(job), Running::new(elements)))
}

/// Refuses an archive that would come back whole although only tables, or only files, were named.
fn has_what_is_named(name: &str, params: &RestoreParams) -> Result<(), ApiError> {
    let is_dump = element_of(name)? == Element::Database;
    let (what, named) = match is_dump {
        true => ("a database, and only files were", !params.paths.is_empty() && params.tables.is_empty()),
        false => ("files, and only tables were", !params.tables.is_empty() && params.paths.is_empty()),
    };
    if named {
        return Err(ApiError::bad_request(format!(
            "{name} holds {what} named: it would come back whole. Leave it out, or restore it by itself."
        )));
    }
    Ok(())
}

/// The archive that a key names: `<site uuid>/<env>/<folder>/<filename>`. Of which element it is, its name says: the
/// client of Terminus asks for the same archive thrice, as each of the three elements.
fn archive_of(key: &str) -> Result<String, ApiError> {
    let name = key.rsplit('/').next().unwrap_or_default();
    element_of(name).map(|_| name.to_owned())
}

/// The element that an archive's name ends in.
fn element_of(name: &str) -> Result<Element, ApiError> {
    let stem = name.strip_suffix(".tar.gz").or_else(|| name.strip_suffix(".sql.gz"));
    let element = stem.and_then(|stem| stem.rsplit('_').next()?.parse().ok());
    element.ok_or_else(|| ApiError::bad_request(format!("{name} is no archive's name.")))
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
