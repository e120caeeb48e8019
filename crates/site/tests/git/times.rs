//! A file has the time of the commit that last changed it: a new commit makes only what it changed look new.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use undercroft_model::CodeRevision;

use crate::bench::*;

fn time(folder: &Path, name: &str) -> i64 {
    fs::symlink_metadata(folder.join(name)).unwrap().mtime()
}

#[test]
fn files_have_the_time_of_their_last_change() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let copy = bench.unpack(&bench.capture(&site));
    assert_eq!(time(&copy, "web/core-c.txt"), 1_600_000_000);
    assert_eq!(time(&copy, "web/link"), 1_600_000_000);
    assert_eq!(time(&copy, "index.php"), 1_600_000_200);
    assert_eq!(time(&copy, "topic.txt"), 1_600_000_300, "it came to this branch by the merge");
    assert_eq!(time(&copy, "web"), 1_600_000_000);
    assert_eq!(time(&copy, ".git/HEAD"), 1_600_000_300);
}

#[test]
fn a_commit_makes_only_its_own_files_look_new() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    for n in 0..500 {
        put(&site, &format!("web/modules/m{}/{n}.php", n % 20), format!("<?php // {n}\n").repeat(200));
    }
    commit(&site, 1_600_001_000, "many");
    git(&site, &["gc", "-q"]);
    let first = bench.capture(&site);
    put(&site, "web/modules/m3/3.php", "changed\n");
    commit(&site, 1_600_002_000, "one");
    let second = bench.capture(&site);
    bench.prove(&second, &site);
    // The few that share a run with it, the new objects, and what is made anew each time.
    assert!(second.counts.opened < 200, "{:?}", second.counts);
    assert!(first.counts.opened > 500, "{:?}", first.counts);
}

#[test]
fn what_the_cache_remembers_changes_nothing() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let path = site.to_str().unwrap();
    let steps: [&dyn Fn(); 5] = [
        &|| {},
        &|| {
            put(&site, "index.php", "again\n");
            commit(&site, 1_600_003_000, "again");
        },
        &|| {
            git(&site, &["checkout", "-q", "-b", "side", "HEAD~1"]);
            put(&site, "web/core-c.txt", "side\n");
            commit(&site, 1_600_004_000, "side");
            git(&site, &["checkout", "-q", "main"]);
            git_at(&site, 1_600_005_000, &["merge", "-q", "--no-ff", "-m", "side", "side"]);
        },
        // The line of first parents is another one now.
        &|| {
            git(&site, &["checkout", "-q", "side"]);
            git_at(&site, 1_600_006_000, &["merge", "-q", "--no-ff", "-m", "main", "main~1"]);
            git(&site, &["branch", "-q", "-f", "main", "side"]);
            git(&site, &["checkout", "-q", "main"]);
        },
        &|| drop(git(&site, &["reset", "-q", "--hard", "HEAD~2"])),
    ];
    for (n, step) in steps.into_iter().enumerate() {
        step();
        let remembered = bench.capture(&site);
        for entry in fs::read_dir(bench.path("cache")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "times") {
                if n == 2 {
                    fs::write(&path, "damaged").unwrap();
                } else {
                    fs::remove_file(&path).unwrap();
                }
            }
        }
        assert!(remembered.archive == bench.capture(&site).archive, "step {n}");
    }
    assert!(bench.open(path, &CodeRevision::Head).is_ok());
}
