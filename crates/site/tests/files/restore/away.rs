//! Archives laid out elsewhere.

use std::fs;

use rustix::fs::{XattrFlags, lsetxattr};
use undercroft_model::Element;
use undercroft_site::files::restore::{Prepared, TakeOut, TakeOutError, take_out};
use undercroft_vault::record::ArchiveRecord;
use uuid::Uuid;

use super::site::*;
use crate::support::*;

fn out(
    site: &Site,
    archive: &ArchiveRecord,
    to: &str,
    only: Option<&[&str]>,
) -> Result<Prepared, TakeOutError> {
    let only: Option<Vec<_>> = only.map(|only| only.iter().map(|path| path.as_bytes().to_vec()).collect());
    let to = site.folder.path().join(to);
    let order = TakeOut {
        element: Element::Files,
        archive,
        only: only.as_deref(),
        to: &to,
        skip_damaged: false,
        id: Uuid::new_v4(),
    };
    take_out(&order, site.kept.vault(), &site.kept.index(), &site.watch)
}

#[test]
fn an_archive_is_laid_out_in_a_new_folder() {
    let (site, archive) = Site::planted();
    out(&site, &archive, "new/folder", None).unwrap();
    assert_eq!(things(&site.folder.path().join("new/folder")), things(&site.live));
}

#[test]
fn one_file_is_laid_out_where_others_are() {
    let (site, archive) = Site::planted();
    let to = site.folder.path().join("to");
    plant(&to, &["mine"]);
    out(&site, &archive, "to", Some(&["2024/05/a.jpg"])).unwrap();
    assert_eq!(paths(&to, &[], &[]), ["", "2024", "2024/05", "2024/05/a.jpg", "mine"]);
}

#[test]
fn nothing_is_overwritten() {
    let (site, archive) = Site::planted();
    let to = site.folder.path().join("to");
    plant(&to, &["top.txt"]);
    fs::write(to.join("top.txt"), "mine").unwrap();
    let error = out(&site, &archive, "to", None).unwrap_err();
    assert!(matches!(error, TakeOutError::Exists(path) if path.ends_with("top.txt")));
    assert_eq!(paths(&to, &[], &[]), ["", "top.txt"]);
    assert_eq!(fs::read_to_string(to.join("top.txt")).unwrap(), "mine");
}

#[test]
fn attributes_of_the_top_folder_come_out_too() {
    let (site, _) = Site::planted();
    if lsetxattr(&site.live, "user.note", b"top", XattrFlags::empty()).is_err() {
        eprintln!("passed over: no attributes may be set here");
        return;
    }
    let archive = site.archive();
    out(&site, &archive, "new", None).unwrap();
    assert_eq!(things(&site.folder.path().join("new")), things(&site.live));
}
