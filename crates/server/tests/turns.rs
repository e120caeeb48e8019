//! Who goes first: a sweep holds nobody up, and whoever lost a lease commits nothing and harms nothing.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{DAY, House, outcome};
use serde_json::json;
use undercroft_catalog::{CatalogError, Claim, JobKind, JobState, NewJob};
use undercroft_model::Element;
use undercroft_model::api::{SweepParams, Workflow};
use undercroft_server::Patience;
use uuid::Uuid;

/// Holds up whoever opens the site's vault next: its config is a pipe until that is seen.
struct Gate {
    pipe: File,
    config: Vec<u8>,
}

/// The pipe that takes the place of the vault's config.
fn lay_pipe(house: &House) -> (PathBuf, PathBuf) {
    let config = house.store().join(format!("vaults/{}/config", house.site));
    let aside = house.folder.path().join("config");
    fs::rename(&config, &aside).unwrap();
    let made = Command::new("mkfifo").arg(&config).status().unwrap();
    assert!(made.success());
    (config, aside)
}

impl Gate {
    /// Waits until somebody stands at the gate. Whoever comes later finds the vault as ever.
    async fn shut((config, aside): (PathBuf, PathBuf)) -> Gate {
        let opening = tokio::task::spawn_blocking(move || {
            // This returns as soon as there is a reader.
            let pipe = OpenOptions::new().write(true).open(&config).unwrap();
            let bytes = fs::read(&aside).unwrap();
            fs::rename(&aside, &config).unwrap();
            Gate { pipe, config: bytes }
        });
        opening.await.unwrap()
    }

    fn open(mut self) {
        self.pipe.write_all(&self.config).unwrap();
    }
}

/// A sweep that has its lease and stands at the gate.
async fn sweep_at_the_gate(house: &House) -> (Workflow, Gate) {
    let pipe = lay_pipe(house);
    let asked = house.ask_sweep(&SweepParams { however_much: true, clock_is_right: false }).await;
    let gate = Gate::shut(pipe).await;
    (asked, gate)
}

/// A house with one backup that a sweep of that day removes, and one that it keeps.
async fn with_one_to_sweep() -> House {
    let house = House::new().await;
    house.write("live", "old.mp4", 300_000, 1);
    house.back_up(7).await;
    fs::remove_file(house.root("live").join("uploads/old.mp4")).unwrap();
    house.write("live", "new.mp4", 300_000, 2);
    house.back_up(36_500).await;
    house.clock.set(30 * DAY);
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_asked_for_later_goes_before_a_sweep_that_waits() {
    let house = with_one_to_sweep().await;
    house.clock.step(1);
    // Another program makes a backup.
    let (catalog, worker) = (house.catalog().await, Uuid::new_v4());
    let _lives = house.data().register_worker(worker).unwrap();
    let (id, fence) = silent_job(&house, JobKind::Backup, worker).await;
    let now = house.clock.now().as_second() as f64;
    let sweep = house.ask_sweep(&SweepParams::default()).await;
    let backup = house.ask_backup("live", 7).await;
    assert!(sweep.created_at < backup.created_at && sweep.phase == "created");
    catalog.end_job(id, Some(fence), (JobState::Failed, "a test"), now).await.unwrap();

    let (sweep, backup) = (house.done(&sweep).await, house.done(&backup).await);
    assert_eq!(backup.result.as_deref(), Some("succeeded"), "{:?}", backup.final_task);
    assert!(backup.finished_at < sweep.started_at, "{:?} {:?}", backup.finished_at, sweep.started_at);
    assert_eq!(outcome(sweep).unwrap().backups.len(), 1);
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_has_begun_gives_way_and_goes_on_afterwards() {
    let house = with_one_to_sweep().await;
    house.clock.step(1);
    let (sweep, gate) = sweep_at_the_gate(&house).await;
    assert_eq!(house.begun(&sweep).await.phase, "started");
    let backup = house.ask_backup("live", 7).await;
    gate.open();
    let (sweep, backup) = (house.done(&sweep).await, house.done(&backup).await);
    assert_eq!(backup.result.as_deref(), Some("succeeded"), "{:?}", backup.final_task);
    assert!(backup.finished_at < sweep.started_at, "{:?} {:?}", backup.finished_at, sweep.started_at);
    assert_eq!(outcome(sweep).unwrap().backups.len(), 1);
    assert_eq!(house.listed().await.len(), 2);
    house.check().await;
}

/// A job of another program, which has its lease and says nothing.
async fn silent_job(house: &House, kind: JobKind, worker: Uuid) -> (Uuid, i64) {
    let (catalog, id, now) = (house.catalog().await, Uuid::new_v4(), house.clock.now().as_second() as f64);
    let env = (!kind.gives_way()).then(common::live);
    let job = NewJob { id, site: house.site, env, kind, params: json!({}), worker, created: now };
    catalog.add_job(job).await.unwrap();
    let Claim::Won { fence, .. } = catalog.claim(id, worker, now).await.unwrap() else { panic!() };
    (id, fence)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_program_is_there_but_says_nothing_loses_its_lease_to_one_that_waits() {
    let house = House::with(Patience { sweep: Duration::ZERO, others: Duration::ZERO }).await;
    house.write("live", "new.mp4", 300_000, 2);
    let worker = Uuid::new_v4();
    let _lives = house.data().register_worker(worker).unwrap();
    for kind in [JobKind::Sweep, JobKind::Backup] {
        let (id, fence) = silent_job(&house, kind, worker).await;
        house.back_up(7).await;
        let catalog = house.catalog().await;
        let job = catalog.job(id).await.unwrap().unwrap();
        assert!(job.state == JobState::Failed && job.reason.contains("said nothing any more"), "{job:?}");
        // When it wakes it can write nothing down.
        let beat = catalog.heartbeat(id, fence, 0.0, json!({})).await;
        assert!(matches!(beat, Err(CatalogError::LostLease(_))), "{beat:?}");
    }
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeps_of_one_site_come_one_after_the_other() {
    let house = with_one_to_sweep().await;
    let (first, gate) = sweep_at_the_gate(&house).await;
    let second = house.ask_sweep(&SweepParams { however_much: true, clock_is_right: false }).await;
    gate.open();
    let (first, second) = (house.done(&first).await, house.done(&second).await);
    let swept = (outcome(first).unwrap().backups.len(), outcome(second).unwrap().backups.len());
    assert_eq!(swept, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_brought_back_while_a_sweep_is_at_work() {
    let house = with_one_to_sweep().await;
    let rescued = house.back_up(30).await;
    let files = house.archive(rescued, Element::Files).await;
    house.write("live", "new.mp4", 300_000, 3);
    house.back_up(36_500).await;
    house.delete(rescued).await;
    // By the sweep's clock its time in the trash is over, by that of whoever brings it back it is not yet.
    house.clock.set(37 * DAY);
    let (sweep, gate) = sweep_at_the_gate(&house).await;
    house.clock.set(37 * DAY - 60);
    house.undelete(rescued).await.unwrap();
    house.clock.set(37 * DAY);
    gate.open();
    let swept = outcome(house.done(&sweep).await).unwrap();
    assert!(swept.backups.iter().all(|(name, _)| !name.contains(&rescued.to_string())), "{swept:?}");
    assert!(house.listed().await.contains(&rescued));
    assert!(house.archive(rescued, Element::Files).await == files);
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_lost_its_lease_changes_nothing_any_more() {
    let house = with_one_to_sweep().await;
    let (sweep, gate) = sweep_at_the_gate(&house).await;
    house.begun(&sweep).await;
    let now = house.clock.now().as_second() as f64;
    house.catalog().await.end_job(sweep.id, None, (JobState::Failed, "taken"), now).await.unwrap();
    // Others need not wait for it.
    let newest = house.back_up(7).await;
    let files = house.archive(newest, Element::Files).await;
    gate.open();
    assert_eq!(outcome(house.done(&sweep).await).unwrap_err(), "taken");
    // The next one finds all that there is to do.
    assert_eq!(house.sweep_all().await.backups.len(), 1);
    assert!(house.archive(newest, Element::Files).await == files);
    house.check().await;
}

/// A database server that lets nobody in, and keeps callers waiting where it is asked to.
struct Doorman {
    port: u16,
    holds: Arc<AtomicBool>,
    held: Receiver<TcpStream>,
}

impl Doorman {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (holds, (send, held)) = (Arc::new(AtomicBool::new(false)), channel());
        let asks = Arc::clone(&holds);
        // It ends with the test's process, or as soon as nobody asks for callers any more.
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                if asks.swap(false, Ordering::SeqCst) && send.send(caller).is_err() {
                    return;
                }
            }
        });
        Doorman { port, holds, held }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_lost_its_lease_is_no_backup_and_leaves_the_others_whole() {
    let house = with_one_to_sweep().await;
    let doorman = Doorman::new();
    house.add("slow", Some(doorman.port)).await;
    house.write("slow", "film.mp4", 500_000, 7);
    doorman.holds.store(true, Ordering::SeqCst);
    let slow = house.ask_backup("slow", 7).await;
    let Doorman { held, .. } = doorman;
    let (held, caller) = tokio::task::spawn_blocking(move || {
        let caller = held.recv().unwrap();
        (held, caller)
    })
    .await
    .unwrap();
    // It is at work. Another program takes it for dead, and a sweep and a backup come and go.
    let now = house.clock.now().as_second() as f64;
    house.catalog().await.end_job(slow.id, None, (JobState::Failed, "taken"), now).await.unwrap();
    assert_eq!(house.sweep_all().await.backups.len(), 1);
    let kept = house.back_up(7).await;
    let files = house.archive(kept, Element::Files).await;
    drop(caller);
    assert_eq!(outcome(house.done(&slow).await).unwrap_err(), "taken");
    // The same environment's next one is as good as the database lets it be.
    let next = house.ask_backup("slow", 7).await;
    let next = house.done(&next).await.backup.unwrap();
    drop(held);

    let slow_env = "slow".parse().unwrap();
    let listed = house.client.catalog(house.site, &slow_env).await.unwrap();
    assert!(listed.iter().all(|(_, entry)| entry.task_id == next.id), "{listed:?}");
    let rebuilt = house.client.rebuild_catalog().await.unwrap();
    let found: Vec<_> = rebuilt.environments.iter().map(|one| (one.env.as_str(), one.backups)).collect();
    assert_eq!(found, [("live", 2), ("slow", 1)], "there is no record of it");
    assert!(house.archive(kept, Element::Files).await == files);
    house.check().await;
}
