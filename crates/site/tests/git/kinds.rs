//! Repositories of every kind come out whole.

use std::fs;
use std::os::unix::fs::MetadataExt;

use undercroft_model::CodeRevision;

use crate::bench::*;

#[test]
fn a_work_tree_comes_out_whole_and_the_second_time_unread() {
    let mut bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let first = bench.capture(&site);
    assert_eq!((first.lost(), first.notes()), (vec![], vec![]));
    let copy = bench.prove(&first, &site);
    assert_eq!(fs::read(copy.join(".git/HEAD")).unwrap(), b"ref: refs/heads/main\n");
    assert_eq!(fs::symlink_metadata(copy.join("bin/run")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(fs::read_link(copy.join("web/link")).unwrap().to_str(), Some("../index.php"));
    assert_eq!(git(&copy, &["notes", "show"]), "a note\n");
    let commit = git(&site, &["rev-parse", "HEAD"]).trim().to_owned();
    assert_eq!(first.facts.commit.as_deref(), Some(commit.as_str()));
    assert_eq!(first.facts.reference.as_deref(), Some("main"));
    assert_eq!((first.facts.references, first.facts.uncommitted, first.facts.unpushed), (5, 0, None));
    assert_eq!(first.facts.tree.entries, first.counts.entries);
    assert_eq!(first.facts.tree.content, first.counts.content);

    let second = bench.capture(&site);
    assert_eq!(second.archive, first.archive);
    assert_eq!(second.counts.opened, 0);
    assert_eq!(second.counts.entries, first.counts.entries);
}

#[test]
fn detached_head() {
    let mut bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    git(&site, &["checkout", "-q", "--detach", "topic"]);
    let captured = bench.capture(&site);
    let copy = bench.prove(&captured, &site);
    assert_eq!(captured.facts.reference, None);
    assert_eq!(git(&copy, &["rev-parse", "HEAD"]), git(&site, &["rev-parse", "topic"]));
    assert!(!try_git(&copy, &["symbolic-ref", "-q", "HEAD"]).0);
}

#[test]
fn the_newest_tag_that_matches() {
    let mut bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    for (n, time) in [(9, 1_600_001_000), (10, 1_600_001_000), (11, 1_600_000_500)] {
        put(&site, "n", n.to_string());
        commit(&site, time, "deploy");
        git_at(&site, time, &["tag", "-a", "-m", "d", &format!("pantheon_live_{n}")]);
    }
    git_at(&site, 1_700_000_000, &["tag", "-a", "-m", "d", "pantheon_test_1"]);
    let tags = CodeRevision::Tags("pantheon_live_*".to_owned());
    let captured = bench.capture_at(site.to_str().unwrap(), &tags);
    assert_eq!(captured.facts.reference.as_deref(), Some("pantheon_live_10"));
    let copy = bench.prove(&captured, &site);
    assert_eq!(fs::read(copy.join("n")).unwrap(), b"10");
    assert_eq!(git(&copy, &["describe", "--exact-match"]), "pantheon_live_10\n");
    let error = bench.open(site.to_str().unwrap(), &CodeRevision::Tags("x*".to_owned())).err().unwrap();
    let text = error.to_string();
    assert!(text.contains("no tag that matches x*; tags that it has: pantheon_test_1"), "{text}");
}
