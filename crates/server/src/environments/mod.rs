//! Environments.

pub mod list;
pub mod settings;
