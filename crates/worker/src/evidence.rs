//! What shows that an element is good: it can be read back, and it is not absurdly smaller than the last one.

use std::sync::Arc;

use undercroft_model::{Facts, FilesFacts, Remark};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::index::Index;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::{Vault, VaultError};

/// Reads an archive's manifest back from the store and looks whether every fragment that it names is in a pack
/// that the store has, as it was recorded.
pub fn read_back(vault: &Vault, index: &Arc<Index>, archive: &ArchiveRecord) -> Result<(), VaultError> {
    let fetcher = Fetcher::new(vault, Arc::clone(index));
    let mut manifest = ManifestReader::open(fetcher, &archive.manifest)?;
    while let Some(item) = manifest.next_item()? {
        for fragment in item.fragments() {
            if !index.has(fragment) {
                let object = "a pack that was just written".to_owned();
                return Err(VaultError::MissingFragment { fragment: fragment.id, object });
            }
        }
    }
    Ok(())
}

/// An element that has shrunk to less than this share of the last good one is doubtful.
const SHARE: u64 = 10;
/// Elements of fewer entries or rows than this, or fewer bytes, may shrink as they like, but not to nothing.
const SMALL: u64 = 100;
const SMALL_BYTES: u64 = 10 << 20;

/// What is absurd about an element beside the last good one, if anything is.
pub fn doubt(now: &Facts, last: &Facts) -> Option<Remark> {
    let trees = |now: &FilesFacts, last: &FilesFacts| {
        [("files", now.files, last.files, SMALL), ("bytes of files", now.content, last.content, SMALL_BYTES)]
    };
    let pairs = match (now, last) {
        (Facts::Files(now), Facts::Files(last)) => trees(now, last),
        (Facts::Code(now), Facts::Code(last)) => trees(&now.tree, &last.tree),
        (Facts::Database(now), Facts::Database(last)) => {
            [("tables", now.tables, last.tables, SMALL), ("rows", now.rows, last.rows, SMALL)]
        }
        _ => return None,
    };
    let (what, now, last, _) = pairs.into_iter().find(|(_, now, last, small)| shrunk(*now, *last, *small))?;
    Some(Remark::lost(
        "",
        format!(
            "it has {now} {what}, and the last good backup had {last}: something may be missing (a folder that is \
             not mounted, another database); if this is right, make a backup with --accept-smaller"
        ),
    ))
}

fn shrunk(now: u64, last: u64, small: u64) -> bool {
    (now == 0 && last > 0) || (last >= small && now < last / SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: u64) -> Facts {
        Facts::Files(FilesFacts { files, ..FilesFacts::default() })
    }

    #[test]
    fn an_element_that_all_but_vanished_is_doubtful() {
        for (now, last) in [(0, 1), (0, 5_000), (499, 5_000)] {
            assert!(doubt(&files(now), &files(last)).is_some(), "{now} after {last}");
        }
        for (now, last) in [(0, 0), (1, 50), (500, 5_000), (9_000, 5_000)] {
            assert!(doubt(&files(now), &files(last)).is_none(), "{now} after {last}");
        }
    }
}
