//! Backups end when they should, by a clock that the test sets, and the store returns to what the living ones need.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use common::{DAY, House, live};
use jiff::SignedDuration;
use undercroft_model::api::{KeepParams, Overrides, SweepParams, VerifiedArchive, VerifiedBackup};
use undercroft_model::{BackupFolder, Element, Mark, Marked};
use undercroft_vault::{Vault, store};

/// How long the trash holds what was deleted or has expired.
const HOLD: i64 = 7 * DAY;

/// What people do on one day: a photo comes, one of ten days ago goes, the end of a film is cut anew.
fn live_through(house: &House, day: u64) {
    house.write("live", &format!("photo-{day}.jpg"), 60_000, day);
    if let Some(old) = day.checked_sub(10) {
        fs::remove_file(house.root("live").join(format!("uploads/photo-{old}.jpg"))).unwrap();
    }
    let mut film = common::noise(200_000, 1_000 + day / 5);
    film.extend(common::noise(100_000, 2_000 + day));
    fs::write(house.root("live").join("uploads/film.mp4"), film).unwrap();
}

/// A backup as the test expects it to be.
struct Kept {
    folder: BackupFolder,
    /// Seconds of the clock.
    ends: i64,
    files: Vec<u8>,
}

async fn keep(house: &House, now: i64, days: i64) -> Kept {
    house.clock.set(now);
    let folder = house.back_up(days).await;
    Kept { folder, ends: now + days * DAY, files: house.archive(folder, Element::Files).await }
}

fn which(all: &[Kept], is: impl Fn(&Kept) -> bool) -> Vec<BackupFolder> {
    all.iter().filter(|kept| is(kept)).map(|kept| kept.folder).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nightly_weekly_and_manual_backups_end_and_the_store_shrinks_with_them() {
    let house = House::new().await;
    let mut all: Vec<Kept> = Vec::new();
    for day in 0..38 {
        let now = i64::from(day) * DAY;
        live_through(&house, u64::try_from(day).unwrap());
        if day % 7 == 0 {
            all.push(keep(&house, now, 30).await);
        }
        if day == 2 {
            all.push(keep(&house, now + 10, 20).await);
        }
        all.push(keep(&house, now + 20, 7).await);
        let now = now + 20;
        assert_eq!(house.listed().await, which(&all, |kept| now < kept.ends), "day {day}");
        let in_trash = which(&all, |kept| kept.ends <= now && now < kept.ends + HOLD);
        assert_eq!(house.trash().await, in_trash, "day {day}");
        if day % 6 == 5 {
            house.sweep(SweepParams::default()).await.unwrap();
            // What is in the trash is whole, too: all of it was needed by the sweep.
            for kept in all.iter().filter(|kept| now < kept.ends) {
                let files = house.archive(kept.folder, Element::Files).await;
                assert!(files == kept.files, "day {day}, {}", kept.folder);
            }
        }
    }
    // Weeks later only two are listed: one that is kept for 30 days, and the last good one.
    let now = 60 * DAY;
    house.clock.set(now);
    let last = all.last().unwrap().folder;
    let listed = which(&all, |kept| now < kept.ends || kept.folder == last);
    let in_trash = which(&all, |kept| kept.ends <= now && now < kept.ends + HOLD && kept.folder != last);
    assert_eq!((listed.len(), in_trash.len()), (2, 1));
    assert_eq!((house.listed().await, house.trash().await), (listed.clone(), in_trash.clone()));
    let swept = house.sweep_all().await;
    assert!(!swept.backups.is_empty() && swept.refused.is_empty(), "{swept:?}");
    assert!(swept.waits.iter().any(|(until, ..)| until.is_some()), "it is told when more will be free");
    house.undelete(in_trash[0]).await.unwrap();
    for kept in all.iter().filter(|kept| listed.contains(&kept.folder) || in_trash.contains(&kept.folder)) {
        assert!(house.archive(kept.folder, Element::Files).await == kept.files, "{}", kept.folder);
    }
    house.check().await;

    // As much as a store in which nothing but these was ever kept.
    let twin = House::new().await;
    for day in 0..38 {
        live_through(&twin, day);
        if [28, 35, 37].contains(&day) {
            twin.back_up(30).await;
        }
    }
    let (is, needs) = (house.stored(), twin.stored());
    assert!(is * 10 <= needs * 11, "{is} bytes are stored, {needs} are needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_listed_to_the_second_then_held_then_gone() {
    let house = House::new().await;
    let mut now = 0;
    house.back_up(36_500).await;
    for days in [7, 30, 99] {
        house.clock.set(now);
        house.write("live", "only-here.mp4", 400_000, u64::try_from(days).unwrap());
        let backup = house.back_up(days).await;
        let files = house.archive(backup, Element::Files).await;
        fs::remove_file(house.root("live").join("uploads/only-here.mp4")).unwrap();
        house.clock.set(now + 1);
        let newer = house.back_up(36_500).await;
        let is = async || (house.listed().await.contains(&backup), house.trash().await.contains(&backup));

        house.clock.set(now + days * DAY - 1);
        assert_eq!(is().await, (true, false));
        house.clock.set(now + days * DAY);
        assert_eq!(is().await, (false, true), "gone from the list at once");
        let link = house.client.download_link(house.site, &live(), backup, Element::Files).await;
        assert!(link.unwrap_err().to_string().contains("backup:undelete"));
        house.sweep(SweepParams::default()).await.unwrap();

        house.clock.set(now + days * DAY + HOLD - 1);
        assert_eq!(is().await, (false, true));
        house.undelete(backup).await.unwrap();
        assert_eq!(is().await, (true, false));
        assert!(house.archive(backup, Element::Files).await == files);
        let kept = house.entry(backup).await.kept;
        assert_eq!((kept.why.as_str(), kept.until), ("prolonged", Some(seconds(&house, days * DAY))));

        house.delete(backup).await;
        now = now + days * DAY + HOLD - 1;
        house.clock.set(now + HOLD - 1);
        assert_eq!(is().await, (false, true));
        house.clock.set(now + HOLD);
        assert_eq!(is().await, (false, false));
        assert!(house.undelete(backup).await.unwrap_err().contains("its time in the trash is over"));
        let before = house.stored();
        let swept = house.sweep_all().await;
        assert!(swept.backups.len() == 1 && swept.backups[0].0.contains(&backup.to_string()), "{swept:?}");
        assert!(before - house.stored() > 380_000, "the space is free");
        assert!(house.undelete(backup).await.unwrap_err().contains("Could not find"));
        assert!(house.listed().await.contains(&newer));
        now += HOLD + DAY;
    }
    house.check().await;
}

/// Unix seconds, so long after now.
fn seconds(house: &House, after: i64) -> f64 {
    (house.clock.now().as_second() + after) as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_backup_outlives_its_time_and_a_doubtful_one_counts_for_nothing() {
    let house = House::new().await;
    for n in 0..40 {
        house.write("live", &format!("{n}.jpg"), 5_000, n);
    }
    let good = house.back_up(7).await;
    let files = house.archive(good, Element::Files).await;
    let uploads = house.root("live").join("uploads");
    fs::remove_dir_all(&uploads).unwrap();
    fs::create_dir(&uploads).unwrap();
    house.clock.set(DAY);
    let asked = house.ask_backup("live", 7).await;
    let doubtful = house.done(&asked).await.backup.unwrap().folder;
    assert_eq!(house.listed().await, [good, doubtful]);

    house.clock.set(10 * DAY);
    assert_eq!(
        (house.listed().await, house.trash().await),
        (vec![good, doubtful], vec![]),
        "its code is good"
    );
    let kept = house.entry(good).await.kept;
    assert_eq!((kept.why.as_str(), kept.until), ("last-good", None));
    // The files of the older one stay the last good ones, whatever becomes of the newer.
    house.delete(doubtful).await;
    house.clock.set(40 * DAY);
    house.sweep_all().await;
    assert_eq!((house.listed().await, house.trash().await), (vec![good], vec![]));
    assert!(house.archive(good, Element::Files).await == files);

    // Age does not end it, but whoever deletes it means it.
    house.delete(good).await;
    assert_eq!((house.listed().await, house.trash().await), (vec![], vec![good]));
    house.clock.set(40 * DAY + HOLD);
    house.sweep_all().await;
    assert_eq!((house.listed().await, house.trash().await), (vec![], vec![]));
    assert!(house.stored() < 50_000, "{} bytes are left of nothing", house.stored());
    house.write("live", "new.jpg", 5_000, 99);
    house.back_up(7).await;
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_backup_expires_where_that_is_asked() {
    let house = House::new().await;
    let backup = house.back_up(7).await;
    house.clock.set(20 * DAY);
    assert_eq!(house.listed().await, [backup]);
    let ask = async |expires| {
        let changes = Overrides { expire_last: Some(expires), ..Overrides::default() };
        house.client.update_environment(house.site, &live(), &changes).await.unwrap();
    };
    ask(true).await;
    assert_eq!((house.listed().await, house.trash().await), (vec![], vec![backup]), "held from now on");
    house.clock.set(20 * DAY + HOLD - 1);
    house.sweep_all().await;
    ask(false).await;
    assert_eq!(house.listed().await, [backup]);
    ask(true).await;
    house.clock.set(20 * DAY + 2 * HOLD);
    assert_eq!((house.listed().await, house.trash().await), (vec![], vec![]));
    let swept = house.sweep_all().await;
    assert_eq!(swept.backups.len(), 1, "{swept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_are_pinned_and_prolonged_and_that_survives_the_trash() {
    let house = House::new().await;
    let (pinned, prolonged) = (house.back_up(7).await, house.back_up(7).await);
    house.back_up(36_500).await;
    let keep = async |folder, ttl: Option<i64>| {
        let params = KeepParams { ttl, note: "the audit".into() };
        house.client.keep_backup(house.site, &live(), folder, &params).await
    };
    keep(pinned, None).await.unwrap();
    keep(prolonged, Some(40 * DAY)).await.unwrap();
    let told = house.entry(pinned).await.kept;
    assert_eq!((told.why.as_str(), told.until, told.note.as_str()), ("pinned", None, "the audit"));

    house.clock.set(20 * DAY);
    for backup in [pinned, prolonged] {
        house.delete(backup).await;
        let refused = keep(backup, None).await.unwrap_err().to_string();
        assert!(refused.contains("backup:undelete first"), "{refused}");
    }
    house.clock.set(22 * DAY);
    for backup in [pinned, prolonged] {
        house.undelete(backup).await.unwrap();
    }
    assert_eq!(house.entry(pinned).await.kept.why, "pinned", "as it was");
    let until = house.entry(prolonged).await.kept.until;
    assert_eq!(until, Some(seconds(&house, 18 * DAY)), "as it was");
    house.clock.set(40 * DAY);
    assert_eq!(house.trash().await, [prolonged]);
    house.clock.set(90 * DAY);
    house.sweep_all().await;
    assert!(house.listed().await.contains(&pinned) && !house.listed().await.contains(&prolonged));
    // A pinned backup is kept for some days again.
    keep(pinned, Some(DAY)).await.unwrap();
    house.clock.set(91 * DAY);
    assert_eq!(house.trash().await, [pinned]);
    for ttl in [0, -1, 36_501 * DAY] {
        assert!(keep(pinned, Some(ttl)).await.is_err(), "{ttl}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn brakes_change_nothing_and_there_is_a_way_on() {
    let house = House::new().await;
    house.write("live", "film.mp4", 900_000, 1);
    house.back_up(7).await;
    fs::remove_file(house.root("live").join("uploads/film.mp4")).unwrap();
    house.back_up(36_500).await;
    let refused = async |seconds, told: &str| {
        house.clock.set(seconds);
        let before = files(&house);
        let why = house.sweep(SweepParams::default()).await.unwrap_err();
        assert!(why.contains("nothing was swept") && why.contains(told), "{why}");
        assert!(files(&house) == before, "nothing was changed");
    };
    refused(-DAY, "by this clock").await;
    refused(200 * DAY, "the newest thing in the vault is of").await;
    refused(20 * DAY, "percent at once").await;
    // Each brake has its own way on; one does not let go of the other.
    house.clock.set(200 * DAY);
    let much = SweepParams { however_much: true, clock_is_right: false };
    assert!(house.sweep(much.clone()).await.unwrap_err().contains("by this clock"));
    let right = SweepParams { however_much: false, clock_is_right: true };
    assert!(house.sweep(right).await.unwrap_err().contains("percent at once"));
    let both = SweepParams { clock_is_right: true, ..much };
    assert_eq!(house.sweep(both).await.unwrap().backups.len(), 1);
    assert!(house.stored() < 100_000);
    house.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_removes_nothing_and_orders_backups_all_the_same() {
    let house = House::new().await;
    house.clock.set(50 * DAY);
    let first = house.back_up(7).await;
    house.clock.set(0);
    let second = house.back_up(7).await;
    assert_eq!(house.listed().await, [first, second], "the later one is the later one");
    house.clock.set(3 * DAY);
    house.delete(first).await;
    house.clock.set(0);
    assert_eq!(house.trash().await, [first]);
    house.undelete(first).await.unwrap();
    assert_eq!(house.listed().await, [first, second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_archive_is_not_told_of_another() {
    let house = House::new().await;
    house.back_up(7).await;
    let entries = house.entries().await;
    let name = |element: &str| {
        let entry = entries.iter().find(|(id, _)| id.ends_with(element)).unwrap();
        entry.1.filename.clone().unwrap()
    };
    let archive = |element: &str, problems: &[&str]| VerifiedArchive {
        archive: name(element),
        proven: "read".to_owned(),
        problems: problems.iter().map(|problem| (*problem).to_owned()).collect(),
        problems_total: problems.len() as u64,
        ..VerifiedArchive::default()
    };
    let (backup, catalog) = (entries[0].1.task_id, house.catalog().await);
    let told = async |archives: Vec<VerifiedArchive>| {
        let details = VerifiedBackup { folder: entries[0].1.folder.clone(), good: false, archives };
        let details = serde_json::to_value(details).unwrap();
        let what = Marked::Proven { deep: false, good: false, summary: "the whole".to_owned(), details };
        catalog.set_marks(backup, &[Mark { at: house.clock.now(), what }]).await.unwrap();
        let told = house.entries().await;
        let of = |element: &str| {
            let entry = told.iter().find(|(id, _)| id.ends_with(element)).unwrap();
            entry.1.proven.as_ref().map(|proven| (proven.good, proven.summary.clone()))
        };
        (of("code"), of("files"))
    };
    let both = told(vec![archive("code", &[]), archive("files", &["a picture", "another"])]).await;
    assert_eq!(both.0, Some((true, "read".to_owned())));
    assert_eq!(both.1, Some((false, "2 problems: a picture; …".to_owned())));
    let part = told(vec![archive("files", &["a picture"])]).await;
    assert_eq!(part, (None, Some((false, "a picture".to_owned()))));
    let record = VerifiedArchive { archive: entries[0].1.folder.clone(), ..VerifiedArchive::default() };
    let all = Some((false, "the whole".to_owned()));
    assert_eq!(told(vec![record]).await, (all.clone(), all));
}

/// A program may be stopped after it set a mark in the store and before the catalog knows: the next job takes it in. So
/// it does with a mark that could not be read and was put back from a copy.
#[tokio::test(flavor = "multi_thread")]
async fn marks_that_only_the_store_knows_are_taken_in() {
    let house = House::new().await;
    let backup = house.back_up(30).await;
    let store = Arc::new(store::local(house.store()).unwrap());
    let key = house.data().recovery_key().unwrap();
    let vault = Vault::open(store, house.site, &key.0).unwrap();
    let id = vault.records().unwrap()[0];
    let what = Marked::Keep { until: None, note: "audit".to_owned() };
    vault.write_mark(id, &Mark { at: house.clock.now(), what }).unwrap();
    let kept = async || house.entry(backup).await.kept.why;
    assert_eq!(kept().await, "keep-for");
    house.back_up(30).await;
    assert_eq!(kept().await, "pinned");

    // A second mark that is damaged is taken in as such, and anew once it is whole.
    let what = Marked::Keep {
        until: Some(house.clock.now() + SignedDuration::from_hours(2400)),
        note: String::new(),
    };
    vault.write_mark(id, &Mark { at: house.clock.now(), what }).unwrap();
    let folder = house.store().join(format!("vaults/{}/marks/{id}", house.site));
    let mut marks: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    marks.sort();
    let whole = fs::read(&marks[1]).unwrap();
    for (bytes, why) in [(&whole[1..], "pinned"), (&whole[..], "prolonged")] {
        fs::remove_file(&marks[1]).unwrap();
        fs::write(&marks[1], bytes).unwrap();
        house.back_up(30).await;
        assert_eq!(kept().await, why);
    }
}

/// The files of the store and their lengths.
fn files(house: &House) -> BTreeMap<String, u64> {
    fn walk(folder: &std::path::Path, out: &mut BTreeMap<String, u64>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let facts = entry.metadata().unwrap();
            if facts.is_dir() {
                walk(&entry.path(), out);
            } else {
                out.insert(entry.path().display().to_string(), facts.len());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(&house.store(), &mut out);
    out
}
