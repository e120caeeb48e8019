//! What is in no commit is counted, what moves is noticed, and a repository is left as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use undercroft_model::CodeRevision;
use undercroft_site::git::{GitError, look};
use undercroft_vault::VaultError;

use crate::bench::*;

#[test]
fn changes_and_unpushed_commits_are_counted() {
    let bench = Bench::new();
    let (origin, site) = (bench.path("origin"), bench.path("site"));
    make_site(&origin);
    git(bench.dir.path(), &["clone", "-q", origin.to_str().unwrap(), site.to_str().unwrap()]);
    for n in 0..2 {
        put(&site, "own", n.to_string());
        commit(&site, 1_600_001_000, "own");
    }
    put(&site, "index.php", "unstaged");
    put(&site, "web/core-c.txt", "staged");
    put(&site, "staged-new", "new");
    git(&site, &["add", "web/core-c.txt", "staged-new"]);
    fs::remove_file(site.join("topic.txt")).unwrap();
    put(&site, "untracked.txt", "");
    put(&site, "untracked/a", "");
    put(&site, "untracked/b", "");
    put(&site, "web/files/ignored", "");
    put(&site, "excluded", "");
    put(&site, ".git/info/exclude", "/excluded\n");
    let index = fs::read(site.join(".git/index")).unwrap();
    let captured = bench.capture(&site);
    assert_eq!(fs::read(site.join(".git/index")).unwrap(), index);
    assert_eq!((captured.facts.uncommitted, captured.facts.unpushed), (6, Some(2)));
    let expected = [
        ": 4 files changed and 2 untracked are in no commit, and so not in the backup",
        ": 2 commits were pushed to no remote (they are in the backup)",
    ];
    assert_eq!(captured.notes(), expected);
    assert_eq!(captured.lost(), Vec::<String>::new());
    let copy = bench.prove(&captured, &site);
    assert!(!copy.join("untracked.txt").exists() && !copy.join("staged-new").exists());
    assert_eq!(fs::read(copy.join("index.php")).unwrap(), b"<?php // 2\n");
    assert_eq!(git(&copy, &["status", "--branch", "--porcelain"]), "## main...origin/main [ahead 2]\n");
}

#[test]
fn what_the_repository_says_of_modes_is_respected() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    fs::set_permissions(site.join("index.php"), fs::Permissions::from_mode(0o775)).unwrap();
    assert_eq!(bench.capture(&site).facts.uncommitted, 1);
    git(&site, &["config", "core.fileMode", "false"]);
    assert_eq!(bench.capture(&site).facts.uncommitted, 0);
}

#[test]
fn stashes_come_along() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    for text in ["one", "two"] {
        put(&site, "index.php", text);
        git(&site, &["stash", "-q"]);
    }
    let copy = bench.prove(&bench.capture(&site), &site);
    assert_eq!(git(&copy, &["stash", "list"]), git(&site, &["stash", "list"]));
}

#[test]
fn a_repository_that_moves_is_noticed() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let path = site.to_str().unwrap();
    let moves: [&[&str]; 4] = [
        &["commit", "-q", "--allow-empty", "-m", "more"],
        &["tag", "new"],
        &["checkout", "-q", "topic"],
        &["branch", "-D", "main"],
    ];
    for command in moves {
        let mut source = bench.open(path, &CodeRevision::Head).unwrap();
        bench.write(&mut source, &Listener::default()).unwrap();
        git(&site, command);
        let error = source.finish().err().unwrap();
        assert!(matches!(error, GitError::Moved { .. }) && error.is_worth_repeating(), "{error}");
    }
    // A checkout moves nothing of another branch.
    let source = bench.open(path, &CodeRevision::Branch("topic".to_owned())).unwrap();
    git(&site, &["checkout", "-q", "--detach"]);
    source.finish().unwrap();
}

#[test]
fn objects_packed_anew_meanwhile_are_worth_repeating() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let path = site.to_str().unwrap();
    let mut source = bench.open(path, &CodeRevision::Head).unwrap();
    git(&site, &["gc", "-q", "--prune=now"]);
    let Err(VaultError::Source(error)) = bench.write(&mut source, &Listener::default()) else { panic!() };
    let error = GitError::of(&error).unwrap();
    assert!(matches!(error, GitError::Vanished(_)) && error.is_worth_repeating(), "{error}");
    drop(source);
    bench.prove(&bench.capture(&site), &site);
}

#[test]
fn a_capture_beside_a_repack_is_whole_or_worth_repeating() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let packer = scope.spawn(|| {
            for n in 0.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // Packed, and unpacked again.
                put(&site, "../blob", n.to_string());
                git(&site, &["hash-object", "-w", "../blob"]);
                git(&site, &["repack", "-q", "-a", "-d", "-f"]);
                git(&site, &["repack", "-q", "-A", "-d"]);
                git(&site, &["prune-packed", "-q"]);
            }
        });
        for _ in 0..12 {
            let mut source = match bench.open(site.to_str().unwrap(), &CodeRevision::Head) {
                Ok(source) => source,
                Err(error) => {
                    assert!(error.is_worth_repeating(), "{error}");
                    continue;
                }
            };
            match bench.write(&mut source, &Listener::default()) {
                Ok(_) => {
                    let copy = bench.unpack_last();
                    let fsck = try_git(&copy, &["fsck", "--full", "--strict", "--no-dangling"]);
                    assert!(fsck.0 && git(&copy, &["status", "--porcelain"]).is_empty(), "{fsck:?}");
                }
                Err(VaultError::Source(error)) => {
                    assert!(GitError::of(&error).is_some_and(GitError::is_worth_repeating), "{error}");
                }
                Err(error) => panic!("{error}"),
            }
        }
        stop.store(true, Ordering::SeqCst);
        packer.join().unwrap();
    });
}

#[test]
fn nothing_is_left_in_the_cache() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let scratch = bench.path("cache/scratch");
    // What a capture left that was killed.
    fs::create_dir_all(scratch.join("1-0")).unwrap();
    fs::write(scratch.join("1-0/lock"), "").unwrap();
    let source = bench.open(site.to_str().unwrap(), &CodeRevision::Head).unwrap();
    let other = bench.open(site.to_str().unwrap(), &CodeRevision::Head).unwrap();
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 3, "two captures and the lock");
    drop((source, other));
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 1);
}

#[test]
fn references_that_lead_nowhere_are_told() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    put(&site, ".git/refs/heads/garbage", "garbage\n");
    put(&site, ".git/refs/heads/gone", format!("{}\n", "1".repeat(40)));
    let lost = bench.capture(&site).lost();
    for name in ["garbage", "gone"] {
        let text = format!(": the reference refs/heads/{name} names an object that is not in the repository");
        assert!(lost.contains(&text), "{lost:?}");
    }
    assert_eq!(lost.len(), 2, "{lost:?}");
}

#[test]
fn a_look_finds_what_is_there() {
    let bench = Bench::new();
    let (origin, site) = (bench.path("origin"), bench.path("site"));
    make_site(&origin);
    git(bench.dir.path(), &["clone", "-q", origin.to_str().unwrap(), site.to_str().unwrap()]);
    git_at(&site, 1_500_000_000, &["tag", "-a", "-m", "old", "v0.9"]);
    fs::create_dir(site.join("new")).unwrap();
    let found = look(&site.join("web")).unwrap().unwrap();
    assert_eq!(
        (found.top.as_path(), found.bare, found.tracked),
        (site.canonicalize().unwrap().as_path(), false, true)
    );
    assert_eq!(found.branch.as_deref(), Some("main"));
    assert_eq!(found.commit.unwrap(), git(&site, &["rev-parse", "HEAD"]).trim());
    assert_eq!(found.remotes, [("origin".to_owned(), origin.to_str().unwrap().to_owned())]);
    assert_eq!(found.tags, ["v1.0", "light", "v0.9"]);
    assert!(!look(&site.join("new")).unwrap().unwrap().tracked);
    assert!(look(&site.join(".git")).unwrap().unwrap().tracked);
    git(&site, &["checkout", "-q", "--detach"]);
    assert_eq!(look(&site).unwrap().unwrap().branch, None);
    assert_eq!(look(bench.dir.path()).unwrap(), None);
    assert!(look(&bench.path("nowhere")).is_err());
    let bare = bench.path("bare.git");
    git(bench.dir.path(), &["init", "-q", "--bare", bare.to_str().unwrap()]);
    let found = look(&bare).unwrap().unwrap();
    assert_eq!((found.bare, found.commit, found.tracked), (true, None, false));
}
