//! What a dump of a schema promises, against a real server.

#![allow(clippy::unwrap_used)]

mod compare;
mod support;
mod whole;
