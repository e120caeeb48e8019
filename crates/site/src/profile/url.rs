//! Database URLs: `mysql://user:password@host:port/schema?ssl=verify&ca=/path.pem`.

use std::path::PathBuf;

use undercroft_model::{DatabaseAddress, DatabaseTarget, Secret, TlsMode};

use super::host::PORT;
use crate::percent;

/// Why a database URL can't be used. No part of the URL that may be a password is ever in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// There is no `://`.
    #[error("this is no database URL: write mysql://USER:PASSWORD@HOST/SCHEMA")]
    NotAUrl,
    /// It is a URL of another kind of database.
    #[error("databases of the kind \"{0}\" are not backed up: only MySQL and MariaDB are")]
    Scheme(String),
    /// Something is not there.
    #[error("the database URL names no {0}: write mysql://USER:PASSWORD@HOST/SCHEMA")]
    Lacks(&'static str),
    /// An escape is broken.
    #[error("the {0} in the database URL has a broken %-escape: write % itself as %25")]
    Escape(&'static str),
    /// The port is no port.
    #[error(
        "the database URL has no valid port (1 to 65535); write / : @ ? # in a password as %2F %3A %40 %3F %23"
    )]
    Port,
    /// An option is not known.
    #[error("the database URL has an option \"{0}\": only ssl, ca, socket and prefix are known")]
    Option(String),
    /// `ssl` is something else than it may be.
    #[error("the database URL's option ssl can be off, unverified or verify")]
    Tls,
}

/// Options of other programs' database URLs, which say nothing about where the database is.
const PASSED_OVER: [&str; 6] = ["charset", "collation", "serverversion", "module", "driver", "useunicode"];

/// Reads a database URL. User, password, host and schema are percent-decoded; a password may hold `@` as it
/// is. `localhost` without a port means the usual socket; a host that begins with `/` (as `%2F`) is a socket.
pub fn parse_database_url(url: &str) -> Result<DatabaseTarget, DatabaseUrlError> {
    let (scheme, rest) = url.trim().split_once("://").ok_or(DatabaseUrlError::NotAUrl)?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "mysql" | "mariadb" | "mysqli" | "mysql2" | "pdo-mysql" | "pdo_mysql") {
        return Err(refused_scheme(&scheme));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let (authority, path) = rest.split_once('/').ok_or(DatabaseUrlError::Lacks("schema"))?;
    let (account, server) = authority.rsplit_once('@').ok_or(DatabaseUrlError::Lacks("user"))?;
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let decode = |part, what| percent::decode(part).ok_or(DatabaseUrlError::Escape(what));
    let schema = decode(path.trim_end_matches('/'), "schema")?;
    let mut target = DatabaseTarget {
        address: address(server)?,
        user: decode(user, "user")?,
        password: Secret::new(decode(password, "password")?),
        schema,
        tls: TlsMode::Off,
        tls_ca: None,
        table_prefix: None,
        structure_only: Vec::new(),
    };
    if target.user.is_empty() {
        return Err(DatabaseUrlError::Lacks("user"));
    }
    if target.schema.is_empty() {
        return Err(DatabaseUrlError::Lacks("schema"));
    }
    options(&mut target, query)?;
    Ok(target)
}

/// A scheme is shown only if it is one: a text without one may be a password.
fn refused_scheme(scheme: &str) -> DatabaseUrlError {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    if scheme.len() <= 16 && scheme.chars().all(fits) && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        DatabaseUrlError::Scheme(scheme.to_owned())
    } else {
        DatabaseUrlError::NotAUrl
    }
}

fn address(server: &str) -> Result<DatabaseAddress, DatabaseUrlError> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(DatabaseUrlError::Lacks("host"))?;
            (host, rest.strip_prefix(':'))
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let host = percent::decode(host).ok_or(DatabaseUrlError::Escape("host"))?;
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port != 0).ok_or(DatabaseUrlError::Port)?),
    };
    Ok(match (host.as_str(), port) {
        (path, _) if path.starts_with('/') => DatabaseAddress::Socket(path.into()),
        ("" | "localhost", None) => DatabaseAddress::Localhost,
        ("", Some(port)) => DatabaseAddress::Tcp("localhost".to_owned(), port),
        (host, port) => DatabaseAddress::Tcp(host.to_owned(), port.unwrap_or(PORT)),
    })
}

fn options(target: &mut DatabaseTarget, query: &str) -> Result<(), DatabaseUrlError> {
    let mut tls = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent::decode(value).ok_or(DatabaseUrlError::Escape("option"))?;
        match key.to_ascii_lowercase().replace('_', "-").as_str() {
            "ssl" | "ssl-mode" | "sslmode" | "tls" => {
                tls = Some(tls_mode(&value).ok_or(DatabaseUrlError::Tls)?);
            }
            "ca" | "ssl-ca" | "sslca" => target.tls_ca = Some(PathBuf::from(value)),
            "socket" | "unix-socket" => target.address = DatabaseAddress::Socket(value.into()),
            "prefix" | "table-prefix" => target.table_prefix = Some(value),
            other if PASSED_OVER.contains(&other) => {}
            other => {
                let name: String = other.chars().take(20).filter(|c| c.is_ascii_graphic()).collect();
                return Err(DatabaseUrlError::Option(name));
            }
        }
    }
    let by_ca = if target.tls_ca.is_some() { TlsMode::Verify } else { TlsMode::Off };
    target.tls = tls.unwrap_or(by_ca);
    Ok(())
}

/// What the ways to say `ssl` mean; the words of the MySQL client are known too.
pub(crate) fn tls_mode(word: &str) -> Option<TlsMode> {
    Some(match word.to_ascii_lowercase().as_str() {
        "off" | "false" | "0" | "no" | "disabled" | "skip" => TlsMode::Off,
        "unverified" | "on" | "true" | "1" | "yes" | "require" | "required" | "preferred" | "" => {
            TlsMode::Unverified
        }
        "verify" | "verify-ca" | "verify_ca" | "verify-full" | "verify-identity" | "verify_identity" => {
            TlsMode::Verify
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_read_and_decoded() {
        let target = parse_database_url(
            "mysql://us%40er:p%40s:s@w%2Fd@db.example:3307/sh%C3%B6p?ssl=verify&ca=%2Fetc%2Fca.pem&prefix=wp_",
        )
        .unwrap();
        assert_eq!(target.address, DatabaseAddress::Tcp("db.example".into(), 3307));
        assert_eq!((target.user.as_str(), target.password.reveal()), ("us@er", "p@s:s@w/d"));
        assert_eq!((target.schema.as_str(), target.tls), ("shöp", TlsMode::Verify));
        assert_eq!(target.tls_ca.as_deref(), Some("/etc/ca.pem".as_ref()));
        assert_eq!(target.table_prefix.as_deref(), Some("wp_"));
    }

    #[test]
    fn the_address_takes_its_several_forms() {
        let address = |server: &str| parse_database_url(&format!("mysql://u:p@{server}")).unwrap().address;
        assert_eq!(address("localhost/d"), DatabaseAddress::Localhost);
        assert_eq!(address("localhost:3307/d"), DatabaseAddress::Tcp("localhost".into(), 3307));
        assert_eq!(address("[::1]:3307/d"), DatabaseAddress::Tcp("::1".into(), 3307));
        assert_eq!(address("%2Frun%2Fm.sock/d"), DatabaseAddress::Socket("/run/m.sock".into()));
        assert_eq!(address("/d?socket=/run/m.sock"), DatabaseAddress::Socket("/run/m.sock".into()));
    }

    #[test]
    fn errors_never_show_the_password() {
        for url in [
            "hunter2",
            "hunter2://u@h/d",
            "mysql://u:hunter2@h",
            "mysql://u:hunter2%@h/d",
            "mysql://:hunter2@h/d",
            "mysql://u:hunter2/x@h/d",
            "mysql://u:hunter2?x@h/d",
            "mysql://u:hunter2@h:port/d",
            "mysql://u:hunter2@h/",
            "mysql://u:hunter2@h/d?what=1",
            "mysql://u:hunter2@h/d?ssl=hunter2",
            "u:hunter2@h://x",
        ] {
            let error = parse_database_url(url).unwrap_err();
            if !url.starts_with("hunter2:") {
                assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error}");
            }
        }
        let error = parse_database_url("pgsql://u:p@h/d").unwrap_err();
        assert_eq!(error, DatabaseUrlError::Scheme("pgsql".into()));
    }
}
