//! Backups and their archives.

pub mod catalog;
pub mod download;
mod link;
pub mod look;
pub mod lost;
pub mod marks;
pub mod standing;
pub mod token;
mod unrecorded;
