//! Mirrors of repositories that are elsewhere, kept in the cache folder.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process_group};
use undercroft_model::{Cancelled, Element, Observer};

use super::command::{Git, complaint, not_run, run};
use super::error::GitError;
use super::locate::{self, Place};
use super::shadow::{make_private, open_lock};
use super::url::Url;

/// What of the remote is fetched: what is the site's own, and not what a host keeps of others' proposals.
const FETCHED: [&str; 3] =
    ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+refs/notes/*:refs/notes/*"];

/// Fetches a repository: all of it at first, then what is new.
pub(super) fn fetch(url: &Url, cache: &Path, observer: &dyn Observer) -> Result<Place, GitError> {
    make_private(cache)?;
    let name = blake3::hash(url.shown.as_bytes()).to_hex();
    let name = name.get(..32).unwrap_or_default();
    let lock = cache.join(format!("{name}.lock"));
    observer.doing(Element::Code, "waiting for another fetch of the same repository");
    // Held until the end of this function.
    let held = open_lock(&lock)?;
    flock(&held, FlockOperation::LockExclusive).map_err(|error| GitError::io("lock", &lock)(error.into()))?;
    let mirror = cache.join(format!("{name}.git"));
    observer.doing(Element::Code, &format!("fetching {}", url.shown));
    let remote = Remote { url, observer };
    if mirror.is_dir() {
        remote.update(&mirror)?;
    } else {
        let part = cache.join(format!("{name}.part"));
        remote.begin(&part)?;
        remote.update(&part)?;
        // What was broken off before this is never taken for a mirror.
        fs::rename(&part, &mirror).map_err(GitError::io("rename", &part))?;
    }
    locate::at(&mirror, None)?.ok_or(GitError::NotARepository(mirror))
}

struct Remote<'a> {
    url: &'a Url,
    observer: &'a dyn Observer,
}

impl Remote<'_> {
    fn begin(&self, part: &Path) -> Result<(), GitError> {
        if part.exists() {
            fs::remove_dir_all(part).map_err(GitError::io("remove", part))?;
        }
        make_private(part)?;
        let git = Git::new(part, &self.url.shown);
        let mut init = git.command();
        init.args(["init", "--quiet", "--bare", "--template="]);
        if self.is_sha256(part)? {
            init.arg("--object-format=sha256");
        }
        git.succeed("begin a mirror", run(init, None)?)?;
        git.ask("name the remote", &["config", "remote.origin.url", &self.url.shown])?;
        for spec in FETCHED {
            git.ask("name the remote", &["config", "--add", "remote.origin.fetch", spec])?;
        }
        Ok(())
    }

    /// Whether the remote's objects have the longer names.
    fn is_sha256(&self, folder: &Path) -> Result<bool, GitError> {
        let answer = self.ask(folder, &["ls-remote", "--", &self.url.shown])?;
        Ok(answer.split(|b| b.is_ascii_whitespace()).next().is_some_and(|id| id.len() == 64))
    }

    fn update(&self, mirror: &Path) -> Result<(), GitError> {
        let mut fetch = vec!["fetch", "--quiet", "--prune", "--no-tags", "--force", "origin"];
        fetch.extend(FETCHED);
        self.ask(mirror, &fetch)?;
        let git = Git::new(mirror, &self.url.shown);
        let answer = self.ask(mirror, &["ls-remote", "--symref", "origin", "HEAD"])?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let mut heads = answer.lines().filter_map(|line| line.strip_suffix("\tHEAD"));
        match heads.next() {
            Some(head) if let Some(branch) = head.strip_prefix("ref: ") => {
                git.ask("set HEAD of the mirror", &["symbolic-ref", "HEAD", branch])?;
            }
            // It is detached there. If no branch or tag leads to that commit, it was not fetched, and HEAD stays.
            Some(id) => drop(git.look_for(&["update-ref", "--no-deref", "HEAD", id])?),
            None => {}
        }
        // Many small fetches leave many small files. What can't be tidied now is tidied later.
        let tidy = ["-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"];
        let _ = git.look_for(&tidy)?;
        Ok(())
    }

    /// Runs a command that speaks to the remote.
    fn ask(&self, folder: &Path, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut command = self.command(folder);
        command.args(args);
        let output = run_until_cancelled(command, self.observer)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(GitError::Fetch { url: self.url.shown.clone(), why: complaint(&output) })
    }

    /// Git as the user who runs us has set it up (proxies, authorities, keys), but for what asks a person, and
    /// with the URL's credentials where only this user sees them: in the environment.
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(name);
            }
        }
        command.env("GIT_DIR", folder).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_ALLOW_PROTOCOL", "http:https:ssh:git").env("GIT_ASKPASS", "true");
        command.env("SSH_ASKPASS_REQUIRE", "never").current_dir(folder);
        command.args(["--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]);
        command.args([
            "-c",
            "http.lowSpeedLimit=1",
            "-c",
            "http.lowSpeedTime=120",
            "-c",
            "maintenance.auto=false",
        ]);
        if !self.has_ssh_command(folder) {
            let ssh = "ssh -o BatchMode=yes -o ConnectTimeout=60 -o ServerAliveInterval=20 -o ServerAliveCountMax=6";
            command.env("GIT_SSH_COMMAND", ssh);
        }
        if let Some((user, password)) = &self.url.credentials {
            let key = format!("credential.{}.helper", self.url.host);
            let say = "printf 'username=%s\\npassword=%s\\n' \"$UNDERCROFT_USER\" \"$UNDERCROFT_PASSWORD\"";
            command.args(["-c", &format!("{key}="), "-c", &format!("{key}=!f() {{ {say}; }}; f")]);
            command.env("UNDERCROFT_USER", user.reveal()).env("UNDERCROFT_PASSWORD", password.reveal());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Whether the user who runs us has set how ssh is run.
    fn has_ssh_command(&self, folder: &Path) -> bool {
        let mut command = Command::new("git");
        command.args(["config", "--global", "--get", "core.sshCommand"]).current_dir(folder);
        command.output().is_ok_and(|output| output.status.success())
    }
}

/// How often it is asked whether to stop.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a command to its end, or until the observer wants to stop; then the command and what it started is ended.
fn run_until_cancelled(mut command: Command, observer: &dyn Observer) -> Result<Output, GitError> {
    let mut child = command.process_group(0).spawn().map_err(|error| not_run(&command, error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(move || read_all(stdout));
        let err = scope.spawn(move || read_all(stderr));
        let status = loop {
            if let Some(status) = child.try_wait().map_err(GitError::NoGit)? {
                break status;
            }
            if observer.cancelled() {
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return Err(Cancelled.into());
            }
            std::thread::sleep(LOOK);
        };
        let (stdout, stderr) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
        Ok(Output { status, stdout, stderr })
    })
}

fn read_all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before a failure is still worth showing.
    let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
    bytes
}
