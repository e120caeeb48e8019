//! Contents of blobs, out of one long-lived `git cat-file`.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};

use undercroft_vault::stream::{Content, Settled};

use super::command::{Git, Running};
use super::error::GitError;
use super::oid::ObjectId;

/// The blobs of one repository.
#[derive(Debug)]
pub(super) struct Blobs {
    git: Git,
    /// The process that waits for the next request; `None` while one is being answered.
    idle: RefCell<Option<Reader>>,
}

#[derive(Debug)]
struct Reader {
    _running: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Blobs {
    /// The blobs that `git` has.
    pub fn new(git: Git) -> Self {
        Blobs { git, idle: RefCell::new(None) }
    }

    fn start(&self) -> io::Result<Reader> {
        let mut command = self.git.command();
        command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut running = Running::start(command)?;
        let (Some(stdin), Some(stdout)) = running.pipes() else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok(Reader { _running: running, stdin, stdout: BufReader::with_capacity(64 << 10, stdout) })
    }

    /// Opens a blob. `None` if it is missing.
    pub fn open(&self, id: &ObjectId) -> io::Result<Option<BlobContent<'_>>> {
        let idle = self.idle.borrow_mut().take();
        let mut reader = idle.map_or_else(|| self.start(), Ok)?;
        reader.stdin.write_all(format!("{id}\n").as_bytes())?;
        let mut line = Vec::new();
        reader.stdout.read_until(b'\n', &mut line)?;
        let text = String::from_utf8_lossy(&line);
        let mut words = text.split_ascii_whitespace();
        let (Some(_), Some(kind)) = (words.next(), words.next()) else {
            let why = format!("git gave no content for the object {id}");
            return Err(GitError::Damaged { repository: self.git.called().to_owned(), why }.into());
        };
        if kind == "missing" {
            *self.idle.borrow_mut() = Some(reader);
            return Ok(None);
        }
        let left = words.next().and_then(|size| size.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(BlobContent { blobs: self, reader: Some(reader), left }))
    }

    /// The whole content of a blob of at most `max` bytes; `None` if it is missing or longer.
    pub fn whole(&self, id: &ObjectId, max: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(mut content) = self.open(id)?.filter(|content| content.left <= max) else { return Ok(None) };
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// A blob that is being read.
#[derive(Debug)]
pub(super) struct BlobContent<'a> {
    blobs: &'a Blobs,
    reader: Option<Reader>,
    left: u64,
}

impl Read for BlobContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = self.reader.as_mut() else { return Ok(0) };
        let want = u64::min(self.left, buffer.len() as u64) as usize;
        let Some(part) = buffer.get_mut(..want) else { return Ok(0) };
        if want == 0 && self.left > 0 {
            return Ok(0);
        }
        let got = if want == 0 { 0 } else { reader.stdout.read(part)? };
        if got == 0 && want > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "git ended in the middle of an object"));
        }
        self.left -= got as u64;
        if self.left == 0 {
            // A line ends each answer; after it the process waits for the next request.
            reader.stdout.read_exact(&mut [0])?;
            *self.blobs.idle.borrow_mut() = self.reader.take();
        }
        Ok(got)
    }
}

impl Content for BlobContent<'_> {
    fn settled(&mut self) -> Settled {
        // An object is named by its content.
        Settled::Unchanged
    }
}
