//! Promises of the files capture, kept with real folders, and archives that GNU tar and bsdtar take apart.

mod again;
mod asked;
mod changes;
mod left_out;
mod refused;
mod support;
mod whole;
