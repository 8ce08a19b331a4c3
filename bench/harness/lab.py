# SPDX-License-Identifier: Apache-2.0
"""The lab of one run: its folder, data, subjects and sources, each started when it is first needed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Callable

from .data import Data
from .host import Failed, Readahead, Unavailable, advise_away, call, claim_memory, drop_caches, file_system_of
from .network import Network
from .reader import Reader
from .rivals import Mergerfs, Rclone, Squashfs, Sshfs
from .slow_disk import SlowDisk
from .subjects import Arenacache, Disk, FastOrigin, Subject
from .undo import Undo

MIB = 1 << 20
COLD_TRIES = 3
PASSTHROUGH_FLAG = "--fuse-passthrough"


class Lab:
    def __init__(self, folder: Path, data: Data, build: Path, undo: Undo, readahead: Readahead, quick: bool) -> None:
        self.data = data
        self.quick = quick
        self.reader = Reader(build / "bench/bench_reader")
        self.build = build
        self.work = folder / f"run-{os.getpid()}"
        self._undo = undo
        self._readahead = readahead
        self._started: dict[str, Subject] = {}
        self._missing: dict[str, str] = {}
        self._sources: dict[str, object] = {}
        self._sums: dict[tuple, str] = {}
        self._verified: set[tuple] = set()
        undo.push(remove=str(self.work))
        self.work.mkdir(mode=0o755)

    # Subjects.

    def titles(self) -> dict[str, str]:
        return {name: title for name, (title, _) in self._subjects().items()}

    def _subjects(self) -> dict[str, tuple[str, Callable[[str, str], Subject]]]:
        return {
            "native": (f"{file_system_of(self.data.root)}, directly", self._native),
            "passthrough": ("arenacache", self._passthrough),
            "served": ("arenacache, served by the daemon", self._served),
            "fast": ("arenacache, fast origin, nothing copied", self._fast),
            "rclone": ("rclone mount, VFS cache full", self._rclone),
            "mergerfs": ("mergerfs", self._mergerfs),
            "squashfs": ("squashfs, zstd", self._squashfs),
            "sshfs": ("sshfs, directly", self._sshfs),
            "net": ("arenacache over sshfs", self._net),
            "rclone-net": ("rclone mount of SFTP, VFS cache full", self._rclone_net),
            "disk": ("slow disk, directly", self._disk),
            "disk-mount": ("arenacache over the slow disk", self._disk_mount),
        }

    def subject(self, name: str) -> Subject:
        """Unavailable with the same reason each time, where it cannot run here."""
        if name in self._missing:
            raise Unavailable(self._missing[name])
        if name not in self._started:
            title, make = self._subjects()[name]
            try:
                made = make(name, title)
                made.start()
            except (Unavailable, Failed) as reason:
                self._missing[name] = str(reason)
                raise Unavailable(str(reason)) from None
            self._started[name] = made
        return self._started[name]

    def started(self) -> dict[str, Subject]:
        return dict(self._started)

    def missing(self) -> dict[str, str]:
        return dict(self._missing)

    def _native(self, name: str, title: str) -> Subject:
        return Subject(name, title, self.data.root)

    def _arenacache(self, name: str, title: str, source: Path, **options) -> Arenacache:
        return Arenacache(name, title, self.work, source, self.build, self._undo, **options)

    def _passthrough(self, name: str, title: str) -> Subject:
        return self._arenacache(name, title, self.data.root, needs_passthrough=True)

    def _served(self, name: str, title: str) -> Subject:
        usage = call(self.build / "src/daemon/arenacached", "--help")
        flags = {PASSTHROUGH_FLAG: "off"} if PASSTHROUGH_FLAG in usage else {}
        return self._arenacache(name, title, self.data.root, flags=flags)

    def _fast(self, name: str, title: str) -> Subject:
        return FastOrigin(name, title, self.work, self.data.root, self.build, self._undo, flags={"--origin-kind": "fast"})

    def _rclone(self, name: str, title: str) -> Subject:
        return Rclone(name, title, self.work, self._undo, str(self.data.root))

    def _mergerfs(self, name: str, title: str) -> Subject:
        return Mergerfs(name, title, self.work, self._undo, self.data.root)

    def _squashfs(self, name: str, title: str) -> Subject:
        return Squashfs(name, title, self.work, self._undo, self.data.root)

    def _sshfs(self, name: str, title: str) -> Sshfs:
        return Sshfs(name, title, self.work, self._undo, self.network(), self.data.root)

    def _net(self, name: str, title: str) -> Subject:
        origin = self._source("origin", lambda: self._sshfs("net-origin", ""))
        return self._arenacache(name, title, origin.root, feeder=origin.service)

    def _rclone_net(self, name: str, title: str) -> Subject:
        return Rclone(name, title, self.work, self._undo, self.network().rclone_remote(self.data.root))

    def _disk(self, name: str, title: str) -> Subject:
        disk = self.slow_disk()
        return Disk(name, title, disk.root, disk.prefix)

    def _disk_mount(self, name: str, title: str) -> Subject:
        disk = self.slow_disk()
        return self._arenacache(name, title, disk.root, prefix=disk.prefix)

    # Sources.

    def _source(self, name: str, make, *arguments):
        if isinstance(self._sources.get(name), Unavailable):
            raise self._sources[name]
        if name not in self._sources:
            source = make()
            try:
                source.start(*arguments)
            except Unavailable as reason:
                self._sources[name] = reason
                raise
            self._sources[name] = source
        return self._sources[name]

    def network(self) -> Network:
        return self._source("network", lambda: Network(self.work, self._undo))

    def slow_disk(self) -> SlowDisk:
        files = [(self.data.root / self.data.remote, self.data.remote)]
        return self._source("disk", lambda: SlowDisk(self.work, self._undo), files)

    # States.

    def settle(self) -> None:
        """Before every measurement: nobody works in the background."""
        self._readahead.hold()
        for subject in self._started.values():
            subject.settle()

    def make_cold(self, subject: Subject, names: list[str]) -> float:
        """Nothing of what `subject` reads is in memory. Returns the MiB that stayed there all the same."""
        stored = subject.stored_files(names)
        files = stored + [self.data.root / name for name in names]
        for _ in range(COLD_TRIES):
            advise_away(files)
            subject.drop_caches()
            left = self.reader.resident_bytes(stored) if stored else 0
            if left <= 4 * MIB:
                break
            time.sleep(0.2)
        drop_caches()  # also what the look above left of the files' inodes
        claim_memory(sum((self.data.root / name).stat().st_size for name in names) + 256 * MIB)
        return left / MIB

    def keep(self, subject: Subject, names: list[str]) -> None:
        """Makes hits of them, and sees once that they have the right bytes; small ones are never read whole by anybody."""
        subject.keep(names)
        for name in names:
            if subject.name == "native" or name in self.data.smalls or (subject.name, name) in self._verified:
                continue
            outcome = self.reader.read("read", [subject.path(name)], {"sum": 1}, subject.prefix)
            self.check_sum(outcome, "read", [name], {"sum": 1})
            self._verified.add((subject.name, name))

    def check_sum(self, outcome: dict, work: str, names: list[str], options: dict[str, int]) -> None:
        """Failed if complete reading gave other bytes than the data has."""
        is_mapped = work.startswith("mmap")
        if not outcome["complete"] or not (is_mapped or work == "random" or options.get("sum")):
            return
        plain = {"sum": 1, "length": options.get("length", 0)} if work != "random" else \
            {key: options[key] for key in ("block", "count", "seed") if key in options}
        key = (work if work == "random" else "read", tuple(names), tuple(sorted(plain.items())))
        if key not in self._sums:
            files = [self.data.root / name for name in names]
            self._sums[key] = self.reader.read(key[0], files, plain)["sum"]
        if outcome["sum"] != self._sums[key]:
            raise Failed("it read other bytes than the folder has")

