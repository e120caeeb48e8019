//! What can keep an archived commit from being put back.

use std::path::PathBuf;

use undercroft_model::Cancelled;

use crate::git::GitError;

/// Why code could not be restored into a git repository.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The environment's code is in a repository elsewhere, which we don't push to.
    #[error(
        "{url} is not on this machine, and nothing is pushed by Undercroft: in a clone of it that has the commit (an unpacked code archive is one), run: git push --force-with-lease {url} {commit}:{target}"
    )]
    Remote {
        /// The repository, without credentials.
        url: String,
        /// The archived commit.
        commit: String,
        /// The branch or tag it would be pushed to.
        target: String,
    },
    /// What the archive calls its commit is no name of one.
    #[error("{0:?} is not the name of a commit: the archive's record is of another kind")]
    NotACommit(String),
    /// Neither the repository nor what was taken out of the archive has the commit.
    #[error(
        "{repository} has no commit {commit}{}, and it is not in what was taken out of the archive",
        if *shallow { " (its history is cut short: git fetch --unshallow may bring it)" } else { "" }
    )]
    NoCommit {
        /// The repository.
        repository: String,
        /// The commit.
        commit: String,
        /// Whether the repository's history is cut short.
        shallow: bool,
    },
    /// Somebody is in the middle of something.
    #[error("{repository} is in the middle of {what}: end it there (git {ends}), then try again")]
    Busy {
        /// The repository.
        repository: String,
        /// `a merge`, `a rebase`, …
        what: &'static str,
        /// The command that ends it.
        ends: &'static str,
    },
    /// Files are in conflict, though nothing tells of what.
    #[error("{repository} has files in conflict, such as {path}: resolve them, then try again")]
    Conflicts {
        /// The repository.
        repository: String,
        /// One of them.
        path: String,
    },
    /// Another git command holds the index.
    #[error(
        "{} is there{since}: another git command works in the repository. Wait for its end; if none runs (pgrep -a git), remove that file, then try again", path.display()
    )]
    IndexLocked {
        /// The lock.
        path: PathBuf,
        /// Since when, in words; empty if that can't be told.
        since: String,
    },
    /// The repository belongs to somebody else than the one we run as.
    #[error(
        "{repository} belongs to the user with the number {owner}, and this runs as {us}: run it as that user or as root, so that the files keep their owner"
    )]
    OtherOwner {
        /// The repository.
        repository: String,
        /// Who owns it.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// A part of the commit only is checked out.
    #[error(
        "{repository} is a sparse checkout: parts of its commits are not in the work tree. Run git sparse-checkout disable there, then try again"
    )]
    Sparse {
        /// The repository.
        repository: String,
    },
    /// The branch is checked out in another work tree of the same repository.
    #[error(
        "the branch {branch} of {repository} is checked out in {}, whose files would not follow: restore into that work tree instead", elsewhere.display()
    )]
    BranchElsewhere {
        /// The repository.
        repository: String,
        /// The branch.
        branch: String,
        /// The other work tree.
        elsewhere: PathBuf,
    },
    /// A bare repository whose environment deploys tags.
    #[error(
        "{repository} is a bare repository whose environment is the newest tag that matches {pattern}: it goes back by a new tag. Choose a name that matches, and run there: git tag NAME {commit}"
    )]
    NeedsTag {
        /// The repository.
        repository: String,
        /// The pattern.
        pattern: String,
        /// The archived commit.
        commit: String,
    },
    /// A folder or link that git does not know lies where the archived commit has something else.
    #[error(
        "{path} in {repository} is {what} that holds what is in no commit, and the archived commit has something else there: move it out of {repository} (nothing but you knows whether it is still needed), then try again"
    )]
    InTheWay {
        /// The repository.
        repository: String,
        /// What lies there.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The repository is gone, and was a bare one.
    #[error(
        "the repository {} is gone: make an empty one there (git init --bare {}), then try again", .0.display(), .0.display()
    )]
    BareGone(PathBuf),
    /// What should be a repository's folder is something else.
    #[error(
        "{} is there and is no git repository, or only what is left of one: move it away, then try again; the archive's takes its place", .0.display()
    )]
    Broken(PathBuf),
    /// We may not write there.
    #[error(
        "the repository's owner may not write in {}, and could not change that: give the folder to the owner, or run as that user or as root", .0.display()
    )]
    NotWritable(PathBuf),
    /// The repository moved after the restore was staged.
    #[error(
        "{repository} moved while the restore was prepared ({what}): somebody works there. Nothing was changed; try again"
    )]
    Moved {
        /// The repository.
        repository: String,
        /// What moved.
        what: String,
    },
    /// Nothing is kept of what was before a restore.
    #[error(
        "{repository} keeps nothing of the time before the restore {id}: it was never begun, or is forgotten"
    )]
    NothingKept {
        /// The repository.
        repository: String,
        /// The restore.
        id: uuid::Uuid,
    },
    /// It failed on the way, and going back failed too.
    #[error(
        "{why}; going back failed too ({back}). What was before is kept in {repository} as {reference}: try again, or run git diff {reference} there"
    )]
    HalfWay {
        /// The repository.
        repository: String,
        /// The reference that keeps what was before.
        reference: String,
        /// Why going back failed.
        back: String,
        /// Why the switch failed.
        #[source]
        why: Box<RestoreError>,
    },
    /// Git failed, or a file could not be read.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl From<Cancelled> for RestoreError {
    fn from(cancelled: Cancelled) -> Self {
        RestoreError::Git(cancelled.into())
    }
}
