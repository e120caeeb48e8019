//! A repository's configuration: what is read of it, and what an archive's says.

use std::path::Path;

use super::command::{self, bare_command};
use super::error::GitError;
use super::url;

/// The values of a repository's own configuration, in their order. Files that it includes are not read.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    values: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A remote repository that a repository knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    pub name: Vec<u8>,
    pub urls: Vec<Vec<u8>>,
    pub fetch: Vec<Vec<u8>>,
}

impl Config {
    /// Reads the configuration of the repository whose shared folder this is.
    pub fn read(common_dir: &Path) -> Result<Self, GitError> {
        let path = common_dir.join("config");
        if !path.is_file() {
            return Ok(Config::default());
        }
        let mut command = bare_command();
        command
            .args(["config", "--no-includes", "-z", "--list", "--file"])
            .arg(&path)
            .current_dir(common_dir);
        let output = command::run(command, None)?;
        if !output.status.success() {
            let repository = common_dir.display().to_string();
            let why = command::complaint(&output);
            return Err(GitError::Failed { doing: "read the configuration", repository, why });
        }
        Ok(Config::parse(&output.stdout))
    }

    /// Reads what `git config -z --list` writes.
    pub fn parse(text: &[u8]) -> Self {
        let mut values = Vec::new();
        for item in text.split(|b| *b == 0).filter(|item| !item.is_empty()) {
            // A key without a value stands for true.
            let mut parts = item.splitn(2, |b| *b == b'\n');
            let key = parts.next().unwrap_or_default().to_vec();
            values.push((key, parts.next().unwrap_or(b"true").to_vec()));
        }
        Config { values }
    }

    /// The last value of a key.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.iter().rev().find(|(k, _)| k == key.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// Whether the key is true.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| {
            [&b"true"[..], b"yes", b"on", b"1"].iter().any(|word| word.eq_ignore_ascii_case(value))
        })
    }

    /// All values as `(section, subsection, name, value)`, for those that have a subsection.
    pub fn parted(&self) -> impl Iterator<Item = (&[u8], &[u8], &[u8], &[u8])> {
        self.values.iter().filter_map(|(key, value)| {
            let first = key.iter().position(|b| *b == b'.')?;
            let last = key.iter().rposition(|b| *b == b'.')?;
            let subsection = key.get(first + 1..last)?;
            Some((key.get(..first)?, subsection, key.get(last + 1..)?, value.as_slice()))
        })
    }

    /// The remotes, in the order in which they are met, with their URLs as they stand.
    pub fn remotes(&self) -> Vec<Remote> {
        let mut remotes: Vec<Remote> = Vec::new();
        for (section, subsection, name, value) in self.parted() {
            if section != b"remote" || (name != b"url" && name != b"fetch") {
                continue;
            }
            let at = remotes.iter().position(|r| r.name == subsection).unwrap_or_else(|| {
                remotes.push(Remote { name: subsection.to_vec(), urls: Vec::new(), fetch: Vec::new() });
                remotes.len() - 1
            });
            if let Some(remote) = remotes.get_mut(at) {
                if name == b"url" { &mut remote.urls } else { &mut remote.fetch }.push(value.to_vec());
            }
        }
        remotes.retain(|remote| !remote.urls.is_empty());
        remotes
    }

    /// The remote from which objects may be missing, in a partial clone.
    pub fn promisor(&self) -> Option<&[u8]> {
        let marked = self.parted().find(|(section, _, name, value)| {
            *section == b"remote" && *name == b"promisor" && value.eq_ignore_ascii_case(b"true")
        });
        self.get("extensions.partialclone").or(marked.map(|(_, remote, ..)| remote))
    }
}

/// Writes a configuration file.
#[derive(Debug, Default)]
pub(super) struct ConfigWriter {
    text: Vec<u8>,
}

impl ConfigWriter {
    /// What every repository says: its format and that it has a work tree.
    pub fn begin(sha256: bool, promisor: Option<&[u8]>, bare: bool) -> Self {
        let mut writer = ConfigWriter::default();
        let extended = sha256 || promisor.is_some();
        writer.section("core", None);
        writer.value("repositoryformatversion", if extended { b"1" } else { b"0" });
        writer.value("filemode", b"true");
        writer.value("bare", if bare { b"true" } else { b"false" });
        if !bare {
            writer.value("logallrefupdates", b"true");
        }
        if extended {
            writer.section("extensions", None);
        }
        if sha256 {
            writer.value("objectformat", b"sha256");
        }
        if let Some(remote) = promisor {
            writer.value("partialclone", remote);
        }
        writer
    }

    /// Begins a section.
    pub fn section(&mut self, name: &str, subsection: Option<&[u8]>) {
        self.text.extend(format!("[{name}").as_bytes());
        if let Some(subsection) = subsection {
            self.text.extend(b" \"");
            for byte in subsection {
                if matches!(byte, b'"' | b'\\') {
                    self.text.push(b'\\');
                }
                self.text.push(*byte);
            }
            self.text.push(b'"');
        }
        self.text.extend(b"]\n");
    }

    /// Writes a value of the section.
    pub fn value(&mut self, name: &str, value: &[u8]) {
        self.text.extend(format!("\t{name} = ").as_bytes());
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"+-*/:.,_@~=^".contains(b);
        if !value.is_empty() && value.iter().all(plain) {
            self.text.extend(value);
        } else {
            self.text.push(b'"');
            for byte in value {
                match byte {
                    b'"' | b'\\' => self.text.extend([b'\\', *byte]),
                    b'\n' => self.text.extend(b"\\n"),
                    b'\t' => self.text.extend(b"\\t"),
                    _ => self.text.push(*byte),
                }
            }
            self.text.push(b'"');
        }
        self.text.push(b'\n');
    }

    /// Writes the remotes, without credentials, and of a mirror what an ordinary clone would have.
    pub fn remotes(&mut self, config: &Config) {
        let promisor = config.promisor();
        for remote in config.remotes() {
            self.section("remote", Some(&remote.name));
            for value in &remote.urls {
                self.value("url", &url::without_credentials(value));
            }
            let clone = [b"+refs/heads/*:refs/remotes/".as_slice(), &remote.name, b"/*"].concat();
            let overwrites = |spec: &Vec<u8>| {
                let to = spec.splitn(2, |b| *b == b':').nth(1).unwrap_or_default();
                to == b"refs/*" || to.starts_with(b"refs/heads/")
            };
            if remote.fetch.iter().any(overwrites) {
                self.value("fetch", &clone);
            } else {
                remote.fetch.iter().for_each(|spec| self.value("fetch", spec));
            }
            if promisor == Some(&remote.name) {
                self.value("promisor", b"true");
                let key = [b"remote.".as_slice(), &remote.name, b".partialclonefilter"].concat();
                if let Some((_, filter)) = config.values.iter().find(|(k, _)| *k == key) {
                    self.value("partialclonefilter", filter);
                }
            }
        }
    }

    /// Writes which remote's branch each of the branches follows.
    pub fn branches(&mut self, config: &Config, is_branch: impl Fn(&[u8]) -> bool) {
        let mut open = None;
        for (section, branch, name, value) in config.parted() {
            let name = match name {
                b"remote" => "remote",
                b"merge" => "merge",
                _ => continue,
            };
            if section != b"branch" || !is_branch(branch) {
                continue;
            }
            if open != Some(branch) {
                self.section("branch", Some(branch));
                open = Some(branch);
            }
            // A branch may follow a URL.
            self.value(name, &url::without_credentials(value));
        }
    }

    /// The file's bytes.
    pub fn finish(self) -> Vec<u8> {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_lose_their_credentials_and_mirrors_their_refspec() {
        let config = Config::parse(
            b"core.bare\nfalse\0remote.o.url\nhttps://u:p@h/r.git\0remote.o.fetch\n+refs/*:refs/*\0remote.o.mirror\0",
        );
        let mut writer = ConfigWriter::begin(false, None, false);
        writer.remotes(&config);
        let text = String::from_utf8(writer.finish()).unwrap();
        assert!(
            text.ends_with(
                "[remote \"o\"]\n\turl = https://h/r.git\n\tfetch = +refs/heads/*:refs/remotes/o/*\n"
            ),
            "{text}"
        );
        assert!(config.flag("remote.o.mirror"));
    }

    #[test]
    fn odd_values_are_quoted() {
        let mut writer = ConfigWriter::default();
        writer.section("a", Some(b"x\"\\y"));
        writer.value("k", b" a;b\"\n");
        assert_eq!(writer.finish(), b"[a \"x\\\"\\\\y\"]\n\tk = \" a;b\\\"\\n\"\n");
    }
}
