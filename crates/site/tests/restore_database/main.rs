//! What bringing a database back promises, against a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
#[path = "../database/compare.rs"]
mod compare;
mod definers;
mod held;
mod keys;
mod numbered;
mod oracle;
mod orphans;
mod prefix;
mod proof;
mod refused;
mod replaced;
mod support;
mod switched;
mod trouble;
