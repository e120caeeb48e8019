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
mod settings;
mod sites;
mod workflows;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post, put};

pub use app::{App, OpenError};
pub use data::{DataError, DataFolder};
pub use error::ApiError;

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
        .route(&format!("{env}/workflows"), post(workflows::create::create))
        .route("/api/sites/{site}/workflows", get(workflows::show::list))
        .route(
            "/api/sites/{site}/workflows/{workflow}",
            get(workflows::show::show).delete(workflows::cancel::cancel),
        )
        .route("/api/recovery-key", get(recovery_key::show).post(recovery_key::exported))
        .route("/api/recovery-key/state", get(recovery_key::state))
        .route("/download/{site}/{env}/{folder}/{file}", get(backups::download::download))
        .fallback(error::no_such_path)
        .with_state(app)
}
