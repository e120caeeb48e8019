"""Turns samples into the tables and the goals of docs/benchmarks.md."""

import os
import platform
import statistics
import subprocess
import time
from collections import namedtuple
from pathlib import Path

from peers import cache

PHASES = {
    "first": "first backup",
    "unchanged": "nothing changed",
    "changed": "1 % changed",
    "download": "download",
    "restore": "full restore",
    "one": "one file restored",
    "verify": "verify",
    "sweep": "sweep after 30 backups",
}
OURS = "undercroft"

Goal = namedtuple("Goal", "workload phase what peers factor text")  # the least of the peers' / ours must reach factor
GOALS = (
    Goal("files", "first", "wall", ("restic",), 2, "first backup of the files, 2 × restic"),
    Goal("files", "first", "wall", ("bupstash",), 1, "first backup of the files, ahead of bupstash"),
    Goal("files", "unchanged", "wall", ("restic",), 8, "nothing changed in the files, 8 × restic"),
    Goal("files", "unchanged", "wall", ("bupstash",), 1, "nothing changed in the files, ahead of bupstash"),
    Goal("small", "unchanged", "wall", ("restic",), 8, "nothing changed in small files, 8 × restic"),
    Goal("small", "unchanged", "wall", ("bupstash",), 1, "nothing changed in small files, ahead of bupstash"),
    Goal("files", "changed", "wall", ("restic",), 4, "1 % of the files changed, 4 × restic"),
    Goal("files", "changed", "stored", ("restic",), 1 / 1.5, "1 % of the files changed, growing no more than 1.5 × restic"),
    Goal("files", "restore", "wall", ("restic", "rustic", "borg", "bupstash"), 1,
         "full restore of the files, faster than the fastest"),
    Goal("database", "restore", "wall", ("dump-zstd", "mydumper"), 1,
         "full restore of the database, faster than myloader and mariadb"),
    Goal("small", "one", "wall", ("restic", "rustic", "borg", "bupstash"), 1,
         "one file out of 200,000, faster than the fastest"),
    Goal("database", "first", "wall", ("dump-zstd", "dump-pigz", "dump-gzip", "mydumper"), 2,
         "dump of the database, 2 × the fastest of mariadb-dump through a compressor and mydumper"),
    Goal("database", "changed", "stored", ("dump-restic", "dump-borg"), 1,
         "1 % of the rows changed, growing no more than the best of restic and borg"),
)
METHOD = """\
Every tool backs up the same data in turn, in one run, with its own defaults and encryption where it has any. Figures are
medians; of the wall time, the least and the greatest stand in brackets. The data is warm in the page cache, and dirty pages
are written out before each measurement, outside the measured time. CPU time is that of all the tool's processes. Memory is
the peak of what they hold together, looked at twenty times a second, and never less than what one of them held at its own
peak; memory that processes share counts for each. *Stored* is by how many bytes the store grew; caches elsewhere don't count.

*1 % changed* is, for files, 1 % of them, drawn at random, rewritten in place; for the database, 0.1 % of the rows, drawn at
random, rewritten, and 1 % added at the tables' ends. Every tool sees the same change. *Download* puts the newest archive,
whole, into one local file. *Full restore* lays the newest backup out in a new folder, or loads it into an empty schema;
*one file restored* is a single file of it. The first run's downloads and restores are checked: as many files, or tables, as there should be. *Verify* reads and
checks what is stored: Undercroft, the newest backup (`backup:verify`); restic and rustic, `check --read-data`; borg,
`check --verify-data`. *Sweep* frees the space of 29 of 30 backups, of which each changed 1 % of the files, once in the
whole; deleting them is not in it."""
NOT_MEASURED = """\
Not measured here: conserve; restoring into a live site, and memory at 1,000,000 files."""


class Report:
    """The samples of one benchmark, and what they say."""

    def __init__(self, scale, runs):
        self.scale, self.runs = scale, runs
        self.workloads = {}  # name: (title, tools, samples); samples[tool][phase] is a list of Sample, or a failure's text
        self.notes = {}
        self.versions = {}

    def begin(self, workload, title, tools):
        """Opens a workload's table; returns where its samples go."""
        samples = {tool.key: {} for tool in tools}
        self.workloads[workload] = (title, tools, samples)
        return samples

    def median(self, workload, tool, phase, what):
        """A figure's median, or None where there is none; what is made whole each time takes what the first took."""
        _, tools, samples = self.workloads.get(workload, ("", (), {}))
        phases = samples.get(tool, {})
        if phase in ("unchanged", "changed") and any(t.key == tool and t.whole for t in tools):
            phase = "first"
        measured = phases.get(phase)
        if not isinstance(measured, list) or not measured:
            return None
        return statistics.median(getattr(sample, what) for sample in measured)

    def markdown(self):
        """The whole report."""
        parts = [self.machine()]
        for name in self.workloads:
            parts.append(self.table(name))
        parts.append("## Goals\n\n" + "\n".join(self.goals()) + "\n\n" + NOT_MEASURED)
        return "\n\n".join(parts) + "\n"

    def machine(self):
        """Where and with what it was measured."""
        tools = ", ".join(f"{name} {said}" for name, said in sorted(self.versions.items()))
        runs = "one run" if self.runs == 1 else f"{self.runs} runs"
        scale = "" if self.scale == 1 else f" **Scale {self.scale:g}: a trial, not a measurement.**"
        return (f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}: {os.cpu_count()} cores of {processor()}, {memory()}, "
                f"{disk()}, {distribution()}, Linux {platform.release()}, {runs}.{scale}\n\n"
                f"Versions: {tools}; Undercroft at commit {commit()}.")

    def table(self, workload):
        """One workload's table, phase by phase."""
        title, tools, samples = self.workloads[workload]
        server = workload == "database"
        head = ["", "tool", "wall s", "CPU s", *(["server CPU s"] if server else []), "peak MB", "stored MB", "wall, times ours"]
        lines = [f"## {title[0].upper()}{title[1:]}", "", self.notes.get(workload, ""), "", row(head), row(["---"] * len(head))]
        for phase, name in PHASES.items():
            for tool in tools:
                figures = self.figures(workload, tool, phase, samples[tool.key], server)
                if figures:
                    lines.append(row([name, tool.label, *figures]))
        lines += ["", "Downloads: " + "; ".join(f"{tool.label}: {tool.how}" for tool in tools) + "."]
        return "\n".join(lines)

    def figures(self, workload, tool, phase, phases, server):
        """The cells of one row; none where nothing was measured."""
        blank = [""] * (4 if server else 3)
        ratio = self.ratio(workload, tool.key, phase)
        if tool.whole and phase in ("unchanged", "changed") and isinstance(phases.get("first"), list):
            return ["as first", *blank, ratio]
        measured = phases.get(phase)
        if measured is None:
            return None
        if isinstance(measured, str):
            return [f"**failed**: {measured.replace('|', '/')}", *blank, ""]
        median = lambda what: statistics.median(getattr(sample, what) for sample in measured)
        walls = [sample.wall for sample in measured]
        spread = f" ({seconds(min(walls))}–{seconds(max(walls))})" if len(walls) > 1 else " (one run)"
        peak = f"{median('peak') / 1e6:.0f}" if median("peak") else "–"  # too short to be looked at
        stored = megabytes(median("stored")) if phase in ("first", "unchanged", "changed", "sweep") else ""
        return [seconds(median("wall")) + spread, seconds(median("cpu")),
                *([seconds(median("server"))] if server else []), peak, stored, ratio]

    def ratio(self, workload, tool, phase):
        """How many times as long as ours it took."""
        ours, theirs = (self.median(workload, key, phase, "wall") for key in (OURS, tool))
        return f"{theirs / ours:.2f}" if ours and theirs and tool != OURS else ""

    def goals(self):
        """One line a goal: its ratio, and whether it is met."""
        for goal in GOALS:
            ours = self.median(goal.workload, OURS, goal.phase, goal.what)
            theirs = [self.median(goal.workload, peer, goal.phase, goal.what) for peer in goal.peers]
            theirs = [figure for figure in theirs if figure is not None]
            if ours is None or not theirs:
                yield f"- goal: {goal.text}: not measured"
                continue
            ratio = min(theirs) / max(ours, 1e-9)
            shown = (seconds if goal.what == "wall" else megabytes)
            unit = "s" if goal.what == "wall" else "MB"
            verdict = "met" if ratio >= goal.factor else "**missed**"
            yield (f"- goal: {goal.text}: {verdict}: {shown(min(theirs))} {unit} / {shown(ours)} {unit} = {ratio:.2f}, "
                   f"wanted {goal.factor:.2f}")


def document(report):
    """docs/benchmarks.md."""
    return ("# Benchmarks\n\n`make bench` makes its data from a fixed seed, measures Undercroft beside other tools and prints "
            "what follows; `make bench BENCH=--write` writes it here.\n\n" + METHOD + "\n\n" + report.markdown())


def row(cells):
    return "| " + " | ".join(cells) + " |"


def seconds(value):
    """Three digits or so: neither 0.0 s nor 157.000 s."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def megabytes(value):
    return f"{value / 1e6:.2f}" if value < 10e6 else f"{value / 1e6:.0f}"


def field(path, name):
    """The first value of a `name : value` or `name=value` line in a file."""
    try:
        for line in Path(path).read_text().splitlines():
            key, _, value = line.replace("=", ":", 1).partition(":")
            if key.strip() == name:
                return value.strip().strip('"')
    except OSError:
        pass
    return None


def processor():
    return field("/proc/cpuinfo", "model name") or platform.machine()


def memory():
    kilobytes = (field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]
    return f"{int(kilobytes) / 1e6:.0f} GB of memory"


def distribution():
    return field("/etc/os-release", "PRETTY_NAME") or platform.system()


def commit():
    """The checkout's commit; `-dirty` where it holds more."""
    asked = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"


def disk():
    """The file system that the data is on."""
    asked = subprocess.run(["findmnt", "-no", "FSTYPE,SOURCE", "--target", cache()], capture_output=True, text=True)
    return " on ".join(asked.stdout.split()[:2]) or "an unknown disk"
