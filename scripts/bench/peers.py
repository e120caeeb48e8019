"""The tools, as lines of bash: how each is prepared, makes a backup, and gives one archive back.

In the lines, {source} is the tree, {dump} a `mariadb-dump` command, {load} one that loads SQL into {restored}, {repo} where the tool stores, {out} where its
download goes, {number} counts the backups of one store, {cores} the machine's cores. HOME is a folder of the run, so
that caches start empty and are gone afterwards; only {repo} counts as stored.
"""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, replace

SECRET = "correct horse battery staple"
SECRETS = {name: SECRET for name in ("RESTIC_PASSWORD", "RUSTIC_PASSWORD", "BORG_PASSPHRASE")}
TAR_COUNT = "tar -tvf {out} | grep -c '^-'"
SQL_COUNT = "grep -ac '^CREATE TABLE' {out}"


@dataclass(frozen=True)
class Tool:
    """One way of backing up one kind of data."""

    key: str  # what --tools calls it
    label: str  # what the table calls it
    needs: tuple  # programs that it runs
    backup: str
    download: str
    count: str  # prints how many files, or tables, {out} holds: a download that lacks some is a failure
    prepare: str = "mkdir -p {repo}"  # outside the measured time
    store: str = "{repo}"  # what counts as stored
    whole: bool = False  # each backup is made as the first, and the store is emptied before it
    slow: bool = False  # runs once only, unless told
    how: str = ""  # what the table's notes say of its download
    restore: str = ""  # lays the newest backup out in {out}, or loads it into the schema {restored}
    one: str = ""  # gets the file {one} alone
    verify: str = ""  # reads and checks all that is stored, or the newest backup
    thin: str = ""  # lets all but the newest of {number} backups go, outside the measured time
    sweep: str = ""  # frees their space

    def line(self, template, **places):
        """A template with everything quoted and in place; `dump` and `load` are commands and go in as they are."""
        dump, load = places.pop("dump", ""), places.pop("load", "")
        quoted = {name: shlex.quote(str(value)) for name, value in places.items()}
        return getattr(self, template).format(dump=dump, load=load, **quoted)

    def missing(self):
        """Programs that it needs and that are not here."""
        return [name for name in self.needs if shutil.which(name, path=search_path()) is None]


def undercroft(key, label, binary, kind):
    """This project's own: the same commands that a user types."""
    place = {
        "files": "{source} --files {source} --no-code --no-database --no-default-excludes",
        "database": "{site} --database {url} --no-code --no-files",
    }[kind]
    run = f"{shlex.quote(str(binary))} --data {{repo}} -n -q"
    prepare = f"mkdir -p {{repo}} && {run} site:add {place} --name bench"
    restore = f"{run} backup:restore bench.live --element {kind} --to {{out}}"
    if kind == "database":
        # As in use: prepared beside what is there, and switched in.
        prepare += f" && {run} site:add {{site}} --name bench --env test --database {{restored_url}} --no-code --no-files"
        restore = f"{run} -y backup:restore bench.test --from bench.live --element {kind} --no-safety-backup"
    return Tool(
        key, label, (str(binary),),
        prepare=prepare,
        backup=f"{run} backup:create bench.live --element {kind}",
        download=f"{run} backup:get bench.live --element {kind} --to {{out}}",
        count="gzip -dc {out} | " + (TAR_COUNT if kind == "files" else SQL_COUNT).replace("{out}", "-"),
        store="{repo}/store", how="`backup:get` of the archive, a .gz",
        restore=restore,
        one=f"{run} backup:restore bench.live --element {kind} --path {{one}} --to {{out}}" if kind == "files" else "",
        verify=f"{run} backup:verify bench.live --element {kind}",
        # What is deleted can be brought back for a week: the sweep is run as if that had passed.
        thin=f"{run} backup:list bench.live --field=file | tail -n +2 | while read -r file; do "
             f"{run} -y backup:delete bench.live --file $file; done",
        sweep=f"faketime -f +30d {run} vault:sweep --however-much --clock-is-right")


def tar(key, through, suffix, unpack, slow=False):
    """GNU tar through a compressor."""
    label, pack = "tar czf", f"tar -C {{source}} -czf {{repo}}/a{suffix} ."
    if through:
        label, pack = f"tar \\| {through}", f"tar -C {{source}} -cf - . | {through} > {{repo}}/a{suffix}"
    program = (through or "gzip").split()[0]
    into = f"mkdir {{out}} && {unpack} < {{repo}}/a{suffix} | tar -C {{out}} -xf -"
    return Tool(key, label, ("tar", program), backup=pack, download=f"cp {{repo}}/a{suffix} {{out}}",
                restore=into, one=f"{into} ./{{one}}", verify=f"{unpack} < {{repo}}/a{suffix} > /dev/null",
                count=f"{unpack} < {{out}} | " + TAR_COUNT.replace("{out}", "-"), whole=True, slow=slow,
                how="`cp` of the archive")


RESTIC = Tool(
    "restic", "restic", ("restic",), prepare="restic -q -r {repo} init",
    backup="restic -q -r {repo} backup {source}", download="restic -q -r {repo} dump latest / > {out}", count=TAR_COUNT,
    how="`restic dump latest /`, a tar",
    restore="restic -q -r {repo} restore latest --target {out}",
    one="restic -q -r {repo} restore latest --target {out} --include {source}/{one}",
    verify="restic -q -r {repo} check --read-data", thin="restic -q -r {repo} forget --keep-last 1",
    sweep="restic -q -r {repo} prune")
RUSTIC = Tool(
    "rustic", "rustic", ("rustic",), prepare="rustic --no-progress --log-level warn -r {repo} init",
    backup="rustic --no-progress --log-level warn -r {repo} backup {source}",
    download="rustic --no-progress --log-level warn -r {repo} dump --archive tar latest:{source} --file {out}", count=TAR_COUNT,
    how="`rustic dump --archive tar`",
    restore="rustic --no-progress --log-level warn -r {repo} restore latest:{source} {out}",
    one="rustic --no-progress --log-level warn -r {repo} dump latest:{source}/{one} > {out}",
    verify="rustic --no-progress --log-level warn -r {repo} check --read-data",
    thin="rustic --no-progress --log-level warn -r {repo} forget --keep-last 1",
    sweep="rustic --no-progress --log-level warn -r {repo} prune --keep-delete 0s --instant-delete")
BORG = Tool(
    "borg", "borg, lz4", ("borg",), prepare="borg init -e repokey-blake2 {repo}",
    backup="borg create --compression lz4 {repo}::{number} {source}",
    download="borg export-tar --tar-filter cat {repo}::{number} {out}", count=TAR_COUNT, how="`borg export-tar`",
    restore="mkdir {out} && cd {out} && borg extract {repo}::{number}",
    one="mkdir {out} && cd {out} && borg extract {repo}::{number} re:{one}$", verify="borg check --verify-data {repo}",
    thin="borg prune --keep-last 1 {repo}", sweep="borg compact --threshold 5 {repo}")
BUPSTASH = Tool(
    "bupstash", "bupstash", ("bupstash",), prepare="bupstash new-key -o {key} && bupstash init -r {repo}",
    backup="bupstash put -q -r {repo} -k {key} --send-log {key}.log name={number} {source}",
    download="bupstash get -q -r {repo} -k {key} name={number} > {out}", count=TAR_COUNT, how="`bupstash get`, a tar",
    restore="mkdir {out} && bupstash get -q -r {repo} -k {key} name={number} | tar -C {out} -xf -",
    one="bupstash get -q -r {repo} -k {key} --pick {one} name={number} > {out}")

FILES = (
    tar("tar-gzip", "", ".tar.gz", "gzip -dc", slow=True),
    tar("tar-pigz", "pigz", ".tar.gz", "pigz -dc"),
    tar("tar-zstd", f"zstd -3 -T{os.cpu_count()}", ".tar.zst", "zstd -dc"),
    RESTIC, RUSTIC, BORG, BUPSTASH,
)


def dump(key, through, suffix, slow=False, load=""):
    """`mariadb-dump` through a compressor; `load` loads what it made."""
    program = through.split()[0]
    return Tool(key, f"mariadb-dump \\| {through}", ("mariadb-dump", program),
                backup=f"{{dump}} | {through} > {{repo}}/a{suffix}", download=f"cp {{repo}}/a{suffix} {{out}}",
                count=f"{program} -dc < {{out}} | " + SQL_COUNT.replace("{out}", "-"), whole=True, slow=slow,
                how="`cp` of the archive", restore=load)


DATABASE = (
    dump("dump-gzip", "gzip", ".sql.gz", slow=True),
    dump("dump-pigz", "pigz", ".sql.gz"),
    dump("dump-zstd", "zstd -3", ".sql.zst", load="zstd -dc {repo}/a.sql.zst | {load}"),
    Tool("mydumper", "mydumper -c", ("mydumper",), whole=True,
         backup="mydumper -v 1 -h {host} -P {port} -u {user} -p {password} -B {schema} -c -R -E -G -t {cores} -o {repo}",
         download="cp -r {repo} {out}", count="ls {out} | grep -c -- '-schema.sql.gz$'", how="`cp -r` of its folder",
         restore="myloader -v 1 -h {host} -P {port} -u {user} -p {password} -B {restored} -d {repo} -t {cores}"),
    replace(RESTIC, key="dump-restic", label="mariadb-dump \\| restic", needs=("mariadb-dump", "restic"),
            backup="{dump} | restic -q -r {repo} backup --stdin --stdin-filename a.sql",
            download="restic -q -r {repo} dump latest /a.sql > {out}", count=SQL_COUNT, how="`restic dump` of the SQL",
            restore=""),
    replace(BORG, key="dump-borg", label="mariadb-dump \\| borg, lz4", needs=("mariadb-dump", "borg"),
            backup="{dump} | borg create --compression lz4 {repo}::{number} -",
            download="borg extract --stdout {repo}::{number} > {out}", count=SQL_COUNT, how="`borg extract --stdout` of the SQL",
            restore=""),
)


def search_path():
    """Where programs are looked for: those built for the benchmark first."""
    return f"{cache()}/peers/bin:{os.environ.get('PATH', os.defpath)}:/usr/sbin"


def cache():
    """The folder outside the checkout that peers and data are kept in."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("UNDERCROFT_CACHE") or os.path.join(base, "undercroft")


def environment(home):
    """What tools find in their environment: a home of their own, and the secrets."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("XDG_", "RESTIC_", "RUSTIC_", "BORG_", "BUPSTASH_", "UNDERCROFT_"))}
    return kept | SECRETS | {"HOME": str(home), "PATH": search_path(), "LC_ALL": "C.UTF-8", "BORG_BASE_DIR": str(home)}


def version(program):
    """The version number in what a program says of itself."""
    ask = "version" if program in ("restic", "bupstash") else "--version"
    said = subprocess.run([program, ask], capture_output=True, text=True, env=os.environ | {"PATH": search_path()}).stdout
    found = re.search(r"\d+(\.\d+)+", said.partition("Distrib")[2] or said)
    return found[0] if found else "unknown"
