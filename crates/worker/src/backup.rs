//! Makes a backup: everything but the record.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use undercroft_model::{
    BackupFolder, BackupReport, Cancelled, Element, ElementReport, ElementSet, ElementState, EnvName,
    EnvSettings, Facts, KeepFor, Observer, Remark, SiteName,
};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::{ArchiveRecord, Record};
use undercroft_vault::session::{Session, Stored};
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

use crate::capture::{self, Open, Surroundings, Target};
use crate::error::chain;
use crate::watch::Watch;
use crate::{BackupError, CaptureError, evidence};

/// A backup that is to be made.
pub struct BackupOrder {
    /// Its id.
    pub id: Uuid,
    /// The site.
    pub site: Uuid,
    /// What the site is called.
    pub site_name: SiteName,
    /// What the site is made with: `wordpress`, …
    pub framework: String,
    /// The environment.
    pub env: EnvName,
    /// The backup's folder name.
    pub folder: BackupFolder,
    /// How long it is to be kept.
    pub keep_for: KeepFor,
    /// What is to be in it.
    pub elements: ElementSet,
    /// Where it is.
    pub settings: EnvSettings,
    /// What earlier backups of the environment know of each element.
    pub earlier: BTreeMap<Element, Earlier>,
    /// Whether an element may be much smaller than the last good one.
    pub accept_smaller: bool,
    /// Whether it is made of what a restore is about to replace.
    pub safety: bool,
}

/// What is known of an element from before.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// The newest archive: what did not change since is taken from it.
    pub archive: Option<ArchiveRecord>,
    /// What the last good one held.
    pub good: Option<Facts>,
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where the work is done.
pub struct Workplace {
    /// The site's vault.
    pub vault: Vault,
    /// Where mirrors of remote repositories are kept.
    pub cache: PathBuf,
    /// Folders that are never part of an archive: the program's own.
    pub own: Vec<PathBuf>,
    /// Tells the time.
    pub clock: Clock,
    /// Names this release.
    pub program: String,
}

/// A backup that was made, but for its record.
#[derive(Debug)]
pub struct Made {
    /// The record that makes it exist.
    pub record: Record,
    /// What it says of itself; stands in the record too.
    pub report: BackupReport,
    /// What it stored.
    pub stored: Stored,
}

/// An element whose contents change while they are read is captured so many times.
const ATTEMPTS: u32 = 3;
/// And so long after.
const PAUSE: Duration = Duration::from_secs(2);

struct Captured {
    result: Result<(ArchiveRecord, Facts), CaptureError>,
    seconds: f64,
}

/// Captures an environment into the vault.
///
/// An element that fails leaves the others good. What it returns is durable, and is a backup as soon as its record
/// is written.
///
/// # Errors
/// [`BackupError`] if the vault fails, no element could be captured, or the observer says stop.
pub fn back_up(order: &BackupOrder, place: &Workplace, observer: &dyn Observer) -> Result<Made, BackupError> {
    let session = Session::begin(&place.vault)?;
    let watch = Watch::new(observer);
    let run = Run { order, place, watch: &watch, session: &session };
    let opened: Vec<_> = run.opening_order().map(|element| (element, run.open(element))).collect();
    let moment = (place.clock)();
    let captured = run.capture_all(opened);
    if observer.cancelled() {
        return Err(Cancelled.into());
    }
    // A store that fails stops every capture; what it said first is the reason.
    let stored = session.finish()?;
    let captured = prove(place, captured)?;
    if captured.values().all(|captured| captured.result.is_err()) {
        let failures = captured.into_iter().filter_map(|(element, c)| Some((element, c.result.err()?)));
        return Err(BackupError::Nothing(failures.collect()));
    }
    Ok(run_report(order, place, &watch, moment, captured, stored)?)
}

/// Reads back what was stored: an element that can't be read back has failed.
fn prove(
    place: &Workplace,
    mut captured: BTreeMap<Element, Captured>,
) -> Result<BTreeMap<Element, Captured>, VaultError> {
    let index = Arc::new(place.vault.read_index()?);
    for captured in captured.values_mut() {
        if let Ok((archive, _)) = &captured.result
            && let Err(error) = evidence::read_back(&place.vault, &index, archive)
        {
            captured.result = Err(CaptureError::Evidence(error));
        }
    }
    Ok(captured)
}

struct Run<'a> {
    order: &'a BackupOrder,
    place: &'a Workplace,
    watch: &'a Watch<'a>,
    session: &'a Session,
}

impl<'a> Run<'a> {
    /// Code first, since a remote repository may have to be fetched; then, close together, the database's
    /// snapshot and the files' walk.
    fn opening_order(&self) -> impl Iterator<Item = Element> {
        let elements = self.order.elements;
        [Element::Code, Element::Database, Element::Files].into_iter().filter(move |e| elements.contains(*e))
    }

    fn open(&self, element: Element) -> Result<Open<'a>, CaptureError> {
        let around =
            Surroundings { settings: &self.order.settings, cache: &self.place.cache, own: &self.place.own };
        self.watch.doing(element, "opening");
        capture::open(element, &around, self.watch)
    }

    fn capture_all(
        &self,
        opened: Vec<(Element, Result<Open<'a>, CaptureError>)>,
    ) -> BTreeMap<Element, Captured> {
        thread::scope(|scope| {
            let threads: Vec<_> = opened
                .into_iter()
                .map(|(element, open)| (element, scope.spawn(move || self.capture(element, open))))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Captured>| {
                let panicked = |_| Captured { result: Err(CaptureError::Panicked), seconds: 0.0 };
                thread.join().unwrap_or_else(panicked)
            };
            threads.into_iter().map(|(element, thread)| (element, join(thread))).collect()
        })
    }

    fn capture(&self, element: Element, open: Result<Open<'a>, CaptureError>) -> Captured {
        let _span = tracing::info_span!("capture", %element).entered();
        let began = Instant::now();
        let mut result = open.and_then(|open| self.write(element, open));
        for _ in 1..ATTEMPTS {
            let Err(error) = &result else { break };
            if !error.is_worth_repeating() || self.watch.cancelled() {
                break;
            }
            let why = chain(error);
            self.watch.doing(element, "it changed while it was read; reading it again");
            thread::sleep(PAUSE);
            self.watch.take(element);
            self.watch.remark(element, Remark::note("", format!("was read again: {why}")));
            result = self.open(element).and_then(|open| self.write(element, open));
        }
        match &result {
            Ok((archive, _)) => self.watch.expect(element, archive.raw_len),
            Err(_) if self.watch.cancelled() => self.watch.doing(element, "stopped"),
            Err(_) => self.watch.doing(element, "failed"),
        }
        Captured { result, seconds: began.elapsed().as_secs_f64() }
    }

    fn write(&self, element: Element, open: Open<'_>) -> Result<(ArchiveRecord, Facts), CaptureError> {
        let archive = self.order.earlier.get(&element).and_then(|earlier| earlier.archive.as_ref());
        self.watch.doing(element, "reading");
        if let Some(archive) = archive {
            self.watch.expect(element, archive.raw_len);
        }
        // An earlier manifest that can't be read costs only the reuse.
        let previous = archive.and_then(|archive| {
            let fetcher = Fetcher::new(self.session.vault(), self.session.index());
            ManifestReader::open(fetcher, &archive.manifest).ok()
        });
        let target = Target {
            name: self.order.archive_name(element),
            top: format!("{element}_{}", self.order.env),
            previous,
            session: self.session,
        };
        capture::write(open, target, self.watch)
    }
}

impl BackupOrder {
    fn archive_name(&self, element: Element) -> String {
        let (site, env, folder) = (self.site_name.clone(), self.env.clone(), self.folder);
        undercroft_model::ArchiveName { site, env, folder, element }.to_string()
    }
}

fn run_report(
    order: &BackupOrder,
    place: &Workplace,
    watch: &Watch<'_>,
    moment: Timestamp,
    captured: BTreeMap<Element, Captured>,
    stored: Stored,
) -> Result<Made, VaultError> {
    let (mut archives, mut elements) = (Vec::new(), BTreeMap::new());
    for (element, captured) in captured {
        if let Ok((archive, facts)) = &captured.result {
            archives.push(archive.clone());
            doubt(order, watch, element, facts);
        }
        elements.insert(element, element_report(watch, element, captured));
    }
    let finished = (place.clock)();
    let keep = SignedDuration::from_secs(order.keep_for.as_seconds() as i64);
    let report = BackupReport {
        id: order.id,
        site: order.site,
        site_name: order.site_name.clone(),
        env: order.env.clone(),
        folder: order.folder,
        moment,
        finished,
        expires: finished.checked_add(keep).unwrap_or(Timestamp::MAX),
        program: place.program.clone(),
        safety: order.safety,
        elements,
    };
    let about = about(order, &report).map_err(|error| VaultError::Source(error.into()))?;
    Ok(Made { record: Record { about, archives }, report, stored })
}

/// What the record says: the report, and what a catalog that is made anew from the store needs beside it. No secret
/// is in it.
fn about(order: &BackupOrder, report: &BackupReport) -> serde_json::Result<serde_json::Value> {
    let mut about = serde_json::to_value(report)?;
    if let Some(members) = about.as_object_mut() {
        let (settings, _) = order.settings.clone().without_secrets();
        members.insert("settings".to_owned(), serde_json::to_value(settings)?);
        members.insert("framework".to_owned(), order.framework.clone().into());
    }
    Ok(about)
}

fn doubt(order: &BackupOrder, watch: &Watch<'_>, element: Element, facts: &Facts) {
    let good = order.earlier.get(&element).and_then(|earlier| earlier.good.as_ref());
    let remark = good.and_then(|good| evidence::doubt(facts, good));
    if let Some(remark) = remark.filter(|_| !order.accept_smaller) {
        watch.remark(element, remark);
    }
}

fn element_report(watch: &Watch<'_>, element: Element, captured: Captured) -> ElementReport {
    let heard = watch.take(element);
    let (archive, facts, error) = match captured.result {
        Ok((archive, facts)) => (Some(archive), Some(facts), None),
        Err(error) => (None, None, Some(chain(&error))),
    };
    let state = match (&archive, heard.lost) {
        (None, _) => ElementState::Failed,
        (Some(_), 0) => ElementState::Good,
        (Some(_), _) => ElementState::Incomplete,
    };
    ElementReport {
        state,
        error,
        size: archive.as_ref().map_or(0, ArchiveRecord::len),
        raw: archive.as_ref().map_or(0, |archive| archive.raw_len),
        read: heard.read,
        reused: heard.reused,
        seconds: captured.seconds,
        facts,
        remarks_total: heard.total,
        lost_total: heard.lost,
        remarks: heard.remarks(),
    }
}
