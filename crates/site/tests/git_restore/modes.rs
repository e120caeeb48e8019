//! Permissions, of which git keeps none.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use undercroft_model::Silent;
use undercroft_site::git::restore::{self, RestoreError};

use crate::bench::*;
use crate::support::*;

/// A Drupal with two commits, whose files belong to a user of their own, if that can be.
fn drupal() -> Play {
    let play = Play::new();
    let site = &play.site;
    put(site, ".gitignore", "settings.php\n");
    for content in ["1\n", "2\n"] {
        for file in ["sites/default/default.settings.php", "a.php", "z.php"] {
            put(site, file, content);
        }
        commit(site, 1_600_001_000, content);
    }
    put(site, "sites/default/settings.php", "secret\n");
    play
}

fn give_away(site: &Path) {
    if rustix::process::geteuid().is_root() {
        let done = std::process::Command::new("chown").args(["-R", "4242:4343"]).arg(site).status().unwrap();
        assert!(done.success());
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn folders_that_drupal_closes_are_opened_meanwhile() {
    let play = drupal();
    let site = &play.site;
    give_away(site);
    let closed = site.join("sites/default");
    chmod(&closed, 0o555);
    let before = seen(site);
    let order = play.order("HEAD~1");
    restore::plan(&order, &play.cache()).unwrap();
    let staged = restore::stage(&order, &play.cache()).unwrap();
    restore::prepare(&staged, &Silent).unwrap();
    for _ in 0..2 {
        restore::switch(&staged, &Silent).unwrap();
        assert_eq!(fs::read(closed.join("default.settings.php")).unwrap(), b"1\n");
        assert_eq!(mode(&closed), 0o555);
        restore::switch_back(&staged).unwrap();
        assert_same(&before, &seen(site));
        assert_eq!(mode(&closed), 0o555);
    }
    restore::switch(&staged, &Silent).unwrap();
    restore::clean_up(&staged).unwrap();
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
    assert_eq!(mode(&closed), 0o555);
    // Folders that go and come back do so closed.
    let order = play.order("light");
    chmod(&closed, 0o755);
    fs::rename(closed.join("settings.php"), site.join("settings.php")).unwrap();
    chmod(&closed, 0o555);
    play.restore(&order).unwrap();
    assert!(!closed.exists());
    restore::undo(&order.repository, order.id).unwrap();
    assert_eq!(mode(&closed), 0o555);
}

#[test]
fn folders_that_the_owner_can_not_open_are_refused_before_anything_is_done() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let play = drupal();
    let site = &play.site;
    give_away(site);
    std::os::unix::fs::chown(site.join("sites/default"), Some(0), Some(0)).unwrap();
    let before = seen(site);
    let order = play.order("HEAD~1");
    let is_it = |error: &RestoreError| matches!(error, RestoreError::NotWritable(folder) if folder.ends_with("sites/default"));
    assert!(restore::plan(&order, &play.cache()).is_err_and(|error| is_it(&error)));
    assert!(restore::stage(&order, &play.cache()).is_err_and(|error| is_it(&error)));
    std::os::unix::fs::chown(site.join("sites/default"), Some(4242), None).unwrap();
    let staged = restore::stage(&order, &play.cache()).unwrap();
    restore::prepare(&staged, &Silent).unwrap();
    std::os::unix::fs::chown(site.join("sites/default"), Some(0), None).unwrap();
    assert!(restore::switch(&staged, &Silent).is_err_and(|error| is_it(&error)));
    assert!(!site.join(".git/index.lock").exists());
    assert_same(&before, &seen(site));
    // What nobody has to write into may be closed, and another's.
    play.restore(&play.order("HEAD")).unwrap();
    std::os::unix::fs::chown(site.join("sites/default"), Some(4242), None).unwrap();
    std::os::unix::fs::chown(site.join("sites"), Some(0), Some(0)).unwrap();
    chmod(&site.join("sites"), 0o555);
    play.restore(&order).unwrap();
    assert_eq!(mode(&site.join("sites")), 0o555);
    restore::undo(&order.repository, order.id).unwrap();
    assert_same(&before, &seen(site));
}

#[test]
fn an_undoing_that_fails_leaves_all_as_it_was() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let play = drupal();
    let site = &play.site;
    give_away(site);
    let order = play.order("HEAD~1");
    play.restore(&order).unwrap();
    let restored = seen(site);
    std::os::unix::fs::chown(site.join("sites/default"), Some(0), Some(0)).unwrap();
    let error = restore::undo(&order.repository, order.id).unwrap_err();
    assert!(matches!(error, RestoreError::NotWritable(_)), "{error}");
    assert_same(&restored, &seen(site));
    std::os::unix::fs::chown(site.join("sites/default"), Some(4242), None).unwrap();
    // The files are laid out already when it fails: somebody holds the branch.
    put(site, ".git/refs/heads/main.lock", "");
    let error = restore::undo(&order.repository, order.id).unwrap_err();
    assert!(matches!(error, RestoreError::Git(_)), "{error}");
    assert!(!site.join(".git/index.lock").exists());
    assert_same(&restored, &seen(site));
    fs::remove_file(site.join(".git/refs/heads/main.lock")).unwrap();
    restore::undo(&order.repository, order.id).unwrap();
    assert_eq!(fs::read(site.join("a.php")).unwrap(), b"2\n");
    assert_clean(site, 1);
}

#[test]
fn secrets_stay_secret() {
    let play = Play::new();
    let site = &play.site;
    put(site, "wp-config.php", "theirs\n");
    put(site, "settings.php", "theirs\n");
    commit(site, 1_600_001_000, "one");
    git(site, &["rm", "-q", "--cached", "wp-config.php"]);
    put(site, "settings.php", "v2\n");
    git(site, &["add", "settings.php"]);
    git_at(site, 1_600_001_100, &["commit", "-q", "-m", "two"]);
    for (name, bits) in [("wp-config.php", 0o600), ("settings.php", 0o440), ("odd \\\n\u{e9}.key", 0o400)] {
        put(site, name, "secret\n");
        chmod(&site.join(name), bits);
    }
    let mut order = play.order("HEAD~1");
    order.remove_untracked = true;
    play.restore(&order).unwrap();
    assert_eq!(fs::read(site.join("settings.php")).unwrap(), b"theirs\n");
    assert_eq!((mode(&site.join("wp-config.php")), mode(&site.join("settings.php"))), (0o600, 0o440));
    restore::undo(&order.repository, order.id).unwrap();
    for (name, bits) in [("wp-config.php", 0o600), ("settings.php", 0o440), ("odd \\\n\u{e9}.key", 0o400)] {
        assert_eq!(fs::read(site.join(name)).unwrap(), b"secret\n", "{name}");
        assert_eq!(mode(&site.join(name)), bits, "{name}");
    }
}
