//! How a database server's host is written.

use std::path::PathBuf;

use undercroft_model::DatabaseAddress;

/// MySQL's port.
pub(crate) const PORT: u16 = 3306;

/// A `DB_HOST` of WordPress, taken apart as WordPress does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DbHost {
    /// Host name or address, IPv6 without brackets; may be empty.
    pub host: String,
    /// The port, if one is named.
    pub port: Option<u16>,
    /// The socket, if one is named.
    pub socket: Option<PathBuf>,
}

/// Takes a `DB_HOST` apart: `localhost`, `db:3307`, `localhost:/run/mysqld/mysqld.sock`,
/// `localhost:3307:/path.sock`, `:/path.sock`, `[::1]:3307`, `::1`. `None` where WordPress itself can't read it.
///
/// The rules are those of `wpdb::parse_db_host()`: the socket is what follows the first `:/`; what has more than
/// one colon left is an IPv6 address; what comes after a port is passed over.
pub fn parse_db_host(text: &str) -> Option<DbHost> {
    let (text, socket) = match text.split_once(":/") {
        Some((host, rest)) => (host, Some(PathBuf::from(format!("/{rest}")))),
        None => (text, None),
    };
    let (host, rest) = if text.matches(':').count() > 1 {
        let inner = text.strip_prefix('[').unwrap_or(text);
        let end = inner.find(|c: char| !c.is_ascii_hexdigit() && c != ':').unwrap_or(inner.len());
        let (host, rest) = inner.split_at_checked(end)?;
        if host.is_empty() {
            return None;
        }
        (host, rest.strip_prefix("]:"))
    } else {
        let end = text.find([':', '/']).unwrap_or(text.len());
        let (host, rest) = text.split_at_checked(end)?;
        (host, rest.strip_prefix(':'))
    };
    let digits = rest.map(|rest| rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port != 0);
    Some(DbHost { host: host.to_owned(), port, socket })
}

impl DbHost {
    /// How PHP's client library reaches it: the socket is for `localhost` alone, and there the port has no say.
    pub fn address(&self) -> DatabaseAddress {
        match (self.host.as_str(), &self.socket) {
            ("" | "localhost", Some(socket)) => DatabaseAddress::Socket(socket.clone()),
            ("" | "localhost", None) => DatabaseAddress::Localhost,
            (host, _) => DatabaseAddress::Tcp(host.to_owned(), self.port.unwrap_or(PORT)),
        }
    }
}

/// An address, as findings show it.
pub(crate) fn show(address: &DatabaseAddress) -> String {
    match address {
        DatabaseAddress::Localhost => "localhost".to_owned(),
        DatabaseAddress::Socket(path) => path.display().to_string(),
        DatabaseAddress::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
        DatabaseAddress::Tcp(host, port) => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn db_host_is_read_as_wordpress_reads_it() {
        let tcp = |host: &str, port| DatabaseAddress::Tcp(host.to_owned(), port);
        let socket = |path: &str| DatabaseAddress::Socket(path.into());
        for (text, want) in [
            ("localhost", DatabaseAddress::Localhost),
            ("", DatabaseAddress::Localhost),
            ("localhost:3307", DatabaseAddress::Localhost),
            ("127.0.0.1", tcp("127.0.0.1", 3306)),
            ("db:3307", tcp("db", 3307)),
            ("db:", tcp("db", 3306)),
            ("db:33x", tcp("db", 33)),
            ("localhost:/run/mysqld/mysqld.sock", socket("/run/mysqld/mysqld.sock")),
            ("localhost:3307:/path.sock", socket("/path.sock")),
            (":/path.sock", socket("/path.sock")),
            ("[::1]:3307", tcp("::1", 3307)),
            ("::1", tcp("::1", 3306)),
            ("[2001:db8::2]", tcp("2001:db8::2", 3306)),
            ("127.0.0.1:/path.sock", tcp("127.0.0.1", 3306)),
            ("db.example.com:3306/extra", tcp("db.example.com", 3306)),
        ] {
            assert_eq!(parse_db_host(text).unwrap().address(), want, "{text}");
        }
        assert_eq!(parse_db_host("?::x"), None);
    }
}
