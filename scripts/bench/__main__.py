"""`make bench`: measures Undercroft beside other tools, on data made from a fixed seed.

    python3 scripts/bench                                        everything, three runs
    python3 scripts/bench --scale 0.02 --only files,small --tools undercroft,restic
    python3 scripts/bench --before ../old/target/release/undercroft      two builds in one run

Start reading in `main`; data.py and database.py make the data, peers.py knows the tools, measure.py measures one
command, report.py prints.
"""

import argparse
import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import data
import database
import peers
from measure import ToolFailed, adopt_orphans, nothing_left, run, size_of
from report import PHASES, Report, document

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ["undercroft", "before", *(tool.key for tool in peers.FILES + peers.DATABASE)]
WORKLOADS = {"files": data.uploads, "small": data.small, "database": database.Database}


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))  # so that everything is cleaned up
    adopt_orphans()
    folder = Path(peers.cache()) / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder), temporary(folder) as work, nothing_left():
        report = Report(options.scale, options.runs)
        try:
            for name in options.only:
                workload = WORKLOADS[name](folder, options.scale, options.seed)
                check_space(folder, name, options.scale)
                workload.make(tell)
                Bench(options, workload, tools_for(name, options, report), Path(work), report).measure()
        except (SystemExit, KeyboardInterrupt):
            print(report.markdown())  # an hour's figures are not thrown away
            raise
    print(report.markdown())
    if options.write:
        path = ROOT / "docs/benchmarks.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(document(report))


def arguments():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1, help="how much data; 0.02 for a trial [1: 4.9 GB of files]")
    parser.add_argument("--only", type=words(WORKLOADS), default=list(WORKLOADS), help="workloads: " + ",".join(WORKLOADS))
    parser.add_argument("--tools", type=words(TOOLS), help="only these: " + ",".join(TOOLS))
    parser.add_argument("--phases", type=words(PHASES), default=list(PHASES), help="phases: " + ",".join(PHASES))
    parser.add_argument("--runs", type=int, default=3, help="how often each tool is measured [3]")
    parser.add_argument("--slow-runs", type=int, default=1, help="how often the slowest, those with gzip, are [1]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=1800, help="seconds after which a tool is stopped [1800]")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/undercroft", help="the undercroft to measure")
    parser.add_argument("--before", type=Path, help="another undercroft to measure beside it")
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks.md")
    return parser.parse_args()


def words(known):
    """A list of known words, with commas."""
    def parse(text):
        unknown = [word for word in text.split(",") if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
        return text.split(",")
    return parse


def tools_for(name, options, report):
    """The tools to measure that are here; the others are told, in the report too."""
    kind = "database" if name == "database" else "files"
    tools = [peers.undercroft("undercroft", "**undercroft**", options.binary.absolute(), kind)]
    if options.before:
        tools.append(peers.undercroft("before", "undercroft before", options.before.absolute(), kind))
    tools += peers.DATABASE if kind == "database" else peers.FILES
    if options.tools:
        tools = [tool for tool in tools if tool.key in options.tools]
    for program in {program for tool in tools if not tool.missing() for program in tool.needs}:
        name = "undercroft before" if program == str(options.before and options.before.absolute()) else os.path.basename(program)
        report.versions[name] = peers.version(program)
    if kind == "database":
        report.versions["mariadbd"] = peers.version(database.binary("mariadbd"))
    return tools


@contextlib.contextmanager
def alone(folder):
    """Only one benchmark at a time; removes what one that was killed left."""
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("bench: another benchmark is running")
        for left in folder.glob("run-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def temporary(folder):
    """A folder of this run, on the disk of the data; it goes when the run ends."""
    return tempfile.TemporaryDirectory(prefix="run-", dir=folder, ignore_cleanup_errors=True)


def check_space(folder, name, scale):
    """Stops at once when the disk is too small for the data, one store and one download."""
    needed = {"files": 17e9, "small": 6e9, "database": 10e9}[name] * scale + 1e9
    free = shutil.disk_usage(folder).free
    if free < needed:
        sys.exit(f"bench: {name} needs {needed / 1e9:.0f} GB in {folder}, and {free / 1e9:.0f} GB are free; "
                 "set UNDERCROFT_CACHE to a folder on a larger disk, or use --scale")


def tell(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Bench:
    """Measures the tools on one workload."""

    def __init__(self, options, workload, tools, work, report):
        self.options, self.workload, self.tools, self.work, self.report = options, workload, tools, work, report
        self.samples = report.begin(workload.name, workload.title, tools)

    def measure(self):
        """All runs. The runs are the outer loop, so that a slow minute of the machine falls on all tools alike."""
        one_run = self.run_database if self.workload.name == "database" else self.run_tree
        for number in range(self.options.runs):
            due = [tool for tool in self.tools if number < self.options.slow_runs or not tool.slow]
            one_run(number, due)

    def run_tree(self, number, tools):
        """Each tool goes through all phases in turn; then its store goes, and the edit is taken back."""
        tree = self.workload
        self.report.notes[tree.name] = f"{len(tree.files):,} files, {tree.bytes / 1e9:.2f} GB."
        for tool in tools:
            attempt = Attempt(self, tool, number, {"source": tree.root})
            try:
                self.go_through(attempt, tree)
            finally:
                attempt.remove()
                tree.undo()

    def go_through(self, attempt, tree):
        """All phases of one tool on a tree."""
        if attempt.failed:
            return
        tree.warm()
        attempt.backups("first", "unchanged")
        tree.edit(attempt.number + 1)
        attempt.backups("changed")
        attempt.download(len(tree.files))
        largest = max(tree.files, key=lambda file: file.size)
        chosen = next(file for file in tree.files[len(tree.files) // 2:] if file is not largest)
        attempt.restore(len(tree.files), chosen.path)
        attempt.check()
        attempt.sweep(tree)

    def run_database(self, number, tools):
        """All tools go through each phase together: an edit of a database can't be taken back."""
        folder = self.work / "server"
        shutil.copytree(self.workload.folder / "data", folder / "data")
        with database.Server(folder / "data") as server:
            places = self.database_places(server)
            run(f"{places['dump']} | wc -c", peers.environment(self.work), self.work / "log", self.options.limit)  # warm
            size = int((self.work / "log").read_text())
            rows = sum(self.workload.rows.values())
            self.report.notes["database"] = (f"{rows:,} rows, {size / 1e9:.2f} GB of SQL; the server is on the same machine, "
                                             "and reached over TCP.")
            attempts = [Attempt(self, tool, number, places, server) for tool in tools]
            for attempt in attempts:
                attempt.backups("first", "unchanged")
            self.workload.edit(server, number + 1)
            for attempt in attempts:
                attempt.backups("changed")
                attempt.download(len(database.TABLES))
                attempt.load()
                attempt.remove()
        shutil.rmtree(folder)

    def database_places(self, server):
        """How tools reach the database."""
        account = {"host": "127.0.0.1", "port": server.port, "user": database.USER, "password": database.PASSWORD,
                   "schema": database.SCHEMA}
        credentials = self.work / "client.cnf"
        credentials.write_text("[client]\n" + "".join(f"{key}={account[key]}\n" for key in ("host", "port", "user", "password")))
        dump = f"--defaults-file={shlex.quote(str(credentials))} --single-transaction --routines --events {database.SCHEMA}"
        url = "mysql://{user}:{password}@{host}:{port}/".format(**account)
        load = f"mariadb --defaults-file={shlex.quote(str(credentials))} {database.RESTORED}"
        return account | {"url": url + database.SCHEMA, "restored": database.RESTORED, "restored_url": url + database.RESTORED,
                          "dump": f"mariadb-dump {dump}", "load": load}


BACKUPS = 30  # so many are there before the sweep


def forget_deleted():
    """Lets ext4 forget what was deleted, which makes it slow, as far as this account may: what is written out and in no
    cache it does not look at. What is measured next is warmed again before."""
    os.sync()
    with contextlib.suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("1")


def count(path):
    """The files at or below a path."""
    if path.is_file():
        return 1
    return sum(len(files) for _, _, files in os.walk(path))


class Attempt:
    """One tool with a fresh store, in one run. After a failure it does nothing more."""

    def __init__(self, bench, tool, number, places, server=None):
        self.bench, self.tool, self.number, self.server = bench, tool, number, server
        self.samples = bench.samples[tool.key]
        self.made = 0
        self.rows = []  # of each table, at the newest backup
        self.failed = False
        self.folder = bench.work / tool.key
        for name in ("home", "site"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "site/index.php").touch()  # an empty folder is no site
        self.places = places | {name: self.folder / name for name in ("repo", "out", "key", "site")} | {"cores": os.cpu_count()}
        with self.recording("first"):
            if tool.missing():
                raise ToolFailed(f"{tool.missing()[0]} is not installed")
            self.run("prepare")

    def backups(self, *phases):
        """A backup for each phase that is asked for; the first is needed by all."""
        for phase in phases:
            if self.failed or (self.tool.whole and self.made) or not (phase == "first" or phase in self.bench.options.phases):
                continue
            with self.recording(phase) as keep:
                self.made += 1
                if self.server and self.number == 0:
                    self.rows = self.server.rows(database.SCHEMA)
                store = self.tool.line("store", **self.places)
                before = size_of(store)
                sample = self.run("backup")
                sample.stored = size_of(store) - before
                keep(sample)

    def download(self, wanted):
        """The newest archive, whole; in the first run it is counted whether all is in it."""
        if self.failed or "download" not in self.bench.options.phases:
            return
        with self.recording("download") as keep:
            sample = self.run("download")
            if self.number == 0:
                self.run("count")
                found = int((self.folder / "log").read_text() or 0)
                if found != wanted:
                    raise ToolFailed(f"its download holds {found}, and should hold {wanted}")
            keep(sample)

    def restore(self, wanted, one):
        """The newest backup into a new folder, and one file of it; in the first run it is counted whether all is there."""
        self.places["one"] = one
        for phase in ("restore", "one"):
            if self.failed or phase not in self.bench.options.phases or not getattr(self.tool, phase):
                continue
            self.clear()
            with self.recording(phase) as keep:
                sample = self.run(phase)
                found = count(self.folder / "out")
                expected = wanted if phase == "restore" else 1
                if self.number == 0 and found != expected:
                    raise ToolFailed(f"it laid out {found} files, and should have {expected}")
                keep(sample)
        self.clear()

    def load(self):
        """The newest backup into an empty schema; in the first run the rows are counted."""
        if self.failed or "restore" not in self.bench.options.phases or not self.tool.restore:
            return
        self.server.empty(database.RESTORED)
        with self.recording("restore") as keep:
            sample = self.run("restore")
            if self.number == 0:
                loaded = self.server.rows(database.RESTORED)
                if loaded != self.rows:
                    raise ToolFailed(f"it loaded the rows {loaded}, and should have {self.rows}")
            keep(sample)
        self.server.empty(database.RESTORED)

    def check(self):
        """Whether the newest backup, or all that is stored, is whole."""
        if self.failed or "verify" not in self.bench.options.phases or not self.tool.verify:
            return
        with self.recording("verify") as keep:
            keep(self.run("verify"))

    def sweep(self, tree):
        """The first run ends with thirty backups, of which only the newest is kept."""
        if self.failed or self.number or "sweep" not in self.bench.options.phases or not self.tool.sweep:
            return
        with self.recording("sweep") as keep:
            while self.made < BACKUPS:
                self.made += 1
                tree.edit(100 + self.made)
                self.run("backup")
            self.run("thin")
            store = self.tool.line("store", **self.places)
            before = size_of(store)
            sample = self.run("sweep")
            sample.stored = size_of(store) - before
            keep(sample)

    def clear(self):
        """Makes room for what is laid out next. Folders are moved aside: for minutes after many files were deleted, ext4
        makes new ones ten times slower, and that would be measured."""
        out = self.folder / "out"
        if out.is_dir():
            out.rename(Path(tempfile.mkdtemp(prefix="aside-", dir=self.folder)) / "out")
        else:
            out.unlink(missing_ok=True)

    def run(self, template):
        """Runs one of the tool's lines."""
        line = self.tool.line(template, number=self.made, **self.places)
        environment = peers.environment(self.folder / "home")
        before = self.server.cpu() if self.server else 0
        sample = run(line, environment, self.folder / "log", self.bench.options.limit)
        sample.server = self.server.cpu() - before if self.server else 0
        return sample

    @contextlib.contextmanager
    def recording(self, phase):
        """Keeps a phase's sample, or its failure."""
        where = f"{self.bench.workload.name}, run {self.number + 1}, {self.tool.key}, {PHASES[phase]}"

        def keep(sample):
            tell(f"{where}: {sample.wall:.2f} s, CPU {sample.cpu:.2f} s, {sample.peak / 1e6:.0f} MB, "
                 f"stored {sample.stored / 1e6:.2f} MB")
            self.samples.setdefault(phase, [])
            if isinstance(self.samples[phase], list):
                self.samples[phase].append(sample)

        try:
            yield keep
        except ToolFailed as failure:
            tell(f"{where}: failed: {failure}")
            self.samples[phase] = str(failure).replace(str(self.folder), "…")  # the report names no path of this machine
            self.failed = True

    def remove(self):
        """Frees the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
        forget_deleted()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, ToolFailed) as error:
        sys.exit(f"bench: {error}")
