//! Promises of restoring code into a repository: the archived commit is checked out and nothing else is touched, all
//! that was there can be had back, and a kill at any moment leaves one or the other.

#![allow(clippy::unwrap_used)] // helpers of tests fail as tests do

#[path = "../git/bench.rs"]
#[allow(dead_code)]
mod bench;
mod brought;
mod gone;
mod killed;
mod modes;
mod moves;
mod random;
mod refused;
mod support;
mod work_tree;
