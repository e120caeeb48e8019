//! The sheet that findings are written on.

use std::path::{Path, PathBuf};

use undercroft_model::{DatabaseTarget, Element, EnvSettings, Secret, TlsMode};

use super::found::{Finding, Missing, Spot};
use super::host::{self, DbHost};
use crate::php::{Data, Outcome, Place, Value};

/// How a database is told by hand.
pub(super) const DATABASE_OPTION: &str =
    "--database=- (and then mysql://USER:PASSWORD@HOST/SCHEMA) or --database-defaults-file=FILE";
/// How the files folder is told by hand.
pub(super) const FILES_OPTION: &str = "--files FOLDER";

/// What is known so far.
#[derive(Default)]
pub(super) struct Sheet {
    pub settings: EnvSettings,
    pub findings: Vec<Finding>,
    pub missing: Vec<Missing>,
    pub notes: Vec<String>,
    /// The files that settings were read from.
    pub read: Vec<PathBuf>,
    /// Files that settings would have been read from, and that are not there.
    pub absent: Vec<PathBuf>,
    /// The site's own host name, where its settings tell it.
    pub host_name: Option<String>,
}

impl Sheet {
    /// Writes down something that was found.
    pub fn found(
        &mut self,
        label: &str,
        value: impl Into<String>,
        spot: Option<Spot>,
        doubt: Option<String>,
    ) {
        self.findings.push(Finding { label: label.to_owned(), value: value.into(), spot, doubt });
    }

    /// Writes down that something was not found.
    pub fn lacks(&mut self, element: Element, what: &str, why: impl Into<String>, spot: Option<Spot>) {
        let option = match element {
            Element::Database => DATABASE_OPTION,
            Element::Files => FILES_OPTION,
            Element::Code => "--code FOLDER",
        };
        self.missing.push(Missing {
            element,
            what: what.to_owned(),
            why: why.into(),
            spot,
            option: option.to_owned(),
        });
    }

    /// Writes down something that one should know.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// What was read for a settings file, and what could not be followed in it.
    pub fn note_outcome(&mut self, outcome: &Outcome) {
        self.read.extend(outcome.read().cloned());
        self.absent.extend(outcome.absent().iter().cloned());
        for (place, text) in &outcome.notes {
            match spot(outcome, *place) {
                Some(spot) => self.note(format!("{spot}: {text}")),
                None => self.note(text.clone()),
            }
        }
    }
}

/// A place in a settings file.
pub(super) fn spot(outcome: &Outcome, place: Place) -> Option<Spot> {
    let (file, line) = outcome.locate(place)?;
    Some(Spot { file: file.to_owned(), line: Some(line) })
}

/// A text that a settings file sets, with its place.
#[derive(Clone)]
pub(super) struct Told {
    pub text: String,
    pub spot: Option<Spot>,
    /// Why it might be another.
    pub doubt: Option<String>,
}

/// What a value says as a text.
pub(super) enum Said {
    /// Nothing was set.
    Nothing,
    /// This.
    Text(Told),
    /// Something that can't be told.
    Unclear { why: String, spot: Option<Spot>, likely: Option<String> },
}

/// Reads a value as a text.
pub(super) fn said(outcome: &Outcome, value: Option<&Value>) -> Said {
    let Some(value) = value else { return Said::Nothing };
    let place = spot(outcome, value.at);
    let text = |data: &Data| match data {
        Data::Text(text) => Some(text.to_string()),
        Data::Int(int) => Some(int.to_string()),
        _ => None,
    };
    match &value.data {
        Data::Null | Data::Bool(false) => Said::Nothing,
        Data::Unknown(unknown) => Said::Unclear {
            why: format!("it depends on {}", unknown.why),
            spot: place,
            likely: unknown.otherwise.as_ref().and_then(|value| text(&value.data)),
        },
        data => match text(data) {
            Some(text) => Said::Text(Told { text, spot: place, doubt: None }),
            None => Said::Unclear { why: "it is no text".to_owned(), spot: place, likely: None },
        },
    }
}

impl Said {
    /// What was said, or else is likely: enough for facts whose error would show at once.
    pub fn likely(self) -> Option<Told> {
        match self {
            Said::Text(told) => Some(told),
            Said::Unclear { why, spot, likely: Some(text) } => Some(Told { text, spot, doubt: Some(why) }),
            _ => None,
        }
    }
}

/// The parts of a database target, as they were said.
pub(super) struct DatabaseParts {
    /// What the settings call schema, user and password.
    pub names: [&'static str; 3],
    pub schema: Said,
    pub user: Said,
    pub password: Said,
    pub host: Option<Told>,
    /// The host, taken apart, if it can be.
    pub address: Option<DbHost>,
    pub tls: TlsMode,
    pub tls_ca: Option<std::path::PathBuf>,
    pub prefix: Option<Told>,
    /// Where one would look for what is missing.
    pub file: Spot,
}

impl Sheet {
    /// Writes down a database, whole or with what is missing of it.
    pub fn database(&mut self, parts: DatabaseParts) {
        let [schema_name, user_name, password_name] = parts.names;
        let file = &parts.file.clone();
        let schema = self.part("database name", schema_name, parts.schema, file, false);
        let user = self.part("database user", user_name, parts.user, file, false);
        let password = self.part("database password", password_name, parts.password, file, true);
        let address = parts.address.map(|host| host.address());
        match (&address, parts.host) {
            (Some(address), Some(told)) => {
                self.found("database host", host::show(address), told.spot, told.doubt);
            }
            (Some(address), None) => self.found("database host", host::show(address), None, None),
            (None, told) => {
                let spot = told.and_then(|told| told.spot).or(Some(file.clone()));
                self.lacks(Element::Database, "database host", "it can't be read there", spot);
            }
        }
        if parts.tls != TlsMode::Off {
            let how = if parts.tls == TlsMode::Verify { "checked" } else { "not checked" };
            self.found("database encryption", format!("on, the server's certificate is {how}"), None, None);
        }
        if let Some(prefix) = &parts.prefix {
            self.found("table prefix", prefix.text.clone(), prefix.spot.clone(), prefix.doubt.clone());
        }
        if let (Some(schema), Some(user), Some(password), Some(address)) = (schema, user, password, address) {
            self.settings.database = Some(DatabaseTarget {
                address,
                user,
                password: Secret::new(password),
                schema,
                tls: parts.tls,
                tls_ca: parts.tls_ca,
                table_prefix: parts.prefix.map(|prefix| prefix.text).filter(|prefix| !prefix.is_empty()),
                structure_only: Vec::new(),
            });
        }
    }

    /// A part without which there is no connection: a likely value is not good enough for it.
    fn part(&mut self, label: &str, name: &str, said: Said, file: &Spot, secret: bool) -> Option<String> {
        match said {
            Said::Text(told) => {
                let shown = if secret { "********".to_owned() } else { told.text.clone() };
                self.found(label, shown, told.spot, told.doubt);
                Some(told.text)
            }
            // An account may have none.
            Said::Nothing if secret => {
                if self.findings.iter().any(|finding| finding.label == "database user") {
                    self.found(label, "none", Some(file.clone()), None);
                }
                Some(String::new())
            }
            Said::Nothing => {
                self.lacks(Element::Database, label, format!("{name} is not set"), Some(file.clone()));
                None
            }
            Said::Unclear { why, spot, .. } => {
                let why = format!("{name} can't be told: {why}");
                self.lacks(Element::Database, label, why, spot.or(Some(file.clone())));
                None
            }
        }
    }

    /// Writes down the files folder. It is recorded as told; where it is a symlink, where that leads is shown.
    pub fn files_folder(
        &mut self,
        told: &Path,
        spot: Option<Spot>,
        doubt: Option<String>,
        exclude: Vec<String>,
    ) {
        match std::fs::metadata(told) {
            Ok(found) if found.is_dir() => {
                let real = told.canonicalize().unwrap_or_else(|_| told.to_owned());
                let shown = if real == told {
                    told.display().to_string()
                } else {
                    format!("{} (which is {})", told.display(), real.display())
                };
                self.found("files folder", shown, spot, doubt);
                self.settings.files = Some(undercroft_model::FilesSource { path: told.to_owned(), exclude });
            }
            Ok(_) => {
                let why = format!("{} is not a folder", told.display());
                self.lacks(Element::Files, "files folder", why, spot);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let why = format!("there is no folder {}", told.display());
                self.lacks(Element::Files, "files folder", why, spot);
            }
            Err(error) => {
                let why = format!("{} can't be looked at: {error}", told.display());
                self.lacks(Element::Files, "files folder", why, spot);
            }
        }
    }
}
