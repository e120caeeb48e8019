//! Objects brought from a repository that was taken out of an archive.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use undercroft_model::{Element, Observer, Remark};

use super::desk::Desk;
use super::keep;
use super::{Part, RestoreError};
use crate::git::between::has_commit;
use crate::git::command::{Git, Running, complaint, not_run};
use crate::git::oid::ObjectId;
use crate::git::refs::{Refs, Target};
use crate::git::{GitError, shown};

/// Below this is what restores brought, until they end.
pub(super) const BROUGHT: &str = "refs/undercroft/brought/";

/// Brings the commit of a part, with its history, if the repository lacks it.
pub(super) fn bring(
    desk: &Desk<'_>,
    part: &Part,
    reference: &str,
    observer: &dyn Observer,
) -> Result<(), RestoreError> {
    let Some(from) = &part.objects else { return Ok(()) };
    bring_large_files(desk, from)?;
    let commit = ObjectId::parse(part.commit.as_bytes())
        .ok_or_else(|| RestoreError::NotACommit(part.commit.clone()))?;
    if super::stage::has_whole(&desk.git_for_objects(), &commit)? {
        return Ok(());
    }
    observer.doing(Element::Code, "bringing the commit into the repository");
    let archive = Git::new(from, &from.display().to_string());
    send(desk, &archive, std::slice::from_ref(&part.commit))?;
    if !has_commit(&desk.git_for_objects(), &commit)? {
        let (repository, commit) = (desk.repo.called.clone(), part.commit.clone());
        return Err(RestoreError::NoCommit { repository, commit, shallow: false });
    }
    keep::set(desk, reference, &part.commit)?;
    if part.founding.is_some()
        && let Err(error) = bring_references(desk, &archive, part)
    {
        let text = format!("the other branches and the tags of the archive did not come along: {error}");
        observer.remark(Element::Code, Remark::note("", text));
    }
    Ok(())
}

/// Gives a repository that was made what else the archive's has: its other branches and its tags.
fn bring_references(desk: &Desk<'_>, archive: &Git, part: &Part) -> Result<(), RestoreError> {
    let refs = Refs::read(archive)?;
    let is_other = |name: &[u8]| part.branch.as_ref().is_none_or(|branch| branch.as_bytes() != name);
    let others: Vec<_> = refs
        .list
        .iter()
        .filter_map(|(name, target)| match target {
            Target::Object(id) if is_other(name) => Some((shown(name), id.to_string())),
            _ => None,
        })
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = others.iter().map(|(_, id)| id.clone()).collect();
    send(desk, archive, &ids)?;
    let input: String = others.iter().map(|(name, id)| format!("update {name} {id}\n")).collect();
    let mut command = desk.references();
    command.args(["update-ref", "--stdin"]);
    desk.repo.succeed("set the branches and tags", command, Some(input.as_bytes())).map(drop)
}

/// Packs what is missing, in the archive's repository as we are, and unpacks it as the owner.
fn send(desk: &Desk<'_>, archive: &Git, wanted: &[String]) -> Result<(), RestoreError> {
    let shallow = desk.repo.common_dir.join("shallow").exists();
    let known = if shallow { Vec::new() } else { known(desk, archive)? };
    let mut wanted = format!("{}\n--not\n", wanted.join("\n"));
    known.iter().for_each(|id| wanted.push_str(&format!("{id}\n")));
    let mut pack = archive.command();
    pack.args(["pack-objects", "--revs", "--stdout", "--quiet", "--delta-base-offset", "--thin"]);
    pack.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut pack = Running::start(pack)?;
    let (stdin, stdout) = pack.pipes();
    let mut unpack = desk.git(&desk.new_index(), &["index-pack", "--stdin", "--fix-thin"]);
    unpack.stdin(stdout.map_or_else(Stdio::null, Stdio::from));
    let child = unpack.spawn().map_err(|error| not_run(&unpack, error))?;
    // The packer has our end of the pipe no longer: it ends if the unpacker does.
    drop(unpack);
    let written = stdin.map(|mut stdin| std::io::Write::write_all(&mut stdin, wanted.as_bytes()));
    let output = child.wait_with_output().map_err(GitError::NoGit)?;
    let packed = pack.succeeded() && written.is_some_and(|written| written.is_ok());
    if output.status.success() && packed {
        return Ok(());
    }
    let (repository, why) = (desk.repo.called.clone(), complaint(&output));
    Err(GitError::Failed { doing: "bring the archived commit", repository, why }.into())
}

/// What both repositories have.
fn known(desk: &Desk<'_>, archive: &Git) -> Result<Vec<ObjectId>, RestoreError> {
    let refs = Refs::read(&desk.git_for_objects())?;
    let mut ids: Vec<_> = refs
        .list
        .iter()
        .filter_map(|(_, target)| if let Target::Object(id) = target { Some(*id) } else { None })
        .collect();
    ids.sort();
    ids.dedup();
    let input: String = ids.iter().map(|id| format!("{id}\n")).collect();
    let answer = archive.ask_with("look up commits", &["cat-file", "--batch-check"], input.as_bytes())?;
    let found =
        answer.split(|b| *b == b'\n').filter(|line| line.split(|b| *b == b' ').nth(1) == Some(b"commit"));
    Ok(found.filter_map(|line| ObjectId::parse(line.split(|b| *b == b' ').next()?)).collect())
}

/// Brings the content of large files that the archive has and the repository lacks.
fn bring_large_files(desk: &Desk<'_>, from: &Path) -> Result<(), RestoreError> {
    let (source, to) = (from.join("lfs/objects"), desk.repo.common_dir.join("lfs/objects"));
    let folders = |path: &Path| -> Vec<_> {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let files = folders(&source).into_iter().flat_map(|fan| folders(&fan)).flat_map(|fan| folders(&fan));
    for file in files {
        let Ok(name) = file.strip_prefix(&source) else { continue };
        let target = to.join(name);
        if target.exists() {
            continue;
        }
        let content = File::open(&file).map_err(GitError::io("read", &file))?;
        desk.write_file(&target, content)?;
    }
    Ok(())
}
