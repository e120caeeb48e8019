//! The stream of bytes to and from a server: a unix socket, TCP, or TLS over TCP.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use undercroft_model::DatabaseAddress;

/// Where servers put their socket: Debian and its kin, Red Hat and its kin, MySQL's own packages.
const USUAL_SOCKETS: [&str; 4] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

/// So long a host may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

/// A read that waits returns after so long, to see whether anybody still wants it.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// A stream to a server.
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Whether only this machine sees what is sent.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Stream::Unix(_))
    }

    /// Whether what is sent is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }
}

/// Reaches a server; gives the stream and where it leads, as a person would say it.
///
/// # Errors
/// Where it was to lead, and what the operating system says.
pub(super) fn reach(address: &DatabaseAddress) -> Result<(Stream, String), (String, io::Error)> {
    match address {
        DatabaseAddress::Socket(path) => reach_socket(path),
        DatabaseAddress::Tcp(host, port) => reach_tcp(host, *port),
        DatabaseAddress::Localhost => {
            let sockets = USUAL_SOCKETS.iter().map(PathBuf::from).filter(|path| path.exists());
            let reached = sockets.map(|path| reach_socket(&path)).find(Result::is_ok);
            reached.unwrap_or_else(|| reach_tcp("127.0.0.1", 3306))
        }
    }
}

fn reach_socket(path: &Path) -> Result<(Stream, String), (String, io::Error)> {
    let place = format!("the socket {}", path.display());
    let connect = || {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(TICK))?;
        Ok(stream)
    };
    match connect() {
        Ok(stream) => Ok((Stream::Unix(stream), place)),
        Err(error) => Err((place, error)),
    }
}

fn reach_tcp(host: &str, port: u16) -> Result<(Stream, String), (String, io::Error)> {
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let connect = || {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_PATIENCE) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(TICK))?;
                    // A server that vanished without a word would otherwise be waited for without end.
                    rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    match connect() {
        Ok(stream) => Ok((Stream::Tcp(stream), place)),
        Err(error) => Err((place, error)),
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Unix(stream) => stream.flush(),
            Stream::Tcp(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
