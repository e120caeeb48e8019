//! Copies of the store: what was removed on purpose goes from them, what was lost stays in them.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{DAY, House};
use undercroft_model::api::{CopyObject, CopyParams};

async fn copy_with(house: &House, params: &CopyParams) -> Result<CopyObject, String> {
    let mut copy = house.client.copy_store(params).await.map_err(|error| error.to_string())?;
    while copy.result.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        copy = house.client.copy_at(copy.id).await.unwrap();
    }
    Ok(copy)
}

async fn copy(house: &House, to: &Path) -> Result<CopyObject, String> {
    copy_with(house, &CopyParams { to: to.to_owned(), ..CopyParams::default() }).await
}

/// The records in a store.
fn records(house: &House, store: &Path) -> Vec<PathBuf> {
    let folder = store.join("vaults").join(house.site.to_string()).join("records");
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_swept_goes_from_the_copy_and_what_was_lost_stays() {
    let house = House::new().await;
    let to = house.folder.path().join("disk/copy");
    let mut folders = Vec::new();
    for day in 0..6 {
        house.clock.set(day * DAY);
        house.write("live", &format!("photo-{day}.jpg"), 100_000, day.unsigned_abs());
        folders.push(house.back_up(if day == 1 { 7 } else { 365 }).await);
    }
    assert_eq!(copy(&house, &to).await.unwrap().result.as_deref(), Some("succeeded"));

    // One was deleted and swept between two copies: the sweep says so. Another one's time is over.
    house.clock.set(6 * DAY);
    house.delete(folders[0]).await;
    house.clock.set(16 * DAY);
    assert_eq!(house.sweep_all().await.backups.len(), 2);
    let done = copy(&house, &to).await.unwrap();
    assert_eq!(done.result.as_deref(), Some("succeeded"), "{done:?}");
    assert!(done.outcome[0].removed >= 2);
    let names =
        |all: Vec<PathBuf>| all.into_iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    let (here, there): (Vec<_>, Vec<_>) =
        (names(records(&house, &house.store())), names(records(&house, &to)));
    assert_eq!((here.len(), &here), (4, &there));

    // One was lost: nothing says that it was to go.
    let lost = records(&house, &house.store())[0].clone();
    let bytes = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    let done = copy(&house, &to).await.unwrap();
    assert_eq!(done.result.as_deref(), Some("failed"));
    let told = done.outcome[0].withheld.as_deref().unwrap();
    assert!(told.contains("lacks 1 of its backups") && told.contains("put their records back"), "{told}");
    assert_eq!(names(records(&house, &to)), there);
    // Put back from the copy, all is well.
    let kept = to.join(lost.strip_prefix(house.store()).unwrap());
    assert!(fs::read(&kept).unwrap() == bytes);
    fs::copy(&kept, &lost).unwrap();
    assert_eq!(copy(&house, &to).await.unwrap().result.as_deref(), Some("succeeded"));
    // Or the person does not want it any more.
    fs::remove_file(&lost).unwrap();
    let params = CopyParams { to: to.clone(), however_much: true, ..CopyParams::default() };
    assert_eq!(copy_with(&house, &params).await.unwrap().result.as_deref(), Some("succeeded"));
    assert_eq!(records(&house, &to).len(), 3);
}

/// A store that is in another folder, as after a catalog was made anew from a copy, is not copied onto itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_not_copied_onto_itself() {
    let house = House::new().await;
    house.back_up(365).await;
    let disk = house.folder.path().join("disk");
    fs::create_dir_all(disk.join("other")).unwrap();
    fs::rename(house.store(), disk.join("store")).unwrap();
    std::os::unix::fs::symlink(disk.join("store"), house.store()).unwrap();
    for to in ["store", "store/new", "other/../store", "other/../../data/new", ""] {
        let error = copy(&house, &disk.join(to)).await.unwrap_err();
        assert!(error.contains("that is what is to be saved"), "{to}: {error}");
    }
    assert!(!disk.join("store/new").exists() && !disk.join("vaults").exists());
    let done = copy(&house, &disk.join("other")).await.unwrap();
    assert_eq!(done.result.as_deref(), Some("succeeded"));
    assert_eq!(records(&house, &disk.join("other")).len(), 1);
}
