//! What was said and found of where an environment's elements are.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use undercroft_model::api::{AddedSite, FindingObject, Overrides};
use undercroft_model::{CodeRevision, CodeSource, DatabaseTarget, Element, Secret};

use super::Context;
use crate::args::Where;
use crate::error::Failure;
use crate::output::printable;

/// The path as it is from anywhere.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|source| Failure::File {
        action: "finding",
        path: path.to_owned(),
        source,
    })
}

impl Where {
    /// As the API takes it.
    pub fn into_overrides(self) -> Result<Overrides, Failure> {
        let code = match self.code {
            Some(code) if Path::new(&code).exists() => {
                Some(absolute(Path::new(&code))?.display().to_string())
            }
            other => other,
        };
        let database = match self.database.as_deref() {
            Some("-") => Some(Secret::new(read_line()?)),
            Some(url) => Some(Secret::new(url)),
            None => None,
        };
        let structure_only = self.structure_only.map(|tables| {
            tables
                .into_iter()
                .map(|table| table.trim().to_owned())
                .filter(|table| !table.is_empty())
                .collect()
        });
        Ok(Overrides {
            code,
            code_branch: self.code_branch,
            code_tags: self.code_tags,
            code_folder: self.code_folder,
            no_code: self.no_code,
            files: self.files.as_deref().map(absolute).transpose()?,
            no_files: self.no_files,
            exclude: self.exclude,
            no_exclude: self.no_exclude,
            no_default_excludes: self.no_default_excludes,
            database,
            database_defaults_file: self.database_defaults_file.as_deref().map(absolute).transpose()?,
            database_schema: self.database_schema,
            no_database: self.no_database,
            structure_only,
            multisite: self.multisite,
            expire_last: None,
            find: None,
        })
    }
}

fn read_line() -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        eprint!("mysql://USER:PASSWORD@HOST:PORT/SCHEMA: ");
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|source| Failure::File {
        action: "reading",
        path: "standard input".into(),
        source,
    })?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Shows what was found, and tells what was not.
pub fn tell(context: &Context, added: &AddedSite, folder: Option<&Path>) -> Result<(), Failure> {
    if !context.global.quiet {
        context.print(&findings(&added.findings, folder))?;
    }
    for note in &added.notes {
        context.messages.notice(note);
    }
    for missing in &added.missing {
        let why = missing.why.trim_end_matches('.');
        context.messages.warning(&format!(
            "No {}: {why}. Say it with {} ({})",
            missing.what,
            missing.option,
            or_none(missing.element)
        ));
    }
    Ok(())
}

fn or_none(element: Element) -> String {
    format!("or --no-{element} if there is none")
}

/// A line a finding: what it is, its value, and where it was read (below `folder`, if it is there).
fn findings(findings: &[FindingObject], folder: Option<&Path>) -> String {
    let width = findings.iter().map(|finding| finding.label.len()).max().unwrap_or(0);
    let line = |finding: &FindingObject| {
        let below = folder.and_then(|folder| Path::new(&finding.source).strip_prefix(folder).ok());
        let source = below.map_or(finding.source.clone(), |below| below.display().to_string());
        let source = if source.is_empty() { source } else { format!("  ({source})") };
        printable(&format!("  {:width$}  {}{source}", finding.label, finding.value)) + "\n"
    };
    findings.iter().map(line).collect()
}

/// Where the code is, for a table.
pub fn code(code: Option<&CodeSource>) -> String {
    match code {
        None => "-".to_owned(),
        Some(CodeSource::Folder { path, .. }) => path.display().to_string(),
        Some(CodeSource::Git { repository, revision, .. }) => match revision {
            CodeRevision::Head => format!("{repository} (git)"),
            CodeRevision::Branch(branch) => format!("{repository} (git, branch {branch})"),
            CodeRevision::Tags(tags) => format!("{repository} (git, newest tag {tags})"),
        },
    }
}

/// Where the database is, for a table.
pub fn database(database: Option<&DatabaseTarget>) -> String {
    database.map_or("-".to_owned(), ToString::to_string)
}
