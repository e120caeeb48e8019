//! Visitors don't wait for a restore to end.

use std::fs;

use undercroft_model::Weight;
use undercroft_site::files::restore::{clean_up, switch, switch_back};

use super::site::*;
use crate::support::*;

#[test]
fn an_upload_during_the_restore_is_carried_over() {
    let (site, archive) = Site::planted();
    plant(&site.live, &["malware.php"]);
    let safety = site.safety();
    plant(&site.live, &["2026/01/early.jpg"]);
    let (staged, _) = site.prepared(&archive, Some(&safety), None);
    plant(&site.live, &["2024/05/late.jpg", "2026/02/late.jpg"]);
    fs::write(site.path("top.txt"), "edited meanwhile").unwrap();
    switch(&staged, &site.watch).unwrap();
    for late in ["2026/01/early.jpg", "2024/05/late.jpg", "2026/02/late.jpg"] {
        assert_eq!(fs::read_to_string(site.path(late)).unwrap(), late);
    }
    clean_up(&staged, &site.watch).unwrap();
    assert!(!site.path("malware.php").exists());
    let told = site.watch.heard(Weight::Note);
    assert_eq!(told.iter().filter(|told| told.contains("was carried over")).count(), 3, "{told:?}");
}

#[test]
fn a_change_that_can_not_be_kept_is_told() {
    let (site, archive) = Site::planted();
    fs::write(site.path("top.txt"), "broken").unwrap();
    let safety = site.safety();
    let (staged, _) = site.prepared(&archive, Some(&safety), None);
    fs::write(site.path("top.txt"), "edited meanwhile").unwrap();
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    assert_eq!(fs::read_to_string(site.path("top.txt")).unwrap(), "top.txt");
    assert!(site.watch.heard(Weight::Lost)[0].starts_with("top.txt: was changed while"));
}

#[test]
fn an_upload_that_is_written_into_the_old_tree_after_the_switch_is_carried_over_too() {
    let (site, archive) = Site::planted();
    let (staged, _) = site.prepared(&archive, None, None);
    switch(&staged, &site.watch).unwrap();
    plant(&staged.stage.join("tree"), &["2024/slow.jpg"]);
    clean_up(&staged, &site.watch).unwrap();
    assert!(site.path("2024/slow.jpg").exists());
}

#[test]
fn an_upload_after_the_switch_survives_switching_back() {
    let (site, archive) = Site::planted();
    plant(&site.live, &["2024/only now"]);
    let (staged, _) = site.prepared(&archive, None, None);
    settle();
    switch(&staged, &site.watch).unwrap();
    plant(&site.live, &["2024/late.jpg"]);
    switch_back(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    for there in ["2024/late.jpg", "2024/only now", "top.txt"] {
        assert!(site.path(there).exists(), "{there}");
    }
}

#[test]
fn what_came_to_a_place_where_nothing_was_is_carried_over() {
    let (site, archive) = Site::planted();
    fs::remove_file(site.path("top.txt")).unwrap();
    fs::remove_dir_all(site.path("2025")).unwrap();
    let safety = site.safety();
    let (staged, _) = site.prepared(&archive, Some(&safety), Some(&["top.txt", "2025"]));
    plant(&site.live, &["2025/late.jpg"]);
    fs::write(site.path("top.txt"), "uploaded meanwhile").unwrap();
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    for there in ["2025/late.jpg", "2025/d.jpg"] {
        assert_eq!(fs::read_to_string(site.path(there)).unwrap(), there);
    }
    let lost = site.watch.heard(Weight::Lost);
    let told = |lost: &String| lost.starts_with("top.txt: was changed while");
    assert!(!lost.is_empty() && lost.iter().all(told), "{lost:?}");
}

#[test]
fn what_the_site_made_again_while_it_had_no_folder_is_carried_over() {
    let (site, archive) = Site::planted();
    fs::remove_dir_all(&site.live).unwrap();
    let (staged, _) = site.prepared(&archive, None, None);
    plant(&site.live, &["2025/late.jpg"]);
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    for there in ["2025/late.jpg", "2025/d.jpg", "top.txt"] {
        assert_eq!(fs::read_to_string(site.path(there)).unwrap(), there);
    }
    site.watch.assert_whole();
}

#[test]
fn what_came_into_a_restored_folder_survives_switching_back() {
    let (site, archive) = Site::planted();
    fs::remove_dir_all(site.path("2025")).unwrap();
    let (staged, _) = site.prepared(&archive, None, Some(&["2025"]));
    settle();
    switch(&staged, &site.watch).unwrap();
    plant(&site.live, &["2025/late.jpg"]);
    switch_back(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    assert!(site.path("2025/late.jpg").exists() && !site.path("2025/d.jpg").exists());
}

#[test]
fn another_name_of_a_file_that_is_removed_meanwhile_is_no_change_of_it() {
    let site = Site::new();
    plant(&site.live, &["linked", "only here", "twice"]);
    let other = |name: &str| site.folder.path().join(name);
    for name in ["linked", "only here", "twice"] {
        fs::hard_link(site.path(name), other(name)).unwrap();
    }
    let archive = site.archive();
    let (staged, _) = site.prepared(&archive, None, None);
    fs::write(site.path("twice"), "changed").unwrap();
    // As another element's restore does.
    fs::remove_file(other("linked")).unwrap();
    switch(&staged, &site.watch).unwrap();
    fs::remove_file(other("only here")).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    let lost = site.watch.heard(Weight::Lost);
    assert!(lost.len() == 1 && lost[0].starts_with("twice: was changed while"), "{lost:?}");
}

#[test]
fn what_a_restore_itself_wrote_is_no_visitors_change() {
    use std::os::unix::fs::MetadataExt;
    use undercroft_site::files::restore::{Written, finish};
    use undercroft_vault::stream::FileTime;

    let (site, archive) = Site::planted();
    for name in ["top.txt", "2024/c.jpg"] {
        fs::write(site.path(name), "broken").unwrap();
    }
    let (staged, _) = site.prepared(&archive, None, None);
    let names = ["top.txt", "2024/c.jpg", "tracked and not archived"];
    for name in names {
        fs::write(site.path(name), "laid out by git").unwrap();
    }
    let written = names.map(|name| {
        let facts = fs::metadata(site.path(name)).unwrap();
        let mtime = FileTime { seconds: facts.mtime(), nanos: facts.mtime_nsec() as u32 };
        Written { path: staged.place.join(name), inode: facts.ino(), size: facts.size(), mtime }
    });
    fs::write(site.path("2024/c.jpg"), "laid out, and then changed").unwrap();
    switch(&staged, &site.watch).unwrap();
    finish(&staged, &written, &site.watch).unwrap();
    let lost = site.watch.heard(Weight::Lost);
    assert!(lost.len() == 1 && lost[0].starts_with("2024/c.jpg: was changed while"), "{lost:?}");
}
