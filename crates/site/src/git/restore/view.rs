//! What a work tree holds beside what a commit would have it hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::RestoreError;
use super::desk::{Desk, path_of};
use crate::files::leave::STAGE_PREFIX;
use crate::files::restore::HELD_BACK;
use crate::git::blobs::Blobs;
use crate::git::{GitError, lfs, shown};

/// Files by their paths: mode and object, as git writes both.
pub(super) type Tree = BTreeMap<Vec<u8>, (Vec<u8>, Vec<u8>)>;

/// A work tree that is looked at.
pub(super) struct View {
    /// A copy of its index, with the times of its files.
    pub index: PathBuf,
    /// What the index holds.
    pub tracked: Tree,
    /// Tracked files that git was told not to look at, with the option that told it so.
    pub unlooked: Vec<(&'static str, Vec<u8>)>,
    /// Tracked files that are no longer as the index has them.
    pub dirty: Vec<Vec<u8>>,
    /// What the commit holds.
    pub target: Tree,
    /// Untracked files in whose place the commit has something; protected ones too, though they stay.
    pub in_the_way: Vec<Vec<u8>>,
    /// Untracked files that nobody told git to ignore, and that are not to stay.
    pub unwanted: Vec<Vec<u8>>,
    /// What stays as it is, of the commit's files and the tracked ones.
    pub protected: BTreeSet<Vec<u8>>,
}

/// What is to stay, and what to go.
pub(super) struct Wishes<'a> {
    pub protect: &'a [String],
    pub remove_untracked: bool,
    /// Folders of which nothing untracked goes.
    pub spare: &'a [PathBuf],
}

impl View {
    /// Looks at a work tree whose index is `from`, beside a commit or tree.
    pub fn of(desk: &Desk<'_>, from: &Path, target: &str, wishes: &Wishes<'_>) -> Result<Self, RestoreError> {
        let index = desk.new_index();
        desk.copy_index(from, &index)?;
        let listed = desk.ask("list the tracked files", &index, &["ls-files", "-s", "-z"])?;
        let tracked = tracked(desk, &listed)?;
        let args = ["ls-tree", "-r", "-z", "--full-tree", target];
        let target = tree(&desk.ask("list the commit's files", &index, &args)?);
        let patterns = patterns(wishes.protect);
        let is_protected = |path: &[u8]| {
            !patterns.is_empty()
                && patterns.matched_path_or_any_parents(path_of(path).as_path(), false).is_ignore()
        };
        let unlooked = look_at_all(desk, &index)?;
        let dirty = dirty(desk, &index)?;
        let protected: BTreeSet<_> =
            target.keys().chain(tracked.keys()).filter(|path| is_protected(path)).cloned().collect();
        let mut view = View {
            index,
            tracked,
            unlooked,
            dirty,
            target,
            in_the_way: Vec::new(),
            unwanted: Vec::new(),
            protected,
        };
        view.in_the_way = view.obstacles(desk)?;
        if wishes.remove_untracked {
            view.unwanted = view.untracked(desk, &[])?;
            view.unwanted.retain(|path| {
                !is_protected(path) && !path.ends_with(b"/") && !is_spared(desk, path, wishes.spare)
            });
        }
        Ok(view)
    }

    /// The files that the restore lays out, changes or removes.
    pub fn touched(&self) -> BTreeSet<&Vec<u8>> {
        let changed = self.target.iter().filter(|(path, is)| self.tracked.get(*path) != Some(*is));
        let removed = self.tracked.keys().filter(|path| !self.target.contains_key(*path));
        let mut all: BTreeSet<_> = changed.map(|(path, _)| path).chain(removed).collect();
        all.extend(self.dirty.iter().chain(&self.in_the_way).chain(&self.unwanted));
        all.retain(|path| !self.protected.contains(*path));
        all
    }

    /// The commit's files that may hold another environment's credentials and are not laid out, since none are here:
    /// told a sentence each.
    pub fn held_back(&self, desk: &Desk<'_>) -> Vec<String> {
        let is_there = |path: &[u8]| {
            desk.repo
                .work_tree
                .as_deref()
                .is_some_and(|top| top.join(path_of(path)).symlink_metadata().is_ok())
        };
        let held = self.protected.iter().filter(|path| self.target.contains_key(*path) && !is_there(path));
        held.map(|path| format!("{} {HELD_BACK}", shown(path))).collect()
    }

    /// Those in the way that are not what the commit has in their places.
    pub fn differing(&self, desk: &Desk<'_>) -> Result<Vec<Vec<u8>>, RestoreError> {
        let Some(top) = &desk.repo.work_tree else { return Ok(Vec::new()) };
        let wanted = |path: &Vec<u8>| self.target.get(path).map(|(_, id)| id.as_slice());
        let is_plain = |path: &&Vec<u8>| {
            let facts = fs::symlink_metadata(top.join(path_of(path)));
            facts.is_ok_and(|facts| facts.is_file()) && !path.contains(&b'\n') && !path.starts_with(b"\"")
        };
        let there = self.in_the_way.iter().filter(|path| self.target.contains_key(*path));
        let (plain, odd): (Vec<_>, Vec<_>) = there.partition(is_plain);
        let input: Vec<u8> = plain.iter().flat_map(|path| [path.as_slice(), b"\n"].concat()).collect();
        let answer =
            desk.ask_with("compare files", &self.index, &["hash-object", "--stdin-paths"], &input)?;
        let mut same: BTreeSet<_> = plain
            .into_iter()
            .zip(answer.split(|b| *b == b'\n'))
            .filter(|(path, id)| wanted(path) == Some(id))
            .map(|(path, _)| path)
            .collect();
        for path in odd {
            // What has no name that could be handed over, and links, whose content is where they lead.
            let name = top.join(path_of(path));
            let content = match fs::read_link(&name) {
                Ok(target) => target.into_os_string().into_encoded_bytes(),
                Err(_) => read(&name)?,
            };
            let args = ["hash-object", "--stdin"];
            let id = desk.ask_with("compare files", &self.index, &args, &content)?;
            if wanted(path) == Some(id.trim_ascii_end()) {
                same.insert(path);
            }
        }
        Ok(self.in_the_way.iter().filter(|path| !same.contains(path)).cloned().collect())
    }

    /// Untracked files that nobody told git to ignore; a repository among them ends with a slash.
    pub fn untracked(&self, desk: &Desk<'_>, within: &[&str]) -> Result<Vec<Vec<u8>>, RestoreError> {
        let mut args = vec!["ls-files", "--others", "--exclude-standard", "-z", "--"];
        args.extend(within);
        let answer = desk.ask("list the untracked files", &self.index, &args)?;
        Ok(lines(&answer).map(<[u8]>::to_vec).collect())
    }

    /// What lies in the places of the commit's files, and git does not know: files, which can be kept. A folder or a
    /// link to one forbids the restore, even where git knew a file in its place.
    fn obstacles(&self, desk: &Desk<'_>) -> Result<Vec<Vec<u8>>, RestoreError> {
        let Some(top) = &desk.repo.work_tree else { return Ok(Vec::new()) };
        let mut found = BTreeSet::new();
        let mut folders = BTreeSet::new();
        for (path, (mode, _)) in &self.target {
            let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
            for end in ends.chain([path.len()]) {
                let part = path.get(..end).unwrap_or_default();
                if folders.contains(part) {
                    continue;
                }
                let Ok(facts) = fs::symlink_metadata(top.join(path_of(part))) else { break };
                let is_last = end == path.len();
                let what = match facts.file_type() {
                    kind if kind.is_dir() => {
                        let stays = !is_last || mode == b"160000";
                        if stays || self.goes_with_its_files(desk, part)? {
                            folders.insert(part.to_vec());
                            continue;
                        }
                        "a folder"
                    }
                    _ if self.tracked.contains_key(part) => break,
                    kind if kind.is_symlink() && !is_last => "a link",
                    kind if kind.is_file() || kind.is_symlink() => {
                        found.insert(part.to_vec());
                        break;
                    }
                    _ => "something else than a file",
                };
                let (repository, path) = (desk.repo.called.clone(), shown(part));
                return Err(RestoreError::InTheWay { repository, path, what });
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Whether a folder holds nothing but tracked files: it goes with them.
    fn goes_with_its_files(&self, desk: &Desk<'_>, folder: &[u8]) -> Result<bool, RestoreError> {
        use std::os::unix::ffi::OsStrExt;

        let args = ["--literal-pathspecs", "ls-files", "--others", "-z", "--"].map(std::ffi::OsStr::new);
        let mut args = args.to_vec();
        args.push(std::ffi::OsStr::from_bytes(folder));
        Ok(desk.ask("list the untracked files", &self.index, &args)?.is_empty())
    }
}

/// Whether an untracked file is in a folder that is spared, or a link on the way to one, or is laid out by a restore.
fn is_spared(desk: &Desk<'_>, path: &[u8], spare: &[PathBuf]) -> bool {
    use std::os::unix::ffi::OsStrExt;

    let path = path_of(path);
    let staged = path.iter().any(|name| name.as_bytes().starts_with(STAGE_PREFIX.as_bytes()));
    let whole = desk.repo.work_tree.as_deref().map(|top| top.join(path)).unwrap_or_default();
    staged || spare.iter().any(|folder| whole.starts_with(folder) || folder.starts_with(&whole))
}

fn lines(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    answer.split(|b| *b == 0).filter(|line| !line.is_empty())
}

/// `100644 <id> 0\t<path>`
pub(super) fn tracked(desk: &Desk<'_>, answer: &[u8]) -> Result<Tree, RestoreError> {
    let mut tree = Tree::new();
    for line in lines(answer) {
        let Some([mode, id, stage, path]) = fields(line) else { continue };
        if stage != b"0" {
            return Err(RestoreError::Conflicts { repository: desk.repo.called.clone(), path: shown(path) });
        }
        tree.insert(path.to_vec(), (mode.to_vec(), id.to_vec()));
    }
    Ok(tree)
}

/// `100644 blob <id>\t<path>`
fn tree(answer: &[u8]) -> Tree {
    let entry = |line| {
        let [mode, _, id, path] = fields(line)?;
        Some((path.to_vec(), (mode.to_vec(), id.to_vec())))
    };
    lines(answer).filter_map(entry).collect()
}

/// Three words and a path.
fn fields(line: &[u8]) -> Option<[&[u8]; 4]> {
    let tab = line.iter().position(|b| *b == b'\t')?;
    let mut words = line.get(..tab)?.split(|b| *b == b' ');
    Some([words.next()?, words.next()?, words.next()?, line.get(tab + 1..)?])
}

fn patterns(protect: &[String]) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    for pattern in protect {
        // A pattern that is none protects nothing, and the others still do.
        let _ = builder.add_line(None, pattern);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// The marks that people put on tracked files so that git takes no notice of their changes, as `git ls-files -v` shows
/// them, and the options that set and remove them.
const MARKS: [(&str, &str); 2] =
    [("--assume-unchanged", "--no-assume-unchanged"), ("--skip-worktree", "--no-skip-worktree")];

fn has_mark(option: &str, shown: u8) -> bool {
    if option == "--skip-worktree" { matches!(shown, b's' | b'S') } else { shown.is_ascii_lowercase() }
}

/// Removes the marks in the index: such files are often those whose changes matter most.
fn look_at_all(desk: &Desk<'_>, index: &Path) -> Result<Vec<(&'static str, Vec<u8>)>, RestoreError> {
    let listed = desk.ask("list the tracked files", index, &["ls-files", "-v", "-z"])?;
    let mut unlooked = Vec::new();
    for (set, unset) in MARKS {
        let marked: Vec<_> = lines(&listed)
            .filter_map(|line| line.split_first_chunk::<2>())
            .filter(|([mark, _], _)| has_mark(set, *mark))
            .map(|(_, path)| path.to_vec())
            .collect();
        mark(desk, index, unset, &marked)?;
        unlooked.extend(marked.into_iter().map(|path| (set, path)));
    }
    Ok(unlooked)
}

/// Sets or removes a mark.
pub(super) fn mark(
    desk: &Desk<'_>,
    index: &Path,
    option: &str,
    paths: &[Vec<u8>],
) -> Result<(), RestoreError> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut input = paths.join(&0);
    input.push(0);
    let args = ["update-index", option, "-z", "--stdin"];
    desk.ask_with("mark files in the index", index, &args, &input).map(drop)
}

/// Refreshes the index, and lists what differs from it. Files of git-lfs whose content is what the index's pointer
/// says do not.
fn dirty(desk: &Desk<'_>, index: &Path) -> Result<Vec<Vec<u8>>, RestoreError> {
    let Some(top) = &desk.repo.work_tree else { return Ok(Vec::new()) };
    desk.attempt(index, &["update-index", "-q", "--refresh", "--ignore-submodules"])?;
    let args = ["diff-files", "--raw", "--no-renames", "--no-abbrev", "-z", "--ignore-submodules=all"];
    let answer = desk.ask("look for changed files", index, &args)?;
    let blobs = Blobs::new(desk.git_for_objects());
    let mut fields = lines(&answer);
    let mut dirty = Vec::new();
    while let (Some(facts), Some(path)) = (fields.next(), fields.next()) {
        // `:100644 100644 <id> <id> M`
        let words: Vec<_> = facts.split(|b| *b == b' ').collect();
        let same = match words.as_slice() {
            [_, _, id, _, b"M"] => lfs::holds(id, &top.join(path_of(path)), &blobs),
            _ => false,
        };
        if !same {
            dirty.push(path.to_vec());
        }
    }
    Ok(dirty)
}

/// Fails as reading a file does.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, RestoreError> {
    fs::read(path).map_err(GitError::io("read", path)).map_err(RestoreError::from)
}
