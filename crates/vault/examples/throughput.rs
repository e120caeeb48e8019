//! How fast this machine captures: `throughput FOLDER STORE` backs a folder up into a store twice, and
//! `throughput FILE STORE` a file of text, and proves it, and says what each took. `cargo run --release --example throughput`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use undercroft_model::{Element, Silent};
use undercroft_vault::archive::write_range;
use undercroft_vault::check::{self, ArchiveJob, Depth, Prover};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::keys::SecretKey;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::{ArchiveRecord, Record};
use undercroft_vault::session::Session;
use undercroft_vault::store::Store;
use undercroft_vault::stream::{
    Content, Entry, EntryKind, FileTime, OpenError, Opened, SectionKind, SectionLabel, Settled, TextSink,
    TreeSource,
};
use undercroft_vault::text::TextWriter;
use undercroft_vault::tree::{TreeJob, write_tree};
use undercroft_vault::{Vault, store};
use uuid::Uuid;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(what), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("give a folder or a file of text, and a folder for the store".into());
    };
    let (store, recovery): (Arc<dyn Store>, _) = (Arc::new(store::local(folder)?), SecretKey::generate()?);
    let vault = Vault::open_or_create(Arc::clone(&store), Uuid::nil(), &recovery)?;
    let first = backup(&vault, &what, None)?;
    backup(&vault, &what, Some(&first))?;
    let (began, index) = (Instant::now(), Arc::new(vault.read_index()?));
    write_range(&vault, &index, &first, 0..first.len(), &mut io::sink())?;
    tell("download", began, first.len(), "");
    let began = Instant::now();
    let job =
        ArchiveJob { backup: None, archive: &first, element: Element::Files, text: None, observer: &Silent };
    let proof = Prover::new(&vault, index).archive(&job)?;
    tell("verify", began, first.raw_len, &format!(", {} problems", proof.problems.total));
    let record = Record { about: serde_json::Value::Null, archives: vec![first] };
    vault.write_record(Uuid::nil(), &record)?;
    let began = Instant::now();
    let proof = check::vault(&store, Uuid::nil(), &recovery, Depth::Content, &Silent)?;
    tell("check", began, proof.read, &format!(", {} problems", proof.problems.total));
    Ok(())
}

fn backup(vault: &Vault, what: &Path, last: Option<&ArchiveRecord>) -> Result<ArchiveRecord, Box<dyn Error>> {
    let began = Instant::now();
    let session = Session::begin(vault)?;
    let record = if what.is_dir() { tree(&session, what, last)? } else { text(&session, what)? };
    let stored = session.finish()?;
    let facts = format!(", {} fragments new, {} bytes stored", stored.fragments, stored.bytes);
    tell(if last.is_some() { "again" } else { "first" }, began, record.raw_len, &facts);
    Ok(record)
}

fn tell(what: &str, began: Instant, bytes: u64, facts: &str) {
    let seconds = began.elapsed().as_secs_f64();
    println!("{what}: {seconds:.2} s, {:.0} MB/s{facts}", bytes as f64 / seconds / 1e6);
}

fn text(session: &Session, path: &Path) -> Result<ArchiveRecord, Box<dyn Error>> {
    let writer = TextWriter::new(session, Element::Database, &Silent);
    let mut section =
        writer.section(0, SectionLabel { kind: SectionKind::Table, name: "text".to_owned() })?;
    let (mut file, mut buffer) = (File::open(path)?, vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            len => section.write(&buffer[..len])?,
        }
    }
    section.finish(None)?;
    Ok(writer.finish("text.sql.gz")?)
}

fn tree(
    session: &Session,
    root: &Path,
    last: Option<&ArchiveRecord>,
) -> Result<ArchiveRecord, Box<dyn Error>> {
    let vault = session.vault();
    let previous = match last {
        Some(last) => {
            let fetcher = Fetcher::new(vault, session.index());
            Some(ManifestReader::open(fetcher, &last.manifest)?)
        }
        None => None,
    };
    let began = Instant::now();
    let mut source = Folder { root: root.to_owned(), stack: vec![root.to_owned()] };
    let job =
        TreeJob { name: "tree.tar.gz", top: "tree", element: Element::Files, previous, observer: &Silent };
    let (record, counts) = write_tree(session, &mut source, job)?;
    println!("{counts:?} {:.2} s", began.elapsed().as_secs_f64());
    Ok(record)
}

/// A plain walk; what is neither file, folder nor link is left out.
struct Folder {
    root: PathBuf,
    stack: Vec<PathBuf>,
}

impl Folder {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        let facts = fs::symlink_metadata(path)?;
        let kind = match facts.file_type() {
            kind if kind.is_dir() => EntryKind::Folder,
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_symlink() => {
                EntryKind::Symlink { target: fs::read_link(path)?.as_os_str().as_bytes().to_vec() }
            }
            _ => return Ok(None),
        };
        let mut stamp = [0; 32];
        stamp[..8].copy_from_slice(&facts.ino().to_le_bytes());
        stamp[8..16].copy_from_slice(&facts.ctime().to_le_bytes());
        stamp[16..24].copy_from_slice(&facts.ctime_nsec().to_le_bytes());
        let below = path.strip_prefix(&self.root).unwrap_or(path).as_os_str().as_bytes().to_vec();
        Ok(Some(Entry {
            path: below,
            size: if kind == EntryKind::File { facts.len() } else { 0 },
            kind,
            mtime: FileTime { seconds: facts.mtime(), nanos: 0 },
            mode: facts.mode() & 0o7777,
            uid: facts.uid(),
            gid: facts.gid(),
            stamp,
        }))
    }
}

struct Whole(File);

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Content for Whole {
    fn settled(&mut self) -> Settled {
        Settled::Unchanged
    }
}

impl TreeSource for Folder {
    fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        while let Some(path) = self.stack.pop() {
            let Some(entry) = self.entry(&path)? else { continue };
            if entry.kind == EntryKind::Folder {
                let mut inside = Vec::new();
                for child in fs::read_dir(&path)? {
                    let child = child?;
                    let mut key = child.file_name().as_bytes().to_vec();
                    if child.file_type()?.is_dir() {
                        key.push(b'/');
                    }
                    inside.push((key, child.path()));
                }
                inside.sort_by(|a, b| b.cmp(a));
                self.stack.extend(inside.into_iter().map(|(_, path)| path));
            }
            return Ok(Some(entry));
        }
        Ok(None)
    }

    fn open<'a>(&'a self, entry: &Entry) -> Result<Opened<'a>, OpenError> {
        let path = self.root.join(std::ffi::OsStr::from_bytes(&entry.path));
        let content = match entry.kind {
            EntryKind::File => {
                Some(Box::new(Whole(File::open(path).map_err(OpenError::Fatal)?)) as Box<dyn Content>)
            }
            _ => None,
        };
        Ok(Opened { entry: entry.clone(), xattrs: Vec::new(), content })
    }

    fn owner_names(&self, _: u32, _: u32) -> (Option<String>, Option<String>) {
        (None, None)
    }
}
