//! What the API answers when it can't do what it is asked: a JSON string for a person, and a status.
//!
//! The client of Terminus takes 400 to 409 for final and tries anything else again for more than a minute, so
//! those are what is answered wherever trying again can't help.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use undercroft_catalog::CatalogError;
use undercroft_vault::VaultError;

/// A refusal, as it is sent.
#[derive(Debug)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// What is wrong, where, and what to do, for a person.
    pub message: String,
}

impl ApiError {
    /// What was asked for is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        ApiError { status: StatusCode::NOT_FOUND, message: message.into() }
    }

    /// What was asked makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        ApiError { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// What was asked can't be done as things are.
    pub fn conflict(message: impl Into<String>) -> Self {
        ApiError { status: StatusCode::CONFLICT, message: message.into() }
    }

    /// The link or the key does not allow it.
    pub fn forbidden(message: impl Into<String>) -> Self {
        ApiError { status: StatusCode::FORBIDDEN, message: message.into() }
    }

    /// Something of this program failed.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        ApiError { status: StatusCode::INTERNAL_SERVER_ERROR, message: undercroft_worker::chain(error) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.message)).into_response()
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let status = match error {
            CatalogError::NoSite(_) | CatalogError::NoEnvironment(_) | CatalogError::NoJob(_) => {
                StatusCode::NOT_FOUND
            }
            CatalogError::SiteTaken(_)
            | CatalogError::EnvironmentTaken(_)
            | CatalogError::Busy
            | CatalogError::LostLease(_) => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ApiError { status, message: undercroft_worker::chain(&error) }
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        ApiError::conflict(undercroft_worker::chain(&error))
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        ApiError::bad_request(rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        ApiError::bad_request(rejection.body_text())
    }
}

/// The answer where no route leads.
pub async fn no_such_path() -> ApiError {
    ApiError::not_found("There is nothing at this address.")
}
