//! How fast a dump loads, on a server that is told: `UNDERCROFT_BENCH_SOCKET=… cargo test --test restore_database --
//! --ignored --nocapture`, against a schema `wordpress` (that of `make bench`). Judges nothing.

use std::path::PathBuf;
use std::time::Instant;

use undercroft_model::{DatabaseAddress, DatabaseTarget, Secret, TlsMode};
use undercroft_site::database::restore::{Way, clean_up, prepare, stage, test_restore};

use crate::support::{Dump, ID, Told, order};

#[test]
#[ignore = "needs a large database"]
fn how_fast_a_dump_loads() {
    let Some(socket) = std::env::var_os("UNDERCROFT_BENCH_SOCKET").map(PathBuf::from) else { return };
    let target = DatabaseTarget {
        address: DatabaseAddress::Socket(socket),
        user: "root".to_owned(),
        password: Secret::default(),
        schema: "wordpress".to_owned(),
        tls: TlsMode::Off,
        tls_ca: None,
        table_prefix: None,
        structure_only: Vec::new(),
    };
    let told = Told::default();
    let begun = Instant::now();
    let dump = Dump::of(&target);
    println!("dumped {} rows in {:?}", dump.facts.rows, begun.elapsed());
    let order = order(&target, &dump, &told);
    let staged = stage(&order, ID, None, Way::Switch).unwrap();
    let begun = Instant::now();
    prepare(&staged, &order).unwrap();
    println!("loaded in {:?}", begun.elapsed());
    clean_up(&staged, &order).unwrap();
    let begun = Instant::now();
    let shown = test_restore(&order, ID).unwrap();
    println!("proven in {:?}: {} rows, {:?}", begun.elapsed(), shown.rows, shown.differences);
}
