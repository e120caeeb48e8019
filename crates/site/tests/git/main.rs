//! Promises of code archives: what is unpacked is the repository, whole, as it was at the moment of the capture,
//! and nothing that the repository's owner wrote runs on the way.

#![allow(clippy::unwrap_used)] // helpers of tests fail as tests do

mod bench;
mod changes;
mod hostile;
mod kinds;
mod mirrors;
mod modules;
mod times;
