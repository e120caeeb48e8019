//! What a dump of a schema promises, against a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod changes;
mod compare;
mod failures;
mod incomplete;
mod mysql;
mod shared;
mod stored;
mod support;
mod tls;
mod whole;
