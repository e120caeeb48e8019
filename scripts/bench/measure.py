"""Runs one command and measures it, all its processes together."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SAMPLED_EVERY = 0.05  # seconds between two looks at the memory, after the first quick ones
FIRST_LOOKS = 20
FIRST_EVERY = 0.005
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


@dataclass
class Sample:
    """What one run of one command took."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of every process that it started
    peak: int  # bytes of resident memory, all its processes together
    stored: int = 0  # bytes by which the store grew
    server: float = 0.0  # CPU seconds of the database server meanwhile


class ToolFailed(Exception):
    """A command that failed, with the end of what it said."""


def adopt_orphans():
    """Makes this process inherit what a tool leaves running, so that it is waited for and counted too."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def run(command, env, log, limit):
    """Runs a line of bash, for `limit` seconds at most, and measures it.

    The dirty pages of whatever ran before are written first, outside the measured time.
    """
    os.sync()
    with open(log, "wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(["bash", "-o", "pipefail", "-c", command], env=env, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output, start_new_session=True)
        watch = Watch(process.pid, limit)
        try:
            status, cpu = reap(process)
            wall = time.perf_counter() - started
        except BaseException:
            end(process.pid)
            reap(process)
            raise
        finally:
            watch.stop()
    if watch.timed_out:
        raise ToolFailed(f"stopped after {limit} s")
    if status:
        raise ToolFailed(f"exit code {status}: {last_words(log)}")
    return Sample(wall, cpu, watch.peak)


def reap(process):
    """Waits for the process and all that it left; gives its exit code and the CPU seconds of all.

    The memory that the kernel tells here is of no use: it begins with what this Python held when it forked.
    """
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    while True:
        try:
            _, _, usage = os.wait4(-process.pid, 0)
        except ChildProcessError:
            return process.returncode, cpu
        cpu += usage.ru_utime + usage.ru_stime


def end(group):
    """Ends all processes of a group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def nothing_left():
    """Ends, at the end, every process that is still our child: a Ctrl-C may come just as one starts."""
    try:
        yield
    finally:
        me = str(os.getpid())
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if stat_of(pid)[1:2] == [me]:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(int(pid), signal.SIGKILL)
                    os.waitpid(int(pid), 0)


class Watch(threading.Thread):
    """Follows the resident memory of a process group, and ends the group when its time is over.

    The group's peak is the most that its processes held together at one look, or, if that is more, what the kernel
    says that one of them once held: so a single process's peak between two looks is not missed. Memory shared between
    processes counts for each.
    """

    def __init__(self, group, limit):
        super().__init__(daemon=True)
        self.group, self.ends = group, time.monotonic() + limit
        self.peak, self.timed_out = 0, False
        self.members, self.strangers = set(), set()
        self.done = threading.Event()
        self.start()

    def run(self):
        looks = 0
        while not self.done.wait(FIRST_EVERY if looks < FIRST_LOOKS else SAMPLED_EVERY):
            self.look()
            looks += 1
            if time.monotonic() > self.ends and not self.timed_out:
                self.timed_out = True
                end(self.group)

    def stop(self):
        self.done.set()
        self.join()

    def look(self):
        pids = {name for name in os.listdir("/proc") if name.isdigit()}
        self.strangers &= pids
        self.members &= pids
        for pid in pids - self.strangers - self.members:
            (self.members if stat_of(pid)[2:] == [str(self.group)] else self.strangers).add(pid)
        held = [resident(pid) for pid in self.members]
        self.peak = max(self.peak, sum(now for now, _ in held), *(most for _, most in held))


def stat_of(pid):
    """State, parent and process group of a process, as text; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return []


def resident(pid):
    """Bytes of memory that a process holds now, and the most that it ever held."""
    figures = {"VmRSS": 0, "VmHWM": 0}
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in figures:
                figures[name] = int(value.split()[0]) * 1024
    except OSError:
        pass  # it has just ended
    return figures["VmRSS"], figures["VmHWM"]


def size_of(path):
    """The sum of the sizes of all files in a folder, whatever the file system allots for them."""
    total, folders = 0, [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return total


def last_words(log):
    """The end of what a command printed, on one line."""
    text = Path(log).read_bytes()[-2000:].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-4:])[-500:] or "it said nothing"
