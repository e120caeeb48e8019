//! A new catalog from a store: nothing that is wrong with one vault keeps the others out of it.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{House, live};
use undercroft_client::{Client, InProcess};
use undercroft_model::api::{AddSite, CheckParams, Overrides, SweepParams};
use undercroft_server::{App, DataFolder, router};
use undercroft_vault::{Vault, store};
use uuid::Uuid;

/// Another site, with one backup.
async fn add_blog(house: &House) -> Uuid {
    let overrides = Overrides {
        files: Some(house.root("live").join("uploads")),
        no_code: true,
        no_database: true,
        ..Overrides::default()
    };
    let asked = AddSite {
        folder: house.root("live"),
        name: Some("blog".parse().unwrap()),
        env: live(),
        overrides,
        dry_run: false,
        variables: BTreeMap::new(),
    };
    house.client.add_site(&asked).await.unwrap().site.id
}

/// A program of another data folder, with the same store and an empty catalog.
async fn anew(house: &House) -> Client {
    let data = DataFolder::open(&house.folder.path().join("anew")).unwrap();
    let key = house.data().recovery_key().unwrap().to_text();
    data.take(Some(&house.store()), Some(&key)).unwrap();
    Client::new(InProcess(router(App::open(data).await.unwrap())))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_backups_of_one_second_are_told_and_all_else_is_taken_in() {
    let mut house = House::new().await;
    let first = house.back_up(30).await;
    let shop = house.site;
    house.site = add_blog(&house).await;
    house.back_up(30).await;
    let blog = house.site;
    // As another catalog of the same store may have made it.
    let key = house.data().recovery_key().unwrap();
    for site in [shop, blog] {
        let store = Arc::new(store::local(house.store()).unwrap());
        let vault = Vault::open(store, site, &key.0).unwrap();
        let mut record = vault.read_record(vault.records().unwrap()[0]).unwrap();
        let twin = Uuid::new_v4();
        record.about["id"] = twin.to_string().into();
        vault.write_record(twin, &record).unwrap();
    }

    let client = anew(&house).await;
    for round in 0..2 {
        let rebuilt = client.rebuild_catalog().await.unwrap();
        assert_eq!(rebuilt.environments.len(), 2, "{rebuilt:?}");
        for environment in &rebuilt.environments {
            assert_eq!((environment.backups, environment.taken_in), (2, 1 - round), "{rebuilt:?}");
        }
        assert_eq!(rebuilt.problems.len(), 2, "{rebuilt:?}");
        let told = rebuilt.problems.join("\n");
        assert!(told.contains("in the same second") && told.contains(&first.to_string()), "{told}");
        assert!(told.contains(&shop.to_string()) && told.contains(&blog.to_string()), "{told}");
    }
    assert!(!client.catalog(shop, &live()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn that_the_last_good_backup_may_expire_is_not_taken_from_an_old_record() {
    let house = House::new().await;
    let expires = Overrides { expire_last: Some(true), ..Overrides::default() };
    house.client.update_environment(house.site, &live(), &expires).await.unwrap();
    house.back_up(30).await;
    let stays = Overrides { expire_last: Some(false), ..Overrides::default() };
    house.client.update_environment(house.site, &live(), &stays).await.unwrap();

    let client = anew(&house).await;
    assert!(client.rebuild_catalog().await.unwrap().problems.is_empty());
    let (_, env) = client.environments(house.site).await.unwrap().remove(0);
    assert!(env.settings.expire_last.is_none());
    assert!(env.settings.files.is_some(), "what else is known of it comes back");
}

/// A catalog that was made anew can't know that a record was lost: what such a backup needs stays until somebody has said
/// that none is missing, which is asked once.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_backup_may_need_is_told_and_no_sweep_takes_it_unasked() {
    let mut house = House::new().await;
    house.back_up(30).await;
    house.write("live", "film.bin", 200_000, 7);
    house.clock.set(60);
    house.back_up(30).await;
    let records = house.store().join(format!("vaults/{}/records", house.site));
    let mut found: Vec<_> = std::fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    let record = found.pop().unwrap();
    let bytes = std::fs::read(&record).unwrap();
    std::fs::remove_file(&record).unwrap();

    house.client = anew(&house).await;
    let notes = house.client.rebuild_catalog().await.unwrap().notes.join("\n");
    assert!(notes.contains("needed by no backup that has a record"), "{notes}");
    let params = CheckParams::default();
    let check = house.client.create_site_workflow(house.site, "check", &params).await.unwrap();
    let checked = house.done(&check).await.outcome.to_string();
    assert!(checked.contains("nobody knows whether a record was lost"), "{checked}");
    for _ in 0..2 {
        let braked = house.sweep(SweepParams::default()).await.unwrap_err();
        assert!(
            braked.contains("since the catalog was rebuilt") && braked.contains("backup:list"),
            "{braked}"
        );
    }

    // It is put back: the next rebuild finds nothing any more that might be missing.
    std::fs::write(&record, bytes).unwrap();
    assert_eq!(house.client.rebuild_catalog().await.unwrap().notes, [""; 0]);
    house.sweep(SweepParams::default()).await.unwrap();

    // Nothing is missing, somebody says, and is not asked again.
    std::fs::remove_file(&record).unwrap();
    let data = DataFolder::open(&house.folder.path().join("once more")).unwrap();
    data.take(Some(&house.store()), Some(&house.data().recovery_key().unwrap().to_text())).unwrap();
    house.client = Client::new(InProcess(router(App::open(data).await.unwrap())));
    house.client.rebuild_catalog().await.unwrap();
    house.sweep(SweepParams::default()).await.unwrap_err();
    house.sweep_all().await;
    house.sweep(SweepParams::default()).await.unwrap();
}
