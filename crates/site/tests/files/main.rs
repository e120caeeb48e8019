//! Promises of the files capture, kept with real folders, and archives that GNU tar and bsdtar take apart.

#![allow(clippy::unwrap_used, clippy::expect_used)] // As in all tests; here, helpers are outside of them.

mod again;
mod asked;
mod changes;
mod left_out;
mod mounted;
mod order;
mod refused;
mod restore;
mod support;
mod whole;
