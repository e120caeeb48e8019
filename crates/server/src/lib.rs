//! HTTP: the API in the shapes that Terminus speaks, and downloads.
//!
//! [`App`] is a data folder in use: catalog, keys, store, and the jobs that this program runs. [`router`] makes
//! it answer. Nothing here opens a socket: the command line calls the router inside its own process, and a server
//! puts it behind one. Handlers are `<noun>/<verb>.rs`; what they share is in `error` and `lookup`.

mod app;
mod backups;
mod data;
mod environments;
mod error;
mod jobs;
mod lookup;
mod recovery_key;
mod reserve;
mod settings;
mod sites;
mod store;
mod workflows;

use std::sync::{Arc, PoisonError};

use axum::extract::State;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use undercroft_model::api::RecoveryObject;

pub use app::{App, OpenError};
pub use data::{DataError, DataFolder};
pub use error::ApiError;
pub use jobs::Patience;

/// All that the API and the downloads answer.
pub fn router(app: Arc<App>) -> Router {
    let env = "/api/sites/{site}/environments/{env}";
    Router::new()
        .route("/api/sites", get(sites::list::list).post(sites::add::add))
        .route("/api/site-names/{name}", get(sites::show::by_name))
        .route("/api/sites/{site}", get(sites::show::show).delete(sites::remove::remove))
        .route("/api/sites/{site}/environments", get(environments::list::list))
        .route(
            &format!("{env}/settings"),
            get(environments::settings::show).put(environments::settings::update),
        )
        .route(&format!("{env}/backups/catalog"), get(backups::catalog::list))
        .route(&format!("{env}/backups/catalog/{{folder}}/{{element}}/s3token"), post(backups::token::make))
        .route(&format!("{env}/backups/trash"), get(backups::catalog::trash))
        .route(&format!("{env}/backups/catalog/{{folder}}"), delete(backups::marks::delete))
        .route(&format!("{env}/backups/catalog/{{folder}}/undelete"), post(backups::marks::undelete))
        .route(&format!("{env}/backups/catalog/{{folder}}/keep"), put(backups::marks::keep))
        .route(&format!("{env}/backups/catalog/{{folder}}/{{element}}/entries"), get(backups::look::entries))
        .route(&format!("{env}/backups/diff"), get(backups::look::differences))
        .route(&format!("{env}/workflows"), post(workflows::create::create))
        .route(
            "/api/sites/{site}/workflows",
            get(workflows::show::list).post(workflows::create::create_for_site),
        )
        .route(
            "/api/sites/{site}/workflows/{workflow}",
            get(workflows::show::show).delete(workflows::cancel::cancel),
        )
        .route("/api/recoveries", post(recoveries))
        .route("/api/catalog/rebuild", post(store::rebuild::rebuild))
        .route("/api/store/copy", post(store::copy::create))
        .route("/api/store/copy/{id}", get(store::copy::show).delete(store::copy::cancel))
        .route("/api/recovery-key", get(recovery_key::show).post(recovery_key::exported))
        .route("/api/recovery-key/state", get(recovery_key::state))
        .route("/download/{site}/{env}/{folder}/{file}", get(backups::download::download))
        .fallback(error::no_such_path)
        .with_state(app)
}

/// `POST recoveries`: what became of restores that were stopped, since this was asked last.
async fn recoveries(State(app): State<Arc<App>>) -> Json<Vec<RecoveryObject>> {
    Json(std::mem::take(&mut *app.recoveries.lock().unwrap_or_else(PoisonError::into_inner)))
}
