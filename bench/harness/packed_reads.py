# SPDX-License-Identifier: Apache-2.0
"""bench/packed-reads: one model of bf16 weights, read cold from a packed tier through the mount, from squashfs-zstd, and as it is."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

from .host import Failed, Readahead, Unavailable, advise_away, call, claim_memory, drop_caches
from .host import facts, files_below, first_line, program
from .main import READAHEAD_KIB, REPOSITORY, _as_owner, _stop_on_signals
from .reader import Reader
from .subjects import Arenacache, Subject
from .undo import Undo, only_one, undo_leftovers

MIB = 1 << 20
NAME = "model.safetensors"
SEED = 1000
LIMIT = {"limit_ms": 60_000}

#: Of bench_reader: its work and options.
WORKS = {
    "read": ("read() with 1 MiB", "read", LIMIT),
    "mmap": ("mmap, 16 MiB tensors shuffled", "mmap-shuffled", LIMIT),
    "pages": ("mmap, MADV_RANDOM page faults, tensors shuffled", "mmap-single-pages", {"limit_ms": 20_000}),
}


class Image(Subject):
    """A squashfs image of the folder, with zstd at mksquashfs' own level, mounted by the kernel. It is kept for the next run, as the model
    is: to make one takes longer than all that is measured."""

    def __init__(self, name: str, title: str, work: Path, undo: Undo, source: Path, block: str) -> None:
        super().__init__(name, title, work / name)
        self.image = source.with_name(f"{source.name}-{block}.squashfs")
        self._source = source
        self._undo = undo
        self._block = block

    def start(self) -> None:
        self.version = first_line("mksquashfs", "-version")
        maker = program("mksquashfs")
        if not self.image.exists():
            print(f"making {self.image} (kept for the next run)", flush=True)
            draft = self.root.with_suffix(".draft")
            call(maker, self._source, draft, "-comp", "zstd", "-b", self._block, "-quiet", "-no-progress", timeout=3600)
            draft.rename(self.image)
        self.root.mkdir()
        self._undo.push(unmount=str(self.root))
        try:
            call("mount", "-t", "squashfs", "-o", "loop,ro", self.image, self.root)
        except Failed as failure:
            raise Unavailable(str(failure)) from None

    def stored_files(self, names: list[str]) -> list[Path]:
        return [self.image]


class Packed(Arenacache):
    """A mount whose model is in a packed tier, and nowhere else in the store."""

    def __init__(self, name: str, title: str, work: Path, source: Path, build: Path, undo: Undo) -> None:
        self.tier = work / f"{name}-tier"
        super().__init__(name, title, work, source, build, undo,
                         flags={"--tier-path": str(self.tier), "--tier-capacity": "100GiB", "--tier-keep-free": "256MiB",
                                "--cache-promote-after": "0"})

    def start(self) -> None:
        super().start()
        self.keep([NAME])
        self.ask("pack", "--wait", str(self.path(NAME)), timeout=3600)
        state = self._cached(NAME)
        if state.get("state") != "packed":
            raise Failed(f"the model is {state.get('state')}, not packed")
        self.tier_stats = next(tier for tier in self.stats()["tiers"] if tier["kind"] == "packed")

    def drop_caches(self) -> None:
        """Decoded chunks are the daemon's own memory: another daemon has none."""
        self.restart()
        drop_caches()

    def stored_files(self, names: list[str]) -> list[Path]:
        return files_below(self.tier)


def allocated(files: list[Path]) -> int:
    return sum(path.stat().st_blocks * 512 for path in files)


class Bench:
    def __init__(self, folder: Path, build: Path, undo: Undo, mib: int) -> None:
        self.work = folder / f"run-{os.getpid()}"
        undo.push(remove=str(self.work))
        self.work.mkdir(parents=True)
        self._source = folder / f"packed-data-{mib}"
        self._make_model(build, mib)
        self.readahead = Readahead(undo, self._source, READAHEAD_KIB)
        self.reader = Reader(build / "bench/bench_reader")
        self.size = (self._source / NAME).stat().st_size
        self.subjects: list[Subject] = []
        self.missing: dict[str, str] = {}
        self._sum = ""
        for subject in (Subject("native", "the plain file", self._source),
                        Packed("packed", "arenacache, packed tier", self.work, self._source, build, undo),
                        Image("squashfs-1m", "squashfs-zstd, blocks of 1 MiB", self.work, undo, self._source, "1M"),
                        Image("squashfs-128k", "squashfs-zstd, blocks of 128 KiB", self.work, undo, self._source, "128K")):
            print(f"preparing: {subject.title}", flush=True)
            try:
                subject.start()
                self.subjects.append(subject)
            except Unavailable as reason:
                self.missing[subject.name] = str(reason)

    def _make_model(self, build: Path, mib: int) -> None:
        mark = self._source / NAME
        if mark.exists():
            return
        self._source.mkdir(parents=True, exist_ok=True)
        print(f"making a model of {mib} MiB in {self._source} (kept for the next run)", flush=True)
        draft = self._source / "draft"
        call(build / "bench/bench_weights", draft, str(mib), str(SEED), timeout=3600)
        os.utime(draft, (1_600_000_000, 1_600_000_000))  # long ago: what was written a moment ago is not trusted
        draft.rename(mark)

    def measure(self, work: str, subject: Subject) -> float:
        """MB/s of a cold read."""
        _, reader_work, options = WORKS[work]
        path = subject.path(NAME)
        self.readahead.hold()
        subject.drop_caches()
        advise_away(subject.stored_files([NAME]) + [path])
        drop_caches()
        claim_memory(self.size + 256 * MIB)
        outcome = self.reader.read(reader_work, [path], options)
        if outcome["complete"]:
            self._check(work, outcome)
        return outcome["bytes"] / 1e6 / outcome["seconds"]

    def _check(self, work: str, outcome: dict) -> None:
        """What is mapped is added up: the sums must be equal."""
        if work == "read":
            return
        self._sum = self._sum or outcome["sum"]
        if outcome["sum"] != self._sum:
            raise Failed("it read other bytes than the file has")

    def sizes(self) -> dict[str, float]:
        """Of what is stored, to the file's size."""
        return {subject.name: allocated(subject.stored_files([NAME])) / self.size for subject in self.subjects}


def build(folder: Path) -> None:
    os.environ["ARENACACHE_LAUNCHER"] = os.environ.get("ARENACACHE_LAUNCHER", "")
    for command in (["cmake", "--preset", "release", "-B", str(folder), "-DARENACACHE_BENCH=ON", "-DARENACACHE_TESTS=OFF"],
                    ["cmake", "--build", str(folder), "--target", "arenacached", "arenacache", "bench_reader",
                     "bench_weights"]):
        call(*_as_owner(["env", "-C", str(REPOSITORY), *command]), timeout=3600)


def run(options: argparse.Namespace, undo: Undo) -> dict:
    folder = options.dir.resolve() / "arenacache-bench"
    folder.mkdir(mode=0o755, exist_ok=True)
    bench = Bench(folder, options.build, undo, 256 if options.quick else 1024)
    rates: dict[str, dict[str, list[float]]] = {work: {} for work in options.works}
    for number in range(options.rounds):
        for work in options.works:
            turned = bench.subjects[number % len(bench.subjects):] + bench.subjects[:number % len(bench.subjects)]
            for subject in turned:
                rate = bench.measure(work, subject)
                rates[work].setdefault(subject.name, []).append(rate)
                print(f"{work:6} {number + 1}/{options.rounds}  {subject.name:14} {rate:9.1f} MB/s", flush=True)
    packed = next((subject for subject in bench.subjects if isinstance(subject, Packed)), None)
    return {"machine": facts(bench.work, REPOSITORY), "mib": bench.size / MIB, "rounds": options.rounds,
            "titles": {subject.name: subject.title for subject in bench.subjects}, "missing": bench.missing,
            "sizes": bench.sizes(), "rates": rates, "tier": packed.tier_stats if packed else {}}


def table(results: dict) -> str:
    """As Markdown: medians, their spread, and the ratio of each to squashfs' best and to the plain file."""
    works = list(results["rates"])
    lines = ["| " + " | ".join(["", "stored, to the file"] + [WORKS[work][0] for work in works]) + " |",
             "| --- |" + " --- |" * (1 + len(works))]
    for name, title in results["titles"].items():
        cells = [title, f"{results['sizes'][name]:.3f}"]
        for work in works:
            values = results["rates"][work][name]
            cells.append(f"{statistics.median(values):,.0f} MB/s ({min(values):,.0f} to {max(values):,.0f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdict(results: dict) -> list[str]:
    """What is asked of packed reads, and whether it is so."""
    rates = {name: statistics.median(values) for name, values in results["rates"].get("read", {}).items()}
    images = [name for name in rates if name.startswith("squashfs")]
    if "packed" not in rates or not images:
        return ["packed reads and squashfs cannot be compared here"]
    fastest = max(rates[name] for name in images)
    smallest = min(results["sizes"][name] for name in images)
    ratio, size = rates["packed"] / fastest, results["sizes"]["packed"]
    return [f"{'ok' if ratio >= 2 else 'MISSED':6} cold sequential read, to squashfs-zstd's: {ratio:.2f} (>= 2.0)",
            f"{'ok' if size < smallest else 'MISSED':6} size, to squashfs-zstd's: {size / smallest:.3f} (< 1)",
            f"       to the plain file: {rates['packed'] / rates['native']:.2f}"]


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/packed-reads", description="Measures reads of a packed model.")
    parser.add_argument("--quick", action="store_true", help="a model of 256 MiB instead of 1 GiB, three rounds instead of five")
    parser.add_argument("--rounds", type=int, metavar="N")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS), help="default: all")
    parser.add_argument("--dir", type=Path, metavar="DIR", default=Path("/var/tmp"), help="a folder on the SSD to measure")
    parser.add_argument("--build", type=Path, metavar="DIR", help="take this build folder as it is; default: build/bench")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 5)
    return options


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    if os.geteuid() != 0:
        print("bench: mounts and empty caches need root: sudo bench/packed-reads", file=sys.stderr)
        return 1
    lock = only_one()
    if lock is None:
        print("bench: another run is going on, and two would spoil each other's figures", file=sys.stderr)
        return 1
    _stop_on_signals()
    undo_leftovers()
    undo = Undo()
    try:
        if options.build is None:
            options.build = REPOSITORY / "build/bench"
            print(f"building what is measured in {options.build}", flush=True)
            build(options.build)
        options.build = options.build.resolve()
        results = run(options, undo)
    except (Failed, Unavailable) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        undo.all()
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    for name, reason in results["missing"].items():
        print(f"not here: {name}: {reason}")
    print(f"\n{table(results)}\n")
    print("\n".join(verdict(results)))
    return 0 if all("MISSED" not in line for line in verdict(results)) else 1
