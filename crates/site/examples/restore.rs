//! How fast this machine restores: `restore FOLDER SCRATCH` backs a folder up into a store in the scratch folder,
//! restores it there to nothing, once more over itself, and takes one file out; and says what each took.
//! `cargo run --release --example restore`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use undercroft_model::{Element, Silent};
use undercroft_site::files::restore::{
    Now, Order, TakeOut, clean_up, now, plan, prepare, stage, switch, take_out,
};
use undercroft_site::files::{Tree, TreeOptions};
use undercroft_vault::keys::SecretKey;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::session::Session;
use undercroft_vault::stream::{EntryKind, TreeSource};
use undercroft_vault::tree::{TreeJob, write_tree};
use undercroft_vault::{Vault, store};
use uuid::Uuid;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(scratch)) = (arguments.next(), arguments.next()) else {
        return Err("give a folder, and a scratch folder on a disk with room for it twice".into());
    };
    let store = Arc::new(store::local(scratch.join("store"))?);
    let vault = Vault::open_or_create(store, Uuid::nil(), &SecretKey::generate()?)?;
    let (archive, last) = backup(&vault, &folder)?;
    let live = scratch.join("live");
    restore(&vault, &archive, &live, None, "to nothing")?;
    restore(&vault, &archive, &live, None, "over itself, read")?;
    let captured = now();
    let (safety, _) = backup(&vault, &live)?;
    restore(&vault, &archive, &live, Some(Now { archive: &safety, captured }), "over itself, proved")?;
    let began = Instant::now();
    let index = Arc::new(vault.read_index()?);
    let only = [last];
    let to = scratch.join("one");
    let element = Element::Files;
    let order = TakeOut {
        element,
        archive: &archive,
        only: Some(&only),
        to: &to,
        skip_damaged: false,
        id: Uuid::new_v4(),
    };
    take_out(&order, &vault, &index, &Silent)?;
    println!("one file: {:.3} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Backs a folder up; gives the archive and the path of its last file.
fn backup(vault: &Vault, folder: &std::path::Path) -> Result<(ArchiveRecord, Vec<u8>), Box<dyn Error>> {
    let options = TreeOptions { folder, element: Element::Files, exclude: &[], skip: &[] };
    let mut last = Vec::new();
    let mut tree = Tree::open(options, &Silent)?;
    while let Some(entry) = tree.next_entry()? {
        if entry.kind == EntryKind::File {
            last = entry.path;
        }
    }
    let began = Instant::now();
    let session = Session::begin(vault)?;
    let mut tree = Tree::open(options, &Silent)?;
    let job = TreeJob {
        name: "files.tar.gz",
        top: "files",
        element: Element::Files,
        previous: None,
        observer: &Silent,
    };
    let (archive, counts) = write_tree(&session, &mut tree, job)?;
    session.finish()?;
    println!(
        "backup: {:.2} s, {} entries, {} bytes",
        began.elapsed().as_secs_f64(),
        counts.entries,
        counts.content
    );
    Ok((archive, last))
}

fn restore(
    vault: &Vault,
    archive: &ArchiveRecord,
    live: &std::path::Path,
    now: Option<Now<'_>>,
    what: &str,
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let since = || began.elapsed().as_secs_f64();
    let index = Arc::new(vault.read_index()?);
    let order = Order {
        element: Element::Files,
        live,
        archive,
        now,
        only: None,
        absent_is_removed: false,
        keep: &[],
        protect: &[],
        skip: &[],
        skip_damaged: false,
        id: Uuid::new_v4(),
    };
    plan(&order, vault, &index, &Silent)?;
    let planned = since();
    let staged = stage(&order, vault, &index, &Silent)?;
    let decided = since();
    let prepared = prepare(&staged, &order, vault, &index, &Silent)?;
    let laid = since();
    switch(&staged, &Silent)?;
    let switched = since();
    clean_up(&staged, &Silent)?;
    println!(
        "{what}: planned {planned:.2} s, staged {decided:.2}, prepared {laid:.2}, switched {switched:.2}, done {:.2}; {} linked, {} written",
        since(),
        prepared.linked.entries,
        prepared.written.entries
    );
    Ok(())
}
