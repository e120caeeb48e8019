//! The recovery key: given out, and remembered as given out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use undercroft_model::Secret;
use undercroft_model::api::{RecoveryKeyObject, RecoveryKeyState};

use crate::{ApiError, App};

/// The catalog's note of it.
const NOTE: &str = "recovery key exported";

/// `GET recovery-key`
pub async fn show(State(app): State<Arc<App>>) -> Result<Json<RecoveryKeyObject>, ApiError> {
    Ok(Json(RecoveryKeyObject { key: Secret::new(app.recovery.to_text()) }))
}

/// `GET recovery-key/state`
pub async fn state(State(app): State<Arc<App>>) -> Result<Json<RecoveryKeyState>, ApiError> {
    Ok(Json(RecoveryKeyState { exported: app.catalog.note(NOTE).await?.is_some() }))
}

/// `POST recovery-key`: the person has it now.
pub async fn exported(State(app): State<Arc<App>>) -> Result<Json<serde_json::Value>, ApiError> {
    app.catalog.set_note(NOTE, &app.now().to_string()).await?;
    Ok(Json(serde_json::json!({})))
}
