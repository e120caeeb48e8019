//! The `undercroft` program.

mod output;
mod progress;

fn main() {}
