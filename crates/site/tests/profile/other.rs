//! Folders that hold no CMS, several sites, or nothing; and where code is.

use std::process::Command;

use undercroft_model::{CodeRevision, CodeSource, Element};
use undercroft_site::profile::{Cms, LookError, settings_files};

use crate::tree::{Tree, words};

#[test]
fn a_site_of_no_known_cms_has_code_and_the_rest_is_to_be_told() {
    let tree = Tree::new(&[("shop.example/index.php", "<?php echo 1;"), ("shop.example/data/x", "")]);
    let found = tree.look("shop.example");
    assert_eq!(found.cms, Cms::Unknown);
    assert!(
        matches!(&found.settings.code, Some(CodeSource::Folder { path, .. }) if *path == tree.path("shop.example"))
    );
    let missing: Vec<Element> = found.missing.iter().map(|missing| missing.element).collect();
    assert_eq!(missing, [Element::Database, Element::Files]);
    assert_eq!(found.suggested_name.unwrap().as_str(), "shop-example");
}

#[test]
fn what_is_no_folder_is_refused_with_what_to_do() {
    let tree = Tree::new(&[("file", ""), ("empty/", "")]);
    assert!(matches!(tree.try_look("none", &[]), Err(LookError::Absent(_))));
    assert!(matches!(tree.try_look("file", &[]), Err(LookError::NotAFolder(_))));
    assert!(matches!(tree.try_look("empty", &[]), Err(LookError::Empty(_))));
    assert!(tree.try_look("none", &[]).unwrap_err().to_string().contains("point at"));
}

#[test]
fn several_sites_below_are_named_and_a_single_one_is_taken() {
    let tree = Tree::new(&[("sites/a/wp-includes/version.php", "<?php"), ("sites/text/x", "")]);
    assert_eq!(tree.look("sites").root, tree.path("sites/a"));
    tree.add(&[("sites/b/core/lib/Drupal.php", "<?php")]);
    let error = tree.try_look("sites", &[]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("sites/a") && text.contains("sites/b"), "{text}");
    // A neighbour of a site is no part of it.
    let tree = Tree::new(&[("wp-includes/version.php", "<?php"), ("static/index.html", "")]);
    assert_eq!(tree.look("static").cms, Cms::Unknown);
}

fn git(tree: &Tree, folder: &str, args: &[&str]) {
    let done = Command::new("git")
        .current_dir(tree.path(folder))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["-c", "user.name=t", "-c", "user.email=t@example", "-c", "core.fsmonitor=false"])
        .args(args)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_repository_that_tracks_the_site_is_its_code() {
    let tree = Tree::new(&[
        ("project/web/wp-includes/version.php", "<?php"),
        ("project/web/wp-content/uploads/", ""),
        ("other/x", ""),
    ]);
    git(&tree, "", &["init", "-q"]);
    git(&tree, "", &["add", "other"]);
    let found = tree.look("project");
    assert!(matches!(found.settings.code, Some(CodeSource::Folder { .. })), "{:?}", found.settings.code);
    assert!(words(&found).contains("is a git repository, but"));
    git(&tree, "", &["add", "project"]);
    let found = tree.look("project");
    let repository = tree.path("").display().to_string();
    assert_eq!(found.settings.code, Some(CodeSource::git(&repository, CodeRevision::Head)));
    // A linked work tree has a file where others have the folder.
    git(&tree, "", &["commit", "-q", "-m", "x"]);
    git(&tree, "", &["worktree", "add", "-q", "linked"]);
    let found = tree.look("linked/project");
    let repository = tree.path("linked").display().to_string();
    assert_eq!(found.settings.code, Some(CodeSource::git(&repository, CodeRevision::Head)));
}

#[test]
fn files_that_settings_come_from_are_told_wherever_they_lie() {
    let tree = Tree::new(&[
        ("web/wp-includes/version.php", "<?php $wp_version = '6.5';"),
        ("web/wp-settings.php", "<?php"),
        (
            "web/wp-config.php",
            "<?php require dirname(__DIR__) . '/private/db.php'; require 'vendor/x.php';
            define('DB_PASSWORD', trim(file_get_contents(dirname(__DIR__) . '/private/password')));
            require_once ABSPATH . 'wp-settings.php';",
        ),
        ("web/vendor/x.php", "<?php"),
        ("private/db.php", "<?php define('DB_NAME', 'shop');"),
        ("private/password", "secret"),
    ]);
    let there = ["private/db.php", "private/password", "web/wp-config.php"].map(|name| tree.path(name));
    assert_eq!(settings_files(&tree.path("web")), there);
    assert_eq!(settings_files(&tree.path("nowhere")), [""; 0].map(std::path::PathBuf::from));
    let tree = Tree::new(&[
        ("core/lib/Drupal.php", "<?php const VERSION = '10.1.0';"),
        ("sites/default/settings.php", "<?php require __DIR__ . '/own.php';"),
        ("sites/default/own.php", "<?php $databases['default']['default'] = ['database' => 'a'];"),
        ("sites/other.example/settings.php", "<?php"),
    ]);
    let there = ["sites/default/own.php", "sites/default/settings.php", "sites/other.example/settings.php"];
    assert_eq!(settings_files(&tree.path("")), there.map(|name| tree.path(name)));
}

#[test]
fn what_settings_would_include_is_theirs_though_it_is_not_there() {
    let tree = Tree::new(&[
        ("core/lib/Drupal.php", "<?php const VERSION = '10.1.0';"),
        (
            "sites/default/settings.php",
            "<?php if (is_readable(__DIR__ . '/../../private/own.php')) { include __DIR__ . '/../../private/own.php'; }
             $settings['hash_salt'] = file_get_contents(__DIR__ . '/salt.txt');
             if (is_dir(__DIR__ . '/folder')) { echo 1; }
             require __DIR__ . '/../../vendor/x.php';",
        ),
    ]);
    let there = ["private/own.php", "sites/default/salt.txt", "sites/default/settings.php"];
    assert_eq!(settings_files(&tree.path("")), there.map(|name| tree.path(name)));
}
