"""The trees of files that are backed up: the same bytes on every machine, made once and cached.

Every file's content follows from the seed, its number and its generation alone. So an edit of a drawn 1 % can be
made for each tool in turn and taken back: all of them see the same change, and only one store need exist at a time.
"""

import json
import math
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from text import Code

VERSION = 1  # raise it when what is made changes: cached data is then made anew
OLDEST = 1_600_000_000  # seconds since 1970: the first file's time of change
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


@dataclass(frozen=True)
class File:
    """One file of a tree, before any edit."""

    number: int
    path: str  # below the tree's root
    kind: str  # "media", or a language of text.py
    size: int  # bytes


class Tree:
    """A tree of files in the cache."""

    def __init__(self, name, title, files, cache, scale, seed):
        self.name, self.title, self.scale, self.seed = name, title, scale, seed
        self.folder = cache / f"{name}-{scale:g}-seed{seed}-v{VERSION}"
        self.root = self.folder / "tree"
        self.files = files
        self.code = {}
        self.edited = self.folder / "edited.json"  # numbers of the files that an edit has changed and not taken back

    @property
    def bytes(self):
        """What the unedited tree holds."""
        return sum(file.size for file in self.files)

    def make(self, tell):
        """Makes the tree unless it is there, and takes back what a broken-off run left edited."""
        if (self.folder / "made").exists():
            if self.edited.exists():
                self.write(self.files[number] for number in json.loads(self.edited.read_text()))
                self.edited.unlink()
            return
        tell(f"making {self.title}: {len(self.files):,} files, {self.bytes / 1e9:.2f} GB (once)")
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in sorted({os.path.dirname(file.path) for file in self.files}):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self.write(self.files)
        os.sync()
        (self.folder / "made").touch()

    def edit(self, generation):
        """Writes 1 % of the files, drawn for this generation, anew in place; returns the bytes written."""
        drawn = random.Random(f"edit {self.name} {self.seed} {generation}")
        count = max(1, len(self.files) // 100)
        numbers = sorted({int(drawn.random() * len(self.files)) for _ in range(count)})
        before = json.loads(self.edited.read_text()) if self.edited.exists() else []
        self.edited.write_text(json.dumps(sorted({*before, *numbers})))
        return self.write((self.files[number] for number in numbers), generation)

    def undo(self):
        """Gives every edited file its first content and time again."""
        if self.edited.exists():
            self.write(self.files[number] for number in json.loads(self.edited.read_text()))
            self.edited.unlink()

    def warm(self):
        """Reads everything once, so that every tool finds it in the page cache."""
        for file in self.files:
            with open(self.root / file.path, "rb", buffering=0) as opened:
                while opened.read(1 << 20):
                    pass

    def write(self, files, generation=0):
        """Writes the files' content of that generation; returns how many bytes."""
        written = 0
        for file in files:
            content = self.content(file, generation)
            path = self.root / file.path
            path.write_bytes(content)
            time = OLDEST + file.number + 86_400 * 365 * generation
            os.utime(path, (time, time))
            written += len(content)
        return written

    def content(self, file, generation):
        """One file's bytes."""
        rng = random.Random(f"{self.name} {self.seed} {file.number} {generation}")
        if file.kind == "media":
            return (JPEG + rng.randbytes(max(0, file.size - len(JPEG))))[: file.size]
        if file.kind not in self.code:
            self.code[file.kind] = Code(file.kind)
        return self.code[file.kind].bytes(rng, file.size)


def uploads(cache, scale, seed):
    """A WordPress site's files: 60,000 in 4.9 GB, most bytes in images, a third of the files plugins' and themes' text."""
    rng = random.Random(f"files {seed}")
    files = []
    for number in range(max(100, round(60_000 * scale))):
        drawn = rng.random()
        if drawn < 0.38:
            files.append(code_file(rng, number, 7_000, 1.0))
            continue
        month = f"uploads/{2012 + int(rng.random() * 14)}/{1 + int(rng.random() * 12):02}"
        if drawn < 0.382:
            size, name = lognormal(rng, 6_000_000, 0.5), f"recording-{number}.mp4"
        elif drawn < 0.485:
            size, name = lognormal(rng, 460_000, 0.7), f"picture-{number}.jpg"
        else:
            edge = (150, 300, 768, 1024, 1536)[number % 5]
            size, name = lognormal(rng, 32 * edge + 12_000, 0.5), f"picture-{number}-{edge}x{edge * 2 // 3}.jpg"
        files.append(File(number, f"{month}/{name}", "media", size))
    return Tree("files", "a site's files", files, cache, scale, seed)


def small(cache, scale, seed):
    """200,000 small files, most of them text, in many folders."""
    rng = random.Random(f"small {seed}")
    files = []
    for number in range(max(100, round(200_000 * scale))):
        if rng.random() < 0.85:
            files.append(code_file(rng, number, 3_000, 1.2))
        else:
            folder = f"icons/{int(rng.random() * 500):03}"
            files.append(File(number, f"{folder}/icon-{number}.png", "media", lognormal(rng, 3_000, 1.0)))
    return Tree("small", "many small files", files, cache, scale, seed)


def code_file(rng, number, mean, sigma):
    """A plugin's or theme's file."""
    kind = rng.choices(("php", "js", "css"), cum_weights=(0.6, 0.85, 1))[0]
    plugin, part = int(rng.random() ** 2 * 80), ("", "/includes", "/assets", "/admin/views", "/vendor/lib")
    part = part[int(rng.random() * 5)] + ("", f"/part-{int(rng.random() * 8)}")[int(rng.random() * 2)]
    return File(number, f"plugins/plugin-{plugin:02}{part}/{kind}-{number}.{kind}", kind, lognormal(rng, mean, sigma))


def lognormal(rng, mean, sigma):
    """A whole number around `mean`, as sizes of files are spread; by Box and Muller, so that only `random()` is used."""
    normal = math.sqrt(-2 * math.log(1 - rng.random())) * math.cos(2 * math.pi * rng.random())
    return max(1, round(mean * math.exp(sigma * normal - sigma * sigma / 2)))
