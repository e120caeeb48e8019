//! Memory is bounded, whatever the site's size.
//!
//! In the usual run the sizes are such that anything that grows with them would show. With `UNDERCROFT_LARGE=1`
//! (`make large`) they are those of a large site: 5 GB of files, 500,000 files, a database of 2 GB.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use common::Bench;
use undercroft_testkit::mariadb::{self, Server};

/// No process of the program may ever hold more.
const MOST_KIB: u64 = 200 << 10;

fn large() -> bool {
    std::env::var_os("UNDERCROFT_LARGE").is_some()
}

/// The most memory that a process has had in use so far, in KiB.
fn high_water(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// Waits for the process, and gives the most memory that it had.
fn watch(mut child: Child) -> u64 {
    let mut most = 0;
    loop {
        most = most.max(high_water(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return most;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn measure(bench: &Bench, what: &str) {
    for (name, args) in [
        ("first backup", ["backup:create", "big.live", "--quiet", "--yes"]),
        ("nothing changed", ["backup:create", "big.live", "--quiet", "--yes"]),
        (
            "download",
            [
                "backup:get",
                "big.live",
                if what == "database" { "--element=db" } else { "--element=files" },
                "--to=-",
            ],
        ),
    ] {
        let child = bench.command(args).stdout(Stdio::null()).spawn().unwrap();
        let most = watch(child);
        println!("{what}, {name}: {} MiB at most", most >> 10);
        assert!(most > 0 && most < MOST_KIB, "{what}, {name}: {} MiB", most >> 10);
    }
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend(state.to_le_bytes());
    }
    out.truncate(len);
    out
}

fn add_files(bench: &Bench, folder: &Path) {
    let folder = folder.display().to_string();
    bench.ok(["site:add", &folder, "--name=big", &format!("--files={folder}"), "--no-code", "--no-database"]);
}

#[test]
fn large_files() {
    let bench = Bench::new();
    let folder = bench.path("uploads");
    fs::create_dir(&folder).unwrap();
    let (files, megabytes) = if large() { (50, 100) } else { (6, 50) };
    for n in 0..files {
        let mut file = File::create(folder.join(format!("film-{n}.mp4"))).unwrap();
        for part in 0..megabytes {
            file.write_all(&noise(1_000_000, n * 1000 + part)).unwrap();
        }
    }
    add_files(&bench, &folder);
    measure(&bench, "large files");
}

#[test]
fn many_files() {
    let bench = Bench::new();
    let folder = bench.path("uploads");
    let (folders, each) = if large() { (500, 1000) } else { (30, 1000) };
    for n in 0..folders {
        let folder = folder.join(format!("{n:04}"));
        fs::create_dir_all(&folder).unwrap();
        for m in 0..each {
            fs::write(folder.join(format!("thumbnail-{m}-150x150.jpg")), noise(300, n * each + m)).unwrap();
        }
    }
    add_files(&bench, &folder);
    measure(&bench, "many files");
}

#[test]
fn a_large_database() {
    let bench = Bench::new();
    let server = Server::start(mariadb::Options::default());
    let rows = if large() { 3_000_000 } else { 200_000 };
    server.run_sql(&format!(
        "CREATE DATABASE big CHARACTER SET utf8mb4;
         CREATE TABLE big.posts (id INT PRIMARY KEY, title VARCHAR(100), body TEXT) ENGINE=InnoDB;
         INSERT INTO big.posts SELECT seq, MD5(seq),
             CONCAT(REPEAT(MD5(seq + 1), 10), REPEAT(' lorem ipsum dolor', 18)) FROM big.seq_1_to_{rows};"
    ));
    let folder = bench.path("site");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("index.php"), "<?php").unwrap();
    bench.ok([
        "site:add",
        &folder.display().to_string(),
        "--name=big",
        "--no-code",
        "--no-files",
        &format!("--database=mysql://root@localhost/big?socket={}", server.socket().display()),
    ]);
    measure(&bench, "database");
}
