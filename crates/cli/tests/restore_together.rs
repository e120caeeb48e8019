//! Code and files that have to do with one another come back together: what the one does is no change that the other
//! would have to tell.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Bench, sh};

const GIT: &str = "git -c user.name=Ada -c user.email=ada@shop.example";

/// A WordPress without a database, with uploads inside its code.
fn shop(bench: &Bench, script: &str) -> PathBuf {
    let site = bench.path("shop");
    sh(&format!(
        "mkdir -p {site}/wp-includes {site}/wp-content/uploads/2026 && cd {site}
         printf '<?php' > index.php && printf '<?php $wp_version = \"6.5\";' > wp-includes/version.php
         printf 'Deny from all' > wp-content/uploads/.htaccess && printf photo > wp-content/uploads/2026/a.jpg
         {script}",
        site = site.display()
    ));
    bench.ok(["site:add", &site.display().to_string(), "--name=shop", "--no-database"]);
    bench.back_up("shop.live");
    site
}

#[test]
fn what_git_lays_out_among_the_files_is_no_visitors_change() {
    let bench = Bench::new();
    let site = shop(&bench, &format!("git init -q -b main . && git add -A && {GIT} commit -qm All"));
    sh(&format!(
        "cd {} && printf hacked > wp-content/uploads/.htaccess && printf photo2 > wp-content/uploads/2026/a.jpg
         printf more > wp-content/uploads/2026/b.jpg && git add -A && {GIT} commit -qm Later",
        site.display()
    ));
    let ran = bench.run(["backup:restore", "shop.live", "--yes"]);
    assert!(ran.0.status.success() && !ran.err().contains("was changed while"), "{}", ran.err());
    assert!(!ran.err().contains("carried over"), "{}", ran.err());
    let read = |name: &str| fs::read_to_string(site.join("wp-content/uploads").join(name)).ok();
    assert_eq!(read(".htaccess").unwrap(), "Deny from all");
    assert_eq!(read("2026/a.jpg").unwrap(), "photo");
    assert_eq!(read("2026/b.jpg"), None);
    let ran = bench.run(["backup:restore", "shop.live", "--undo", "--yes"]);
    assert!(ran.0.status.success() && !ran.err().contains("was changed while"), "{}", ran.err());
    assert_eq!(read(".htaccess").unwrap(), "hacked");
}

#[test]
fn a_file_with_names_in_both_is_not_taken_for_changed() {
    let bench = Bench::new();
    let site = shop(&bench, "ln index.php wp-content/uploads/one && ln index.php two.php");
    let ran = bench.run(["backup:restore", "shop.live", "--yes"]);
    assert!(ran.0.status.success() && !ran.err().contains("was changed while"), "{}", ran.err());
    for (name, text) in [("index.php", "hacked"), ("wp-content/uploads/one", "hacked, too")] {
        fs::write(site.join(name), text).unwrap();
    }
    fs::hard_link(site.join("index.php"), site.join("wp-content/uploads/bad.php")).unwrap();
    let ran = bench.run(["backup:restore", "shop.live", "--yes"]);
    assert!(ran.0.status.success() && !ran.err().contains("was changed while"), "{}", ran.err());
    assert!(!site.join("wp-content/uploads/bad.php").exists());
    for name in ["index.php", "two.php", "wp-content/uploads/one"] {
        assert_eq!(fs::read_to_string(site.join(name)).unwrap(), "<?php", "{name}");
    }
}

#[test]
fn a_link_to_a_deleted_folder_is_no_reason_to_restore_nothing() {
    let bench = Bench::new();
    let site = shop(&bench, "mv wp-content/uploads ../elsewhere && ln -s ../../elsewhere wp-content/uploads");
    fs::remove_dir_all(bench.path("elsewhere")).unwrap();
    for how in ["--dry-run", "--yes"] {
        let ran = bench.run(["backup:restore", "shop.live", "--element=files", how]);
        assert!(ran.0.status.success(), "{how}: {}", ran.err());
    }
    assert_eq!(fs::read_to_string(bench.path("elsewhere/2026/a.jpg")).unwrap(), "photo");
    assert!(site.join("wp-content/uploads").is_symlink());
}
