//! `backup:get SITE.ENV`

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use undercroft_client::Download;

use super::lookup::{self, Archive};
use super::stop::Stop;
use super::{Context, places};
use crate::args::BackupGet;
use crate::error::Failure;
use crate::progress::{self, Mode};

/// Gets an archive.
pub async fn run(context: &Context, args: BackupGet) -> Result<(), Failure> {
    let archive = lookup::archive(context, &args.which).await?;
    let Some(to) = &args.to else {
        return Err(Failure::Because(format!(
            "No server is running that a link could lead to. Say where the archive is to go: --to=FOLDER, \
             --to=FILE, or --to=- for standard output ({}).",
            archive.filename
        )));
    };
    if to.as_os_str() == "-" {
        return to_stdout(context, &archive).await;
    }
    let target = target(to, &archive.filename)?;
    if fs::symlink_metadata(&target).is_ok() {
        return Err(Failure::Because(format!("Target file {} already exists.", target.display())));
    }
    context.messages.notice(&format!("Downloading {} to {}", archive.filename, target.display()));
    to_file(context, &archive, &target).await
}

/// The file that it goes to: in a folder under its own name.
fn target(to: &Path, filename: &str) -> Result<PathBuf, Failure> {
    let to = places::absolute(to)?;
    let as_folder = to.as_os_str().as_encoded_bytes().ends_with(b"/");
    if to.is_dir() {
        return Ok(to.join(filename));
    }
    if as_folder {
        return Err(Failure::Because(format!("{} is not a folder: make it first.", to.display())));
    }
    match to.parent() {
        Some(parent) if !parent.is_dir() => {
            Err(Failure::Because(format!("{} is not a folder: make it first.", parent.display())))
        }
        _ => Ok(to),
    }
}

async fn begin(context: &Context, archive: &Archive, from: u64) -> Result<Download, Failure> {
    let entry = &archive.entry;
    let folder = entry.folder.parse().map_err(|error| Failure::Because(format!("{error}")))?;
    let link = context.client.download_link(archive.site.id, &archive.env, folder, archive.element).await?;
    Ok(context.client.download(&link, from).await?)
}

async fn to_stdout(context: &Context, archive: &Archive) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(Failure::Because(
            "An archive is nothing to look at: send it into a file or a program, such as | tar tz".to_owned(),
        ));
    }
    let mut download = begin(context, archive, 0).await?;
    let mut stop = Stop::listen()?;
    loop {
        let piece = tokio::select! {
            piece = download.next_piece() => piece?,
            () = stop.asked() => return Err(Failure::Interrupted),
        };
        let Some(piece) = piece else { break };
        if let Err(error) = out.write_all(&piece) {
            // A reader that has seen enough is no failure of ours, but not all was delivered either.
            return Err(if error.kind() == io::ErrorKind::BrokenPipe {
                Failure::Told
            } else {
                Failure::Print(error)
            });
        }
    }
    out.flush().map_err(Failure::Print)
}

/// The unfinished file beside the target. It carries the backup's id, so that only the rest of the same archive
/// is ever added to it.
fn unfinished(target: &Path, archive: &Archive) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}-{}.part", archive.entry.task_id.simple(), archive.element));
    target.with_file_name(name)
}

/// Opens the unfinished file, for this download alone.
fn open_part(part: &Path) -> Result<File, Failure> {
    let fail = |source| Failure::File { action: "writing", path: part.to_owned(), source };
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(part).map_err(fail)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(Failure::Because(format!("Another download into {} is under way.", part.display())));
    }
    // Another one may have finished, and taken the name away, between the two steps.
    let ours = file.metadata().map_err(fail)?.ino();
    if fs::metadata(part).is_ok_and(|there| there.ino() == ours) {
        Ok(file)
    } else {
        Err(Failure::Because("Another download into the same place has just ended.".to_owned()))
    }
}

async fn to_file(context: &Context, archive: &Archive, target: &Path) -> Result<(), Failure> {
    let part = unfinished(target, archive);
    let fail = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Failure::File { action, path, source }
    };
    let mut file = open_part(&part)?;
    let there = file.metadata().map_err(fail("reading", &part))?.len();
    let whole = archive.entry.size;
    let there = if there > whole {
        file.set_len(0).map_err(fail("writing", &part))?;
        0
    } else {
        there
    };
    if there > 0 {
        context
            .messages
            .notice(&format!("Going on where an earlier download broke off, at {there} of {whole} bytes."));
    }
    if there < whole {
        let mut download = begin(context, archive, there).await?;
        if there > 0 && !download.is_partial() {
            file.set_len(0).map_err(fail("writing", &part))?;
        }
        receive(context, archive, &mut download, &mut file, &part).await?;
    }
    file.sync_all().map_err(fail("writing", &part))?;
    let length = file.metadata().map_err(fail("reading", &part))?.len();
    if length != whole {
        return Err(Failure::Because(format!(
            "{} has {length} bytes and should have {whole}: remove it and try again.",
            part.display()
        )));
    }
    // A hard link, unlike a rename, never replaces what another program put there meanwhile.
    match fs::hard_link(&part, target) {
        Ok(()) => fs::remove_file(&part).map_err(fail("removing", &part))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Failure::Because(format!("Target file {} already exists.", target.display())));
        }
        Err(_) => fs::rename(&part, target).map_err(fail("writing", target))?,
    }
    if let Some(folder) = target.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail("writing", folder))?;
    }
    Ok(())
}

async fn receive(
    context: &Context,
    archive: &Archive,
    download: &mut Download,
    file: &mut File,
    part: &Path,
) -> Result<(), Failure> {
    let whole = archive.entry.size;
    let mode = Mode::detect(context.global.quiet || context.global.no_interaction);
    let there = whole.saturating_sub(download.left());
    let mut stop = Stop::listen()?;
    let mut progress = progress::Download::new(mode, archive.element.as_str(), Some(whole), there);
    loop {
        let piece = tokio::select! {
            piece = download.next_piece() => piece?,
            () = stop.asked() => {
                drop(progress);
                context.messages.warning("Stopped. The same command goes on from here.");
                return Err(Failure::Interrupted);
            }
        };
        let Some(piece) = piece else { break };
        file.write_all(&piece).map_err(|source| Failure::File {
            action: "writing",
            path: part.to_owned(),
            source,
        })?;
        progress.advance(piece.len() as u64);
    }
    progress.finish();
    Ok(())
}
