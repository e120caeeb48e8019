//! Runs the program as a person would, on a data folder of its own.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a test may fail anywhere")]

pub mod state;
pub mod web;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A data folder, and a place for sites beside it.
pub struct Bench {
    /// Goes with the test.
    pub folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Bench { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The program with its arguments, not started yet.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_undercroft"));
        command.env("UNDERCROFT_DATA", self.data()).args(args).stdin(Stdio::null());
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran(self.command(args).output().unwrap())
    }

    /// Runs a command that has to succeed, and gives what it wrote to standard output.
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let ran = self.run(args);
        assert!(ran.0.status.success(), "{}{}", ran.out(), ran.err());
        ran.out()
    }

    /// Runs a command that has to fail with the status 1, and gives what it wrote to standard error.
    pub fn fails<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let ran = self.run(args);
        assert_eq!(ran.0.status.code(), Some(1), "{}{}", ran.out(), ran.err());
        ran.err()
    }

    /// Makes a backup that has to be good.
    pub fn back_up(&self, env: &str) {
        self.ok(["backup:create", env]);
    }

    /// The archives, newest first, with every field.
    pub fn list(&self, env: &str) -> Vec<Value> {
        let text = self.ok(["backup:list", env, "--format=json", "--fields=*"]);
        match serde_json::from_str(&text).unwrap() {
            Value::Object(rows) => rows.into_iter().map(|(_, row)| row).collect(),
            other => {
                assert_eq!(other, serde_json::json!([]));
                Vec::new()
            }
        }
    }

    /// The file names of all archives of an element, newest first.
    pub fn files(&self, env: &str, element: &str) -> Vec<String> {
        let all = self.ok(["backup:list", env, "--field=file"]);
        all.lines().filter(|name| name.contains(&format!("_{element}."))).map(str::to_owned).collect()
    }

    /// The bytes of an archive.
    pub fn archive(&self, env: &str, file: &str) -> Vec<u8> {
        let output = self
            .command(["backup:get", env, &format!("--file={file}"), "--to=-"])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout
    }

    /// Gets the newest archive of an element into a folder of that name and unpacks it there.
    pub fn unpack(&self, env: &str, element: &str, into: &str) -> PathBuf {
        let folder = self.path(into);
        fs::create_dir_all(&folder).unwrap();
        let archive = self.archive(env, &self.files(env, element)[0]);
        let file = folder.with_extension("tar.gz");
        fs::write(&file, archive).unwrap();
        sh(&format!("tar --xattrs --xattrs-include='*' -xpzf {} -C {}", file.display(), folder.display()));
        let top = fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
        top.path()
    }

    /// Bytes of all files in the store.
    pub fn stored(&self) -> u64 {
        size_of(&self.data().join("store"))
    }
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let facts = entry.metadata().unwrap();
            if facts.is_dir() { size_of(&entry.path()) } else { facts.len() }
        })
        .sum()
}

/// What a command did.
pub struct Ran(pub Output);

impl Ran {
    pub fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }
}

/// Runs a shell script that has to succeed, and gives what it wrote.
pub fn sh(script: &str) -> String {
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", script]).output().unwrap();
    assert!(
        output.status.success(),
        "{script}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A small site without a database: code in git, uploads beside it.
pub fn small_site(bench: &Bench) -> PathBuf {
    let site = bench.path("shop");
    sh(&format!(
        "mkdir -p {site}/uploads/2026/11 && cd {site}
         git init -q -b main . && printf 'uploads/\\n' > .gitignore
         printf '<?php // shop\\n' > index.php && mkdir -p lib && seq 1 500 > lib/numbers.txt
         git add -A && git -c user.name=Shop -c user.email=shop@example.com commit -qm 'First version'
         for n in $(seq 1 40); do head -c 20000 /dev/urandom > uploads/2026/11/photo-$n.jpg; done
         head -c 2000000 /dev/urandom > uploads/2026/11/film.mp4
         find uploads -exec touch -h -d '2026-11-01 10:00:00.123456789' {{}} +",
        site = site.display()
    ));
    site
}

/// Adds [`small_site`] as `shop.live`.
pub fn add_small_site(bench: &Bench) -> PathBuf {
    let site = small_site(bench);
    let site_text = site.display().to_string();
    bench.ok([
        "site:add",
        &site_text,
        "--name=shop",
        &format!("--code={site_text}"),
        &format!("--files={site_text}/uploads"),
        "--no-database",
    ]);
    site
}
