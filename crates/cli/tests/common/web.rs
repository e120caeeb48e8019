//! PHP's own web server, for sites that are to be looked at as a visitor does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// A server of one folder, which ends with the value.
pub struct Web {
    server: Child,
    port: u16,
}

/// What came back.
pub struct Page {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Page {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Web {
    /// Serves a folder.
    pub fn serve(folder: &Path) -> Web {
        // Another process may take the free port before PHP does: then another one is taken.
        (0..5).find_map(|_| Web::try_serve(folder)).unwrap()
    }

    fn try_serve(folder: &Path) -> Option<Web> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Command::new("php")
            .args(["-d", "display_errors=0", "-S", &format!("127.0.0.1:{port}"), "-t"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(server.stderr.take().unwrap());
        let web = Web { server, port };
        let mut line = String::new();
        while told.read_line(&mut line).unwrap() > 0 {
            if line.contains("started") {
                // Whatever it tells later is read, lest it waits for somebody to read it.
                thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
                return Some(web);
            }
            line.clear();
        }
        None
    }

    /// Asks for a page of a host.
    pub fn get(&self, host: &str, path: &str) -> Page {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // In one piece: PHP's server stumbles over a request that comes in several.
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Page { status, body: answer.split_off(end + 4) }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
