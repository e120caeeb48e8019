//! A new catalog from a store: nothing that is wrong with one vault keeps the others out of it.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{House, live};
use undercroft_client::{Client, InProcess};
use undercroft_model::api::{AddSite, Overrides};
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
