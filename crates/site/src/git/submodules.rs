//! Submodules: which of a tree's links name which repository, and where that is.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::config::Config;
use super::error::GitError;
use super::locate::{self, Place};
use super::oid::ObjectId;
use super::shadow::Shadow;
use super::tree::{Node, NodeKind};
use super::trust;

/// A link of a tree to a commit of another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Its path in the tree.
    pub path: Vec<u8>,
    /// The commit.
    pub commit: ObjectId,
    /// Name and URL, if `.gitmodules` has it.
    pub named: Option<(Vec<u8>, Vec<u8>)>,
}

/// The links of a tree.
pub(super) fn links(shadow: &Shadow, nodes: &[Node]) -> Result<Vec<Link>, GitError> {
    let of_kind = |kind| nodes.iter().filter(move |node| node.kind == kind);
    if of_kind(NodeKind::Link).next().is_none() {
        return Ok(Vec::new());
    }
    let modules =
        match nodes.iter().find(|node| node.path == b".gitmodules" && node.kind != NodeKind::Symlink) {
            Some(node) => {
                let args = ["config", "--no-includes", "-z", "--list", "--blob", &node.id.to_string()];
                Config::parse(&shadow.git.ask("read .gitmodules", &args)?)
            }
            None => Config::default(),
        };
    let link = |node: &Node| {
        let name = modules
            .parted()
            .find(|(section, name, key, path)| {
                *section == b"submodule" && *key == b"path" && *path == node.path.as_slice() && is_safe(name)
            })
            .map(|(_, name, ..)| name.to_vec());
        let url = |name: &[u8]| {
            let found =
                modules.parted().find(|(s, n, key, _)| *s == b"submodule" && *n == name && *key == b"url");
            found.map_or_else(Vec::new, |(.., url)| url.to_vec())
        };
        let named = name.map(|name| (name.clone(), url(&name)));
        Link { path: node.path.clone(), commit: node.id, named }
    };
    Ok(of_kind(NodeKind::Link).map(link).collect())
}

/// Whether a name can be a path below `.git/modules`.
fn is_safe(name: &[u8]) -> bool {
    !name.is_empty() && name.split(|b| *b == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

/// The repository of a link, if it is at hand: in the work tree, or kept by the repository that links to it.
pub(super) fn locate(place: &Place, link: &Link) -> Result<Option<Place>, GitError> {
    if let Some(top) = &place.work_tree {
        let folder = top.join(OsStr::from_bytes(&link.path));
        if folder.join(".git").symlink_metadata().is_ok() {
            trust::check(place.owner, top, &folder)?;
            // What `.git` names may be gone, while the repository itself is kept elsewhere.
            match locate::at(&folder, Some(place.owner)) {
                Err(GitError::NotARepository(_)) | Ok(None) => {}
                found => return found,
            }
        }
    }
    let Some((name, _)) = &link.named else { return Ok(None) };
    for git_dir in [&place.git_dir, &place.common_dir] {
        let folder = git_dir.join("modules").join(OsStr::from_bytes(name));
        if !folder.is_dir() {
            continue;
        }
        trust::check(place.owner, git_dir, &folder)?;
        if let Some(found) = locate::at(&folder, Some(place.owner))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
