//! An environment whose repository is gone, with its work tree or without it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use undercroft_model::{CodeRevision, Silent};
use undercroft_site::git::restore::{self, Order, RestoreError};
use uuid::Uuid;

use crate::bench::*;
use crate::killed::run_and_kill;
use crate::support::*;

/// A site of whose HEAD there is an archive, and the order to bring it back.
struct Gone {
    play: Play,
    _bench: Bench,
    order: Order,
    whole: std::collections::BTreeMap<String, Vec<u8>>,
}

impl Gone {
    fn new() -> Gone {
        let (play, bench) = (Play::new(), Bench::new());
        git(&play.site, &["remote", "add", "origin", "https://git.example/shop.git"]);
        let mut order = play.order("main");
        order.branch = Some("main".to_owned());
        order.objects = Some(bench.unpack(&bench.capture(&play.site)));
        // What is left out of backups is no part of what comes back.
        git(&play.site, &["clean", "-qfdx"]);
        let whole = seen(&play.site);
        Gone { play, _bench: bench, order, whole }
    }

    fn next(&mut self) -> &Order {
        self.order.id = Uuid::new_v4();
        &self.order
    }
}

/// Checks that nothing is left of a repository that was made.
fn assert_nothing(site: &std::path::Path) {
    for entry in fs::read_dir(site).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with(".undercroft") && name != ".git", "{name}");
    }
}

#[test]
fn a_site_that_is_gone_comes_back_whole() {
    let mut gone = Gone::new();
    let site = gone.play.site.clone();
    for only_empty in [false, true] {
        fs::remove_dir_all(&site).unwrap();
        if only_empty {
            fs::create_dir(&site).unwrap();
        }
        let order = gone.next().clone();
        assert!(!restore::has_code(&order.repository, &CodeRevision::Head));
        assert!(
            restore::needs_objects(&order).unwrap() && restore::kept(&order.repository).unwrap().is_empty()
        );
        let plan = restore::plan(&order, &gone.play.cache()).unwrap();
        assert!(
            plan.notes.iter().any(|note| note.contains("a repository is made there, with the branch main"))
        );
        assert!(
            plan.added.contains(&"index.php".to_owned()) && plan.changed.is_empty() && plan.from.is_none()
        );
        assert_eq!(site.exists(), only_empty);
        let staged = gone.play.restore(&order).unwrap();
        assert!(staged.notes[0].contains("a repository is made there"), "{:?}", staged.notes);
        assert_same(&gone.whole, &seen(&site));
        assert_eq!(git(&site, &["status", "--porcelain", "--branch"]), "## main\n");
        assert_eq!(git(&site, &["remote", "-v"]).lines().count(), 2);
        assert_clean(&site, 1);
        restore::undo(&order.repository, order.id).unwrap();
        assert!(!site.join("index.php").exists() && site.join(".git").exists());
        assert!(!restore::has_code(&order.repository, &CodeRevision::Head), "nothing is committed there");
    }
}

#[test]
fn what_lies_where_the_repository_was_is_kept() {
    let mut gone = Gone::new();
    let site = gone.play.site.clone();
    fs::remove_dir_all(site.join(".git")).unwrap();
    put(&site, "index.php", "hacked\n");
    put(&site, "upload.jpg", "mine\n");
    let order = gone.next().clone();
    let plan = restore::plan(&order, &gone.play.cache()).unwrap();
    assert_eq!((plan.changed, plan.added), (vec!["index.php".to_owned()], Vec::new()));
    assert!(plan.notes.iter().any(|note| note.contains("index.php is not tracked now")), "{:?}", plan.notes);
    let staged = gone.play.restore(&order).unwrap();
    let kept = format!("refs/undercroft/before/{}", order.id);
    assert!(staged.notes.iter().any(|note| note.starts_with("1 files") && note.contains(&kept)));
    assert_eq!(git(&site, &["status", "--porcelain"]), "?? upload.jpg\n");
    assert_eq!(git(&site, &["show", &format!("{kept}:index.php")]), "hacked\n");
    restore::undo(&order.repository, order.id).unwrap();
    assert_eq!(fs::read_to_string(site.join("index.php")).unwrap(), "hacked\n");
    assert_eq!(fs::read_to_string(site.join("upload.jpg")).unwrap(), "mine\n");
}

#[test]
fn what_was_made_goes_with_a_restore_that_is_given_up() {
    let mut gone = Gone::new();
    let site = gone.play.site.clone();
    let cache = gone.play.cache();
    let begun = Instant::now();
    fs::remove_dir_all(&site).unwrap();
    let order = gone.next().clone();
    gone.play.restore(&order).unwrap();
    let whole = begun.elapsed();
    for keeps_files in [false, true] {
        let _ = fs::remove_dir_all(&site);
        if keeps_files {
            put(&site, "index.php", "hacked\n");
        }
        for moment in 0..6 {
            let order = gone.next().clone();
            let staged = restore::stage(&order, &cache).unwrap();
            run_and_kill("prepare", &staged, whole * moment / 6);
            restore::clean_up(&staged).unwrap();
            restore::clean_up(&staged).unwrap();
            assert_eq!(site.exists(), keeps_files);
            restore::prepare(&staged, &Silent).unwrap();
            run_and_kill("switch", &staged, whole * moment / 6);
            restore::switch_back(&staged).unwrap();
            restore::clean_up(&staged).unwrap();
            assert_nothing(&site);
            assert_eq!(site.exists(), keeps_files);
            let text = fs::read_to_string(site.join("index.php")).unwrap_or_default();
            assert_eq!(text, if keeps_files { "hacked\n" } else { "" });
            assert_eq!(fs::read_dir(&site).into_iter().flatten().count(), usize::from(keeps_files));
        }
    }
}

#[test]
fn what_is_made_belongs_to_the_owner_of_what_is_around_it() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut gone = Gone::new();
    let site = gone.play.site.clone();
    for folder in ["home", "home/sites/site"] {
        let mut order = gone.next().clone();
        let home = gone.play.dir.path().join("home");
        fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(4242), Some(4343)).unwrap();
        let site = gone.play.dir.path().join(folder);
        order.repository = site.to_str().unwrap().to_owned();
        restore::plan(&order, &gone.play.cache()).unwrap();
        let staged = gone.play.restore(&order).unwrap();
        assert_eq!(staged.notes.iter().any(|note| note.contains("number 4242")), folder != "home");
        for file in ["", "index.php", ".git", ".git/config", ".git/index"] {
            let facts = fs::metadata(site.join(file)).unwrap();
            assert_eq!((facts.uid(), facts.gid()), (4242, 4343), "{file}");
        }
        fs::remove_dir_all(home).unwrap();
    }
    assert!(site.exists());
}

#[test]
fn only_the_environments_own_repository_is_taken_for_it() {
    let mut gone = Gone::new();
    let (above, site) = (gone.play.dir.path().to_owned(), gone.play.site.clone());
    fs::remove_dir_all(&site).unwrap();
    // One around it that knows nothing of it.
    git(&above, &["init", "-q", "-b", "other"]);
    put(&above, "notes.txt", "notes\n");
    git(&above, &["add", "notes.txt"]);
    git(&above, &["commit", "-qm", "notes"]);
    let tip = id(&above, "other");
    let order = gone.next().clone();
    gone.play.restore(&order).unwrap();
    assert_same(&gone.whole, &seen(&site));
    assert_eq!((id(&above, "other"), id(&site, "main")), (tip, order.commit));
    // A folder of a work tree comes back with that.
    fs::remove_dir_all(site.join("web")).unwrap();
    let mut order = gone.next().clone();
    order.repository = site.join("web").to_str().unwrap().to_owned();
    gone.play.restore(&order).unwrap();
    assert_same(&gone.whole, &seen(&site));
}

#[test]
fn what_is_no_repository_any_more_is_not_written_over() {
    let mut gone = Gone::new();
    let site = gone.play.site.clone();
    fs::remove_file(site.join(".git/HEAD")).unwrap();
    let order = gone.next().clone();
    assert!(matches!(gone.play.restore(&order), Err(RestoreError::Broken(_))));
    assert!(
        restore::has_code(&order.repository, &CodeRevision::Head),
        "what can't be told is no reason to go without"
    );
    fs::remove_dir_all(&site).unwrap();
    let mut bare = order;
    bare.repository = gone.play.dir.path().join("shop.git").to_str().unwrap().to_owned();
    let error = restore::needs_objects(&bare).unwrap_err().to_string();
    assert!(error.contains("git init --bare"), "{error}");
}
