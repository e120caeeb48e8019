//! What a site is made of, and how it is captured and restored: a git repository ([`git`]), a MySQL or MariaDB schema
//! ([`database`]), a tree of files ([`files`]), and the profiles that find all three in a folder
//! ([`profile`]).
//!
//! A capture gives a stream to whatever the vault's seams ([`undercroft_vault::stream`]) stand for. It knows
//! nothing of packs, stores or the catalog, never runs the site's own program, and takes nothing from the
//! environment it runs in.

pub mod database;
pub mod files;
pub mod git;
mod percent;
mod php;
pub mod profile;
pub mod replace;
