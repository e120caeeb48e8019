//! Names and times of backups and their archives.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Element, EnvName, SiteName};

/// Who started a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// A person.
    #[serde(rename = "backup")]
    Manual,
    /// The schedule.
    Automated,
}

impl BackupKind {
    /// The word that stands in a backup's folder name.
    pub fn folder_word(self) -> &'static str {
        match self {
            BackupKind::Manual => "backup",
            BackupKind::Automated => "automated",
        }
    }

    /// The word that lists show as the initiator.
    pub fn initiator(self) -> &'static str {
        match self {
            BackupKind::Manual => "manual",
            BackupKind::Automated => "automated",
        }
    }
}

/// What the three archives of one backup are kept under: `1795484697_backup`.
///
/// It begins with the second in which the backup started, and two backups of one environment never share
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupFolder {
    /// Unix seconds at which the backup started.
    pub started: i64,
    /// Who started it.
    pub kind: BackupKind,
}

/// The text is not a backup's folder name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a backup's folder name, such as 1795484697_backup")]
pub struct BadFolder(pub String);

impl fmt::Display for BackupFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.started, self.kind.folder_word())
    }
}

impl FromStr for BackupFolder {
    type Err = BadFolder;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadFolder(text.to_owned());
        let (seconds, word) = text.split_once('_').ok_or_else(bad)?;
        let kind = match word {
            "backup" => BackupKind::Manual,
            "automated" => BackupKind::Automated,
            _ => return Err(bad()),
        };
        let started = seconds.parse().map_err(|_| bad())?;
        if Timestamp::from_second(started).is_err() {
            return Err(bad());
        }
        Ok(BackupFolder { started, kind })
    }
}

impl TryFrom<String> for BackupFolder {
    type Error = BadFolder;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BackupFolder> for String {
    fn from(folder: BackupFolder) -> String {
        folder.to_string()
    }
}

/// The file name of an archive: `shop_live_2026-11-24T01-44-57_UTC_database.sql.gz`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArchiveName {
    /// The site.
    pub site: SiteName,
    /// The environment.
    pub env: EnvName,
    /// The backup that it belongs to: all archives of a backup carry its start.
    pub folder: BackupFolder,
    /// What is in it.
    pub element: Element,
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(self.folder.started).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(
            f,
            "{}_{}_{}_UTC_{}.{}",
            self.site,
            self.env,
            time.strftime("%Y-%m-%dT%H-%M-%S"),
            self.element,
            self.element.extension()
        )
    }
}

/// How long a backup is kept, counted from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeepFor {
    seconds: u64,
}

/// The text is not a number of days that a backup can be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a number of days: give a whole number from 1 to 36500")]
pub struct BadKeepFor(pub String);

impl KeepFor {
    /// What a manual backup gets if nothing else is asked.
    pub const DEFAULT: KeepFor = KeepFor { seconds: 365 * 86_400 };

    /// So many days, if a backup can be kept that long.
    pub fn days(days: u64) -> Option<KeepFor> {
        (1..=36_500).contains(&days).then_some(KeepFor { seconds: days * 86_400 })
    }

    /// So many seconds, as the API has it; at least one.
    pub fn seconds(seconds: u64) -> Option<KeepFor> {
        (1..=36_500 * 86_400).contains(&seconds).then_some(KeepFor { seconds })
    }

    /// The length in seconds.
    pub fn as_seconds(self) -> u64 {
        self.seconds
    }
}

impl FromStr for KeepFor {
    type Err = BadKeepFor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(KeepFor::days).ok_or_else(|| BadKeepFor(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_named_as_scripts_expect() {
        let name = ArchiveName {
            site: "my-site".parse().unwrap(),
            env: "dev".parse().unwrap(),
            folder: "1795484697_backup".parse().unwrap(),
            element: Element::Database,
        };
        assert_eq!(name.to_string(), "my-site_dev_2026-11-24T01-44-57_UTC_database.sql.gz");
    }

    #[test]
    fn a_folder_name_survives_its_text() {
        for text in ["1795484697_backup", "1477386000_automated"] {
            assert_eq!(text.parse::<BackupFolder>().unwrap().to_string(), text);
        }
        for bad in ["", "12", "x_backup", "12_other", "99999999999999_backup"] {
            assert!(bad.parse::<BackupFolder>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keep_for_is_a_whole_number_of_days() {
        assert_eq!("30".parse::<KeepFor>().unwrap().as_seconds(), 2_592_000);
        for bad in ["0", "-1", "abc", "1.5", ""] {
            assert!(bad.parse::<KeepFor>().is_err(), "{bad}");
        }
    }
}
