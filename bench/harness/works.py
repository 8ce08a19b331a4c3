# SPDX-License-Identifier: Apache-2.0
"""What is measured: one table of works. How a work by the reader is measured is here too; others are in special_works.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

from . import special_works
from .data import Data
from .host import device_read_bytes
from .lab import Lab
from .subjects import Subject

MIB = 1 << 20

# States of what is read.
WARM = "warm"  # a hit, in the page cache
COLD = "cold"  # a hit, not in the page cache
FIRST = "first"  # nothing of it is cached anywhere

HITS = ("native", "passthrough", "served", "rclone", "mergerfs", "squashfs")
HITS_AND_FAST = ("native", "passthrough", "served", "fast", "rclone", "mergerfs", "squashfs")
FEW = ("native", "passthrough", "served", "rclone")


@dataclass(frozen=True)
class Work:
    """Works of one group are measured in turn, round by round, each with all its subjects."""
    id: str
    title: str
    unit: str
    is_higher_better: bool
    subjects: tuple[str, ...]
    measure: Callable[[Lab, Subject], dict]  # a sample: {"value": number, other numbers ...}
    group: str = ""


@dataclass(frozen=True)
class ByReader:
    """A work that bench_reader does in one process."""
    reader: str
    names: Callable[[Data], list[str]]
    state: str
    options: dict[str, int] = field(default_factory=dict)
    quick_options: dict[str, int] = field(default_factory=dict)
    metric: str = "rate"  # or the median latency in "us" or "ms"

    def __call__(self, lab: Lab, subject: Subject) -> dict:
        names = self.names(lab.data)
        options = {**self.options, **(self.quick_options if lab.quick else {})}
        if self.state == FIRST:
            subject.forget(names)
        else:
            lab.keep(subject, names)
        lab.settle()
        before = subject.counters()
        # Also before what is warm: where in memory the pages lie makes one file faster than another, so they move each time.
        left_mib = lab.make_cold(subject, names)
        if self.state == WARM and self.reader == "random":
            lab.reader.read("read", subject.paths(names), {}, subject.prefix)  # sooner than by single pages
        device_before = device_read_bytes(lab.data.root)
        outcome = lab.reader.read(self.reader, subject.paths(names), options, subject.prefix)
        lab.check_sum(outcome, self.reader, names, options)
        sample = {"value": self._value(outcome), "seconds": outcome["seconds"], "bytes": outcome["bytes"]}
        if self.state != WARM:
            sample["device_mib"] = (device_read_bytes(lab.data.root) or 0) / MIB - (device_before or 0) / MIB
        if left_mib > 4:
            sample["not_cold_mib"] = left_mib
        if self.reader == "open-header" and self.state == COLD:
            sample["ssd_mib"] = lab.reader.resident_bytes(subject.stored_files(names)) / MIB
        sample.update({f"more_{key}": value - before.get(key, 0) for key, value in subject.counters().items()})
        return sample

    def _value(self, outcome: dict) -> float:
        if self.metric == "rate":
            return outcome["bytes"] / 1e6 / outcome["seconds"]
        return outcome["latencies_us"]["median"] / (1000 if self.metric == "ms" else 1)


def _rate(id_: str, title: str, subjects: tuple[str, ...], measure, group: str = "") -> Work:
    return Work(id_, title, "MB/s", True, subjects, measure, group)


def _model(data: Data) -> list[str]:
    return [data.model]


def _pages(data: Data) -> list[str]:
    return [data.pages]


def _remote(data: Data) -> list[str]:
    return [data.remote]


def _smalls(data: Data) -> list[str]:
    return data.smalls


def _some_smalls(data: Data) -> list[str]:
    return data.smalls[:20]


# A subject that is slow beyond this is measured by what it read until then; rates stay comparable.
LONG = {"limit_ms": 60_000}
SHORT = {"limit_ms": 10_000}
THRICE = {"warmups": 1, "passes": 3}
AGAIN = {"threads": 8, "block": 2 * MIB, "passes": 4, "advise_every": 2}


def _hits() -> list[Work]:
    def hit(reader: str, state: str, names=_model, options=None, quick=None) -> ByReader:
        extra = THRICE if state == WARM else {}
        return ByReader(reader, names, state, {**LONG, **extra, **(options or {})}, {**SHORT, **(quick or {})})

    return [
        _rate("read-cold", "hit, read() with 1 MiB, cold", HITS_AND_FAST, hit("read", COLD)),
        _rate("read-warm", "hit, read() with 1 MiB, warm", HITS_AND_FAST, hit("read", WARM)),
        _rate("mmap-order-cold", "hit, mmap in file order, cold", HITS_AND_FAST, hit("mmap-in-order", COLD)),
        _rate("mmap-order-warm", "hit, mmap in file order, warm", HITS_AND_FAST, hit("mmap-in-order", WARM)),
        _rate("mmap-shuffled-cold", "hit, mmap, 16 MiB tensors shuffled, cold", HITS_AND_FAST,
              hit("mmap-shuffled", COLD)),
        _rate("mmap-shuffled-warm", "hit, mmap, 16 MiB tensors shuffled, warm", HITS_AND_FAST,
              hit("mmap-shuffled", WARM)),
        _rate("pages-cold", "hit, MADV_RANDOM page faults, tensors shuffled, cold",
              ("native", "passthrough", "served", "fast", "rclone"), hit("mmap-single-pages", COLD, _pages)),
        _rate("again", "8 threads of 2 MiB preads again and again on one open file, every second one with FADV_DONTNEED",
              FEW, ByReader("again", _pages, WARM, {**AGAIN, **LONG}, SHORT)),
        _rate("random-4k-cold", "hit, 4 KiB preads at random, cold", FEW,
              hit("random", COLD, options={"block": 4096, "count": 20_000}, quick={"count": 5_000})),
        _rate("random-4k-warm", "hit, 4 KiB preads at random, warm", FEW,
              hit("random", WARM, options={"block": 4096, "count": 50_000, "warmups": 0}, quick={"count": 20_000})),
        _rate("random-1m-cold", "hit, 1 MiB preads at random, cold", FEW,
              hit("random", COLD, options={"block": MIB, "count": 500}, quick={"count": 100})),
        _rate("together-cold", "hit, 8 files at once, read() with 1 MiB, cold", FEW + ("mergerfs",),
              hit("read", COLD, lambda data: data.shards)),
    ]


def _opens() -> list[Work]:
    def opens(reader: str, count: int) -> ByReader:
        return ByReader(reader, _some_smalls, WARM, {"count": count, "warmups": 1, "passes": 1}, {"count": count // 4},
                        metric="us")

    subjects = FEW + ("mergerfs",)
    return [
        Work("headers-cold", "header-only opens of many files, cold", "us", False,
             ("native", "passthrough", "served"), ByReader("open-header", _smalls, COLD, metric="us")),
        Work("open-close", "open and close of a hit, warm", "us", False, subjects, opens("open", 4000)),
        Work("open-header", "open, read the header, close, warm", "us", False, subjects, opens("open-header", 2000)),
    ]


def _others() -> list[Work]:
    return [
        _rate("write", "writing a new file, fsync included", ("native", "passthrough", "served"), special_works.write),
        Work("cpu", "daemon's CPU while a reader reads a warm file over and over", "ms/s", False,
             ("passthrough", "served"), special_works.daemon_cpu),
        Work("find-second", "second find -printf %s over 10,000 files", "ms", False,
             ("native", "passthrough", "net", "sshfs", "rclone-net"), special_works.find_second),
        Work("find-restart", "find -printf %s over 10,000 files right after a restart of the daemon", "ms", False,
             ("net",), special_works.find_after_restart),
    ]


def _network() -> list[Work]:
    first = ("sshfs", "net", "rclone-net")
    return [
        _rate("net-first-read", "first open over 1 Gbit/s SFTP, read()", first,
              ByReader("read", _remote, FIRST, LONG, SHORT), "net-first"),
        _rate("net-first-shuffled", "first open over 1 Gbit/s SFTP, mmap, tensors shuffled", first,
              ByReader("mmap-shuffled", _remote, FIRST, LONG, SHORT), "net-first"),
        _rate("net-first-pages", "first open over 1 Gbit/s SFTP, MADV_RANDOM page faults", ("sshfs", "net"),
              ByReader("mmap-single-pages", _remote, FIRST, {"limit_ms": 15_000}, SHORT), "net-first"),
        Work("net-first-byte", "first byte of a cold open over SFTP", "ms", False, first,
             ByReader("first-byte", _some_smalls, FIRST, metric="ms")),
        _rate("net-second-read", "second open, page cache empty, read()", ("net", "rclone-net"),
              ByReader("read", _remote, COLD, LONG, SHORT), "net-second"),
        _rate("net-warm-read", "second open, warm, read()", ("net", "rclone-net"),
              ByReader("read", _remote, WARM, {**LONG, **THRICE}, SHORT), "net-second"),
    ]


def _disk() -> list[Work]:
    return [
        _rate("disk-rate", "slow disk's own sequential rate (O_DIRECT, 32 MiB a request)", ("disk",),
              ByReader("read", _remote, COLD, {"block": 32 * MIB, "direct": 1}), "disk"),
        _rate("disk-first-read", "first load from the slow disk, read()", ("disk", "disk-mount"),
              ByReader("read", _remote, FIRST, LONG, SHORT), "disk"),
        _rate("disk-first-shuffled", "first load from the slow disk, mmap, tensors shuffled", ("disk", "disk-mount"),
              ByReader("mmap-shuffled", _remote, FIRST, LONG, SHORT), "disk"),
    ]


def all_works() -> list[Work]:
    return _hits() + _opens() + _others() + _network() + _disk()
