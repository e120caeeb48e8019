//! Repositories of every kind come out whole.

use std::fs;
use std::os::unix::fs::MetadataExt;

use undercroft_model::CodeRevision;

use crate::bench::*;

#[test]
fn a_work_tree_comes_out_whole_and_the_second_time_unread() {
    let bench = Bench::new();
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
    assert!(second.archive == first.archive);
    assert_eq!((second.counts.opened, second.counts.read), (0, 0));
    assert_eq!(second.counts.entries, first.counts.entries);
}

#[test]
fn detached_head() {
    let bench = Bench::new();
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
    let bench = Bench::new();
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

#[test]
fn a_branch_that_is_not_checked_out() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let captured = bench.capture_at(site.to_str().unwrap(), &CodeRevision::Branch("topic".to_owned()));
    let copy = bench.prove(&captured, &site);
    assert_eq!(git(&copy, &["symbolic-ref", "HEAD"]), "refs/heads/topic\n");
    let error = bench.open(site.to_str().unwrap(), &CodeRevision::Branch("other".to_owned())).err().unwrap();
    assert!(error.to_string().contains("has no branch other; branches that it has: main, topic"), "{error}");
}

#[test]
fn a_folder_inside_a_work_tree_means_the_whole() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let whole = bench.capture(&site);
    let docroot = bench.capture(&site.join("web"));
    assert_eq!(docroot.archive, whole.archive);
    assert_eq!(bench.capture(&site.join(".git")).archive, whole.archive);
}

#[test]
fn a_bare_repository_and_one_that_was_packed() {
    let bench = Bench::new();
    let (site, bare) = (bench.path("site"), bench.path("bare.git"));
    make_site(&site);
    git(bench.dir.path(), &["clone", "-q", "--mirror", site.to_str().unwrap(), bare.to_str().unwrap()]);
    let captured = bench.capture(&bare);
    let copy = bench.prove(&captured, &bare);
    // A fetch into the copy must not overwrite its branches.
    assert_eq!(git(&copy, &["config", "remote.origin.fetch"]), "+refs/heads/*:refs/remotes/origin/*\n");
    git(&bare, &["gc", "-q"]);
    bench.prove(&bench.capture(&bare), &bare);
}

#[test]
fn a_linked_worktree() {
    let bench = Bench::new();
    let (site, linked) = (bench.path("site"), bench.path("linked"));
    make_site(&site);
    git(&site, &["worktree", "add", "-q", linked.to_str().unwrap(), "topic"]);
    put(&linked, "topic.txt", "changed\n");
    let captured = bench.capture(&linked);
    assert_eq!(captured.facts.reference.as_deref(), Some("topic"));
    assert_eq!(captured.facts.uncommitted, 1);
    let copy = bench.prove(&captured, &linked);
    assert_eq!(git(&copy, &["rev-parse", "HEAD"]), git(&linked, &["rev-parse", "HEAD"]));
}

#[test]
fn longer_object_names() {
    let bench = Bench::new();
    let site = bench.path("site");
    fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q", "--object-format=sha256"]);
    put(&site, "a", "a\n");
    commit(&site, 1_600_000_000, "first");
    git(&site, &["tag", "-a", "-m", "t", "t"]);
    let captured = bench.capture(&site);
    assert_eq!(captured.facts.commit.as_ref().map(String::len), Some(64));
    bench.prove(&captured, &site);
}

#[test]
fn references_kept_in_tables() {
    let bench = Bench::new();
    let site = bench.path("site");
    fs::create_dir(&site).unwrap();
    if !try_git(&site, &["init", "-q", "--ref-format=reftable"]).0 {
        return; // this git is older than the format
    }
    put(&site, "a", "a\n");
    commit(&site, 1_600_000_000, "first");
    git(&site, &["branch", "b/c"]);
    bench.prove(&bench.capture(&site), &site);
}

#[test]
fn borrowed_objects_come_along() {
    let bench = Bench::new();
    let (site, borrower, other) = (bench.path("site"), bench.path("borrower"), bench.path("other"));
    make_site(&site);
    git(bench.dir.path(), &["clone", "-q", "--shared", site.to_str().unwrap(), other.to_str().unwrap()]);
    git(bench.dir.path(), &["clone", "-q", "--shared", other.to_str().unwrap(), borrower.to_str().unwrap()]);
    put(&borrower, "own", "own\n");
    commit(&borrower, 1_600_001_000, "own");
    let captured = bench.capture(&borrower);
    assert_eq!(captured.lost(), Vec::<String>::new());
    assert_eq!(captured.facts.unpushed, Some(1));
    let copy = bench.prove(&captured, &borrower);
    assert!(!copy.join(".git/objects/info/alternates").exists());
    assert_eq!(git(&copy, &["rev-parse", "--abbrev-ref", "@{upstream}"]), "origin/main\n");
    assert_eq!(git(&copy, &["symbolic-ref", "refs/remotes/origin/HEAD"]), "refs/remotes/origin/main\n");
}

#[test]
fn a_history_that_is_cut_short() {
    let bench = Bench::new();
    let (site, shallow) = (bench.path("site"), bench.path("shallow"));
    make_site(&site);
    let url = format!("file://{}", site.display());
    git(bench.dir.path(), &["clone", "-q", "--depth=1", &url, shallow.to_str().unwrap()]);
    let captured = bench.capture(&shallow);
    assert_eq!(captured.lost(), Vec::<String>::new());
    assert!(captured.notes().concat().contains("cut short"), "{:?}", captured.notes());
    bench.prove(&captured, &shallow);
}

#[test]
fn objects_that_were_never_fetched_are_lost() {
    let bench = Bench::new();
    let (site, partial) = (bench.path("site"), bench.path("partial"));
    make_site(&site);
    git(&site, &["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", site.display());
    let path = partial.to_str().unwrap();
    git(bench.dir.path(), &["clone", "-q", "--no-checkout", "--filter=blob:none", &url, path]);
    let captured = bench.capture(&partial);
    let lost = captured.lost();
    assert!(lost.iter().any(|text| text.starts_with("index.php: has no content")), "{lost:?}");
    assert!(
        lost.iter().any(|text| text.contains("objects of the history are not in this repository")),
        "{lost:?}"
    );
    let copy = bench.unpack(&captured);
    assert!(!copy.join("index.php").exists());
    // It is still what it was: a partial clone, whose remote has the rest.
    git(&copy, &["config", "remote.origin.url", &url]);
    git(&copy, &["checkout", "-q", "-f", "main"]);
    assert_eq!(fs::read(copy.join("index.php")).unwrap(), b"<?php // 2\n");
    // Nothing was fetched by the capture.
    assert!(
        try_git(&partial, &["cat-file", "--batch-check", "--batch-all-objects"]).1.find(" blob ").is_none()
    );
}

#[test]
fn attributes_leave_the_work_tree_clean() {
    let bench = Bench::new();
    let site = bench.path("site");
    fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q"]);
    put(
        &site,
        ".gitattributes",
        "*.bat text eol=crlf\n*.php text eol=lf\n*.id ident\n* text=auto\n*.x filter=x\n",
    );
    put(&site, "a.bat", "echo\r\necho\r\n");
    put(&site, "b.php", "<?php\n");
    put(&site, "c.id", "$Id$\n");
    put(&site, "d.x", "x\n");
    let wide: Vec<u8> = "wide\n".bytes().flat_map(|byte| [byte, 0]).collect();
    put(&site, "d e/e.u", &wide);
    commit(&site, 1_600_000_000, "first");
    let captured = bench.capture(&site);
    assert_eq!(captured.facts.uncommitted, 0);
    let copy = bench.prove(&captured, &site);
    // As git would have checked them out.
    assert_eq!(fs::read(copy.join("a.bat")).unwrap(), b"echo\r\necho\r\n");
    assert_eq!(fs::read(copy.join("d e/e.u")).unwrap(), wide);
    assert_ne!(fs::read(copy.join("c.id")).unwrap(), b"$Id$\n");
    assert_eq!(bench.capture(&site).counts.opened, 0);
}

#[test]
fn a_repository_of_another_user() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let own = bench.capture(&site);
    if !rustix::process::geteuid().is_root() {
        return; // only root may give files away
    }
    let output = std::process::Command::new("chown").args(["-R", "nobody"]).arg(&site).output().unwrap();
    assert!(output.status.success());
    let index = fs::read(site.join(".git/index")).unwrap();
    let others = bench.capture(&site);
    assert_eq!(others.archive, own.archive);
    assert_eq!(fs::read(site.join(".git/index")).unwrap(), index);
    assert!(undercroft_site::git::look(&site).unwrap().unwrap().tracked);
}

#[test]
fn a_copy_elsewhere_gives_the_same_bytes() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let first = bench.capture(&site);
    let copy = bench.path("a copy\nelsewhere");
    let output = std::process::Command::new("cp").arg("-r").arg(&site).arg(&copy).output().unwrap();
    assert!(output.status.success());
    assert_eq!(bench.capture(&copy).archive, first.archive);
    // So does what was unpacked.
    assert_eq!(bench.capture(&bench.unpack(&first)).archive, first.archive);
}

#[test]
fn nothing_committed_is_an_error_that_says_so() {
    let bench = Bench::new();
    let site = bench.path("site");
    fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q"]);
    let open = || bench.open(site.to_str().unwrap(), &CodeRevision::Head).err().unwrap().to_string();
    assert!(open().contains("nothing was committed yet on main"), "{}", open());
    put(&site, "a", "a");
    commit(&site, 1_600_000_000, "first");
    git(&site, &["symbolic-ref", "HEAD", "refs/heads/gone"]);
    assert!(
        open().ends_with("on gone, which is checked out there; branches that it has: main"),
        "{}",
        open()
    );
    let error = bench.open(bench.dir.path().to_str().unwrap(), &CodeRevision::Head).err().unwrap();
    assert!(error.to_string().contains("is in no git repository"), "{error}");
}

#[test]
fn a_commit_without_files() {
    let bench = Bench::new();
    let site = bench.path("site");
    fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q"]);
    git(&site, &["commit", "-q", "--allow-empty", "-m", "empty"]);
    let captured = bench.capture(&site);
    bench.prove(&captured, &site);
    assert_eq!(captured.facts.tree.files, captured.counts.files);
}
