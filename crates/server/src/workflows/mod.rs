//! Workflows: jobs, as the API calls them.

pub mod cancel;
pub mod create;
mod object;
pub mod show;
