//! Every step can be undone, and done again.

use std::fs;

use undercroft_site::files::restore::{SwitchError, clean_up, switch, switch_back};

use super::site::*;
use crate::support::*;

/// A broken site with something that stays, and what it is to be again.
fn broken() -> (Site, undercroft_vault::record::ArchiveRecord, Things, Things) {
    let mut site = Site::new();
    plant(&site.live, &["a/x", "b/y", "b/cache/c", "wp-config.php", "same"]);
    site.keep = vec!["cache/".to_owned()];
    site.protect = vec!["wp-config.php".to_owned()];
    let (archive, was) = (site.archive(), things(&site.live));
    fs::remove_dir_all(site.path("a")).unwrap();
    hack(&site.path("b/y"));
    plant(&site.live, &["malware"]);
    let broken = things(&site.live);
    (site, archive, was, broken)
}

type Things = std::collections::BTreeMap<std::path::PathBuf, Thing>;

#[test]
fn every_phase_can_be_done_again() {
    let (site, archive, was, broken) = broken();
    settle();
    let (staged, _) = site.prepared(&archive, None, None);
    switch_back(&staged, &site.watch).unwrap();
    assert_eq!(things(&site.live), broken, "nothing was switched");
    for _ in 0..2 {
        for _ in 0..3 {
            switch(&staged, &site.watch).unwrap();
            assert_eq!(things(&site.live), was);
        }
        for _ in 0..3 {
            switch_back(&staged, &site.watch).unwrap();
            assert_eq!(things(&site.live), broken);
        }
    }
    switch(&staged, &site.watch).unwrap();
    for _ in 0..3 {
        clean_up(&staged, &site.watch).unwrap();
        assert_eq!(things(&site.live), was);
    }
    assert!(matches!(switch(&staged, &site.watch), Err(SwitchError::NotPrepared(_))));
    assert_eq!(things(&site.live), was);
}

#[test]
fn what_was_only_prepared_is_removed() {
    let (site, archive, _, broken) = broken();
    let (staged, _) = site.prepared(&archive, None, None);
    clean_up(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    assert_eq!(things(&site.live), broken);
    assert_eq!(fs::read_dir(site.folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_was_not_there_goes_again() {
    let (site, archive, was, _) = broken();
    fs::remove_dir_all(&site.live).unwrap();
    let (staged, _) = site.prepared(&archive, None, None);
    switch(&staged, &site.watch).unwrap();
    switch_back(&staged, &site.watch).unwrap();
    assert!(!site.live.exists());
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    let is = things(&site.live);
    assert!(was.len() > is.len() && is.contains_key(std::path::Path::new("a/x")));
}

#[test]
fn a_switch_that_fails_puts_everything_back() {
    let (site, archive, _, broken) = broken();
    let (staged, _) = site.prepared(&archive, None, None);
    // What stays can't be moved along, since something else is in its folder's place.
    fs::remove_dir_all(staged.stage.join("tree/b")).unwrap();
    fs::write(staged.stage.join("tree/b"), "").unwrap();
    let error = switch(&staged, &site.watch).unwrap_err();
    assert!(matches!(error, SwitchError::PutBack { .. }), "{error}");
    assert_eq!(things(&site.live), broken);
    clean_up(&staged, &site.watch).unwrap();
    assert_eq!(things(&site.live), broken);
}

#[test]
fn a_cancelled_restore_leaves_all_as_it_was() {
    struct Stop;
    impl undercroft_model::Observer for Stop {
        fn doing(&self, _: undercroft_model::Element, _: &str) {}
        fn expect(&self, _: undercroft_model::Element, _: u64) {}
        fn advance(&self, _: undercroft_model::Element, _: u64, _: u64) {}
        fn remark(&self, _: undercroft_model::Element, _: undercroft_model::Remark) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let (site, archive, _, broken) = broken();
    site.with(&archive, None, None, |order| {
        let staged = site.stage(order).unwrap();
        let error = site.prepare_watched(&staged, order, &Stop).unwrap_err();
        assert!(matches!(error, undercroft_site::files::restore::PrepareError::Cancelled(_)), "{error}");
        clean_up(&staged, &site.watch).unwrap();
    });
    assert_eq!(things(&site.live), broken);
}
