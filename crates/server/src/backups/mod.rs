//! Backups and their archives.

pub mod catalog;
pub mod download;
mod link;
pub mod token;
