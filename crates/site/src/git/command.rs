//! The `git` command, run so that nothing but its arguments decides what it does.
//!
//! A repository may belong to a user who is not to be trusted, and its configuration can name programs to run. So
//! no configuration of a person or a machine is read; a repository's own is read only by commands that look up
//! references, and what could run a program is switched off there. All else runs in a [`Shadow`](super::shadow),
//! whose configuration is ours.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use super::error::GitError;

/// What no command may do, whatever a configuration says.
const NEVER: [&str; 9] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "core.logAllRefUpdates=false",
    "protocol.allow=never",
    "safe.directory=*",
    "gc.auto=0",
    "index.version=2",
    "index.threads=1",
];

/// Runs git in one repository.
#[derive(Debug, Clone)]
pub(super) struct Git {
    git_dir: PathBuf,
    /// What errors call the repository.
    called: String,
}

/// The command with an environment of its own: a path to find programs on, and nothing else.
pub(super) fn bare_command() -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    for (key, value) in [
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
        ("HOME", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_ALLOW_PROTOCOL", "none"),
        ("GIT_PAGER", "cat"),
    ] {
        command.env(key, value);
    }
    command.arg("--no-pager");
    for setting in NEVER {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Git {
    /// Git in the repository with this git folder, which errors call `called`.
    pub fn new(git_dir: &Path, called: &str) -> Self {
        Git { git_dir: git_dir.to_owned(), called: called.to_owned() }
    }

    /// What errors call the repository.
    pub fn called(&self) -> &str {
        &self.called
    }

    /// The command, to be given arguments.
    pub fn command(&self) -> Command {
        let mut command = bare_command();
        command.env("GIT_DIR", &self.git_dir).current_dir(&self.git_dir);
        command
    }

    /// What a command answers.
    pub fn ask<S: AsRef<OsStr>>(&self, doing: &'static str, args: &[S]) -> Result<Vec<u8>, GitError> {
        let mut command = self.command();
        command.args(args);
        Ok(self.succeed(doing, run(command, None)?)?.stdout)
    }

    /// What a command answers that is given `input`.
    pub fn ask_with(&self, doing: &'static str, args: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
        let mut command = self.command();
        command.args(args);
        Ok(self.succeed(doing, run(command, Some(input))?)?.stdout)
    }

    /// What a command answers, or `None` if it ends with a failure, as those do that look for something.
    pub fn look_for(&self, args: &[&str]) -> Result<Option<Vec<u8>>, GitError> {
        let mut command = self.command();
        command.args(args);
        let output = run(command, None)?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// The output, if the command succeeded.
    pub fn succeed(&self, doing: &'static str, output: Output) -> Result<Output, GitError> {
        if output.status.success() {
            return Ok(output);
        }
        Err(GitError::Failed { doing, repository: self.called.clone(), why: complaint(&output) })
    }
}

/// Runs a command to its end.
pub(super) fn run(mut command: Command, input: Option<&[u8]>) -> Result<Output, GitError> {
    let Some(input) = input else { return command.output().map_err(|error| not_run(&command, error)) };
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(|error| not_run(&command, error))?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A command that ends before it read everything says why in its output.
            stdin.map(|mut stdin| stdin.write_all(input))
        });
        child.wait_with_output().map_err(GitError::NoGit)
    })
}

/// A command that is ended when it is dropped: it may wait for us to read on, or to ask more.
#[derive(Debug)]
pub(super) struct Running(Child);

impl Running {
    /// Starts a command.
    pub fn start(mut command: Command) -> Result<Self, GitError> {
        command.spawn().map(Running).map_err(|error| not_run(&command, error))
    }

    /// Its input and output, where they are pipes that nobody took yet.
    pub fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>) {
        (self.0.stdin.take(), self.0.stdout.take())
    }

    /// Waits for its end, and tells whether it succeeded.
    pub fn succeeded(mut self) -> bool {
        self.0.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing happens to one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Why a command was not run: its folder may be to blame.
pub(super) fn not_run(command: &Command, error: io::Error) -> GitError {
    let folder = command.get_current_dir();
    match folder.map(|folder| (folder, std::fs::metadata(folder.join(".")))) {
        Some((folder, Err(error))) => GitError::io("enter", folder)(error),
        _ => GitError::NoGit(error),
    }
}

/// What a failed command says, in a line.
pub(super) fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return format!("it ended with {}", output.status);
    }
    let mut text = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("; ");
    if let Some((at, _)) = text.char_indices().nth(600) {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_command_is_told_from_a_missing_folder() {
        let error = run(Command::new("/nowhere/git"), None).unwrap_err();
        assert!(matches!(error, GitError::NoGit(_)) && error.to_string().contains("install git"), "{error}");
        let mut command = Command::new("git");
        command.current_dir("/nowhere");
        let error = run(command, Some(b"")).unwrap_err();
        assert_eq!(error.to_string(), "could not enter /nowhere");
    }

    #[test]
    fn a_long_complaint_is_cut_at_a_letter() {
        use std::os::unix::process::ExitStatusExt;

        let status = std::process::ExitStatus::from_raw(256);
        let output = |stderr: &str| Output { status, stdout: Vec::new(), stderr: stderr.into() };
        assert_eq!(complaint(&output("\n")), "it ended with exit status: 1");
        assert_eq!(complaint(&output("a\n\nb\n")), "a; b");
        assert_eq!(complaint(&output(&"é".repeat(1000))).chars().count(), 601);
    }
}
