//! What the catalog promises: names are unique, passwords are sealed, and a lost lease commits nothing.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;
use undercroft_catalog::{
    Catalog, CatalogError, Claim, Environment, JobKind, JobState, NewJob, Sealer, Site,
};
use undercroft_model::{
    BackupReport, DatabaseAddress, DatabaseTarget, EnvSettings, Mark, Marked, Secret, TlsMode,
};
use uuid::Uuid;

async fn open(folder: &Path) -> Catalog {
    Catalog::open(&folder.join("catalog.sqlite"), Sealer::new(&[5; 32]).unwrap()).await.unwrap()
}

fn site(name: &str) -> Site {
    Site {
        id: Uuid::new_v4(),
        name: name.parse().unwrap(),
        created: Timestamp::from_second(1_795_000_000).unwrap(),
        framework: "wordpress".into(),
    }
}

fn environment(site: &Site, password: &str) -> Environment {
    Environment {
        site: site.id,
        name: "live".parse().unwrap(),
        created: site.created,
        settings: EnvSettings {
            database: Some(DatabaseTarget {
                address: DatabaseAddress::Localhost,
                user: "shop".into(),
                password: Secret::new(password),
                schema: "shop".into(),
                tls: TlsMode::Off,
                tls_ca: None,
                table_prefix: None,
                structure_only: vec![],
            }),
            ..EnvSettings::default()
        },
    }
}

fn new_job(site: &Site, created: f64) -> NewJob {
    NewJob {
        id: Uuid::new_v4(),
        site: site.id,
        env: Some("live".parse().unwrap()),
        kind: JobKind::Backup,
        params: json!({}),
        worker: Uuid::from_u128(1),
        created,
    }
}

/// A job that runs under a lease, with its fence and the second that names its backup's folder.
async fn claimed(catalog: &Catalog, site: &Site) -> (NewJob, i64, i64) {
    let job = new_job(site, 10.0);
    catalog.add_job(job.clone()).await.unwrap();
    let Claim::Won { fence, folder } = catalog.claim(job.id, job.worker, 11.0).await.unwrap() else {
        panic!()
    };
    (job, fence, folder)
}

fn report(site: &Site, folder: i64) -> BackupReport {
    let time = Timestamp::from_second(folder).unwrap();
    BackupReport {
        id: Uuid::new_v4(),
        site: site.id,
        site_name: site.name.clone(),
        env: "live".parse().unwrap(),
        folder: format!("{folder}_backup").parse().unwrap(),
        moment: time,
        finished: time,
        expires: Timestamp::from_second(folder + 86_400).unwrap(),
        program: "test".into(),
        safety: false,
        elements: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_password_comes_back_and_is_nowhere_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, catalog) = (site("shop"), open(folder.path()).await);
    catalog.add_site(&shop).await.unwrap();
    let env = environment(&shop, "correct horse battery");
    catalog.add_environment(&env).await.unwrap();
    assert_eq!(catalog.environments(shop.id).await.unwrap(), [env]);
    drop(catalog);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|w| w == b"correct"));
    }
}

#[tokio::test]
async fn names_are_unique() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, catalog) = (site("shop"), open(folder.path()).await);
    catalog.add_site(&shop).await.unwrap();
    assert!(matches!(catalog.add_site(&site("shop")).await, Err(CatalogError::SiteTaken(_))));
    let env = environment(&shop, "");
    catalog.add_environment(&env).await.unwrap();
    assert!(matches!(catalog.add_environment(&env).await, Err(CatalogError::EnvironmentTaken(_))));
}

#[tokio::test]
async fn one_job_at_a_time_an_environment_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, catalog) = (site("shop"), open(folder.path()).await);
    catalog.add_environment(&environment(&shop, "")).await.unwrap();
    let (first, second) = (new_job(&shop, 10.0), new_job(&shop, 11.0));
    for job in [&first, &second] {
        catalog.add_job(job.clone()).await.unwrap();
    }
    let behind = catalog.claim(second.id, second.worker, 12.0).await.unwrap();
    assert!(matches!(behind, Claim::Behind(job) if job.id == first.id));
    let Claim::Won { fence, .. } = catalog.claim(first.id, first.worker, 12.0).await.unwrap() else {
        panic!()
    };
    let behind = catalog.claim(second.id, second.worker, 12.0).await.unwrap();
    assert!(matches!(behind, Claim::Behind(job) if job.state == JobState::Running));
    catalog.end_job(first.id, Some(fence), (JobState::Failed, "full"), 13.0).await.unwrap();
    assert!(matches!(catalog.claim(second.id, second.worker, 14.0).await.unwrap(), Claim::Won { .. }));
}

#[tokio::test]
async fn a_sweep_lets_all_others_go_first_and_two_sweeps_do_not_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, catalog) = (site("shop"), open(folder.path()).await);
    catalog.add_site(&shop).await.unwrap();
    catalog.add_environment(&environment(&shop, "")).await.unwrap();
    let sweep = |created| NewJob { env: None, kind: JobKind::Sweep, ..new_job(&shop, created) };
    let (first, second, backup) = (sweep(10.0), sweep(11.0), new_job(&shop, 12.0));
    for job in [&first, &second, &backup] {
        catalog.add_job(job.clone()).await.unwrap();
    }
    let behind = catalog.claim(first.id, first.worker, 13.0).await.unwrap();
    assert!(matches!(behind, Claim::Behind(job) if job.id == backup.id));
    let Claim::Won { fence, .. } = catalog.claim(backup.id, backup.worker, 13.0).await.unwrap() else {
        panic!()
    };
    catalog.end_job(backup.id, Some(fence), (JobState::Failed, "full"), 14.0).await.unwrap();
    let behind = catalog.claim(second.id, second.worker, 15.0).await.unwrap();
    assert!(matches!(behind, Claim::Behind(job) if job.id == first.id));
    assert!(matches!(catalog.claim(first.id, first.worker, 15.0).await.unwrap(), Claim::Won { .. }));
    let running = catalog.job(first.id).await.unwrap().unwrap();
    assert!(!catalog.is_waited_for(&running).await.unwrap(), "the other sweep can wait");
    catalog.add_job(new_job(&shop, 16.0)).await.unwrap();
    assert!(catalog.is_waited_for(&running).await.unwrap());
}

#[tokio::test]
async fn two_backups_never_share_a_second_even_if_the_clock_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, catalog) = (site("shop"), open(folder.path()).await);
    catalog.add_environment(&environment(&shop, "")).await.unwrap();
    for (now, expected) in [(1_000.5, 1_000), (1_000.9, 1_001), (500.0, 1_002)] {
        let job = new_job(&shop, now);
        catalog.add_job(job.clone()).await.unwrap();
        let Claim::Won { fence, folder } = catalog.claim(job.id, job.worker, now).await.unwrap() else {
            panic!()
        };
        assert_eq!(folder, expected);
        let made = report(&shop, folder);
        let commit = catalog.commit_backup(job.id, fence, &made, (JobState::Succeeded, ""), async || {
            Ok::<(), CatalogError>(())
        });
        commit.await.unwrap();
    }
    let list = catalog.backups(shop.id, Some(&"live".parse().unwrap())).await.unwrap();
    assert_eq!(list.iter().map(|b| b.report.folder.started).collect::<Vec<_>>(), [1_002, 1_001, 1_000]);
    let mark = Mark { at: Timestamp::from_second(9).unwrap(), what: Marked::Restored };
    catalog.set_marks(list[0].report.id, std::slice::from_ref(&mark)).await.unwrap();
    catalog.forget_backup(list[1].report.id).await.unwrap();
    let list = catalog.backups(shop.id, None).await.unwrap();
    assert_eq!(list.iter().map(|b| b.marks.len()).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(list[0].marks, [mark]);
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_writes_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, catalog) = (site("shop"), open(folder.path()).await);
    catalog.add_environment(&environment(&shop, "")).await.unwrap();
    let (job, fence, folder) = claimed(&catalog, &shop).await;
    catalog.heartbeat(job.id, fence, 12.0, json!({})).await.unwrap();
    catalog.end_job(job.id, None, (JobState::Failed, "its worker is gone"), 13.0).await.unwrap();
    assert!(matches!(
        catalog.heartbeat(job.id, fence, 14.0, json!({})).await,
        Err(CatalogError::LostLease(_))
    ));
    let mut written = false;
    let made = report(&shop, folder);
    let commit = catalog.commit_backup(job.id, fence, &made, (JobState::Succeeded, ""), async || {
        written = true;
        Ok::<(), CatalogError>(())
    });
    assert!(matches!(commit.await, Err(CatalogError::LostLease(_))));
    assert!(!written && catalog.backup_ids(shop.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_record_that_could_not_be_written_leaves_the_job_running() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, catalog) = (site("shop"), open(folder.path()).await);
    catalog.add_environment(&environment(&shop, "")).await.unwrap();
    let (job, fence, folder) = claimed(&catalog, &shop).await;
    let report = report(&shop, folder);
    let commit = catalog
        .commit_backup(job.id, fence, &report, (JobState::Succeeded, ""), async || Err(CatalogError::Busy));
    assert!(commit.await.is_err());
    assert_eq!(catalog.job(job.id).await.unwrap().unwrap().state, JobState::Running);
    assert!(catalog.backup_ids(shop.id).await.unwrap().is_empty());
}
