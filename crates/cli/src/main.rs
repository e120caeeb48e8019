//! The `undercroft` program.

mod output;

fn main() {}
