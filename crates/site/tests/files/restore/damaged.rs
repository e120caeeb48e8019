//! What is damaged in the vault is left out, if that is asked for; all else comes back.

use std::fs;
use std::path::{Path, PathBuf};

use undercroft_model::{Element, Weight};
use undercroft_site::files::restore::{Order, TakeOut, clean_up, switch, take_out};
use undercroft_vault::record::ArchiveRecord;
use uuid::Uuid;

use super::site::*;
use crate::support::*;

/// Content that nothing compresses.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(300_000).collect()
}

/// A site with large and small files, and an archive of it of which a piece is damaged.
fn damaged() -> (Site, ArchiveRecord) {
    let (site, _) = Site::planted();
    for n in 0..12 {
        fs::write(site.path(&format!("z/film-{n:02}")), noise(n)).unwrap();
    }
    fs::hard_link(site.path("z/film-05"), site.path("z/same")).unwrap();
    let archive = site.archive();
    let packs = site.kept.folder().join(format!("vaults/{}/packs", uuid::Uuid::from_u128(7)));
    let largest = files_in(&packs).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    for part in [3, 5, 7] {
        let at = bytes.len() * part / 10;
        bytes[at] ^= 1;
    }
    // The store makes what it writes read-only.
    fs::remove_file(&largest).unwrap();
    fs::write(&largest, bytes).unwrap();
    (site, archive)
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_in(&path)),
            false => found.push(path),
        }
    }
    found
}

fn lost(site: &Site) -> u64 {
    let more = |told: &String| {
        let (_, more) = told.split_once("(and ")?;
        more.split(' ').next()?.parse::<u64>().ok()
    };
    site.watch.heard(Weight::Lost).iter().map(|told| 1 + more(told).unwrap_or(0)).sum()
}

fn restore_what_is_whole(site: &Site, archive: &ArchiveRecord) {
    site.with(archive, None, None, |order| {
        let order = Order { skip_damaged: true, ..*order };
        let staged = site.stage(&order).unwrap();
        site.prepare(&staged, &order).unwrap();
        switch(&staged, &site.watch).unwrap();
        clean_up(&staged, &site.watch).unwrap();
    });
}

#[test]
fn all_that_is_whole_comes_back_and_the_rest_is_named() {
    let (site, archive) = damaged();
    let was = things(&site.live);
    for path in ["z", "2024"] {
        fs::remove_dir_all(site.path(path)).unwrap();
    }
    site.with(&archive, None, None, |order| {
        let staged = site.stage(order).unwrap();
        assert!(site.prepare(&staged, order).is_err(), "unless it is asked for, nothing is left out");
        clean_up(&staged, &site.watch).unwrap();
    });
    assert_eq!(lost(&site), 0);
    restore_what_is_whole(&site, &archive);
    let is = things(&site.live);
    let missing: Vec<_> = was.keys().filter(|path| !is.contains_key(*path)).collect();
    assert!((1..=5).contains(&missing.len()), "{missing:?}");
    assert_eq!(missing.len() as u64, lost(&site), "{:?}", site.watch.heard(Weight::Lost));
    assert!(is.iter().all(|(path, thing)| was[path] == *thing));
    let to = site.folder.path().join("out");
    let order = TakeOut {
        element: Element::Files,
        archive: &archive,
        only: None,
        to: &to,
        skip_damaged: true,
        id: Uuid::new_v4(),
    };
    take_out(&order, site.kept.vault(), &site.kept.index(), &site.watch).unwrap();
    assert_eq!(things(&to), is);
}

#[test]
fn what_is_there_stays_in_place_of_what_is_damaged() {
    let (site, archive) = damaged();
    let was = things(&site.live);
    for n in 0..12 {
        fs::write(site.path(&format!("z/film-{n:02}")), format!("edited {n}")).unwrap();
    }
    let edited = things(&site.live);
    restore_what_is_whole(&site, &archive);
    let is = things(&site.live);
    let stayed = was.keys().filter(|path| is.get(*path) != was.get(*path)).collect::<Vec<_>>();
    assert!((1..=5).contains(&stayed.len()), "{stayed:?}");
    for path in &stayed {
        // The other name of one file is a file of its own now.
        assert!(
            path.ends_with("same") || path.ends_with("film-05") || is[*path] == edited[*path],
            "{path:?}"
        );
        assert!(is.contains_key(*path));
    }
    assert!(lost(&site) >= 1);
}
