//! What can't work is refused before anything is made, and the refusal says what to do.

use undercroft_model::CodeRevision;
use undercroft_site::git::restore::{self, RestoreError};

use crate::bench::*;
use crate::support::*;

#[test]
fn urls_are_not_pushed_to() {
    let play = Play::new();
    let mut order = play.order("light");
    order.repository = "https://u:secret@git.example/shop.git".to_owned();
    order.revision = CodeRevision::Branch("live".to_owned());
    let error = play.restore(&order).unwrap_err().to_string();
    let command =
        format!("git push --force-with-lease https://git.example/shop.git {}:refs/heads/live", order.commit);
    assert!(error.contains(&command) && !error.contains("secret"), "{error}");
}

#[test]
fn what_is_under_way_is_left_alone() {
    let play = Play::new();
    let site = &play.site;
    let order = play.order("light");
    put(site, ".git/index.lock", "");
    assert!(matches!(play.restore(&order), Err(RestoreError::IndexLocked { .. })));
    std::fs::remove_file(site.join(".git/index.lock")).unwrap();
    git(site, &["checkout", "-q", "-b", "other", "light"]);
    put(site, "index.php", "conflict\n");
    commit(site, 1_600_002_000, "other");
    assert!(!try_git(site, &["merge", "main"]).0);
    let before = seen(site);
    assert!(matches!(play.restore(&order), Err(RestoreError::Busy { what: "a merge", .. })));
    std::fs::remove_file(site.join(".git/MERGE_HEAD")).unwrap();
    assert!(matches!(play.restore(&order), Err(RestoreError::Conflicts { path, .. }) if path == "index.php"));
    assert_same(&before, &seen(site));
    git(site, &["reset", "-q", "--hard"]);
    git(site, &["sparse-checkout", "set", "web"]);
    assert!(matches!(play.restore(&order), Err(RestoreError::Sparse { .. })));
    assert_clean(site, 0);
}

#[test]
fn an_index_locked_at_the_last_moment_stops_the_switch() {
    let play = Play::new();
    let site = &play.site;
    play.hack();
    let before = seen(site);
    let staged = restore::stage(&play.order("light"), &play.cache()).unwrap();
    restore::prepare(&staged, &undercroft_model::Silent).unwrap();
    put(site, ".git/index.lock", "");
    let error = restore::switch(&staged, &undercroft_model::Silent).unwrap_err();
    assert!(matches!(error, RestoreError::IndexLocked { .. }), "{error}");
    restore::clean_up(&staged).unwrap();
    assert!(site.join(".git/index.lock").exists());
    assert_same(&before, &seen(site));
}

#[test]
fn commits_that_are_nowhere_are_told() {
    let play = Play::new();
    let mut order = play.order("light");
    order.commit = "1".repeat(40);
    assert!(restore::needs_objects(&order).unwrap());
    assert!(restore::plan(&order, &play.cache()).unwrap().needs_objects);
    assert!(matches!(play.restore(&order), Err(RestoreError::NoCommit { .. })));
    order.commit = "main".to_owned();
    assert!(matches!(play.restore(&order), Err(RestoreError::NotACommit(_))));
}
