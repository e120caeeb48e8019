//! Repositories that are elsewhere are mirrored, atomically, and their credentials are seen nowhere.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use undercroft_model::{CodeRevision, Element, Observer, Remark};
use undercroft_site::git::{GitError, Repository};

use crate::bench::*;

/// A server on a port of its own, that answers each connection in turn and goes with the test.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(answer: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                answer(stream.unwrap());
            }
        });
        Server { address, stop, thread: Some(thread) }
    }

    /// A server of git's own protocol.
    fn git(base: &Path) -> Self {
        let base = base.to_owned();
        Server::start(move |stream| {
            let socket: std::os::fd::OwnedFd = stream.into();
            let mut command = git_command(&base);
            command
                .args(["daemon", "--inetd", "--export-all"])
                .arg(format!("--base-path={}", base.display()));
            let (input, output) = (socket.try_clone().unwrap(), socket);
            command.stdin(input).stdout(output).stderr(Stdio::null()).status().unwrap();
        })
    }

    /// A server of files over HTTP, for those who know the password; `seen` is told of each request.
    fn http(base: &Path, seen: impl Fn(bool) + Send + 'static) -> Self {
        let base = base.to_owned();
        Server::start(move |stream| {
            let Some((path, authorization)) = read_request(&stream) else { return };
            // me:hunter2
            let knows = authorization.as_deref() == Some("Basic bWU6aHVudGVyMg==");
            seen(knows);
            let mut answer = &stream;
            let _ = if !knows {
                answer.write_all(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            } else if let Ok(body) =
                fs::read(base.join(path.split('?').next().unwrap().trim_start_matches('/')))
            {
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                answer.write_all(&[head.as_bytes(), &body].concat())
            } else {
                answer.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            };
        })
    }
}

fn read_request(stream: &TcpStream) -> Option<(String, Option<String>)> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut authorization = None;
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.to_owned());
        }
    }
    Some((first.split(' ').nth(1)?.to_owned(), authorization))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The command lines of all processes, which every user can see.
fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| format!("{}\n", String::from_utf8_lossy(&line))).collect()
}

fn mirrors(bench: &Bench) -> Vec<PathBuf> {
    let entries = fs::read_dir(bench.path("cache")).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "git" || end == "part")).collect()
}

#[test]
fn a_url_is_mirrored_and_then_followed() {
    let bench = Bench::new();
    let site = bench.path("repos/site");
    make_site(&site);
    let server = Server::git(&bench.path("repos"));
    let url = format!("git://{}/site", server.address);
    let first = bench.capture_at(&url, &CodeRevision::Head);
    assert_eq!((first.lost(), first.notes()), (vec![], vec![]));
    let copy = bench.prove(&first, &site);
    assert_eq!(git(&copy, &["config", "remote.origin.url"]).trim(), url);
    assert_eq!(bench.capture_at(&url, &CodeRevision::Head).counts.opened, 0);

    // The remote moves: its default branch changes, a branch goes, a tag moves.
    git(&site, &["checkout", "-q", "-b", "next"]);
    put(&site, "next", "n");
    commit(&site, 1_600_002_000, "next");
    git(&site, &["branch", "-q", "-D", "topic"]);
    git(&site, &["tag", "-f", "light"]);
    let second = bench.capture_at(&url, &CodeRevision::Head);
    assert_eq!(second.facts.reference.as_deref(), Some("next"));
    bench.prove(&second, &site);
    assert_eq!(second.facts.unpushed, Some(0));
    assert_eq!(mirrors(&bench).len(), 1);
    git(&site, &["checkout", "-q", "--detach", "main"]);
    let third = bench.capture_at(&url, &CodeRevision::Head);
    assert_eq!(
        (third.facts.reference.as_deref(), third.facts.commit.unwrap().as_str()),
        (None, git(&site, &["rev-parse", "main"]).trim())
    );
}

#[test]
fn a_mirror_that_was_broken_off_is_begun_again() {
    let bench = Bench::new();
    let site = bench.path("repos/site");
    make_site(&site);
    let server = Server::git(&bench.path("repos"));
    let url = format!("git://{}/site", server.address);
    bench.capture_at(&url, &CodeRevision::Head);
    let mirror = mirrors(&bench).pop().unwrap();
    fs::remove_file(mirror.join("HEAD")).unwrap();
    fs::rename(&mirror, mirror.with_extension("part")).unwrap();
    bench.prove(&bench.capture_at(&url, &CodeRevision::Head), &site);
    assert_eq!(mirrors(&bench), [mirror]);
}

#[test]
fn credentials_are_used_and_never_seen() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    git(bench.dir.path(), &["clone", "-q", "--mirror", site.to_str().unwrap(), "repos/site.git"]);
    git(&bench.path("repos/site.git"), &["update-server-info"]);
    let shown = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&shown);
    let server = Server::http(&bench.path("repos"), move |knows| {
        seen.lock().unwrap().push((knows, command_lines()));
    });
    let url = |password: &str| format!("http://me:{password}@{}/site.git", server.address);
    let captured = bench.capture_at(&url("hunter%32"), &CodeRevision::Head);
    bench.prove(&captured, &site);
    let shown = std::mem::take(&mut *shown.lock().unwrap());
    assert!(
        shown.iter().any(|(knows, _)| *knows) && shown.iter().any(|(_, list)| list.contains("remote-http"))
    );
    assert!(!shown.iter().any(|(_, list)| list.contains("hunter")));
    let grep = Command::new("grep").arg("-r").arg("hunter").arg(bench.path("cache")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&grep.stdout), "");

    let error = bench.open(&url("hunter3"), &CodeRevision::Head).err().unwrap();
    let text = format!("{error} {error:?}");
    assert!(matches!(error, GitError::Fetch { .. }) && !error.is_worth_repeating(), "{text}");
    assert!(!text.contains("hunter") && text.contains("Authentication failed"), "{text}");
}

#[test]
fn a_host_that_is_away_is_worth_repeating() {
    let bench = Bench::new();
    let server = Server::start(drop);
    let url = format!("git://{}/site", server.address);
    let error = bench.open(&url, &CodeRevision::Head).err().unwrap();
    assert!(error.is_worth_repeating(), "{error}");
    drop(server);
    let error = bench.open(&url, &CodeRevision::Head).err().unwrap();
    assert!(error.is_worth_repeating(), "{error}");
    assert!(mirrors(&bench).iter().all(|path| path.extension().unwrap() == "part"));
}

#[test]
fn longer_object_names_are_mirrored() {
    let bench = Bench::new();
    let site = bench.path("repos/site");
    fs::create_dir_all(&site).unwrap();
    git(&site, &["init", "-q", "--object-format=sha256"]);
    put(&site, "a", "a\n");
    commit(&site, 1_600_000_000, "first");
    let server = Server::git(&bench.path("repos"));
    let captured = bench.capture_at(&format!("git://{}/site", server.address), &CodeRevision::Head);
    bench.prove(&captured, &site);
}

#[test]
fn what_a_url_does_not_give_is_told() {
    let bench = Bench::new();
    let site = bench.path("repos/site");
    make_site(&site);
    git(&site, &["submodule", "--quiet", "add", bench.path("repos/site").to_str().unwrap(), "lib"]);
    commit(&site, 1_600_001_000, "lib");
    let server = Server::git(&bench.path("repos"));
    let lost = bench.capture_at(&format!("git://{}/site", server.address), &CodeRevision::Head).lost();
    assert!(lost.len() == 1 && lost[0].ends_with("name a clone that has it instead"), "{lost:?}");
}

/// Wants to stop as soon as the fetch has begun.
struct Impatient(AtomicBool);

impl Observer for Impatient {
    fn doing(&self, _: Element, what: &str) {
        if what.starts_with("fetching") {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, _: Element, _: Remark) {}
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_fetch_can_be_cancelled() {
    let bench = Bench::new();
    let held = Arc::new(Mutex::new(Vec::new()));
    let holder = Arc::clone(&held);
    let server = Server::start(move |stream| holder.lock().unwrap().push(stream));
    let url = format!("git://{}/site", server.address);
    let observer = Impatient(AtomicBool::new(false));
    let error = Repository::open(&url, &CodeRevision::Head, &bench.path("cache"), &observer).err().unwrap();
    assert!(matches!(error, GitError::Cancelled(_)), "{error}");
}
