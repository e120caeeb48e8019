//! Index and work tree: what changes, what stays, and that all comes back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use undercroft_model::{CodeRevision, Silent};
use undercroft_site::git::commits_between;
use undercroft_site::git::restore::{self, RestoreError};

use crate::bench::*;
use crate::support::*;

#[test]
fn hacked_code_is_as_archived_and_comes_back_by_undo() {
    let play = Play::new();
    let site = &play.site;
    play.hack();
    let before = seen(site);
    for commit in ["light", "HEAD", "topic"] {
        let order = play.order(commit);
        let plan = restore::plan(&order, &play.cache()).unwrap();
        assert_same(&before, &seen(site));
        assert!(plan.changed.contains(&"index.php".to_owned()) && plan.untracked_kept == 2, "{plan:?}");
        assert!(plan.put_aside.contains(&"staged-new.txt".to_owned()), "{plan:?}");
        play.restore(&order).unwrap();
        assert_eq!(id(site, "refs/heads/main"), order.commit);
        assert_eq!(git(site, &["symbolic-ref", "HEAD"]), "refs/heads/main\n");
        let status = git(site, &["status", "--porcelain"]);
        assert_eq!(status, "?? \"new folder/\"\n?? untracked.txt\n", "{commit}");
        assert!(site.join("web/files/upload.jpg").exists() && !site.join("staged-new.txt").exists());
        assert_clean(site, 1);
        assert_eq!(restore::kept(&order.repository).unwrap()[0].id, order.id);
        restore::undo(&order.repository, order.id).unwrap();
        assert_same(&before, &seen(site));
        // Called again, it has nothing left to do.
        restore::undo(&order.repository, order.id).unwrap();
        assert_same(&before, &seen(site));
        restore::forget(&order.repository, order.id).unwrap();
        assert_clean(site, 0);
        let error = restore::undo(&order.repository, order.id).unwrap_err();
        assert!(matches!(error, RestoreError::NothingKept { .. }), "{error}");
    }
}

#[test]
fn what_is_kept_is_forgotten_in_time() {
    let play = Play::new();
    let (undone, live) = (play.order("light"), play.order("topic"));
    for order in [&undone, &live] {
        play.hack();
        play.restore(order).unwrap();
    }
    restore::undo(&live.repository, live.id).unwrap();
    play.restore(&live).unwrap();
    let kept = restore::kept(&live.repository).unwrap();
    let newest = kept.iter().map(|kept| kept.seconds).max().unwrap();
    restore::forget_older(&live.repository, newest - 3600).unwrap();
    assert_eq!(restore::kept(&live.repository).unwrap(), kept);
    restore::forget_older(&live.repository, newest + 3600).unwrap();
    assert_eq!(git(&play.site, &["for-each-ref", "refs/undercroft"]), "");
    let error = restore::undo(&live.repository, live.id).unwrap_err();
    assert!(matches!(error, RestoreError::NothingKept { .. }), "{error}");
}

#[test]
fn each_phase_leaves_what_it_says() {
    let play = Play::new();
    let site = &play.site;
    play.hack();
    let before = seen(site);
    let staged = restore::stage(&play.order("light"), &play.cache()).unwrap();
    assert_same(&before, &seen(site));
    assert_clean(site, 0);
    restore::clean_up(&staged).unwrap();
    restore::switch_back(&staged).unwrap();
    restore::prepare(&staged, &Silent).unwrap();
    assert_same(&before, &seen(site));
    restore::clean_up(&staged).unwrap();
    assert_same(&before, &seen(site));
    assert_clean(site, 0);
    restore::prepare(&staged, &Silent).unwrap();
    // What happens between is kept as well.
    put(site, "index.php", "<?php hacked_again();\n");
    put(site, "topic.txt", "hacked\n");
    let before = seen(site);
    for _ in 0..2 {
        restore::switch(&staged, &Silent).unwrap();
        restore::switch(&staged, &Silent).unwrap();
        assert_eq!(id(site, "main"), id(site, "light"));
        assert_eq!(git(site, &["status", "--porcelain", "-uno"]), "");
        restore::switch_back(&staged).unwrap();
        restore::switch_back(&staged).unwrap();
        assert_same(&before, &seen(site));
    }
    restore::clean_up(&staged).unwrap();
    restore::clean_up(&staged).unwrap();
    assert_same(&before, &seen(site));
    assert_clean(site, 0);
}

#[test]
fn untracked_files_go_if_asked_and_come_back() {
    let play = Play::new();
    let site = &play.site;
    play.hack();
    make_site(&site.join("inner"));
    let before = seen(site);
    let mut order = play.order("light");
    order.remove_untracked = true;
    order.protect = vec!["untracked.txt".to_owned()];
    let plan = restore::plan(&order, &play.cache()).unwrap();
    assert_eq!(plan.untracked_removed, ["new folder/shell.php", "web/link"]);
    play.restore(&order).unwrap();
    assert!(!site.join("new folder").exists() && site.join("untracked.txt").exists());
    assert!(site.join("web/files/upload.jpg").exists() && site.join("inner/.git/HEAD").exists());
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn untracked_files_that_are_no_code_are_spared() {
    let play = Play::new();
    let site = &play.site;
    let elsewhere = play.dir.path().join("elsewhere");
    put(&elsewhere, "files/upload.jpg", "far away");
    std::os::unix::fs::symlink(&elsewhere, site.join("shared")).unwrap();
    let spared = ["uploads/a/b.jpg", "shared", ".undercroft-restore-1-files/tree/x", "web/own/catalog"];
    for path in [spared[0], spared[2], spared[3], "uploads-old/x", "shell.php"] {
        put(site, path, path);
    }
    let before = seen(site);
    let mut order = play.order("light");
    order.remove_untracked = true;
    order.spare = ["uploads", "shared/files", "web/own"].map(|path| site.join(path)).to_vec();
    let plan = restore::plan(&order, &play.cache()).unwrap();
    assert_eq!(plan.untracked_removed, ["shell.php", "uploads-old/x"]);
    play.restore(&order).unwrap();
    for path in spared {
        assert!(site.join(path).exists(), "{path}");
    }
    assert!(!site.join("shell.php").exists() && !site.join("uploads-old").exists());
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn untracked_files_in_the_way_are_kept_and_folders_refused() {
    let play = Play::new();
    let site = &play.site;
    git(site, &["rm", "-q", "topic.txt", "web/core.d/b.txt"]);
    commit(site, 1_600_001_000, "without");
    put(site, ".git/info/exclude", "topic.txt\n");
    put(site, "topic.txt", "ignored, and in the way\n");
    put(site, "web/core.d", "a file where the commit has a folder\n");
    let before = seen(site);
    let order = play.order("HEAD~1");
    let plan = restore::plan(&order, &play.cache()).unwrap();
    assert_eq!(plan.untracked_removed, ["topic.txt", "web/core.d"]);
    assert_eq!((plan.between.clone().unwrap().behind, plan.between.unwrap().ahead), (1, 0));
    play.restore(&order).unwrap();
    assert_eq!(git(site, &["status", "--porcelain", "--ignored"]), "");
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
    fs::remove_file(site.join("topic.txt")).unwrap();
    put(site, "topic.txt/upload.jpg", "a folder where the commit has a file");
    let before = seen(site);
    let error = play.restore(&order).unwrap_err();
    assert!(matches!(&error, RestoreError::InTheWay { path, .. } if path == "topic.txt"), "{error}");
    fs::remove_dir_all(site.join("topic.txt")).unwrap();
    fs::remove_file(site.join("web/core.d")).unwrap();
    std::os::unix::fs::symlink("/nowhere", site.join("web/core.d")).unwrap();
    assert!(matches!(play.restore(&order), Err(RestoreError::InTheWay { .. })));
    fs::remove_file(site.join("web/core.d")).unwrap();
    assert!(before.contains_key("file \"topic.txt/upload.jpg\""));
    // What git knows as a link or folder may have become the other, and hold what git does not know.
    git(site, &["checkout", "-q", "--", "."]);
    for name in ["web/link", "web/core"] {
        fs::rename(site.join(name), site.join("aside")).unwrap();
        if name == "web/link" {
            put(site, "web/link/upload.jpg", "far too many to be kept");
        } else {
            std::os::unix::fs::symlink("/srv/core", site.join(name)).unwrap();
        }
        let before = seen(site);
        let error = play.restore(&order).unwrap_err();
        assert!(matches!(&error, RestoreError::InTheWay { path, .. } if path == name), "{error}");
        assert_same(&before, &seen(site));
        let _ = fs::remove_dir_all(site.join(name));
        let _ = fs::remove_file(site.join(name));
        fs::rename(site.join("aside"), site.join(name)).unwrap();
    }
}

#[test]
fn protected_files_stay_whatever_the_commit_has() {
    let play = Play::new();
    let site = &play.site;
    put(site, "wp-config.php", "theirs\n");
    put(site, "sites/default/settings.php", "theirs\n");
    put(site, ".env", "theirs\n");
    put(site, "private/db[1].php", "theirs\n");
    commit(site, 1_600_001_000, "their credentials");
    put(site, "private/db[1].php", "ours\n");
    git(site, &["rm", "-q", "--cached", "wp-config.php", ".env"]);
    put(site, "config/.env", "ours alone\n");
    git(site, &["add", "config/.env"]);
    git_at(site, 1_600_001_100, &["commit", "-q", "-m", "ours"]);
    put(site, "wp-config.php", "untracked, ours\n");
    put(site, "sites/default/settings.php", "changed, ours\n");
    fs::remove_file(site.join(".env")).unwrap();
    let before = seen(site);
    let mut order = play.order("HEAD~1");
    order.protect = undercroft_site::profile::credential_files();
    order.protect_files = vec![site.canonicalize().unwrap().join("private/db[1].php"), "/etc/passwd".into()];
    let plan = restore::plan(&order, &play.cache()).unwrap();
    assert_eq!(
        plan.protected,
        [".env", "config/.env", "private/db[1].php", "sites/default/settings.php", "wp-config.php"]
    );
    play.restore(&order).unwrap();
    let read = |name: &str| fs::read_to_string(site.join(name)).ok();
    assert_eq!(read("wp-config.php").unwrap(), "untracked, ours\n");
    assert_eq!(read("sites/default/settings.php").unwrap(), "changed, ours\n");
    assert_eq!(read("config/.env").unwrap(), "ours alone\n");
    assert_eq!(read("private/db[1].php").unwrap(), "ours\n");
    assert_eq!(read(".env"), None);
    assert_eq!(git(site, &["diff", "--cached", "--name-only", "HEAD"]), "");
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn changes_that_git_was_told_not_to_see_are_kept() {
    let play = Play::new();
    let site = &play.site;
    for (name, option) in [("index.php", "--assume-unchanged"), ("topic.txt", "--skip-worktree")] {
        git(site, &["update-index", option, name]);
        put(site, name, "changed, unseen\n");
    }
    git(site, &["update-index", "--split-index"]);
    assert_eq!(git(site, &["status", "--porcelain"]), "");
    let before = seen(site);
    let order = play.order("light");
    play.restore(&order).unwrap();
    assert_eq!(fs::read(site.join("index.php")).unwrap(), b"<?php\n");
    assert!(!site.join("topic.txt").exists());
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn repositories_with_long_names_are_restored_too() {
    let play = Play::new();
    let site = play.dir.path().join("long");
    fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q", "--object-format=sha256"]);
    put(&site, "own.env", "theirs\n");
    commit(&site, 1_600_000_000, "first");
    git(&site, &["rm", "-q", "--cached", "own.env"]);
    put(&site, "own.env", "ours\n");
    put(&site, "a", "2\n");
    git(&site, &["add", "a"]);
    git_at(&site, 1_600_000_100, &["commit", "-q", "-m", "second"]);
    let before = seen(&site);
    let mut order = play.order("HEAD");
    (order.repository, order.commit) = (site.to_str().unwrap().to_owned(), id(&site, "HEAD~1"));
    order.protect = vec!["*.env".to_owned()];
    play.restore(&order).unwrap();
    assert_eq!(fs::read(site.join("own.env")).unwrap(), b"ours\n");
    assert!(!site.join("a").exists());
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(&site));
}

#[test]
fn conversions_come_out_clean_and_nothing_of_the_repository_runs() {
    let play = Play::new();
    let site = &play.site;
    let large = "the content of a large file\n";
    let oid = "dc5ecbf4bf5ad8d76bf1d97a9ee4bdbaa2ba5be8d6b3de1b1a5d8bc0b3b2a7a1";
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", large.len());
    put(site, ".gitattributes", "*.bat eol=crlf\n*.id ident\n*.big filter=lfs\n*.odd filter=evil\n");
    put(site, "run.bat", "one\r\ntwo\r\n");
    put(site, "a.id", "$Id$\n");
    put(site, "movie.big", &pointer);
    put(site, "x.odd", "odd\n");
    commit(site, 1_600_001_000, "conversions");
    put(site, &format!(".git/lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]), large);
    git(site, &["rm", "-q", "run.bat", "a.id", "movie.big", "x.odd"]);
    commit(site, 1_600_001_100, "gone");
    let trap = play.dir.path().join("trap");
    for hook in ["post-checkout", "reference-transaction", "post-index-change", "pre-commit"] {
        let path = site.join(".git/hooks").join(hook);
        put(site, &format!(".git/hooks/{hook}"), format!("#!/bin/sh\ntouch {}\n", trap.display()));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let touch = format!("touch {}; cat", trap.display());
    put(site, ".git/evil", format!("[filter \"evil\"]\n\tclean = {touch}\n\tsmudge = {touch}\n"));
    for (key, value) in [("include.path", "evil"), ("core.fsmonitor", &touch), ("filter.evil.clean", &touch)]
    {
        git(site, &["config", key, value]);
    }
    put(site, "y.odd", "to be kept\n");
    let mut order = play.order("HEAD~1");
    order.remove_untracked = true;
    play.restore(&order).unwrap();
    assert_eq!(fs::read(site.join("run.bat")).unwrap(), b"one\r\ntwo\r\n");
    assert!(fs::read_to_string(site.join("a.id")).unwrap().starts_with("$Id: "));
    assert_eq!(fs::read_to_string(site.join("movie.big")).unwrap(), large);
    restore::undo(&order.repository, order.id).unwrap();
    assert_eq!(fs::read(site.join("y.odd")).unwrap(), b"to be kept\n");
    assert!(!trap.exists());
}

#[test]
fn files_keep_their_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let play = Play::new();
    let site = &play.site;
    play.hack();
    let chown = std::process::Command::new("chown").args(["-R", "4242:4343"]).arg(site).status().unwrap();
    assert!(chown.success());
    fs::set_permissions(site, fs::Permissions::from_mode(0o750)).unwrap();
    let before = seen(site);
    let order = play.order("light");
    play.restore(&order).unwrap();
    for file in ["index.php", "bin/run", ".git/index", ".git/refs/heads/main", ".git/objects"] {
        let facts = fs::metadata(site.join(file)).unwrap();
        assert_eq!((facts.uid(), facts.gid()), (4242, 4343), "{file}");
    }
    assert_eq!(fs::metadata(site.join("index.php")).unwrap().mode() & 0o777, 0o640);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn captures_know_nothing_of_what_restores_keep() {
    let bench = Bench::new();
    let play = Play::new();
    let first = bench.capture(&play.site);
    let order = play.order("HEAD");
    play.restore(&order).unwrap();
    let second = bench.capture(&play.site);
    assert_eq!(first.facts.references, second.facts.references);
    assert_eq!(git(&bench.unpack(&second), &["for-each-ref", "refs/undercroft/"]), "");
    assert_eq!(order.revision, CodeRevision::Head);
}

#[test]
fn commits_between_are_told() {
    let play = Play::new();
    let between = |from: &str, to: &str| {
        commits_between(&play.site, &id(&play.site, from), &id(&play.site, to)).unwrap()
    };
    let there = between("light", "main").unwrap();
    assert_eq!((there.ahead, there.behind, there.going.len()), (3, 0, 0));
    assert_eq!(
        there.coming.iter().map(|c| c.subject.as_str()).collect::<Vec<_>>(),
        ["merge", "second", "topic"]
    );
    let apart = between("topic", "main~1").unwrap();
    assert_eq!((apart.ahead, apart.behind), (1, 1));
    assert_eq!(commits_between(&play.site, &"1".repeat(40), &id(&play.site, "main")).unwrap(), None);
    assert!(commits_between(&play.site, "HEAD", "main").is_err());
}

#[test]
fn what_is_no_longer_tracked_is_told_as_what_it_is() {
    let play = Play::new();
    let site = &play.site;
    put(site, "cfg", "archived\n");
    put(site, "same", "same\n");
    put(site, "dd/x", "x\n");
    commit(site, 1_600_002_000, "tracked");
    git(site, &["rm", "-rq", "--cached", "cfg", "same", "dd"]);
    fs::remove_dir_all(site.join("dd")).unwrap();
    put(site, ".gitignore", "/cfg\n/same\n");
    commit(site, 1_600_002_100, "not any more");
    put(site, "cfg", "live\n");
    put(site, "dd", "a file\n");
    let order = play.order("HEAD~1");
    let plan = restore::plan(&order, &play.cache()).unwrap();
    assert!(plan.changed.contains(&"cfg".to_owned()) && plan.added == ["dd/x"], "{plan:?}");
    assert_eq!(plan.untracked_removed, ["cfg", "dd"]);
    let told = |text: &str| plan.notes.iter().any(|note| note.starts_with(text));
    assert!(told("cfg is not tracked now: what is there is replaced, and kept for --undo"), "{plan:?}");
    assert!(told("dd is not tracked, and the commit has a folder there"), "{plan:?}");
    let before = seen(site);
    play.restore(&order).unwrap();
    assert_eq!(fs::read_to_string(site.join("cfg")).unwrap(), "archived\n");
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}
