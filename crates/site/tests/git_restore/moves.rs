//! What moves, by what the environment's code is.

use std::fs;

use undercroft_model::{CodeRevision, Silent};
use undercroft_site::git::restore::{self, RestoreError};
use uuid::Uuid;

use crate::bench::*;
use crate::support::*;

#[test]
fn a_detached_head_stays_detached() {
    let play = Play::new();
    let site = &play.site;
    git(site, &["checkout", "-q", "--detach", "topic"]);
    play.hack();
    let before = seen(site);
    let order = play.order("light");
    play.restore(&order).unwrap();
    assert_eq!(fs::read_to_string(site.join(".git/HEAD")).unwrap().trim(), order.commit);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn head_goes_back_to_the_branch_of_the_backup() {
    let play = Play::new();
    let site = &play.site;
    git(site, &["checkout", "-q", "-b", "feature"]);
    put(site, "feature.txt", "feature\n");
    commit(site, 1_600_002_000, "feature");
    play.hack();
    let (before, feature) = (seen(site), id(site, "feature"));
    let mut order = play.order("light");
    order.branch = Some("main".to_owned());
    let plan = restore::plan(&order, &play.cache()).unwrap();
    assert_eq!((plan.branch.as_deref(), plan.from.as_ref()), (Some("main"), Some(&feature)));
    assert!(plan.work_tree && plan.removed.contains(&"feature.txt".to_owned()), "{plan:?}");
    assert!(plan.notes.iter().any(|note| note.contains("feature is checked out and stays")), "{plan:?}");
    let staged = play.restore(&order).unwrap();
    assert!(staged.notes[0].contains("which is checked out instead"), "{:?}", staged.notes);
    assert_eq!(fs::read_to_string(site.join(".git/HEAD")).unwrap(), "ref: refs/heads/main\n");
    assert_eq!((id(site, "main"), id(site, "feature")), (order.commit.clone(), feature));
    assert!(!site.join("feature.txt").exists());
    let restored = seen(site);
    let again = Uuid::new_v4();
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
    restore::keep_undone(&order.repository, order.id, again).unwrap();
    restore::undo(&order.repository, again).unwrap();
    assert_same(&restored, &seen(site));
    restore::undo(&order.repository, again).unwrap();
    git(site, &["checkout", "-qf", "feature"]);
    let linked = play.dir.path().join("linked");
    git(site, &["worktree", "add", "-q", linked.to_str().unwrap(), "main"]);
    order.id = Uuid::new_v4();
    assert!(matches!(play.restore(&order), Err(RestoreError::BranchElsewhere { .. })));
}

#[test]
fn a_way_to_another_branch_goes_back_within_the_restore() {
    let play = Play::new();
    let site = &play.site;
    git(site, &["checkout", "-q", "-b", "feature", "topic"]);
    play.hack();
    let before = seen(site);
    let mut order = play.order("light");
    order.branch = Some("renamed".to_owned());
    let staged = restore::stage(&order, &play.cache()).unwrap();
    restore::prepare(&staged, &Silent).unwrap();
    for _ in 0..2 {
        restore::switch(&staged, &Silent).unwrap();
        assert_eq!(id(site, "HEAD"), order.commit);
        restore::switch_back(&staged).unwrap();
        assert_same(&before, &seen(site));
    }
    restore::clean_up(&staged).unwrap();
    assert_clean(site, 0);
}

#[test]
fn a_branch_that_is_not_checked_out_moves_alone() {
    let play = Play::new();
    let site = &play.site;
    play.hack();
    let before = seen(site);
    let mut order = play.order("light");
    order.revision = CodeRevision::Branch("topic".to_owned());
    assert!(!restore::plan(&order, &play.cache()).unwrap().work_tree);
    play.restore(&order).unwrap();
    assert_eq!(id(site, "topic"), order.commit);
    git(site, &["update-ref", "refs/heads/topic", "light"]);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
    order.revision = CodeRevision::Branch("new".to_owned());
    order.id = uuid::Uuid::new_v4();
    play.restore(&order).unwrap();
    assert_eq!(id(site, "new"), order.commit);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn where_tags_are_deployed_head_is_detached() {
    let play = Play::new();
    let site = &play.site;
    let before = seen(site);
    let mut order = play.order("light");
    order.revision = CodeRevision::Tags("v*".to_owned());
    let staged = play.restore(&order).unwrap();
    assert!(staged.notes[0].contains("newest tag that matches v*"), "{:?}", staged.notes);
    assert_eq!(fs::read_to_string(site.join(".git/HEAD")).unwrap().trim(), order.commit);
    assert_ne!(id(site, "main"), order.commit);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn of_a_bare_repository_the_branch_moves() {
    let play = Play::new();
    let bare = play.dir.path().join("bare.git");
    git(play.dir.path(), &["clone", "-q", "--bare", "site", "bare.git"]);
    let mut order = play.order("light");
    order.repository = bare.to_str().unwrap().to_owned();
    let tip = id(&bare, "main");
    play.restore(&order).unwrap();
    assert_eq!(id(&bare, "main"), order.commit);
    assert_clean(&bare, 1);
    restore::undo(&order.repository, order.id).unwrap();
    assert_eq!(id(&bare, "main"), tip);
    order.revision = CodeRevision::Tags("v*".to_owned());
    assert!(matches!(play.restore(&order), Err(RestoreError::NeedsTag { .. })));
}

#[test]
fn nothing_committed_yet_is_a_state_to_go_back_to() {
    let play = Play::new();
    let site = &play.site;
    git(site, &["symbolic-ref", "HEAD", "refs/heads/empty"]);
    git(site, &["rm", "-rq", "--cached", "."]);
    let before = seen(site);
    let order = play.order("light");
    play.restore(&order).unwrap();
    assert_eq!(id(site, "empty"), order.commit);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn a_linked_work_tree_follows_and_the_main_one_stays() {
    let play = Play::new();
    let linked = play.dir.path().join("linked");
    git(&play.site, &["worktree", "add", "-q", linked.to_str().unwrap(), "topic"]);
    put(&linked, "topic.txt", "changed\n");
    let (before, main) = (seen(&linked), git(&play.site, &["status", "--porcelain"]));
    let mut order = play.order("light");
    order.repository = linked.to_str().unwrap().to_owned();
    play.restore(&order).unwrap();
    assert_eq!(git(&linked, &["status", "--porcelain", "--branch"]), "## topic\n");
    assert_eq!(git(&play.site, &["status", "--porcelain"]), main);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(&linked));
    order.repository = play.site.to_str().unwrap().to_owned();
    order.revision = CodeRevision::Branch("topic".to_owned());
    assert!(matches!(play.restore(&order), Err(RestoreError::BranchElsewhere { .. })));
}

#[test]
fn a_repository_that_moved_meanwhile_is_left_alone() {
    let play = Play::new();
    let site = &play.site;
    let staged = restore::stage(&play.order("light"), &play.cache()).unwrap();
    restore::prepare(&staged, &Silent).unwrap();
    put(site, "index.php", "newer\n");
    commit(site, 1_600_002_000, "newer");
    let before = seen(site);
    assert!(matches!(restore::switch(&staged, &Silent), Err(RestoreError::Moved { .. })));
    restore::clean_up(&staged).unwrap();
    assert_same(&before, &seen(site));
    assert_clean(site, 0);
}

#[test]
fn what_was_done_after_a_restore_is_kept_when_it_is_undone() {
    let play = Play::new();
    let site = &play.site;
    let before = seen(site);
    let order = play.order("light");
    play.restore(&order).unwrap();
    put(site, "index.php", "work after the restore\n");
    commit(site, 1_600_002_000, "after");
    put(site, "topic.txt", "untracked, where the old commit has a file\n");
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
    let undone = format!("refs/undercroft/undone/{}", order.id);
    assert_eq!(
        git(site, &["show", &format!("{undone}:topic.txt")]),
        "untracked, where the old commit has a file\n"
    );
    assert_eq!(git(site, &["log", "-1", "--format=%s", &format!("{undone}^")]), "after\n");
}

#[test]
fn an_undoing_can_be_undone_and_that_again() {
    let play = Play::new();
    let site = &play.site;
    play.hack();
    let before = seen(site);
    let order = play.order("light");
    play.restore(&order).unwrap();
    put(site, "index.php", "work after the restore\n");
    git(site, &["add", "index.php"]);
    git_at(site, 1_600_002_000, &["commit", "-q", "-m", "after"]);
    put(site, "topic.txt", "untracked, where the old commit has a file\n");
    let after = seen(site);
    let mut last = order.id;
    for turn in 0..4 {
        let again = Uuid::new_v4();
        restore::undo(&order.repository, last).unwrap();
        // It may be killed after each of the two, and is done again then.
        for _ in 0..2 {
            restore::keep_undone(&order.repository, last, again).unwrap();
            restore::undo(&order.repository, last).unwrap();
        }
        assert_same(if turn % 2 == 0 { &before } else { &after }, &seen(site));
        last = again;
    }
    assert!(matches!(
        restore::keep_undone(&order.repository, Uuid::new_v4(), last),
        Err(RestoreError::NothingKept { .. })
    ));
    assert_clean(site, 5);
}
