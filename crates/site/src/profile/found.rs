//! What looking at a folder gives.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use undercroft_model::{Element, EnvSettings, SiteName};

/// What the looker is told beforehand.
#[derive(Debug, Clone, Default)]
pub struct LookOptions {
    /// Of a Drupal with several sites, which one: the name of a folder in `sites/`.
    pub multisite: Option<String>,
    /// The environment variables that the site itself sees. Where some are given, they are taken for all there
    /// are; where none are, what hangs on them is reported as missing.
    pub environment: HashMap<String, String>,
}

/// The CMS of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Cms {
    /// WordPress.
    WordPress {
        /// Its version, such as `6.5.2`.
        version: Option<String>,
        /// How it is laid out.
        layout: WordPressLayout,
    },
    /// Drupal.
    Drupal {
        /// Its version, such as `10.2.6`.
        version: Option<String>,
        /// How it is laid out.
        layout: DrupalLayout,
    },
    /// Neither, as far as can be seen.
    Unknown,
}

/// How a WordPress is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WordPressLayout {
    /// WordPress in the web root.
    Plain,
    /// WordPress in a subfolder of the web root, `index.php` above it.
    Subfolder,
    /// Bedrock: `web/wp`, `web/app`, `config/application.php`.
    Bedrock,
}

/// How a Drupal is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrupalLayout {
    /// Drupal in the site's root.
    Plain,
    /// A web root below the project's root, as Composer's templates have it.
    Composer,
}

impl fmt::Display for Cms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, version, layout) = match self {
            Cms::WordPress { version, layout } => {
                let layout = match layout {
                    WordPressLayout::Plain => "",
                    WordPressLayout::Subfolder => " (in a subfolder)",
                    WordPressLayout::Bedrock => " (Bedrock)",
                };
                ("WordPress", version, layout)
            }
            Cms::Drupal { version, layout } => {
                let layout = if *layout == DrupalLayout::Composer { " (Composer layout)" } else { "" };
                ("Drupal", version, layout)
            }
            Cms::Unknown => return f.write_str("no CMS that is known here"),
        };
        f.write_str(name)?;
        if let Some(version) = version {
            write!(f, " {version}")?;
        }
        f.write_str(layout)
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` for the file as a whole.
    pub line: Option<u32>,
}

impl Spot {
    /// A file as a whole.
    pub fn file(file: &Path) -> Spot {
        Spot { file: file.to_owned(), line: None }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.line {
            Some(line) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

/// One fact that was found, to be shown; passwords are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is: `database name`, `files folder`.
    pub label: String,
    /// What it is set to.
    pub value: String,
    /// Where that was read.
    pub spot: Option<Spot>,
    /// What it would have to be otherwise for this not to hold.
    pub doubt: Option<String>,
}

/// One fact that was not found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The element that can't be backed up without it.
    pub element: Element,
    /// What it is.
    pub what: String,
    /// Why it was not found.
    pub why: String,
    /// Where it was looked for.
    pub spot: Option<Spot>,
    /// The option that says it: `--database mysql://USER:PASSWORD@HOST/SCHEMA`.
    pub option: String,
}

/// What lives in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The CMS.
    pub cms: Cms,
    /// The site's top folder.
    pub root: PathBuf,
    /// What the web server serves.
    pub docroot: PathBuf,
    /// A name for the site, if the folder or its settings suggest one.
    pub suggested_name: Option<SiteName>,
    /// All that could be found, to be used as it is. The only part that holds a password.
    pub settings: EnvSettings,
    /// The files in PHP that settings were read from, and what those read, by their real paths.
    #[serde(default)]
    pub read: Vec<PathBuf>,
    /// Files that these would have read too, if they were there.
    #[serde(default)]
    pub absent: Vec<PathBuf>,
    /// What was found, in words.
    pub findings: Vec<Finding>,
    /// What was not.
    pub missing: Vec<Missing>,
    /// What else one should know.
    pub notes: Vec<String>,
}

/// Why nothing can be said of a folder.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// There is no such folder.
    #[error("There is no folder {0}: point at the folder where the site's code lies")]
    Absent(PathBuf),
    /// It is something else than a folder.
    #[error("{0} is not a folder: point at the folder where the site's code lies")]
    NotAFolder(PathBuf),
    /// It may not be read.
    #[error("{folder} can't be read: {source}. Run this as a user who may read the site, or as root")]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("{0} is empty: point at the folder where the site's code lies")]
    Empty(PathBuf),
    /// Several sites lie below it.
    #[error("{folder} holds several sites; point at one of them: {}", list(.candidates))]
    Several {
        /// The folder.
        folder: PathBuf,
        /// The sites.
        candidates: Vec<PathBuf>,
    },
    /// Drupal has no such site.
    #[error("{docroot} has no site sites/{name}; it has: {}", .there.join(", "))]
    NoSuchMultisite {
        /// Drupal's web root.
        docroot: PathBuf,
        /// What was asked for.
        name: String,
        /// The sites that are there.
        there: Vec<String>,
    },
    /// The machine can't do it now.
    #[error("Looking at {folder} could not be started: {source}. Try again")]
    NoThread {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Looking ended in a defect of this program.
    #[error(
        "Looking at {0} failed inside; tell the elements by options instead, and report this as a defect"
    )]
    Broken(PathBuf),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
