//! A vault that is damaged gives back all that is whole.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Bench, sh};
use undercroft_testkit::mariadb::{Options, Server};

/// The largest pack of the only site.
fn largest_pack(bench: &Bench) -> PathBuf {
    let store = bench.data().join("store");
    let found = sh(&format!(
        "find {}/vaults/*/packs -type f -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2-",
        store.display()
    ));
    PathBuf::from(found.trim())
}

/// Damages one byte of the largest pack, so that some but not all of what is named there is hit.
fn damage_some(bench: &Bench, names: &[&str]) -> Vec<String> {
    let pack = largest_pack(bench);
    let whole = fs::read(&pack).unwrap();
    sh(&format!("chmod u+w {}", pack.display()));
    for part in 1..20 {
        let mut bytes = whole.clone();
        bytes[whole.len() * part / 20] ^= 1;
        fs::write(&pack, bytes).unwrap();
        let told = bench.run(["vault:check", "shop"]);
        let hit: Vec<_> =
            names.iter().filter(|name| told.err().contains(**name)).map(|name| (*name).to_owned()).collect();
        if (1..names.len()).contains(&hit.len()) {
            return hit;
        }
    }
    panic!("no byte hits some of {names:?} alone");
}

#[test]
fn files_that_are_whole_come_back_and_those_that_are_not_are_named() {
    let bench = Bench::new();
    let site = bench.path("shop");
    sh(&format!(
        "mkdir -p {0}/uploads/2026 && cd {0}/uploads/2026
         for n in a b c d; do head -c 900000 /dev/urandom > film-$n.mp4; done; echo hi > note.txt",
        site.display()
    ));
    let folder = site.display().to_string();
    let uploads = format!("--files={folder}/uploads");
    bench.ok(["site:add", &folder, "--name=shop", &uploads, "--no-code", "--no-database"]);
    bench.back_up("shop.live");
    let names = ["film-a.mp4", "film-b.mp4", "film-c.mp4", "film-d.mp4"];
    let films = names.map(|name| fs::read(site.join("uploads/2026").join(name)).unwrap());
    let hit = damage_some(&bench, &names);
    for name in names {
        fs::write(site.join("uploads/2026").join(name), "broken by somebody").unwrap();
    }

    let plain = ["backup:restore", "shop.live", "--yes", "--element=files", "--no-safety-backup"];
    let error = bench.fails(plain);
    assert!(error.contains("--skip-damaged brings back what is whole"), "{error}");
    let ran = bench.run(plain.into_iter().chain(["--skip-damaged"]));
    let told = ran.err();
    assert_eq!(ran.0.status.code(), Some(1), "{told}");
    assert!(told.contains("Not everything came back: the vault is damaged."), "{told}");
    assert!(told.contains(&hit[0]) && told.contains("is damaged in the vault, and stays as it is"), "{told}");
    for (name, film) in names.iter().zip(&films) {
        let is = fs::read(site.join("uploads/2026").join(name)).unwrap();
        if hit.iter().any(|hit| hit == name) {
            assert_eq!(is, b"broken by somebody", "{name}");
        } else {
            assert!(is == *film, "{name}");
        }
    }
    let to = format!("--to={}", bench.path("out").display());
    let ran = bench.run(["backup:restore", "shop.live", "--element=files", "--skip-damaged", &to]);
    assert!(ran.err().contains("did not come back"), "{}", ran.err());
    assert_eq!(ran.0.status.code(), Some(1));
    assert_eq!(fs::read_dir(bench.path("out/2026")).unwrap().count(), 5 - hit.len());
}

#[test]
fn tables_that_are_whole_come_back_and_those_that_are_not_stay() {
    let (bench, server) = (Bench::new(), Server::start(Options::default()));
    let tables = ["posts", "pages", "links"];
    server.run_sql("CREATE DATABASE shop");
    for table in tables {
        // Eight rows of noise each, so that each table has pieces of its own.
        server.run_sql(&format!(
            "USE shop; CREATE TABLE {table} (id INT PRIMARY KEY, body LONGTEXT);
             INSERT INTO {table} SELECT seq, (SELECT GROUP_CONCAT(SHA2(CONCAT('{table}', t.seq, s.seq), 512) SEPARATOR '')
             FROM seq_1_to_2000 t) FROM seq_1_to_8 s"
        ));
    }
    let root = bench.path("shop");
    sh(&format!("mkdir -p {0} && echo 1 > {0}/index.php", root.display()));
    bench.ok([
        "site:add".to_owned(),
        root.display().to_string(),
        "--name=shop".to_owned(),
        "--no-code".to_owned(),
        "--no-files".to_owned(),
        format!("--database=mysql://root@localhost/shop?socket={}", server.socket().display()),
    ]);
    bench.back_up("shop.live");
    let checksums = || server.query("CHECKSUM TABLE shop.posts, shop.pages, shop.links");
    let was = checksums();
    let hit = damage_some(&bench, &["posts", "pages", "links"]);
    for table in tables {
        server.run_sql(&format!("UPDATE shop.{table} SET body = 'broken'"));
    }
    let broken = checksums();
    let plain = ["backup:restore", "shop.live", "--yes", "--no-safety-backup"];
    let error = bench.fails(plain);
    assert!(error.contains("--skip-damaged"), "{error}");
    assert_eq!(checksums(), broken);
    let ran = bench.run(plain.into_iter().chain(["--skip-damaged"]));
    assert_eq!(ran.0.status.code(), Some(1), "{}", ran.err());
    assert!(ran.err().contains(&hit[0]), "{}", ran.err());
    for ((is, was), broken) in checksums().lines().zip(was.lines()).zip(broken.lines()) {
        let is_hit = hit.iter().any(|table| is.contains(table.as_str()));
        assert_eq!(is, if is_hit { broken } else { was });
    }
}
