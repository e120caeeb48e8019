//! What a proof or a check has found is not lost with what comes after it.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use common::{House, live};
use undercroft_model::api::{CheckOutcome, CheckParams, VerifyOutcome, VerifyParams, Workflow};
use undercroft_vault::{Vault, store};
use uuid::Uuid;

async fn verify_all(house: &House) -> (Workflow, VerifyOutcome) {
    let params = VerifyParams { all: true, ..VerifyParams::default() };
    let asked = house.client.create_workflow(house.site, &live(), "verify", &params).await.unwrap();
    let done = house.done(&asked).await;
    let outcome = serde_json::from_value(done.outcome.clone()).unwrap();
    (done, outcome)
}

async fn check(house: &House) -> (Workflow, CheckOutcome) {
    let params = CheckParams::default();
    let asked = house.client.create_site_workflow(house.site, "check", &params).await.unwrap();
    let done = house.done(&asked).await;
    let outcome = serde_json::from_value(done.outcome.clone()).unwrap();
    (done, outcome)
}

fn vault_of(house: &House) -> Vault {
    let store = Arc::new(store::local(house.store()).unwrap());
    Vault::open(store, house.site, &house.data().recovery_key().unwrap().0).unwrap()
}

fn folder(house: &House, name: &str) -> PathBuf {
    house.store().join(format!("vaults/{}/{name}", house.site))
}

fn objects(house: &House, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(house, name)) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Damages the largest pack in its middle.
fn damage(house: &House) {
    let packs = objects(house, "packs");
    let largest = packs.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(largest).unwrap();
    fs::write(largest, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proven_before_the_store_fails_is_written_down() {
    let house = House::new().await;
    house.back_up(30).await;
    let [older] = vault_of(&house).records().unwrap()[..] else { panic!("one backup") };
    house.clock.set(60);
    house.write("live", "film.mp4", 900_000, 1);
    let newer = house.back_up(30).await;
    damage(&house);
    // The store lists the older backup's record, and fails when it is to be read.
    let record = folder(&house, &format!("records/{older}"));
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();

    let (done, outcome) = verify_all(&house).await;
    let reason = done.final_task.unwrap_or_default().reason;
    assert_eq!(done.result.as_deref(), Some("failed"), "{reason}");
    assert!(reason.contains("Is a directory"), "{reason}");
    assert_eq!(outcome.backups.len(), 1, "{outcome:?}");
    assert!(!outcome.backups[0].good && outcome.backups[0].folder == newer.to_string());
    assert_eq!(objects(&house, "damage").len(), 1, "the damage is noted, and heals");
    let proven = house.entry(newer).await.proven.unwrap();
    assert!(!proven.good, "{proven:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_the_record_lacks_is_a_problem() {
    let house = House::new().await;
    house.back_up(30).await;
    let vault = vault_of(&house);
    let mut record = vault.read_record(vault.records().unwrap()[0]).unwrap();
    let twin = Uuid::new_v4();
    record.about["id"] = twin.to_string().into();
    let began = record.about["folder"].as_str().unwrap().split('_').next().unwrap().to_owned();
    let later = (began.parse::<i64>().unwrap() + 5).to_string();
    record.about["folder"] = record.about["folder"].as_str().unwrap().replace(&began, &later).into();
    record.archives.retain(|archive| !archive.name.contains("_files."));
    vault.write_record(twin, &record).unwrap();
    house.clock.set(60);
    house.back_up(30).await;
    let (done, outcome) = verify_all(&house).await;
    assert_eq!(done.result.as_deref(), Some("failed"));
    assert_eq!(outcome.backups.iter().filter(|backup| !backup.good).count(), 1, "{outcome:?}");
    let bad = outcome.backups.iter().find(|backup| !backup.good).unwrap();
    let told = bad.archives.iter().flat_map(|archive| &archive.problems).cloned().collect::<String>();
    assert!(told.contains("should have it, and lacks it"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_told_even_where_it_can_not_be_noted() {
    let house = House::new().await;
    house.write("live", "film.mp4", 900_000, 1);
    house.back_up(30).await;
    damage(&house);
    // A check makes no config anew, and nothing else is written to a vault without one.
    fs::remove_file(folder(&house, "config")).unwrap();
    let (done, outcome) = check(&house).await;
    assert_eq!(done.result.as_deref(), Some("failed"));
    assert!(outcome.problems_total >= 2 && outcome.problems.iter().any(|one| one.contains("film.mp4")));
    assert!(outcome.notes.iter().any(|note| note.contains("could not be noted")), "{outcome:?}");
    assert!(objects(&house, "damage").is_empty());
}

/// Who looks at the list must see what the check of the night has found.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_check_finds_is_said_of_the_backups() {
    let house = House::new().await;
    house.write("live", "film.mp4", 900_000, 1);
    let folder = house.back_up(30).await;
    let (done, _) = check(&house).await;
    assert_eq!(done.result.as_deref(), Some("succeeded"));
    assert!(house.entry(folder).await.proven.is_none(), "a check of the vault is no proof of one backup");
    damage(&house);
    let (done, _) = check(&house).await;
    assert_eq!(done.result.as_deref(), Some("failed"));
    let proven = house.entry(folder).await.proven.unwrap();
    assert!(!proven.good && !proven.summary.is_empty(), "{proven:?}");
    let [backup] = vault_of(&house).records().unwrap()[..] else { panic!("one backup") };
    check(&house).await;
    assert_eq!(vault_of(&house).marks_of(backup).unwrap().len(), 1, "it is said once");
    // The next backup heals it, and that is said as well.
    house.clock.set(60);
    house.back_up(30).await;
    let (done, outcome) = check(&house).await;
    assert_eq!(done.result.as_deref(), Some("succeeded"), "{outcome:?}");
    assert!(house.entry(folder).await.proven.unwrap().good);
}
