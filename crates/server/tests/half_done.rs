//! What a restore has left half done is ended by the program that ran it, too, and not while it still runs.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{House, live};
use serde_json::json;
use undercroft_model::api::{RestoreParams, Workflow};
use undercroft_worker::restore::{Journal, Phase, hold};
use uuid::Uuid;

/// Where journals are.
fn journals(house: &House) -> PathBuf {
    house.folder.path().join("data/restores")
}

/// Restores the newest backup, which has to work.
async fn restore(house: &House) -> Workflow {
    let names = house.entries().await.into_iter().filter_map(|(_, entry)| entry.filename);
    let params = RestoreParams { archives: names.take(2).collect(), ..RestoreParams::default() };
    let asked = house.client.create_workflow(house.site, &live(), "restore", &params).await.unwrap();
    let done = house.done(&asked).await;
    assert_eq!(done.result.as_deref(), Some("succeeded"), "{:?}", done.final_task);
    done
}

/// The journal of a restore of `live` that laid its files out in `stage`, as the program that runs `of` writes it.
async fn write_journal(house: &House, of: Uuid, phase: Phase, stage: &Path) -> PathBuf {
    let job = house.catalog().await.job(of).await.unwrap().unwrap();
    let mut journal = Journal::new(of, job.worker, (house.site, "shop".parse().unwrap()), live());
    journal.phase = phase;
    journal.save(&journals(house)).unwrap();
    let path = Journal::path_of(&journals(house), of);
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let (_, entry) = house.entries().await.into_iter().find(|(id, _)| id.contains("files")).unwrap();
    text["parts"] = json!([{
        "element": "files",
        "backup": entry.task_id,
        "archive": entry.filename,
        "how": { "kind": "tree", "staged": {
            "id": of, "element": "files", "place": house.root("live").join("uploads"), "way": "beside",
            "stage": stage, "parents": [], "partial": false, "since": [0, 0],
        } },
    }]);
    fs::write(&path, text.to_string()).unwrap();
    path
}

fn lay_out(house: &House) -> PathBuf {
    let stage = house.root("live").join(".undercroft-restore-test");
    fs::create_dir_all(stage.join("tree")).unwrap();
    fs::write(stage.join("tree/logo.svg"), "half").unwrap();
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_program_left_is_ended_before_the_next_backup() {
    let house = House::new().await;
    house.back_up(7).await;
    let done = restore(&house).await;
    let stage = lay_out(&house);
    let journal = write_journal(&house, done.id, Phase::Preparing, &stage).await;
    house.back_up(7).await;
    assert!(!journal.exists());
    assert!(!stage.exists());
}

/// A database server that sends callers away, or keeps them waiting as long as that is said.
fn doorman() -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, holds) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
    let asks = Arc::clone(&holds);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for caller in listener.incoming().flatten() {
            held.push(caller);
            if !asks.load(Ordering::SeqCst) {
                held.clear();
            }
        }
    });
    (port, holds)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_at_work_is_left_alone() {
    let house = House::new().await;
    house.back_up(7).await;
    let (port, holds) = doorman();
    house.add("slow", Some(port)).await;
    holds.store(true, Ordering::SeqCst);
    let slow = house.ask_backup("slow", 7).await;
    house.begun(&slow).await;
    let stage = lay_out(&house);
    let journal = write_journal(&house, slow.id, Phase::Preparing, &stage).await;
    house.back_up(7).await;
    assert!(journal.exists() && stage.exists());
    holds.store(false, Ordering::SeqCst);
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    house.done(&slow).await;
    house.back_up(7).await;
    assert!(!journal.exists() && !stage.exists());
}

/// Lays out what a restore has prepared for the code, which is switched or not.
fn prepare_code(house: &House, switched: bool) -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let (live, stage) =
        (house.root("live").join("code"), house.root("live").join(".undercroft-restore-code"));
    let (new, aside) = (stage.join("tree"), house.root("live").join("aside"));
    fs::create_dir_all(&new).unwrap();
    fs::write(new.join("index.php"), "<?php // another\n").unwrap();
    let number = |path: &Path| fs::metadata(path).unwrap().ino();
    let made = json!({ "units": [{ "path": [], "new": number(&new), "old": number(&live) }], "kept": [], "stays": [] });
    fs::write(stage.join("switched"), "").unwrap();
    fs::write(stage.join("made"), made.to_string()).unwrap();
    if switched {
        for (from, to) in [(&live, &aside), (&new, &live), (&aside, &new)] {
            fs::rename(from, to).unwrap();
        }
    }
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_can_not_go_on_is_taken_back_and_needs_no_archive_for_it() {
    for phase in [Phase::Switching, Phase::SwitchingBack] {
        for switched in [true, false] {
            let house = House::new().await;
            house.back_up(7).await;
            let done = restore(&house).await;
            let code = prepare_code(&house, switched);
            // What was laid out for the files is gone, so they can't be switched.
            let journal = write_journal(&house, done.id, phase, &house.root("live").join("gone")).await;
            let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&journal).unwrap()).unwrap();
            let mut part = text["parts"][0].clone();
            part["element"] = json!("code");
            part["how"]["staged"]["element"] = json!("code");
            part["how"]["staged"]["place"] = json!(house.root("live").join("code"));
            part["how"]["staged"]["stage"] = json!(code);
            text["parts"].as_array_mut().unwrap().insert(0, part);
            for part in text["parts"].as_array_mut().unwrap() {
                part["backup"] = json!(Uuid::nil());
            }
            fs::write(&journal, text.to_string()).unwrap();
            house.back_up(7).await;
            assert!(!journal.exists() && !code.exists(), "{phase:?} {switched}");
            let is = fs::read_to_string(house.root("live").join("code/index.php")).unwrap();
            assert_eq!(is, "<?php // shop\n", "{phase:?} {switched}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_failed_and_is_brought_to_its_end_has_succeeded() {
    let house = House::new().await;
    house.back_up(7).await;
    let (_, entry) = house.entries().await.into_iter().find(|(id, _)| id.contains("files")).unwrap();
    let archives = vec![entry.filename.unwrap()];
    let params = RestoreParams { archives, paths: vec!["nothing".to_owned()], ..RestoreParams::default() };
    let asked = house.client.create_workflow(house.site, &live(), "restore", &params).await.unwrap();
    let failed = house.done(&asked).await;
    assert_eq!(failed.result.as_deref(), Some("failed"));
    for (phase, result) in [(Phase::Preparing, "failed"), (Phase::Switched, "succeeded")] {
        write_journal(&house, failed.id, phase, &house.root("live").join("gone")).await;
        house.back_up(7).await;
        let now = house.client.workflow(house.site, failed.id).await.unwrap();
        assert_eq!(now.result.as_deref(), Some(result), "{phase:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_on_while_another_program_ends_a_restore() {
    let house = House::new().await;
    house.back_up(7).await;
    let done = restore(&house).await;
    let stage = lay_out(&house);
    let journal = write_journal(&house, done.id, Phase::Preparing, &stage).await;
    let held = hold(&journal).unwrap().unwrap();
    let asked = house.ask_backup("live", 7).await;
    loop {
        let now = house.client.workflow(house.site, asked.id).await.unwrap();
        assert_eq!(now.result, None);
        if now.active_description.contains("waiting until a restore") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(journal.exists() && stage.exists());
    drop(held);
    assert_eq!(house.done(&asked).await.result.as_deref(), Some("succeeded"));
    assert_eq!(fs::read_dir(journals(&house)).unwrap().count(), 0);
    assert!(!stage.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_living_program_left_is_ended_too() {
    let house = House::new().await;
    house.back_up(7).await;
    let done = restore(&house).await;
    let stage = lay_out(&house);
    let journal = write_journal(&house, done.id, Phase::Preparing, &stage).await;
    let data = house.data();
    let other = undercroft_server::App::open(data).await.unwrap();
    assert!(!journal.exists() && !stage.exists());
    drop(other);
}
