//! A real WordPress on a real MariaDB: found by pointing at its folder, backed up, and loaded again.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use common::{Bench, sh};
use undercroft_testkit::mariadb::{self, Server};
use undercroft_testkit::wordpress::WordPress;

fn add(bench: &Bench, server: &Server) -> WordPress {
    let wordpress = WordPress::install(server, &bench.path("shop"));
    wordpress.publish(1, 5);
    let ran = bench.run(["site:add", &wordpress.folder().display().to_string()]);
    assert!(ran.0.status.success(), "{}", ran.err());
    let said = format!("{}{}", ran.out(), ran.err());
    for found in ["WordPress", "wp-content/uploads", "wp-config.php:", "git repository", "MariaDB"] {
        assert!(said.contains(found), "{found}: {said}");
    }
    assert!(!said.contains(wordpress.password()), "the password is never shown");
    wordpress
}

/// Loads a dump through the `mariadb` client into a new schema.
fn load(server: &Server, schema: &str, archive: &[u8]) {
    server.run_sql(&format!("CREATE DATABASE {schema} CHARACTER SET utf8mb4"));
    let mut gunzip =
        std::process::Command::new("gunzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut client = server.client();
    let client = client.arg(schema).stdin(gunzip.stdout.take().unwrap()).spawn().unwrap();
    gunzip.stdin.take().unwrap().write_all(archive).unwrap();
    assert!(gunzip.wait().unwrap().success());
    assert!(client.wait_with_output().unwrap().status.success());
}

fn checksums(server: &Server, schema: &str) -> String {
    let tables = server.query(&format!(
        "SELECT CONCAT('`', REPLACE(table_name, '`', '``'), '`') FROM information_schema.tables
         WHERE table_schema = '{schema}' AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1"
    ));
    let tables: Vec<_> = tables.lines().map(|table| format!("{schema}.{table}")).collect();
    let sums = server.query(&format!("CHECKSUM TABLE {} EXTENDED", tables.join(", ")));
    let sums = sums.replace(&format!("{schema}."), "");
    // One table is versioned by transaction numbers, which are the server's own and differ after any load.
    sums.lines().filter(|line| !line.starts_with("counted_past")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wordpress_comes_back_whole() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    let wordpress = add(&bench, &server);
    bench.back_up("shop.live");
    let dump = bench.archive("shop.live", &bench.files("shop.live", "database")[0]);
    load(&server, "restored", &dump);
    assert_eq!(checksums(&server, "restored"), checksums(&server, wordpress.schema()));
    let code = bench.unpack("shop.live", "code", "code");
    assert_eq!(sh(&format!("git -c safe.directory='*' -C {} status --porcelain", code.display())), "");
    let files = bench.unpack("shop.live", "files", "files");
    sh(&format!("diff -r {} {}", files.display(), wordpress.uploads().display()));
    let info = bench.ok(["backup:info", "shop.live", "--element=db", "--field=contents"]);
    assert!(info.contains("MariaDB") && info.contains("tables"), "{info}");
}

#[test]
fn an_unchanged_database_gives_the_same_archive_and_a_changed_one_costs_little() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    let wordpress = add(&bench, &server);
    for _ in 0..2 {
        bench.back_up("shop.live");
    }
    let names = bench.files("shop.live", "database");
    let first = bench.archive("shop.live", &names[1]);
    assert!(bench.archive("shop.live", &names[0]) == first);
    let before = bench.stored();
    wordpress.publish(6, 1);
    bench.back_up("shop.live");
    let grown = bench.stored() - before;
    assert!(grown < 1 << 20, "{grown} bytes for one post");
    let names = bench.files("shop.live", "database");
    assert!(bench.archive("shop.live", &names[0]) != first);
    assert!(bench.archive("shop.live", &names[2]) == first);
}

#[test]
fn every_trap_comes_back_through_the_program() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    server.run_sql("CREATE DATABASE traps CHARACTER SET utf8mb4");
    server.run_sql_in("traps", mariadb::TRAPS);
    fs::create_dir(bench.path("site")).unwrap();
    fs::write(bench.path("site/index.php"), "<?php").unwrap();
    let url = format!("mysql://root@localhost/traps?socket={}", server.socket().display());
    bench.ok([
        "site:add",
        &bench.path("site").display().to_string(),
        "--name=traps",
        "--no-files",
        "--no-code",
        &format!("--database={url}"),
    ]);
    bench.back_up("traps.live");
    load(&server, "restored", &bench.archive("traps.live", &bench.files("traps.live", "database")[0]));
    assert_eq!(checksums(&server, "restored"), checksums(&server, "traps"));
    server.run_sql(
        "CREATE TABLE traps.base (a INT); CREATE VIEW traps.broken_view AS SELECT a FROM traps.base",
    );
    server.run_sql("DROP TABLE traps.base");
    let told = bench.fails(["backup:create", "traps.live"]);
    assert!(told.contains("broken_view") && told.contains("Incomplete: database"), "{told}");
    assert_eq!(bench.files("traps.live", "database").len(), 2, "all else is kept");
}

#[test]
fn a_database_that_is_gone_fails_its_element_and_nothing_else() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    let wordpress = add(&bench, &server);
    bench.back_up("shop.live");
    let names = bench.files("shop.live", "database");
    let bytes = bench.archive("shop.live", &names[0]);
    let password = wordpress.password().to_owned();
    drop(server);
    let error = bench.fails(["backup:create", "shop.live"]);
    assert!(error.contains("database") && error.contains("Failed: database"), "{error}");
    assert!(!error.contains(&password));
    assert_eq!(bench.files("shop.live", "database"), names);
    assert_eq!(bench.files("shop.live", "files").len(), 2);
    assert!(bench.archive("shop.live", &names[0]) == bytes);
    let error = bench.fails(["backup:create", "shop.live", "--element=db"]);
    assert!(error.contains("No backup of shop.live was made"), "{error}");
}
