//! The API's typed client: the same calls over whatever carries them.
//!
//! [`Client`] has a method for each call. What carries a call is a [`Transport`]: [`InProcess`] for a server in
//! this very process. The client knows no terminal and no files.

mod client;
mod download;
mod error;
mod lines;
mod transport;

pub use client::Client;
pub use download::Download;
pub use error::ClientError;
pub use lines::Lines;
pub use transport::{Answer, BoxError, InProcess, Transport};
