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
use undercroft_worker::restore::{Journal, Phase};
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
