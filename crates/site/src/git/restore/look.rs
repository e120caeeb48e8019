//! Looking at the repository that an order is about: what is checked out there, and what would move.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use undercroft_model::CodeRevision;

use super::desk::Repo;
use super::founding::{self, Founding, Site};
use super::{Order, Part, RestoreError};
use crate::git::command::Git;
use crate::git::config::Config;
use crate::git::locate::Place;
use crate::git::oid::ObjectId;
use crate::git::refs::{Head, Refs};
use crate::git::shadow::{Scratch, Shadow};
use crate::git::url::Address;
use crate::git::{GitError, objects, shown};

/// A repository that was looked at.
pub(super) struct Looked {
    pub part: Part,
    /// What is checked out, or what the branch was at that moves alone.
    pub now: Option<ObjectId>,
    pub place: Place,
    pub refs: Refs,
    pub config: Config,
    pub shadow: Shadow,
}

/// Finds the repository that an order is about.
pub(super) fn find(repository: &str, order: Option<&Order>) -> Result<Place, RestoreError> {
    match Address::parse(repository)? {
        Address::Path(path) => {
            let place = crate::git::find(Path::new(&path))?;
            check_place(&place)?;
            Ok(place)
        }
        Address::Url(url) => {
            let target = match order.map(|order| &order.revision) {
                Some(CodeRevision::Branch(branch)) => format!("refs/heads/{branch}"),
                Some(CodeRevision::Tags(pattern)) => format!("refs/tags/NAME (one that matches {pattern})"),
                _ => "refs/heads/BRANCH".to_owned(),
            };
            let commit = order.map(|order| order.commit.clone()).unwrap_or_default();
            Err(RestoreError::Remote { url: url.shown, commit, target })
        }
    }
}

/// Looks at the environment's own repository.
pub(super) fn look(order: &Order, scratch: &Scratch) -> Result<Looked, RestoreError> {
    let commit = ObjectId::parse(order.commit.as_bytes())
        .ok_or_else(|| RestoreError::NotACommit(order.commit.clone()))?;
    let archive = order.objects.as_deref().map(crate::git::find).transpose()?;
    let scratch = scratch.path().join("own");
    let place = match site(order, &commit)? {
        Site::There(place) => place,
        Site::Gone(top) => return look_at_nothing(order, top, commit, archive.as_ref(), scratch),
    };
    look_at(place, (&order.revision, order.branch.as_deref()), commit, archive.as_ref(), scratch)
}

/// Finds the repository that an order is about, or the folder where it was.
pub(super) fn site(order: &Order, commit: &ObjectId) -> Result<Site, RestoreError> {
    let Address::Path(path) = Address::parse(&order.repository)? else {
        return find(&order.repository, Some(order)).map(Site::There);
    };
    let site = founding::locate(Path::new(&path), Some(commit))?;
    if let Site::There(place) = &site {
        check_place(place)?;
    }
    Ok(site)
}

fn check_place(place: &Place) -> Result<(), RestoreError> {
    place.check_files()?;
    // Git follows all of them.
    Ok(objects::stores(place).map(drop)?)
}

/// A repository that is yet to be made, as if it were there and empty.
fn look_at_nothing(
    order: &Order,
    top: PathBuf,
    commit: ObjectId,
    archive: Option<&Place>,
    scratch: PathBuf,
) -> Result<Looked, RestoreError> {
    let founding = Founding::new(order, top, archive);
    let config = archive.map(|archive| Config::read(&archive.common_dir)).transpose()?.unwrap_or_default();
    let mut repo = founding.repo(commit.to_string().len() == 64)?;
    let place = Place {
        git_dir: repo.git_dir.clone(),
        common_dir: repo.common_dir.clone(),
        work_tree: repo.work_tree.clone(),
        owner: repo.owner,
    };
    if !founding.top.exists() {
        let nothing = scratch.with_file_name("nothing");
        fs::create_dir_all(&nothing).map_err(GitError::io("make", &nothing))?;
        repo.work_tree = Some(nothing);
    }
    let refs = founding.refs();
    let mut looked = looked(place, (config, repo, refs), (&order.revision, None), commit, archive, scratch)?;
    let objects = archive.map(|archive| archive.common_dir.join("objects"));
    let lines = objects.map(|objects| [objects.as_os_str().as_bytes(), b"\n"].concat());
    looked.shadow.write("objects/info/alternates", &lines.unwrap_or_default())?;
    looked.part.founding = Some(founding);
    Ok(looked)
}

pub(super) fn look_at(
    place: Place,
    revision: (&CodeRevision, Option<&str>),
    commit: ObjectId,
    archive: Option<&Place>,
    scratch: PathBuf,
) -> Result<Looked, RestoreError> {
    let config = Config::read(&place.common_dir)?;
    let repo = Repo::of(&place, &config)?;
    let refs = Refs::read(&Git::new(&place.git_dir, &place.called()))?;
    let looked = looked(place, (config, repo, refs), revision, commit, archive, scratch)?;
    if let Some(archive) = archive {
        let both = [&looked.place.common_dir, &archive.common_dir].map(|dir| dir.join("objects"));
        let lines = both.map(|objects| [objects.as_os_str().as_bytes(), b"\n"].concat()).concat();
        looked.shadow.write("objects/info/alternates", &lines)?;
    }
    Ok(looked)
}

fn looked(
    place: Place,
    (config, repo, refs): (Config, Repo, Refs),
    (revision, archived): (&CodeRevision, Option<&str>),
    commit: ObjectId,
    archive: Option<&Place>,
    scratch: PathBuf,
) -> Result<Looked, RestoreError> {
    let shadow = Shadow::make(scratch, &place, &refs, repo.sha256)?;
    let attached = attached(&place, &refs, revision, archived);
    let attaches = attached.is_some();
    let (branch, tip) = match attached {
        Some(branch) => (Some(branch.clone()), refs.object(branch.as_bytes())),
        None => moving(&place, &refs, revision, &commit)?,
    };
    let (head, at_head) = match &refs.head {
        Head::Branch(name) => (format!("ref: {}", shown(name)), refs.object(name)),
        Head::Detached(id) => (id.to_string(), Some(*id)),
    };
    let is_checked_out = branch.is_none() || head.strip_prefix("ref: ") == branch.as_deref();
    let follows = place.work_tree.is_some() && (is_checked_out || attaches);
    let part = Part {
        repo,
        branch,
        follows,
        head,
        tip: tip.map(|id| id.to_string()),
        commit: commit.to_string(),
        objects: archive.map(|archive| archive.common_dir.clone()),
        attaches,
        founding: None,
    };
    let now = if attaches { at_head } else { tip };
    Ok(Looked { part, now, place, refs, config, shadow })
}

/// The branch that HEAD goes back to, if another one is checked out now than at the time of the backup.
fn attached(place: &Place, refs: &Refs, revision: &CodeRevision, archived: Option<&str>) -> Option<String> {
    let name = format!("refs/heads/{}", archived?);
    let elsewhere = matches!(&refs.head, Head::Branch(now) if now != name.as_bytes());
    (*revision == CodeRevision::Head && place.work_tree.is_some() && elsewhere).then_some(name)
}

/// The reference that moves (`None`: HEAD itself) and where it is.
fn moving(
    place: &Place,
    refs: &Refs,
    revision: &CodeRevision,
    commit: &ObjectId,
) -> Result<(Option<String>, Option<ObjectId>), RestoreError> {
    let at_head = || match &refs.head {
        Head::Branch(name) => refs.object(name),
        Head::Detached(id) => Some(*id),
    };
    Ok(match (revision, &refs.head) {
        (CodeRevision::Branch(branch), _) => {
            let name = format!("refs/heads/{branch}");
            let tip = refs.object(name.as_bytes());
            (Some(name), tip)
        }
        (CodeRevision::Head, Head::Branch(name)) => (Some(shown(name)), refs.object(name)),
        (CodeRevision::Head, Head::Detached(id)) => (None, Some(*id)),
        (CodeRevision::Tags(pattern), _) if place.work_tree.is_none() => {
            let (repository, pattern) = (place.called(), pattern.clone());
            return Err(RestoreError::NeedsTag { repository, pattern, commit: commit.to_string() });
        }
        (CodeRevision::Tags(_), _) => (None, at_head()),
    })
}

impl Looked {
    /// What is decided of it.
    pub fn decided(&self) -> Part {
        let mut part = self.part.clone();
        if let Some(founding) = &part.founding {
            part.repo.work_tree = Some(founding.top.clone());
        }
        part
    }

    /// What a person should know of where HEAD and the repository are.
    pub fn notes(&self) -> Vec<String> {
        let part = &self.part;
        let mut notes = part.founding.as_ref().map(|made| made.notes(&part.repo)).unwrap_or_default();
        if part.attaches {
            let short = |name: &str| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned();
            let (from, to) = (part.head.strip_prefix("ref: ").unwrap_or_default(), part.branch.as_deref());
            let (from, to) = (short(from), short(to.unwrap_or_default()));
            notes.push(format!(
                "{from} is checked out and stays where it is: the backup is of {to}, which is checked out instead"
            ));
        }
        notes
    }
}
