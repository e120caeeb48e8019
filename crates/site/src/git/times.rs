//! When each file of a commit last changed.
//!
//! Were all files given the commit's time, each commit would make all of them look new: nothing would be reused,
//! and all their headers stored again. Were all given one time for ever, tools that compare times and sizes alone
//! (rsync, PHP's opcache) would take an older file for a newer one. So a file has the time of the commit that last
//! changed it, on the line of first parents: when the change came to this branch. The history is walked once; the
//! cache remembers how far.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use undercroft_model::{Cancelled, Observer};

use super::command::{Git, Running};
use super::error::GitError;
use super::oid::ObjectId;
use super::part::Part;
use super::tree::Node;

/// Times, in Unix seconds, by path.
type Times = HashMap<Vec<u8>, i64>;

/// The times of a commit's files, in the order of the nodes.
///
/// `label` tells one line of captures of a repository from another: an environment's from a submodule's.
pub(super) fn of(
    part: &Part,
    nodes: &[Node],
    label: &str,
    cache: &Path,
    observer: &dyn Observer,
) -> Result<Vec<i64>, GitError> {
    let file = cache_file(part, label, cache);
    let commit = part.found.commit;
    let cached = file.as_deref().and_then(read);
    let wanted: HashSet<&[u8]> = nodes.iter().map(|node| node.path.as_slice()).collect();
    let history = History { git: &part.shadow.git, tip: commit, observer };
    let times = match cached {
        Some((known, times)) if known == commit && covers(&times, &wanted) => times,
        cached => {
            let times = match history.since(cached, &wanted)? {
                Some(times) => times,
                None => history.all(&wanted, part)?,
            };
            if let Some(file) = &file {
                write(file, &part.shadow.path("times"), &commit, &times)?;
            }
            times
        }
    };
    let time = |node: &Node| times.get(&node.path).copied().unwrap_or(part.committed);
    Ok(nodes.iter().map(time).collect())
}

fn covers(times: &Times, wanted: &HashSet<&[u8]>) -> bool {
    wanted.iter().all(|path| times.contains_key(*path))
}

struct History<'a> {
    git: &'a Git,
    tip: ObjectId,
    observer: &'a dyn Observer,
}

impl History<'_> {
    /// The times, of which those that did not change since are known from an earlier walk; `None` if that one's
    /// commit is not on the line of first parents.
    fn since(
        &self,
        earlier: Option<(ObjectId, Times)>,
        wanted: &HashSet<&[u8]>,
    ) -> Result<Option<Times>, GitError> {
        let Some((known, old)) = earlier else { return Ok(None) };
        let Some((mut times, reached)) = self.walk(wanted, Some(&known))? else { return Ok(None) };
        if reached != Some(known) {
            return Ok(None);
        }
        for path in wanted.iter().filter(|path| old.contains_key(**path)) {
            let time = old.get(*path).copied().unwrap_or_default();
            times.entry(path.to_vec()).or_insert(time);
        }
        Ok(covers(&times, wanted).then_some(times))
    }

    fn all(&self, wanted: &HashSet<&[u8]>, part: &Part) -> Result<Times, GitError> {
        match self.walk(wanted, None)? {
            Some((times, _)) => Ok(times),
            // Folders of older commits may be missing from a partial clone: the commit's own time has to do.
            None if part.config.promisor().is_some() => Ok(Times::new()),
            None => Err(GitError::Damaged {
                repository: self.git.called().to_owned(),
                why: format!("the history of {} can't be read", self.tip),
            }),
        }
    }

    /// Walks back from the tip, to `end` or until all times are found. Gives them, and the commit before the last
    /// that was met; `None` if git fails on the way.
    fn walk(
        &self,
        wanted: &HashSet<&[u8]>,
        end: Option<&ObjectId>,
    ) -> Result<Option<(Times, Option<ObjectId>)>, GitError> {
        // No path of the history can hold the name of a commit that comes after it.
        let mark = format!("{}\x01", self.tip);
        let mut running = Running::start(self.command(end))?;
        let (_, Some(stdout)) = running.pipes() else { return Ok(None) };
        let mut log = Log { times: Times::new(), now: 0, before: None, fresh: false };
        for token in BufReader::with_capacity(256 << 10, stdout).split(0) {
            let token = token.map_err(GitError::io("read", self.git.called()))?;
            log.token(&token, mark.as_bytes(), wanted);
            if self.observer.cancelled() {
                return Err(Cancelled.into());
            }
            if log.times.len() == wanted.len() {
                // It does not matter what comes before.
                return Ok(Some((log.times, end.copied())));
            }
        }
        Ok(running.succeeded().then_some((log.times, log.before)))
    }

    fn command(&self, end: Option<&ObjectId>) -> Command {
        let mut command = self.git.command();
        command.args(["log", "-z", "--first-parent", "-m", "--no-renames", "--name-only"]);
        command.args([&format!("--format={}%x01%ct %P", self.tip), &self.tip.to_string()]);
        if let Some(end) = end {
            command.args(["--not", &end.to_string()]);
        }
        command.arg("--").stderr(Stdio::null());
        command
    }
}

/// What was read of `git log -z --name-only`.
struct Log {
    times: Times,
    /// The time of the commit that is being read.
    now: i64,
    /// Its first parent.
    before: Option<ObjectId>,
    /// Whether none of its paths was read yet.
    fresh: bool,
}

impl Log {
    fn token(&mut self, token: &[u8], mark: &[u8], wanted: &HashSet<&[u8]>) {
        if let Some(head) = token.strip_prefix(mark) {
            let mut words = head.split(|b| *b == b' ');
            let time = words.next().and_then(|word| std::str::from_utf8(word).ok());
            self.now = time.and_then(|word| word.parse().ok()).unwrap_or_default();
            self.before = words.next().and_then(ObjectId::parse);
            self.fresh = true;
            return;
        }
        // An empty line parts the first path from the commit.
        let fresh = std::mem::take(&mut self.fresh);
        let path = token.strip_prefix(b"\n").filter(|_| fresh).unwrap_or(token);
        if wanted.contains(path) && !self.times.contains_key(path) {
            self.times.insert(path.to_vec(), self.now);
        }
    }
}

/// Where the times are remembered; `None` where replaced objects make the history another one.
fn cache_file(part: &Part, label: &str, cache: &Path) -> Option<PathBuf> {
    if part.refs.under(b"refs/replace/").next().is_some() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    let shallow = part.shadow.shallow.as_deref().unwrap_or_default();
    for text in [part.place.git_dir.as_os_str().as_bytes(), label.as_bytes(), shallow] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    Some(cache.join(format!("{}.times", &hasher.finalize().to_hex()[..32])))
}

/// A hash of all that follows; the commit; the times.
const HASH: usize = blake3::OUT_LEN;

fn read(file: &Path) -> Option<(ObjectId, Times)> {
    let bytes = fs::read(file).ok()?;
    let (hash, body) = bytes.split_at_checked(HASH)?;
    if blake3::hash(body).as_bytes() != hash {
        return None;
    }
    let mut items = body.split(|b| *b == 0);
    let commit = ObjectId::parse(items.next()?)?;
    let time = |item: &[u8]| {
        let at = item.iter().position(|b| *b == b' ')?;
        Some((item.get(at + 1..)?.to_vec(), std::str::from_utf8(item.get(..at)?).ok()?.parse().ok()?))
    };
    Some((commit, items.filter(|item| !item.is_empty()).map(time).collect::<Option<_>>()?))
}

/// Writes the file by way of another in the scratch folder, so that it is never seen half written.
fn write(file: &Path, draft: &Path, commit: &ObjectId, times: &Times) -> Result<(), GitError> {
    let mut body = format!("{commit}\0").into_bytes();
    for (path, time) in times {
        body.extend(format!("{time} ").as_bytes());
        body.extend(path);
        body.push(0);
    }
    let written = || -> io::Result<()> {
        let mut out = fs::File::create(draft)?;
        out.write_all(blake3::hash(&body).as_bytes())?;
        out.write_all(&body)?;
        fs::rename(draft, file)
    };
    written().map_err(GitError::io("write", file))
}
