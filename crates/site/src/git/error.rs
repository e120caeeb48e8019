//! What can go wrong when code is captured from a repository.

use std::io;
use std::path::PathBuf;

use undercroft_model::Cancelled;

/// Why code could not be captured from a git repository.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The `git` command can't be run.
    #[error(
        "the git command can't be run on this machine: install git (the package is called git) and try again"
    )]
    NoGit(#[source] io::Error),
    /// There is no repository.
    #[error("{} is in no git repository: give the folder of a work tree, a bare repository or a URL", .0.display())]
    NotARepository(PathBuf),
    /// The URL is of a kind that is not fetched.
    #[error("{0} can't be fetched: give a URL that begins with https, http, ssh, git or file, or a path")]
    BadUrl(String),
    /// HEAD names a branch on which nothing was committed.
    #[error(
        "{repository}: nothing was committed yet on {branch}, which is checked out there; {}",
        list("branches", some)
    )]
    Unborn {
        /// The repository.
        repository: String,
        /// The branch.
        branch: String,
        /// Some that there are.
        some: Vec<String>,
    },
    /// There is no such branch.
    #[error("{repository} has no branch {branch}; {}", list("branches", some))]
    NoBranch {
        /// The repository.
        repository: String,
        /// The branch.
        branch: String,
        /// Some that there are.
        some: Vec<String>,
    },
    /// No tag of a commit matches.
    #[error("{repository} has no tag that matches {pattern}; {}", list("tags", some))]
    NoTag {
        /// The repository.
        repository: String,
        /// The pattern.
        pattern: String,
        /// Some that there are, the newest first.
        some: Vec<String>,
    },
    /// Something the repository should have is not in it, or is damaged.
    #[error("{repository} is damaged: {why}; git fsck in it tells more")]
    Damaged {
        /// The repository.
        repository: String,
        /// What is wrong.
        why: String,
    },
    /// The repository leads to something that its owner may not read.
    #[error("{} leads to {}, which its owner may not read: it would come into the hands of others", from.display(), to.display())]
    Forbidden {
        /// The repository.
        from: PathBuf,
        /// What it leads to.
        to: PathBuf,
    },
    /// While the capture ran, something was committed, fetched, checked out or tagged.
    #[error("{repository} changed while it was captured: {what}")]
    Moved {
        /// The repository.
        repository: String,
        /// What moved.
        what: String,
    },
    /// A file of the repository went away while the capture ran, as when git packs its objects anew.
    #[error("{} went away or changed while the repository was captured (git gc may have run)", .0.display())]
    Vanished(PathBuf),
    /// The remote repository could not be fetched.
    #[error("{url} could not be fetched: {why}")]
    Fetch {
        /// The URL, without credentials.
        url: String,
        /// What git says.
        why: String,
    },
    /// A git command failed.
    #[error("git could not {doing} in {repository}: {why}")]
    Failed {
        /// What it was to do.
        doing: &'static str,
        /// The repository.
        repository: String,
        /// What git says.
        why: String,
    },
    /// A file or folder could not be read or written.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// `read`, `write`, …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The job was stopped by the one who asked for it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn list(what: &str, some: &[String]) -> String {
    if some.is_empty() {
        format!("it has no {what}")
    } else {
        format!("{what} that it has: {}", some.join(", "))
    }
}

/// What git or curl say when the network is to blame.
const PASSING: [&str; 11] = [
    "Could not resolve host",
    "timed out",
    "Connection re",
    "Connection closed",
    "Failed to connect",
    "early EOF",
    "hung up unexpectedly",
    "RPC failed",
    "returned error: 50",
    "Operation too slow",
    "SIGPIPE",
];

impl GitError {
    /// Whether the same capture, begun again at once, may well succeed.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            GitError::Moved { .. } | GitError::Vanished(_) => true,
            GitError::Fetch { why, .. } => PASSING.iter().any(|sign| why.contains(sign)),
            _ => false,
        }
    }

    /// The error that a capture's [`TreeSource`](undercroft_vault::stream::TreeSource) failed with, if it is one
    /// of these.
    pub fn of(error: &io::Error) -> Option<&GitError> {
        error.get_ref()?.downcast_ref()
    }

    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> GitError {
        let path = path.into();
        move |source| GitError::Io { doing, path, source }
    }
}

impl From<GitError> for io::Error {
    fn from(error: GitError) -> Self {
        io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_repeated() {
        let fetch = |why: &str| GitError::Fetch { url: "https://h/r".to_owned(), why: why.to_owned() };
        assert!(fetch("fatal: unable to access: Could not resolve host: h").is_worth_repeating());
        assert!(!fetch("fatal: Authentication failed for 'https://h/r/'").is_worth_repeating());
        let source: io::Error = GitError::Vanished("/r/pack".into()).into();
        assert!(GitError::of(&source).unwrap().is_worth_repeating());
    }
}
