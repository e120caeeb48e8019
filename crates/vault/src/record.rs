//! A backup's record: what makes it exist.

use serde::{Deserialize, Serialize};

use crate::fragment::{FragmentId, FragmentRef, hex, unhex};

/// Everything that is needed to find, read and restore a backup, but the fragments themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the writer says of the backup: site, environment, times, evidence. Opaque to the vault.
    pub about: serde_json::Value,
    /// Its archives.
    pub archives: Vec<ArchiveRecord>,
}

impl Record {
    /// The archive of that name.
    pub fn archive(&self, name: &str) -> Option<&ArchiveRecord> {
        self.archives.iter().find(|archive| archive.name == name)
    }
}

/// One archive of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRecord {
    /// Its file name.
    pub name: String,
    /// What its stream is.
    pub stream: StreamKind,
    /// Bytes of the stream.
    pub raw_len: u64,
    /// CRC-32 of the stream.
    pub crc: u32,
    /// Bytes of all its fragments, deflated: the archive is 20 bytes longer.
    pub deflated_len: u64,
    /// Where its manifest is.
    pub manifest: ManifestRoot,
}

impl ArchiveRecord {
    /// The length of the archive as it is downloaded: gzip's header, the fragments, one final empty block,
    /// CRC-32 and length.
    pub fn len(&self) -> u64 {
        crate::archive::HEADER.len() as u64 + self.deflated_len + crate::archive::TRAILER_LEN as u64
    }

    /// Never: an archive has at least a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// What kind of stream an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// A tar stream.
    Tree,
    /// Text in sections.
    Text,
}

/// The fragments that hold a manifest; at a level above 0, the fragments that hold the references of the
/// fragments a level below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRoot {
    /// How many times the fragments' content has to be taken as references before it is the manifest.
    pub level: u8,
    /// The fragments, in order: id, raw length, deflated length, CRC-32.
    #[serde(with = "references")]
    pub fragments: Vec<FragmentRef>,
}

mod references {
    use serde::{Deserializer, Serializer, de::Error};

    use super::*;

    pub fn serialize<S: Serializer>(list: &[FragmentRef], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|f| (hex(&f.id.0), f.raw_len, f.deflated_len, f.crc)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FragmentRef>, D::Error> {
        let list: Vec<(String, u32, u32, u32)> = Vec::deserialize(deserializer)?;
        list.into_iter()
            .map(|(id, raw_len, deflated_len, crc)| {
                let id = unhex(&id).map(FragmentId).ok_or_else(|| D::Error::custom("not a fragment's id"))?;
                Ok(FragmentRef { id, raw_len, deflated_len, crc })
            })
            .collect()
    }
}
