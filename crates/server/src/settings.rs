//! From what was found and what a person says to an environment's settings.

use std::path::Path;

use jiff::Timestamp;
use undercroft_model::api::{FindingObject, MissingObject, Overrides};
use undercroft_model::{CodeRevision, CodeSource, Element, EnvSettings, FilesSource};
use undercroft_site::database;
use undercroft_site::git;
use undercroft_site::profile::{self, Cms, Finding, Found, Missing, Spot};
use undercroft_worker::chain;

use crate::ApiError;

/// Settings, and what there is to tell of how they came about.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The settings.
    pub settings: EnvSettings,
    /// What was found.
    pub findings: Vec<FindingObject>,
    /// What was not.
    pub missing: Vec<MissingObject>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// What a profile found.
pub fn from_found(found: &Found) -> Told {
    Told {
        settings: found.settings.clone(),
        findings: found.findings.iter().map(finding).collect(),
        missing: found.missing.iter().map(missing).collect(),
        notes: found.notes.clone(),
    }
}

fn finding(found: &Finding) -> FindingObject {
    let mut value = found.value.clone();
    if let Some(doubt) = &found.doubt {
        value.push_str(&format!(" (unsure: {doubt})"));
    }
    FindingObject { label: found.label.clone(), value, source: source(found.spot.as_ref()) }
}

fn missing(missing: &Missing) -> MissingObject {
    let mut why = missing.why.clone();
    if let Some(spot) = &missing.spot {
        why.push_str(&format!(" ({spot})"));
    }
    MissingObject {
        element: missing.element,
        what: missing.what.clone(),
        why,
        option: missing.option.clone(),
    }
}

fn source(spot: Option<&Spot>) -> String {
    spot.map(ToString::to_string).unwrap_or_default()
}

/// The word that the API has for what a site is made with.
pub fn framework(cms: &Cms) -> &'static str {
    match cms {
        Cms::WordPress { .. } => "wordpress",
        Cms::Drupal { version: Some(version), .. } if version.starts_with(['6', '7']) => "drupal",
        Cms::Drupal { .. } => "drupal8",
        Cms::Unknown => "",
    }
}

/// Lets what a person says win.
///
/// # Errors
/// [`ApiError`] if something of it can't be, or contradicts itself.
pub fn apply(told: &mut Told, overrides: &Overrides) -> Result<(), ApiError> {
    apply_code(told, overrides)?;
    apply_files(told, overrides)?;
    apply_database(told, overrides)?;
    for (element, none) in [
        (Element::Code, overrides.no_code),
        (Element::Database, overrides.no_database),
        (Element::Files, overrides.no_files),
    ] {
        if none || told.settings.has(element) {
            told.settings.absent.retain(|absent| *absent != element);
        }
        if none {
            told.settings.absent.push(element);
        }
    }
    apply_excludes(told, overrides);
    Ok(())
}

/// How long the environment's last good backup is kept. What expires does so from now on: nothing is in the trash for
/// less than its time there.
pub fn apply_retention(told: &mut Told, overrides: &Overrides, now: Timestamp) {
    let Some(expires) = overrides.expire_last else { return };
    let since = told.settings.expire_last.unwrap_or(now);
    told.settings.expire_last = expires.then_some(since);
    let value = if expires { "expires as any other" } else { "is kept until there is a newer one" };
    told.say_more("last good backup", value, "--expire-last");
}

fn apply_excludes(told: &mut Told, overrides: &Overrides) {
    if overrides.no_default_excludes {
        for list in excludes(&mut told.settings) {
            list.clear();
        }
    }
    for list in excludes(&mut told.settings) {
        for pattern in &overrides.exclude {
            if !list.contains(pattern) {
                list.push(pattern.clone());
            }
        }
        list.retain(|pattern| !overrides.no_exclude.contains(pattern));
    }
    if overrides.no_default_excludes || !overrides.exclude.is_empty() || !overrides.no_exclude.is_empty() {
        let mut all: Vec<String> = Vec::new();
        for list in excludes(&mut told.settings) {
            let new: Vec<_> = list.iter().filter(|pattern| !all.contains(pattern)).cloned().collect();
            all.extend(new);
        }
        let all = if all.is_empty() { "nothing".to_owned() } else { all.join(" ") };
        told.say_more("left out", all, "");
    }
}

fn excludes(settings: &mut EnvSettings) -> impl Iterator<Item = &mut Vec<String>> {
    let code = match &mut settings.code {
        Some(CodeSource::Folder { exclude, .. }) => Some(exclude),
        _ => None,
    };
    code.into_iter().chain(settings.files.as_mut().map(|files| &mut files.exclude))
}

impl Told {
    /// Notes what a person said of an element, in place of all that was found or missed of it.
    fn say(&mut self, element: Element, value: impl Into<String>, option: &str) {
        self.findings.retain(|finding| !finding.label.to_lowercase().starts_with(element.as_str()));
        self.missing.retain(|missing| missing.element != element);
        self.say_more(element.as_str(), value, option);
    }

    /// Notes something else that a person said.
    fn say_more(&mut self, label: &str, value: impl Into<String>, option: &str) {
        self.findings.push(FindingObject {
            label: label.to_owned(),
            value: value.into(),
            source: option.to_owned(),
        });
    }
}

fn apply_code(told: &mut Told, overrides: &Overrides) -> Result<(), ApiError> {
    if let Some(code) = &overrides.code {
        let exclude = code_excludes(&told.settings);
        let source = code_at(code, overrides.code_folder, exclude)?;
        let shown = match &source {
            CodeSource::Git { repository, .. } => repository.clone(),
            CodeSource::Folder { path, .. } => path.display().to_string(),
        };
        told.settings.code = Some(source);
        told.say(Element::Code, shown, "--code");
    } else if overrides.code_folder {
        let folder = match &told.settings.code {
            Some(CodeSource::Git { .. }) => told.settings.folder.clone(),
            Some(CodeSource::Folder { path, .. }) => Some(path.clone()),
            None => told.settings.folder.clone(),
        };
        let path = folder.ok_or_else(|| ApiError::bad_request("--code-folder needs --code=FOLDER here."))?;
        told.say(Element::Code, path.display().to_string(), "--code-folder");
        let exclude = code_excludes(&told.settings);
        told.settings.code = Some(CodeSource::Folder { path, exclude });
    }
    if overrides.no_code {
        told.settings.code = None;
        told.say(Element::Code, "none", "--no-code");
    }
    let revision = match (&overrides.code_branch, &overrides.code_tags) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("Give --code-branch or --code-tags, not both."));
        }
        (Some(branch), None) => (CodeRevision::Branch(branch.clone()), "--code-branch", branch),
        (None, Some(tags)) => (CodeRevision::Tags(tags.clone()), "--code-tags", tags),
        (None, None) => return Ok(()),
    };
    let (new, option, text) = revision;
    let Some(CodeSource::Git { revision, .. }) = &mut told.settings.code else {
        return Err(ApiError::bad_request(format!(
            "{option} is for code in a git repository: name one with --code=REPOSITORY."
        )));
    };
    *revision = new;
    told.say_more("code revision", text.clone(), option);
    Ok(())
}

/// What a plain folder of code leaves out so far.
fn code_excludes(settings: &EnvSettings) -> Vec<String> {
    match &settings.code {
        Some(CodeSource::Folder { exclude, .. }) => exclude.clone(),
        _ => Vec::new(),
    }
}

/// A URL, a repository or a plain folder.
fn code_at(code: &str, plain: bool, exclude: Vec<String>) -> Result<CodeSource, ApiError> {
    let repository = |repository: &str| CodeSource::git(repository, CodeRevision::Head);
    let path = Path::new(code);
    if !path.exists()
        && (code.contains("://") || code.split_once(':').is_some_and(|(host, _)| !host.contains('/')))
    {
        return Ok(repository(code));
    }
    if !path.is_dir() {
        return Err(ApiError::bad_request(format!(
            "{} is neither a folder nor a repository's URL (--code).",
            path.display()
        )));
    }
    let found = if plain { None } else { git::look(path).map_err(|e| ApiError::bad_request(chain(&e)))? };
    Ok(match found {
        Some(_) => repository(code),
        None => CodeSource::Folder { path: path.to_owned(), exclude },
    })
}

fn apply_files(told: &mut Told, overrides: &Overrides) -> Result<(), ApiError> {
    if let Some(path) = &overrides.files {
        if !path.is_dir() {
            return Err(ApiError::bad_request(format!("{} is not a folder (--files).", path.display())));
        }
        let exclude = told.settings.files.take().map(|files| files.exclude).unwrap_or_default();
        told.settings.files = Some(FilesSource { path: path.clone(), exclude });
        told.say(Element::Files, path.display().to_string(), "--files");
    }
    if overrides.no_files {
        told.settings.files = None;
        told.say(Element::Files, "none", "--no-files");
    }
    Ok(())
}

fn apply_database(told: &mut Told, overrides: &Overrides) -> Result<(), ApiError> {
    let refuse = |error: &dyn std::error::Error| ApiError::bad_request(chain(error));
    if let Some(url) = &overrides.database {
        let mut target = profile::parse_database_url(url.reveal()).map_err(|e| refuse(&e))?;
        if let Some(old) = told.settings.database.take() {
            // A URL says how to get in; what is dumped stays as it was.
            target.structure_only = old.structure_only;
            target.table_prefix = target.table_prefix.or(old.table_prefix);
            target.tls_ca = target.tls_ca.or(old.tls_ca);
        }
        told.say(Element::Database, target.to_string(), "--database");
        told.settings.database = Some(target);
    }
    if let Some(file) = &overrides.database_defaults_file {
        let partial = profile::read_defaults_file(file).map_err(|e| refuse(&e))?;
        let schema = overrides.database_schema.clone();
        let target = partial.over(told.settings.database.take(), schema).map_err(|what| {
            ApiError::bad_request(format!(
                "{} does not say {what} of the database: add it there, give --database-schema, or use --database.",
                file.display()
            ))
        })?;
        told.say(Element::Database, target.to_string(), "--database-defaults-file");
        told.settings.database = Some(target);
    }
    if let (Some(schema), None) = (&overrides.database_schema, &overrides.database_defaults_file) {
        let Some(database) = &mut told.settings.database else {
            return Err(ApiError::bad_request("--database-schema needs --database-defaults-file here."));
        };
        database.schema.clone_from(schema);
        told.say_more("database name", schema, "--database-schema");
    }
    if overrides.no_database {
        told.settings.database = None;
        told.say(Element::Database, "none", "--no-database");
    }
    if let Some(tables) = &overrides.structure_only {
        let Some(database) = &mut told.settings.database else {
            return Err(ApiError::bad_request("--structure-only is for an environment with a database."));
        };
        database.structure_only = tables.clone();
        told.say_more("structure only", tables.join(", "), "--structure-only");
    }
    Ok(())
}

/// Tries the database, and tells how it answers. That it does not answer now is no reason not to add it.
pub fn probe(told: &mut Told) {
    let Some(target) = &told.settings.database else { return };
    match database::probe(target) {
        Ok(probe) => {
            let value = format!("{}, {} tables", probe.server, probe.tables);
            told.findings.push(FindingObject {
                label: "database server".to_owned(),
                value,
                source: "asked just now".to_owned(),
            });
            told.notes.extend(probe.missing.into_iter().map(|remark| remark.text));
        }
        Err(error) => told.missing.push(MissingObject {
            element: Element::Database,
            what: "answer from the database".to_owned(),
            why: chain(&error),
            option: "--database=-, if it is another one".to_owned(),
        }),
    }
}
