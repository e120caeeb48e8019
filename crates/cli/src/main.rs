//! The `undercroft` program.

fn main() {}
