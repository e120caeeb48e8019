//! Why a call did not succeed.

use http::StatusCode;

use crate::BoxError;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused it, and says why.
    #[error("{message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What the server says.
        message: String,
    },
    /// The call did not reach the server, or its answer broke off.
    #[error("the answer broke off")]
    Broken(#[source] BoxError),
    /// The answer is not what this release understands.
    #[error("the server's answer can't be understood; is it of another release?")]
    Malformed(#[source] serde_json::Error),
    /// A request could not be put together.
    #[error("the request could not be made")]
    Request(#[from] http::Error),
}

impl ClientError {
    /// Whether the server says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ClientError::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}
