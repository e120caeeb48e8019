//! What commands accept, print and refuse.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use common::{Bench, add_small_site, sh};

#[test]
fn results_go_to_standard_output_and_nothing_else_does() {
    let bench = Bench::new();
    add_small_site(&bench);
    let ran = bench.run(["backup:list", "shop.live", "--format=json"]);
    assert!(ran.0.status.success());
    assert_eq!(ran.out(), "[]\n");
    assert!(ran.err().contains(" [warning] You have no backups."), "{}", ran.err());
    let ran = bench.run(["backup:create", "shop.live"]);
    assert_eq!(ran.out(), "");
    assert!(ran.err().contains(" [notice] Created a backup of the live environment.\n"), "{}", ran.err());
    let quiet = bench.run(["backup:create", "shop.live", "--quiet"]);
    assert_eq!((quiet.out().as_str(), quiet.err().as_str()), ("", ""));
}

#[test]
fn lists_have_terminus_columns_and_names() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.ok(["backup:create", "shop.live", "--keep-for=30"]);
    let csv = bench.ok(["backup:list", "shop.live", "--format=csv"]);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "Filename,Size,Date,Expiry,Initiator");
    assert!(lines[1].starts_with("shop_live_2") && lines[1].contains("_UTC_files.tar.gz,"), "{csv}");
    assert!(lines[2].contains("_UTC_code.tar.gz,0.1MB,") && lines[2].ends_with(",manual"), "{csv}");
    for row in bench.list("shop.live") {
        let kept = row["expiry"].as_f64().unwrap() - row["date"].as_f64().unwrap();
        assert!((kept - 30.0 * 86_400.0).abs() < 1.0, "{row}");
    }
    let types = bench.ok(["backup:list", "shop.live", "--filter=type=code", "--field=type"]);
    assert_eq!(types, "code\n");
    assert_eq!(bench.ok(["env:list", "shop", "--field=id"]), "live\n");
    assert_eq!(bench.ok(["site:list", "--field=name"]), "shop\n");
    assert_eq!(bench.ok(["backups", "shop.live", "--element=db", "--format=json"]), "[]\n");
}

#[test]
fn what_makes_no_sense_is_refused_with_status_one() {
    let bench = Bench::new();
    add_small_site(&bench);
    for (args, told) in [
        (&["backup:list", "shop"][..], "The environment argument must be given as <site_name>.<environment>"),
        (&["backup:list", "nope.live"], "Could not locate a site identified by nope"),
        (&["backup:list", "shop.dev"], "Could not find an environment identified by dev"),
        (&["backup:create", "shop.live", "--element=foo"], "Element should be one of the following items"),
        (&["backup:create", "shop.live", "--element=db"], "shop.live has no database to back up"),
        (&["backup:create", "shop.live", "--keep-for=0"], "1 to 36500"),
        (&["backup:get", "shop.live", "--element=all"], "The backup element \"all\" is not supported"),
        (
            &["backup:get", "shop.live"],
            "No backups available. Create one with `undercroft backup:create shop.live`",
        ),
        (&["backup:get", "shop.live", "--file=x"], "Could not find a backup identified by x."),
        (&["site:add", "/no/such/folder"], "/no/such/folder"),
        (&["site:list", "--format=bogus"], "The requested format, 'bogus', is not available."),
        (&["site:list", "--field=bogus"], "The requested field, 'bogus', is not defined."),
        (&["env:update", "shop.live"], "Nothing was asked to be changed"),
        (&["backup:craete", "shop.live"], "backup:create"),
        (
            &["backup:restore", "shop.live", "--element=files", "--search-replace", "a", "b"],
            "so --search-replace says nothing",
        ),
        (&["backup:restore", "shop.live", "--element=files", "--remove-untracked"], "says nothing"),
        (
            &["backup:restore", "shop.live", "--file=shop_test_2026-11-24T01-44-57_UTC_files.tar.gz"],
            "--from=shop.test takes it",
        ),
        (&["backup:verify", "shop.live"], "shop.live has no backups"),
    ] {
        let error = bench.fails(args);
        assert!(error.contains(told), "{args:?}: {error}");
    }
    let help = bench.fails(&[] as &[&str]);
    assert!(help.contains("site:add") && help.contains("Begin with"), "{help}");
}

#[test]
fn a_second_folder_under_the_same_name_is_another_environment() {
    let bench = Bench::new();
    let site = add_small_site(&bench).display().to_string();
    let add = |env: &str| {
        bench.run([
            "site:add",
            &site,
            "--name=shop",
            &format!("--env={env}"),
            &format!("--code={site}"),
            "--no-files",
            "--no-database",
        ])
    };
    let again = add("live");
    assert_eq!(again.0.status.code(), Some(1));
    assert!(again.err().contains("shop.live is there already"), "{}", again.err());
    let other = add("test");
    assert!(
        other.0.status.success() && other.err().contains("This folder is shop.live already"),
        "{}",
        other.err()
    );
    assert_eq!(bench.ok(["env:list", "shop", "--field=id"]), "live\ntest\n");
    bench.back_up("shop.test");
    assert_eq!(bench.files("shop.live", "code").len(), 0);
}

#[test]
fn what_came_to_a_folder_later_is_found_anew() {
    let bench = Bench::new();
    let site = bench.folder.path().join("wp");
    std::fs::create_dir_all(site.join("wp-includes")).unwrap();
    std::fs::write(site.join("wp-load.php"), "<?php").unwrap();
    std::fs::write(site.join("wp-includes/version.php"), "<?php $wp_version = '6.8';").unwrap();
    let folder = site.display().to_string();
    bench.ok(["site:add", &folder, "--name=shop"]);
    bench.ok(["env:update", "shop.live", "--exclude=/private/"]);
    std::fs::write(
        site.join("wp-config.php"),
        "<?php define('DB_NAME','n'); define('DB_USER','u'); define('DB_PASSWORD','p'); \
         define('DB_HOST','127.0.0.1:1'); $table_prefix='wp_';",
    )
    .unwrap();
    std::fs::create_dir_all(site.join("wp-content/uploads")).unwrap();
    bench.ok(["env:update", "shop.live", &format!("--find={folder}")]);
    let info = bench.ok(["env:info", "shop.live", "--format=json"]);
    assert!(info.contains("n on 127.0.0.1:1 as u") && info.contains("wp-content/uploads"), "{info}");
    assert!(info.contains("/private/"), "{info}");
}

#[test]
fn secrets_are_shown_nowhere_and_kept_sealed() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    let mut update = bench
        .command([
            "env:update",
            "shop.live",
            "--database=-",
            "--code=https://me:t0ken-of-git@127.0.0.1:1/shop.git",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let url = "mysql://shop:correct%20horse@127.0.0.1:1/shop\n";
    update.stdin.take().unwrap().write_all(url.as_bytes()).unwrap();
    let ran = common::Ran(update.wait_with_output().unwrap());
    assert!(ran.0.status.success(), "{}", ran.err());
    let mut said = format!("{}{}", ran.out(), ran.err());
    for args in [&["env:info", "shop.live", "--format=json"][..], &["env:list", "shop", "--format=json"]] {
        said.push_str(&bench.ok(args));
    }
    said.push_str(&bench.fails(["backup:create", "shop.live", "--element=code"]));
    assert!(said.contains("127.0.0.1:1/shop.git") && said.contains("shop on 127.0.0.1:1 as shop"), "{said}");
    let found = sh(&format!("grep -rlaE 't0ken|correct.{{1,3}}horse' {} || true", bench.data().display()));
    assert!(!said.contains("t0ken") && !said.contains("horse"), "{said}");
    assert_eq!(found, "");
    drop(site);
}

#[test]
fn a_key_that_was_lost_is_not_made_anew() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.back_up("shop.live");
    let key = bench.ok(["key:export"]);
    let file = bench.data().join("keys/recovery.key");
    fs::remove_file(&file).unwrap();
    let error = bench.fails(["backup:list", "shop.live"]);
    assert!(error.contains("recovery.key is missing") && error.contains("key:export"), "{error}");
    fs::write(&file, key).unwrap();
    bench.back_up("shop.live");
}

#[test]
fn the_reminder_to_keep_the_recovery_key_ends_when_it_was_exported() {
    let bench = Bench::new();
    add_small_site(&bench);
    let first = bench.run(["backup:create", "shop.live"]);
    assert!(first.err().contains("undercroft key:export"), "{}", first.err());
    let key = bench.run(["key:export"]);
    assert!(key.out().starts_with("UCRK1-") && key.out().lines().count() == 1);
    let second = bench.run(["backup:create", "shop.live"]);
    assert!(!second.err().contains("recovery key"), "{}", second.err());
}

#[test]
fn a_site_is_removed_with_its_backups_only_if_that_is_said() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.back_up("shop.live");
    bench.ok(["site:remove", "shop", "--no-interaction"]);
    assert_eq!(bench.ok(["site:list", "--field=name"]), "shop\n", "no answer is no");
    let kept = bench.run(["site:remove", "shop", "--yes"]);
    assert!(kept.err().contains("Its backups are still in"), "{}", kept.err());
    assert!(bench.stored() > 2_000_000);
    let site = bench.path("shop").display().to_string();
    bench.ok([
        "site:add",
        &site,
        "--name=shop",
        &format!("--files={site}/uploads"),
        "--no-code",
        "--no-database",
    ]);
    bench.back_up("shop.live");
    let with_both = bench.stored();
    bench.ok(["site:remove", "shop", "--yes", "--delete-backups"]);
    assert!(bench.stored() < with_both / 2 + 100_000);
}
