//! Kills the program at random moments, by a signal that it can't see coming.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a test may fail anywhere")]

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::common::Bench;

/// How often each command is killed.
pub const KILLS: u64 = 100;

/// Moments of a run, spread evenly over all of it and a little more, in no order.
pub struct Moments {
    most: Duration,
    next: u32,
}

impl Moments {
    /// Of what `run` does, which is done once to see how long it takes.
    pub fn of(run: impl FnOnce()) -> Self {
        let began = Instant::now();
        run();
        Moments { most: began.elapsed(), next: 1 }
    }

    /// Of what takes about so long.
    pub fn within(most: Duration) -> Self {
        Moments { most, next: 1 }
    }

    /// The next one. Multiples of the golden ratio are spread evenly, however many there are.
    fn moment(&mut self) -> Duration {
        let part = self.next.wrapping_mul(0x9e37_79b9);
        self.next += 1;
        self.most.mul_f64(1.1 * f64::from(part) / f64::from(u32::MAX))
    }

    /// Runs a command and stops it in its tracks at the next moment; `None` if it was quicker.
    pub fn stop<S: AsRef<std::ffi::OsStr>>(
        &mut self,
        bench: &Bench,
        args: impl IntoIterator<Item = S>,
    ) -> Option<Stopped> {
        let after = self.moment();
        let mut command = bench.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        thread::sleep(after);
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        rustix::process::kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
        Some(Stopped(child))
    }

    /// Runs a command and kills it at the next moment. Whether it came to that; a command that was quicker has to
    /// have succeeded.
    pub fn kill<S: AsRef<std::ffi::OsStr>>(
        &mut self,
        bench: &Bench,
        args: impl IntoIterator<Item = S>,
    ) -> bool {
        let after = self.moment();
        let said = bench.path("said");
        let mut command = bench.command(args);
        command.stdout(Stdio::null()).stderr(File::create(&said).unwrap());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        while began.elapsed() < after && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_micros(500).min(after.saturating_sub(began.elapsed())));
        }
        let took = began.elapsed();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let killed = status.signal() == Some(9);
        assert!(killed || status.success(), "{}", fs::read_to_string(&said).unwrap());
        // The machine is now busier, now less.
        self.most = if killed { self.most.mul_f64(1.01) } else { took.min(self.most) };
        killed
    }
}

/// A command that was stopped in its tracks.
pub struct Stopped(Child);

impl Stopped {
    /// Lets it go on to its end; whether it succeeded.
    pub fn wake(mut self) -> bool {
        rustix::process::kill_process(Pid::from_child(&self.0), Signal::CONT).unwrap();
        self.0.wait().unwrap().success()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether there is nothing in a folder, or no such folder.
pub fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}
