//! Where an environment's three elements are, and how they are to be captured.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Element, Secret};

/// All that is known of an environment: found by looking, or told by a person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvSettings {
    /// The folder that was pointed at, on the host where the site lives.
    pub folder: Option<PathBuf>,
    /// Where the code is; `None` if this environment has none to back up.
    pub code: Option<CodeSource>,
    /// Where the database is; `None` if this environment has none to back up.
    pub database: Option<DatabaseTarget>,
    /// Where the files are; `None` if this environment has none to back up.
    pub files: Option<FilesSource>,
    /// Elements that this environment has none of, as a person said: that they are missing is no failure.
    pub absent: Vec<Element>,
    /// Since when its last good backup expires as any other; `None` if that outlives its keep-for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_last: Option<Timestamp>,
}

impl EnvSettings {
    /// Whether it is known where the element is.
    pub fn has(&self, element: Element) -> bool {
        match element {
            Element::Code => self.code.is_some(),
            Element::Database => self.database.is_some(),
            Element::Files => self.files.is_some(),
        }
    }
}

/// Where code comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum CodeSource {
    /// A git repository: a path (a work tree, a bare repository) or a URL.
    Git {
        /// Path or URL, as git would take it, without credentials.
        repository: String,
        /// The URL with its credentials, if it has any.
        #[serde(default)]
        with_credentials: Secret,
        /// Which commit of it is the environment's.
        revision: CodeRevision,
    },
    /// A folder that is in no repository.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What to leave out: `.gitignore`-style patterns, anchored at the folder.
        exclude: Vec<String>,
    },
}

impl CodeSource {
    /// A repository at a path or URL; credentials in a URL are taken apart from it.
    pub fn git(repository: &str, revision: CodeRevision) -> CodeSource {
        let parts = repository.split_once("://").and_then(|(scheme, rest)| {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (who, host) = rest.get(..end)?.rsplit_once('@')?;
            // A user alone is no secret.
            who.contains(':').then(|| format!("{scheme}://{host}{}", rest.get(end..).unwrap_or_default()))
        });
        match parts {
            Some(plain) => {
                CodeSource::Git { repository: plain, with_credentials: Secret::new(repository), revision }
            }
            None => CodeSource::Git {
                repository: repository.to_owned(),
                with_credentials: Secret::default(),
                revision,
            },
        }
    }
}

/// Which commit of a repository is an environment's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum CodeRevision {
    /// What the repository has checked out (a bare one: its HEAD).
    Head,
    /// The tip of a branch.
    Branch(String),
    /// The newest tag whose name matches a glob, such as `pantheon_live_*`.
    Tags(String),
}

/// Where files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesSource {
    /// The uploads folder; a symlink here is followed.
    pub path: PathBuf,
    /// What to leave out: `.gitignore`-style patterns, anchored at the folder.
    pub exclude: Vec<String>,
}

/// A schema on a MySQL or MariaDB server, and who may read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseTarget {
    /// How the server is reached.
    pub address: DatabaseAddress,
    /// The account.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The schema's name.
    pub schema: String,
    /// Whether the connection is to be encrypted (TCP only).
    pub tls: TlsMode,
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub tls_ca: Option<PathBuf>,
    /// What the tables' names begin with, where the site says so: other tables of the schema are another
    /// site's. They are dumped all the same; the prefix is for reports.
    pub table_prefix: Option<String>,
    /// Tables of which only the structure is dumped: names, or globs such as `cache_*`. Off by default.
    pub structure_only: Vec<String>,
}

/// The target without its password: `shop on db.example.com:3306 as shop`.
impl fmt::Display for DatabaseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            DatabaseAddress::Localhost => write!(f, "{} on localhost as {}", self.schema, self.user),
            DatabaseAddress::Socket(path) => {
                write!(f, "{} on {} as {}", self.schema, path.display(), self.user)
            }
            DatabaseAddress::Tcp(host, port) => {
                write!(f, "{} on {host}:{port} as {}", self.schema, self.user)
            }
        }
    }
}

/// How a database server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseAddress {
    /// `localhost`, as client libraries understand it: the server's usual unix socket, else TCP on
    /// 127.0.0.1.
    Localhost,
    /// A unix socket.
    Socket(PathBuf),
    /// A host name or an IP address (IPv6 without brackets) and a port.
    Tcp(String, u16),
}

/// Whether a database connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// In the clear.
    #[default]
    Off,
    /// Encrypted; the server's certificate is not checked.
    Unverified,
    /// Encrypted; the server's certificate and name are checked.
    Verify,
}

impl EnvSettings {
    /// The settings without their secrets, and the secrets: the database's password, the repository's URL.
    pub fn without_secrets(mut self) -> (EnvSettings, [Secret; 2]) {
        let mut secrets = [Secret::default(), Secret::default()];
        let [password, url] = &mut secrets;
        if let Some(database) = &mut self.database {
            *password = std::mem::take(&mut database.password);
        }
        if let Some(CodeSource::Git { with_credentials, .. }) = &mut self.code {
            *url = std::mem::take(with_credentials);
        }
        (self, secrets)
    }

    /// The settings with the secrets that [`without_secrets`](Self::without_secrets) took out of them.
    pub fn with_secrets(mut self, [password, url]: [Secret; 2]) -> EnvSettings {
        if let Some(database) = &mut self.database {
            database.password = password;
        }
        if let Some(CodeSource::Git { with_credentials, .. }) = &mut self.code {
            *with_credentials = url;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_a_url_are_kept_apart_from_it() {
        let url = "https://me:tok@n@git.example.com:8443/shop.git?x=a@b";
        let source = CodeSource::git(url, CodeRevision::Head);
        let CodeSource::Git { repository, with_credentials, .. } = &source else { panic!() };
        assert_eq!(repository, "https://git.example.com:8443/shop.git?x=a@b");
        assert_eq!(with_credentials.reveal(), url);
        for plain in
            ["https://git.example.com/a@b:c", "git@example.com:shop.git", "ssh://git@example.com/x", "/srv/a"]
        {
            let source = CodeSource::git(plain, CodeRevision::Head);
            let CodeSource::Git { repository, with_credentials, .. } = &source else { panic!() };
            assert!(repository == plain && with_credentials.is_empty(), "{plain}");
        }
        let settings = EnvSettings { code: Some(source), ..EnvSettings::default() };
        let (bare, secrets) = settings.clone().without_secrets();
        assert!(!format!("{:?}", serde_json::to_string(&bare)).contains("tok"));
        assert_eq!(bare.with_secrets(secrets), settings);
    }
}
