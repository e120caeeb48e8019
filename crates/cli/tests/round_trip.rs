//! A site comes back as it was, an unchanged one costs nothing, and archives go where they are sent.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::{Bench, add_small_site, sh};

/// Every entry of a tree with what is to be the same: kind, mode, size, time, link target, content.
fn describe(folder: &std::path::Path) -> String {
    sh(&format!(
        "cd {} && find . -not -name '.' -printf '%P %y %m %s %T@ %l\\n' | sed -E 's/( d [0-9]+) [0-9]+/\\1/' | sort
         find . -type f -print0 | sort -z | xargs -0 sha256sum",
        folder.display()
    ))
}

#[test]
fn files_and_code_come_back_as_they_were() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    bench.back_up("shop.live");
    let files = bench.unpack("shop.live", "files", "got-files");
    assert_eq!(files.file_name().unwrap(), "files_live");
    assert_eq!(describe(&files), describe(&site.join("uploads")));
    let code = bench.unpack("shop.live", "code", "got-code");
    let git = |command: &str| sh(&format!("cd {} && git -c safe.directory='*' {command}", code.display()));
    let here = |command: &str| sh(&format!("cd {} && git {command}", site.display()));
    git("fsck --full --strict");
    assert_eq!(git("status --porcelain"), "");
    for command in ["show-ref", "rev-parse HEAD", "symbolic-ref HEAD", "log --format=%H%n%B"] {
        assert_eq!(git(command), here(command), "{command}");
    }
}

#[test]
fn an_unchanged_site_is_not_opened_and_costs_next_to_nothing() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    // What was written just now may change again within one tick of the clock: git and the walk both would look
    // again.
    sh(&format!(
        "cd {} && find . -path ./.git -prune -o -exec touch -h -d '2026-11-01 10:00:00' {{}} + \
         && git update-index --refresh",
        site.display()
    ));
    bench.back_up("shop.live");
    bench.back_up("shop.live");
    let before = bench.stored();
    let trace = bench.path("trace");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=open,openat,openat2", "-o"])
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_undercroft"))
        .args(["backup:create", "shop.live"])
        .env("UNDERCROFT_DATA", bench.data())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let trace = fs::read_to_string(&trace).unwrap();
    assert!(trace.contains("uploads"), "the walk itself must be seen");
    let opened: Vec<_> = trace
        .lines()
        .filter(|line| !line.contains("O_DIRECTORY") && !line.contains("O_PATH"))
        .filter(|line| line.contains("photo-") || line.contains("film.mp4") || line.contains("numbers.txt"))
        .collect();
    assert_eq!(opened, Vec::<&str>::new());
    assert!(bench.stored() - before < 64 << 10, "{} bytes", bench.stored() - before);
    for element in ["files", "code"] {
        let names = bench.files("shop.live", element);
        assert_eq!(names.len(), 3);
        let newest = bench.archive("shop.live", &names[0]);
        for name in &names[1..] {
            assert!(bench.archive("shop.live", name) == newest, "{name}");
        }
    }
}

#[test]
fn older_backups_stay_as_they_were_when_the_site_changes() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    bench.back_up("shop.live");
    let first = bench.files("shop.live", "files")[0].clone();
    let bytes = bench.archive("shop.live", &first);
    sh(&format!(
        "cd {}/uploads/2026/11 && rm photo-3.jpg && echo new > photo-4.jpg && mv photo-5.jpg photo-99.jpg \
         && mkdir deep && ln -s ../film.mp4 deep/link",
        site.display()
    ));
    bench.back_up("shop.live");
    assert!(bench.archive("shop.live", &first) == bytes);
    let files = bench.unpack("shop.live", "files", "got");
    assert_eq!(describe(&files), describe(&site.join("uploads")));
}

#[test]
fn an_archive_goes_where_it_is_sent() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.back_up("shop.live");
    let name = bench.files("shop.live", "files")[0].clone();
    let bytes = bench.archive("shop.live", &name);
    for (to, lands) in [("got", "got"), ("folder", "folder"), ("slash/", "slash")] {
        if to != "got" {
            fs::create_dir(bench.path(lands)).unwrap();
        }
        let to = format!("{}{}", bench.path(lands).display(), if to.ends_with('/') { "/" } else { "" });
        let out = bench.ok(["backup:get", "shop.live", &format!("--to={to}")]);
        assert_eq!(out, "", "results only");
        let lands = bench.path(lands);
        let file = if lands.is_dir() { lands.join(&name) } else { lands };
        assert!(fs::read(&file).unwrap() == bytes);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "for its owner only");
        let again = bench.fails(["backup:get", "shop.live", &format!("--to={to}")]);
        assert!(again.contains("already exists"), "{again}");
    }
    let left: Vec<_> = fs::read_dir(bench.path("folder")).unwrap().collect();
    assert_eq!(left.len(), 1, "no unfinished file is left");
    let missing = bench.fails(["backup:get", "shop.live", "--to=/no/such/folder/x.tar.gz"]);
    assert!(missing.contains("/no/such/folder"), "{missing}");
}

#[test]
fn a_broken_download_goes_on_where_it_broke_off() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.back_up("shop.live");
    let rows = bench.list("shop.live");
    let row = rows.iter().find(|row| row["type"] == "files").unwrap();
    let name = row["file"].as_str().unwrap();
    let bytes = bench.archive("shop.live", name);
    let target = bench.path("x.tar.gz");
    let id = row["id"].as_str().unwrap().replace('-', "");
    let part = bench.path(format!(".x.tar.gz.{id}-files.part"));
    fs::write(&part, &bytes[..bytes.len() / 3]).unwrap();
    let ran = bench.run(["backup:get", "shop.live", &format!("--to={}", target.display())]);
    assert!(ran.0.status.success() && ran.err().contains("Going on"), "{}", ran.err());
    assert!(fs::read(&target).unwrap() == bytes);
    assert!(!part.exists());
}

#[test]
fn a_folder_without_git_is_code_too() {
    let bench = Bench::new();
    let site = bench.path("plain");
    sh(&format!(
        "mkdir -p {site}/wp-content/uploads && cd {site} && echo '<?php' > index.php && echo x > wp-content/uploads/a.jpg
         mkdir cache && echo y > cache/z",
        site = site.display()
    ));
    let site = site.display().to_string();
    bench.ok([
        "site:add",
        &site,
        "--name=plain",
        &format!("--code={site}"),
        &format!("--files={site}/wp-content/uploads"),
        "--exclude=/cache/",
        "--no-database",
    ]);
    bench.back_up("plain.live");
    let code = bench.unpack("plain.live", "code", "got");
    let there = sh(&format!("cd {} && find . -type f | sort", code.display()));
    assert_eq!(there, "./index.php\n");
    let info = bench.ok(["backup:info", "plain.live", "--element=code", "--field=left_out"]);
    assert!(info.contains("/cache/: 2 entries"), "{info}");
}
