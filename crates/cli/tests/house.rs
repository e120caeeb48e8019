//! A crate may use only crates below it.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fs;
use std::path::Path;

/// From the top down; `client` is below `server` and carries what it is handed.
const HOUSE: [&str; 8] = ["cli", "server", "client", "worker", "site", "vault", "catalog", "model"];

fn used(crate_name: &str) -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_name).join("Cargo.toml");
    let text = fs::read_to_string(manifest).unwrap();
    let dependencies = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names = dependencies.lines().filter_map(|line| line.strip_prefix("undercroft-"));
    names.map(|rest| rest.split(['.', ' ', '=']).next().unwrap().to_owned()).collect()
}

#[test]
fn no_crate_uses_one_above_it() {
    for (place, name) in HOUSE.iter().enumerate() {
        for other in used(name) {
            let its = HOUSE.iter().position(|known| *known == other);
            assert!(its.is_some_and(|its| its > place), "{name} may not use {other}");
        }
    }
}

#[test]
fn the_lower_rooms_know_nothing_of_each_other() {
    assert_eq!(used("vault"), ["model"]);
    assert_eq!(used("catalog"), ["model"]);
    assert_eq!(used("client"), ["model"]);
    assert!(!used("worker").contains(&"catalog".to_owned()));
    assert!(!used("site").contains(&"catalog".to_owned()));
}
