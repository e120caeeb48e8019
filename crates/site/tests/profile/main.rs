//! Sites of every layout, built in temporary folders, and what is found in them.

mod drupal;
mod other;
mod tree;
mod wordpress;
