//! Sites of every layout, built in temporary folders, and what is found in them.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test")]

mod drupal;
mod other;
mod tree;
mod wordpress;
