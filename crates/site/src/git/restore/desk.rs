//! Where git is run for a restore: with a configuration of ours, and as the repository's owner.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fsync, open};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::RestoreError;
use crate::git::GitError;
use crate::git::changes::RESPECTED;
use crate::git::command::{Git, bare_command, complaint, run};
use crate::git::config::Config;
use crate::git::locate::Place;
use crate::git::shadow::Shadow;

/// One repository of a restore: the environment's own, or a submodule's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repo {
    /// What errors call it.
    pub called: String,
    pub git_dir: PathBuf,
    pub common_dir: PathBuf,
    pub work_tree: Option<PathBuf>,
    pub owner: u32,
    pub group: u32,
    /// What others may not do with new files.
    pub umask: u32,
    pub sha256: bool,
}

/// What git is to write to the disk before it goes on.
const DURABLE: &str = "core.fsync=committed,reference";

/// Settings of every command that touches a work tree, on top of those of [`bare_command`].
const SETTINGS: [&str; 8] = [
    "core.bare=false",
    "core.safecrlf=false",
    "core.sparseCheckout=false",
    DURABLE,
    "core.fsyncMethod=batch",
    "core.splitIndex=false",
    "user.name=Undercroft",
    "user.email=undercroft@localhost",
];

/// Sets what new files may be, then becomes the command.
const AS_OWNER: &str = "umask \"$0\" && exec \"$@\"";

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Git with our configuration on one repository's objects and work tree.
pub(super) struct Desk<'r> {
    pub repo: &'r Repo,
    /// A repository of ours whose configuration is read.
    own: PathBuf,
    /// Where indexes of ours are.
    folder: PathBuf,
    settings: Vec<String>,
    /// Whether it writes, and so runs as the owner.
    writes: bool,
    /// Held by every command that changes something, as its input: one that outlives us keeps the next process waiting.
    lock: Option<File>,
}

impl Repo {
    pub fn of(place: &Place, config: &Config) -> Result<Self, RestoreError> {
        use std::os::unix::fs::MetadataExt;

        let top = place.work_tree.as_ref().unwrap_or(&place.git_dir);
        let facts = fs::metadata(top).map_err(GitError::io("read", top))?;
        let long = config.get("extensions.objectformat").is_some_and(|f| f.eq_ignore_ascii_case(b"sha256"));
        Ok(Repo {
            called: place.called(),
            git_dir: place.git_dir.clone(),
            common_dir: place.common_dir.clone(),
            work_tree: place.work_tree.clone(),
            owner: facts.uid(),
            group: facts.gid(),
            umask: !facts.mode() & 0o077,
            sha256: long,
        })
    }

    /// Where what a restore needs for itself is.
    pub fn private(&self, id: Uuid) -> PathBuf {
        self.git_dir.join("undercroft").join(id.to_string())
    }

    /// A command that is run as the owner.
    pub fn as_owner(&self, inner: &Command) -> Command {
        let mut command = Command::new("sh");
        command.env_clear();
        for (name, value) in inner.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.arg("-c").arg(AS_OWNER).arg(format!("{:04o}", self.umask));
        command.arg(inner.get_program()).args(inner.get_args());
        command.current_dir(inner.get_current_dir().unwrap_or(Path::new("/")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if rustix::process::geteuid().is_root() && self.owner != 0 {
            command.uid(self.owner).gid(self.group);
        }
        command
    }

    /// What a command answers.
    pub fn succeed(
        &self,
        doing: &'static str,
        command: Command,
        input: Option<&[u8]>,
    ) -> Result<Vec<u8>, RestoreError> {
        let output = run(command, input)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let (repository, why) = (self.called.clone(), complaint(&output));
        Err(GitError::Failed { doing, repository, why }.into())
    }
}

const IDENTITY: [(&str, &str); 4] = [
    ("GIT_COMMITTER_NAME", "Undercroft"),
    ("GIT_COMMITTER_EMAIL", "undercroft@localhost"),
    ("GIT_AUTHOR_NAME", "Undercroft"),
    ("GIT_AUTHOR_EMAIL", "undercroft@localhost"),
];

/// Makes the private folder with a repository of ours in it, and takes along what of the other one is about files.
const MAKE: &str = r#"
mkdir -p "$1/git" && cd "$1" || exit 1
for name in shallow info/exclude info/attributes; do
    if [ -f "$2/$name" ]; then mkdir -p git/info && cp "$2/$name" "git/$name" || exit 1; fi
done
exec git init --bare --quiet --template= --object-format="$3" git
"#;

impl<'r> Desk<'r> {
    /// One that only looks, in a shadow of the repository.
    pub fn reading(repo: &'r Repo, shadow: &Shadow, config: &Config) -> Result<Self, RestoreError> {
        for name in ["info/exclude", "info/attributes"] {
            if let Ok(text) = fs::read(repo.common_dir.join(name)) {
                shadow.write(name, &text)?;
            }
        }
        let settings = settings(config);
        let (own, folder) = (shadow.path(""), shadow.path(""));
        Ok(Desk { repo, own, folder, settings, writes: false, lock: None })
    }

    /// One that writes, in the private folder of a restore, which is made if it isn't there. Waits for commands
    /// that an earlier process left running.
    pub fn writing(repo: &'r Repo, id: Uuid) -> Result<Self, RestoreError> {
        let lock = wait(&repo.git_dir)?;
        Desk::make(repo, id, lock)
    }

    /// The same, if the private folder is there, and the repository is.
    pub fn existing_if_any(repo: &'r Repo, id: Uuid) -> Result<Option<Self>, RestoreError> {
        if repo.git_dir.exists() { Desk::existing(repo, id) } else { Ok(None) }
    }

    /// The same, if the private folder is there.
    pub fn existing(repo: &'r Repo, id: Uuid) -> Result<Option<Self>, RestoreError> {
        let lock = wait(&repo.git_dir)?;
        if !repo.private(id).exists() {
            return Ok(None);
        }
        Desk::make(repo, id, lock).map(Some)
    }

    fn make(repo: &'r Repo, id: Uuid, lock: File) -> Result<Self, RestoreError> {
        let folder = repo.private(id);
        let settings = settings(&Config::read(&repo.common_dir)?);
        let desk = Desk { repo, own: folder.join("git"), folder, settings, writes: true, lock: Some(lock) };
        let format = OsStr::new(if repo.sha256 { "sha256" } else { "sha1" });
        let args = [desk.folder.as_os_str(), repo.common_dir.as_os_str(), format];
        desk.shell("make a folder for the restore", MAKE, &args)?;
        Ok(desk)
    }

    /// Runs a script of ours as the owner.
    pub fn shell(&self, doing: &'static str, script: &str, args: &[&OsStr]) -> Result<Vec<u8>, RestoreError> {
        self.repo.succeed(doing, self.script(script, args), None)
    }

    fn script(&self, script: &str, args: &[&OsStr]) -> Command {
        let mut inner = Command::new("sh");
        for (name, value) in
            [("LC_ALL", "C"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]
        {
            inner.env(name, value);
        }
        inner.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // A repository that is yet to be made can be looked at, too.
        let folder = Some(self.repo.git_dir.as_path()).filter(|folder| folder.is_dir());
        inner.args(["-c", script, "sh"]).args(args).current_dir(folder.unwrap_or(Path::new("/")));
        self.held(self.repo.as_owner(&inner))
    }

    /// Writes a file as the owner, with the folders that it is in.
    pub fn write_file(&self, path: &Path, content: File) -> Result<(), RestoreError> {
        let script = "mkdir -p \"${1%/*}\" && cat > \"$1.part\" && exec mv -f \"$1.part\" \"$1\"";
        let mut command = self.script(script, &[path.as_os_str()]);
        command.stdin(content);
        self.repo.succeed("write a file", command, None).map(drop)
    }

    /// Git that reads objects.
    pub fn git_for_objects(&self) -> Git {
        Git::new(&self.repo.git_dir, &self.repo.called)
    }

    /// The private folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path for an index, that no other command has.
    pub fn new_index(&self) -> PathBuf {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("index-{}-{number}", std::process::id()))
    }

    /// Git with an index of ours.
    pub fn git<S: AsRef<OsStr>>(&self, index: &Path, args: &[S]) -> Command {
        let mut inner = bare_command();
        inner.env("GIT_DIR", &self.own).env("GIT_INDEX_FILE", index).env("GIT_NO_REPLACE_OBJECTS", "1");
        for (name, value) in IDENTITY {
            inner.env(name, value);
        }
        inner.current_dir(&self.own);
        if let Some(top) = &self.repo.work_tree {
            inner.env("GIT_WORK_TREE", top).current_dir(top);
        }
        for setting in SETTINGS.into_iter().chain(self.settings.iter().map(String::as_str)) {
            inner.args(["-c", setting]);
        }
        inner.args(args);
        if !self.writes {
            return inner;
        }
        inner.env("GIT_OBJECT_DIRECTORY", self.repo.common_dir.join("objects"));
        self.held(self.repo.as_owner(&inner))
    }

    /// Git in the repository itself, for what concerns references alone.
    pub fn references(&self) -> Command {
        let mut inner = bare_command();
        inner.env("GIT_DIR", &self.repo.git_dir).current_dir(&self.repo.git_dir);
        for (name, value) in IDENTITY {
            inner.env(name, value);
        }
        inner.args(["-c", DURABLE]);
        self.held(self.repo.as_owner(&inner))
    }

    /// A command whose input is the lock, and who so holds it.
    fn held(&self, mut command: Command) -> Command {
        if let Some(lock) = self.lock.as_ref().and_then(|lock| lock.try_clone().ok()) {
            command.stdin(lock);
        }
        command
    }

    /// What git answers, with an index of ours.
    pub fn ask<S: AsRef<OsStr>>(
        &self,
        doing: &'static str,
        index: &Path,
        args: &[S],
    ) -> Result<Vec<u8>, RestoreError> {
        self.repo.succeed(doing, self.git(index, args), None)
    }

    /// What git answers that is given `input`.
    pub fn ask_with(
        &self,
        doing: &'static str,
        index: &Path,
        args: &[&str],
        input: &[u8],
    ) -> Result<Vec<u8>, RestoreError> {
        self.repo.succeed(doing, self.git(index, args), Some(input))
    }

    /// Runs what may end with a failure that means nothing.
    pub fn attempt(&self, index: &Path, args: &[&str]) -> Result<(), RestoreError> {
        run(self.git(index, args), None)?;
        Ok(())
    }

    /// Copies an index, with its time, by which git tells files that changed right after it was written.
    pub fn copy_index(&self, from: &Path, to: &Path) -> Result<(), RestoreError> {
        let script = r#"
            [ -f "$1" ] || exit 0
            for shared in "${1%/*}"/sharedindex.*; do [ ! -f "$shared" ] || cp -p "$shared" "$3" || exit 1; done
            exec cp -p "$1" "$2"
        "#;
        let args = [from, to, &self.own].map(Path::as_os_str);
        if self.writes {
            return self.shell("copy the index", script, &args).map(drop);
        }
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.repo.succeed("copy the index", command, None).map(drop)
    }
}

fn settings(config: &Config) -> Vec<String> {
    let own = RESPECTED.iter().chain(&["core.sharedrepository"]);
    own.filter_map(|key| Some(format!("{key}={}", String::from_utf8_lossy(config.get(key)?)))).collect()
}

/// Waits until no restore's command runs in a repository any more, and keeps others waiting.
fn wait(git_dir: &Path) -> Result<File, RestoreError> {
    let file = File::open(git_dir).map_err(GitError::io("read", git_dir))?;
    flock(&file, FlockOperation::LockExclusive)
        .map_err(|error| GitError::io("lock", git_dir)(error.into()))?;
    Ok(file)
}

/// Writes a file or folder to the disk.
pub(super) fn sync(path: &Path) -> Result<(), RestoreError> {
    // Nothing but those is waited for, whoever put it there.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let synced = open(path, flags, Mode::empty()).and_then(fsync);
    synced.map_err(|error| GitError::io("write", path)(error.into()).into())
}

/// A path as the system has it.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_told_to_write_what_a_power_cut_must_not_take() {
        let folder = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| Command::new("git").args(args).current_dir(folder.path()).output().unwrap();
        assert!(run(&["init", "-q"]).status.success());
        let git_dir = folder.path().join(".git");
        let facts = fs::metadata(folder.path()).unwrap();
        let (owner, group) = {
            use std::os::unix::fs::MetadataExt;
            (facts.uid(), facts.gid())
        };
        let repo = Repo {
            called: String::new(),
            git_dir: git_dir.clone(),
            common_dir: git_dir,
            work_tree: Some(folder.path().to_owned()),
            owner,
            group,
            umask: 0o022,
            sha256: false,
        };
        let desk = Desk::writing(&repo, Uuid::nil()).unwrap();
        let mut commands = [desk.git::<&str>(&desk.new_index(), &[]), desk.references()];
        for command in &mut commands {
            command.args(["config", "--get", "core.fsync"]);
            assert_eq!(command.output().unwrap().stdout, b"committed,reference\n");
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(sync(&file).is_ok() && sync(folder.path()).is_ok() && sync(&link).is_err());
    }
}
