//! MySQL option files: `[client]` of `.my.cnf` and its like.

use std::io;
use std::path::{Path, PathBuf};

use undercroft_model::{DatabaseAddress, DatabaseTarget, Secret, TlsMode};

use super::host::PORT;
use super::url::tls_mode;

/// Why an option file can't be used. No value of it is ever in here.
#[derive(Debug, thiserror::Error)]
pub enum OptionFileError {
    /// It can't be read.
    #[error("the option file {path} can't be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no text, or far too large.
    #[error("{0} is no MySQL option file: it is no text, or larger than 1 MB")]
    Odd(PathBuf),
    /// Files include one another without end.
    #[error("the option file {0} is included too deep: do files include one another?")]
    Deep(PathBuf),
    /// A value is not what its option takes.
    #[error("{path}:{line}: {name} has a value that it can't have")]
    Value {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The option.
        name: &'static str,
    },
}

/// What an option file says of a database; the rest is to be told otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialTarget {
    /// The server's host.
    pub host: Option<String>,
    /// The server's port.
    pub port: Option<u16>,
    /// The server's unix socket.
    pub socket: Option<PathBuf>,
    /// The account.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The schema.
    pub schema: Option<String>,
    /// Whether to encrypt.
    pub tls: Option<TlsMode>,
    /// Certificate authorities to trust.
    pub tls_ca: Option<PathBuf>,
}

impl PartialTarget {
    /// How the server is reached, as the MySQL client takes it.
    pub fn address(&self) -> Option<DatabaseAddress> {
        match (self.host.as_deref(), &self.socket, self.port) {
            (None | Some("localhost" | ""), Some(socket), _) => Some(DatabaseAddress::Socket(socket.clone())),
            (Some("localhost" | ""), None, _) => Some(DatabaseAddress::Localhost),
            (Some(host), _, port) => Some(DatabaseAddress::Tcp(host.to_owned(), port.unwrap_or(PORT))),
            (None, None, Some(_)) => Some(DatabaseAddress::Localhost),
            (None, None, None) => None,
        }
    }

    /// The whole target: what is said here, over what `base` says (the site's own settings), with the schema
    /// told beside it if there is one. `Err` names what is still not known.
    pub fn over(
        self,
        base: Option<DatabaseTarget>,
        schema: Option<String>,
    ) -> Result<DatabaseTarget, &'static str> {
        let address = self.address().or(base.as_ref().map(|base| base.address.clone()));
        let base_schema = base.as_ref().map(|base| base.schema.clone());
        let base_user = base.as_ref().map(|base| (base.user.clone(), base.password.clone()));
        // A password belongs to its user: the site's is no good for another account.
        let (user, password) = match (self.user, self.password, base_user) {
            (Some(user), Some(password), _) => (user, password),
            (Some(user), None, Some((other, password))) if user == other => (user, password),
            (Some(user), None, _) => (user, Secret::default()),
            (None, Some(password), Some((user, _))) => (user, password),
            (None, None, Some((user, password))) => (user, password),
            (None, _, None) => return Err("the user"),
        };
        let by_ca = self.tls_ca.as_ref().map(|_| TlsMode::Verify);
        let (tls, tls_ca) = match base.as_ref() {
            Some(base) => (base.tls, base.tls_ca.clone()),
            None => (TlsMode::Off, None),
        };
        Ok(DatabaseTarget {
            address: address.unwrap_or(DatabaseAddress::Localhost),
            user,
            password,
            schema: schema.or(self.schema).or(base_schema).ok_or("the schema")?,
            tls: self.tls.or(by_ca).unwrap_or(tls),
            tls_ca: self.tls_ca.or(tls_ca),
            table_prefix: base.as_ref().and_then(|base| base.table_prefix.clone()),
            structure_only: base.map(|base| base.structure_only).unwrap_or_default(),
        })
    }
}

/// Groups that a client which dumps reads.
const GROUPS: [&str; 7] = [
    "client",
    "client-server",
    "client-mariadb",
    "mysqldump",
    "mariadb-dump",
    "mariadb-client",
    "undercroft",
];
const INCLUDES_DEEP: u32 = 8;
const FILE_MAX: usize = 1 << 20;

/// Reads an option file and those it includes. Later lines win over earlier ones.
pub fn read_defaults_file(path: &Path) -> Result<PartialTarget, OptionFileError> {
    let mut target = PartialTarget::default();
    read_into(path, &mut target, 0)?;
    Ok(target)
}

fn read_into(path: &Path, target: &mut PartialTarget, depth: u32) -> Result<(), OptionFileError> {
    if depth > INCLUDES_DEEP {
        return Err(OptionFileError::Deep(path.to_owned()));
    }
    let text = read_text(path)?;
    let mut in_group = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(group) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            in_group = GROUPS.contains(&group.0.trim().to_ascii_lowercase().as_str());
        } else if let Some(rest) = line.strip_prefix("!includedir") {
            for file in option_files(Path::new(rest.trim()))? {
                read_into(&file, target, depth + 1)?;
            }
        } else if let Some(rest) = line.strip_prefix("!include") {
            read_into(Path::new(rest.trim()), target, depth + 1)?;
        } else if in_group {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let name = name.trim().to_ascii_lowercase().replace('_', "-");
            let bare = !line.contains('=');
            set(target, &name, &unquote(value), bare).map_err(|name| OptionFileError::Value {
                path: path.to_owned(),
                line: index + 1,
                name,
            })?;
        }
    }
    Ok(())
}

fn read_text(path: &Path) -> Result<String, OptionFileError> {
    let io = |source| OptionFileError::Io { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(io)?;
    if !length.is_file() || length.len() > FILE_MAX as u64 {
        return Err(OptionFileError::Odd(path.to_owned()));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    String::from_utf8(bytes).map_err(|_| OptionFileError::Odd(path.to_owned()))
}

fn option_files(folder: &Path) -> Result<Vec<PathBuf>, OptionFileError> {
    let io = |source| OptionFileError::Io { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "cnf") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A value without its comment, its quotes and its escapes.
fn unquote(raw: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let mut end = raw.len();
    for (index, c) in raw.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', _) => escaped = true,
            ('#', None) => {
                end = index;
                break;
            }
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    let value = raw.get(..end).unwrap_or_default().trim();
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let mut out = String::new();
    let mut chars = inner.unwrap_or(value).chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('s') => out.push(' '),
            Some(c @ ('\\' | '"' | '\'')) => out.push(c),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

fn set(target: &mut PartialTarget, name: &str, value: &str, bare: bool) -> Result<(), &'static str> {
    let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
    match name {
        "host" => target.host = text(),
        "port" => target.port = Some(value.parse().ok().filter(|port| *port != 0).ok_or("port")?),
        "socket" => target.socket = text().map(PathBuf::from),
        "user" => target.user = text(),
        "password" if bare => {}
        "password" => target.password = Some(Secret::new(value)),
        "database" => target.schema = text(),
        "ssl" => target.tls = Some(tls_mode(value).ok_or("ssl")?),
        "ssl-mode" => target.tls = Some(tls_mode(value).ok_or("ssl-mode")?),
        "ssl-verify-server-cert" if !matches!(tls_mode(value), Some(TlsMode::Off)) => {
            target.tls = Some(TlsMode::Verify);
        }
        "skip-ssl" | "disable-ssl" => target.tls = Some(TlsMode::Off),
        "ssl-ca" => target.tls_ca = text().map(PathBuf::from),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PartialTarget, OptionFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.cnf");
        std::fs::write(&path, text.replace("HERE", folder.path().to_str().unwrap())).unwrap();
        std::fs::create_dir(folder.path().join("more")).unwrap();
        std::fs::write(folder.path().join("more/b.cnf"), "[client]\nhost = b\n").unwrap();
        std::fs::write(folder.path().join("more/a.cnf"), "[client]\nhost = a\nport=3307\n").unwrap();
        std::fs::write(folder.path().join("more/c.txt"), "[client]\nhost = c\n").unwrap();
        read_defaults_file(&path)
    }

    #[test]
    fn the_client_groups_are_read_and_no_others() {
        let target = read(
            "user=early\n# [client]\n[mysqld]\nuser=mysql\nport=1\n[client]\n; password=no\nuser = web # who\npassword = \"p#a'ss\\\\\\\"w\"\n\
             ssl_ca=/etc/ca.pem\n[mysqldump]\nmax_allowed_packet=1G\nuser=dump\n[mysql]\nuser=shell\n!includedir HERE/more\n",
        )
        .unwrap();
        assert_eq!(target.user.as_deref(), Some("dump"));
        assert_eq!(target.password.as_ref().unwrap().reveal(), "p#a'ss\\\"w");
        assert_eq!(target.address(), Some(DatabaseAddress::Tcp("b".into(), 3307)));
        assert_eq!(target.tls_ca.as_deref(), Some(Path::new("/etc/ca.pem")));
        let whole = target.over(None, Some("shop".into())).unwrap();
        assert_eq!((whole.schema.as_str(), whole.tls), ("shop", TlsMode::Verify));
    }

    #[test]
    fn errors_name_the_file_and_no_value() {
        let error = read("[client]\npassword=hunter2\nport=hunter2\n").unwrap_err();
        assert!(matches!(&error, OptionFileError::Value { line: 3, name: "port", .. }), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
        assert!(matches!(read("!include HERE/my.cnf\n").unwrap_err(), OptionFileError::Deep(_)));
        assert!(matches!(read("!include HERE/none.cnf\n").unwrap_err(), OptionFileError::Io { .. }));
    }

    #[test]
    fn a_password_stays_with_its_user() {
        let site = super::super::parse_database_url("mysql://web:site@db/shop").unwrap();
        let other = read("[client]\nuser=backup\n").unwrap().over(Some(site.clone()), None).unwrap();
        assert_eq!((other.user.as_str(), other.password.reveal()), ("backup", ""));
        assert_eq!((other.schema.as_str(), other.address), ("shop", site.address.clone()));
        assert_eq!(read("[client]\nhost=x\n").unwrap().over(None, None), Err("the user"));
    }
}
