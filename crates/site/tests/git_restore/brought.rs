//! Commits that the repository has no more, and those of submodules.

use std::fs;

use undercroft_site::git::restore;

use crate::bench::*;
use crate::support::*;

#[test]
fn a_lost_commit_comes_out_of_the_archive() {
    let play = Play::new();
    let (bench, site) = (Bench::new(), &play.site);
    put(site, "lost.txt", "lost\n");
    let (large, oid) = ("the content of a large file\n", "a5".repeat(32));
    let kept = format!(".git/lfs/objects/a5/a5/{oid}");
    put(site, &kept, large);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:";
    put(site, "movie.big", format!("{pointer}{oid}\nsize {}\n", large.len()));
    put(site, ".gitattributes", "*.big filter=lfs\n");
    commit(site, 1_600_002_000, "lost");
    let mut order = play.order("HEAD");
    let archive = bench.unpack(&bench.capture(site));
    git(site, &["reset", "-q", "--hard", "HEAD~1"]);
    git(site, &["reflog", "expire", "--expire=now", "--all"]);
    git(site, &["gc", "-q", "--prune=now"]);
    fs::remove_dir_all(site.join(".git/lfs")).unwrap();
    put(site, "lost.txt", "untracked\n");
    let before = seen(site);
    assert!(restore::needs_objects(&order).unwrap());
    order.objects = Some(archive);
    let plan = restore::plan(&order, &play.cache()).unwrap();
    assert!(plan.needs_objects && plan.added == [".gitattributes", "movie.big"], "{plan:?}");
    assert!(plan.changed.contains(&"lost.txt".to_owned()), "{plan:?}");
    assert_eq!(plan.between.unwrap().coming[0].subject, "lost");
    play.restore(&order).unwrap();
    fs::remove_dir_all(order.objects.unwrap()).unwrap();
    // To a git without git-lfs, a large file that is laid out is a change.
    assert_eq!(git(site, &["status", "--porcelain"]), " M movie.big\n");
    assert_eq!(fs::read(site.join("lost.txt")).unwrap(), b"lost\n");
    assert_eq!(fs::read_to_string(site.join("movie.big")).unwrap(), large);
    assert_clean(site, 1);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn a_shallow_repository_gets_the_commit_too() {
    let play = Play::new();
    let shallow = play.dir.path().join("shallow");
    let url = format!("file://{}", play.site.display());
    git(play.dir.path(), &["clone", "-q", "--depth=1", &url, "shallow"]);
    let mut order = play.order("light");
    order.repository = shallow.to_str().unwrap().to_owned();
    assert!(restore::needs_objects(&order).unwrap());
    order.objects = Some(play.site.clone());
    play.restore(&order).unwrap();
    assert_eq!(git(&shallow, &["status", "--porcelain"]), "");
    assert_eq!(id(&shallow, "main"), order.commit);
}

#[test]
fn submodules_follow_and_come_back() {
    let play = Play::new();
    let site = &play.site;
    let library = play.dir.path().join("library");
    make_site(&library);
    git(site, &["submodule", "-q", "add", library.to_str().unwrap(), "lib"]);
    git(&site.join("lib"), &["checkout", "-q", "light"]);
    commit(site, 1_600_002_000, "with the library");
    git(&site.join("lib"), &["checkout", "-q", "main"]);
    commit(site, 1_600_002_100, "newer library");
    put(&site.join("lib"), "index.php", "hacked\n");
    let before = (seen(site), seen(&site.join("lib")));
    let order = play.order("HEAD~1");
    play.restore(&order).unwrap();
    assert_eq!(git(site, &["status", "--porcelain"]), "");
    assert_eq!(id(&site.join("lib"), "HEAD"), id(&library, "light"));
    let (restored, again) = ((seen(site), seen(&site.join("lib"))), uuid::Uuid::new_v4());
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before.0, &seen(site));
    assert_same(&before.1, &seen(&site.join("lib")));
    restore::keep_undone(&order.repository, order.id, again).unwrap();
    restore::undo(&order.repository, again).unwrap();
    assert_same(&restored.0, &seen(site));
    assert_same(&restored.1, &seen(&site.join("lib")));
    restore::keep_undone(&order.repository, again, order.id).unwrap();
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before.0, &seen(site));
    assert_same(&before.1, &seen(&site.join("lib")));
    restore::forget(&order.repository, again).unwrap();
    restore::forget(&order.repository, order.id).unwrap();
    let order = play.order("light");
    fs::remove_dir_all(site.join("lib")).unwrap();
    play.restore(&order).unwrap();
    let back = play.order(&id(site, "main"));
    assert_eq!(back.commit, order.commit);
}
