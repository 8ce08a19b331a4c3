# SPDX-License-Identifier: Apache-2.0
"""Works that the reader does not do alone: writing, the daemon's CPU, listing a big tree."""

from __future__ import annotations

import subprocess
import time

from .host import Failed, program
from .lab import Lab
from .rivals import Sshfs
from .subjects import Arenacache, Subject

MIB = 1 << 20
CALM_S = 1.5  # until the daemon has lost interest in a file that was just opened


def write(lab: Lab, subject: Subject) -> dict:
    """Through a mount it goes to the source."""
    subject.keep([])
    lab.settle()
    subject.drop_caches()
    path = subject.path("written.safetensors")
    try:
        outcome = lab.reader.read("write", [path], {"length": lab.data.sizes.written * MIB}, subject.prefix)
        size = (lab.data.root / path.name).stat().st_size
        if size != lab.data.sizes.written * MIB:
            raise Failed(f"the source has {size} bytes of what was written")
    finally:
        path.unlink(missing_ok=True)
    return {"value": outcome["bytes"] / 1e6 / outcome["seconds"], "seconds": outcome["seconds"],
            "bytes": outcome["bytes"]}


def daemon_cpu(lab: Lab, subject: Arenacache) -> dict:
    """Milliseconds of CPU a second of reading, beyond what the daemon takes when nobody reads."""
    names = [lab.data.pages]
    lab.keep(subject, names)
    lab.settle()
    seconds = 1 if lab.quick else 3
    marks: list[tuple[float, float]] = []

    def mark() -> None:
        marks.append((time.monotonic(), subject.cpu_seconds()))

    def at_gate() -> None:
        time.sleep(CALM_S)
        mark()
        time.sleep(seconds)
        mark()

    outcome = lab.reader.read_gated("again", subject.paths(names),
                                    {"block": MIB, "passes": 1_000_000, "limit_ms": seconds * 1000}, at_gate, mark)
    idle, busy = [1000 * (b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(marks, marks[1:])]
    return {"value": max(0.0, busy - idle), "idle_ms_per_s": idle, "busy_ms_per_s": busy,
            "reader_mb_s": outcome["bytes"] / 1e6 / outcome["seconds"]}


def _find(lab: Lab, subject: Subject) -> dict:
    # From the top, as people do.
    tree = subject.path(lab.data.tree)
    command = [program("find"), str(subject.root), "-type", "f", "-path", f"{tree}/*", "-printf", "%s\\n"]
    before = subject.counters()
    begin = time.perf_counter()
    found = subprocess.run(command, capture_output=True, check=False, start_new_session=True, timeout=300)
    seconds = time.perf_counter() - begin
    sizes = [int(line) for line in found.stdout.split()]
    if found.returncode != 0 or len(sizes) != lab.data.sizes.names:
        raise Failed(f"find saw {len(sizes)} of {lab.data.sizes.names} files: {found.stderr.decode()[-200:]}")
    if sum(sizes) != sum(1000 + i * 37 for i in range(lab.data.sizes.names)):
        raise Failed("find saw other sizes than the folder has")
    more = {f"more_{key}": value - before[key] for key, value in subject.counters().items()}
    return {"value": 1000 * seconds, "seconds": seconds, **more}


def find_second(lab: Lab, subject: Subject) -> dict:
    """The second one right after a first one, which starts with nothing in the kernel's caches."""
    lab.settle()
    if isinstance(subject, Sshfs):
        subject.forget_names()
    subject.drop_caches()
    first = _find(lab, subject)
    return {**_find(lab, subject), "first_ms": first["value"]}


def find_after_restart(lab: Lab, subject: Arenacache) -> dict:
    """A find, a restart on the same store, and the find that counts."""
    _find(lab, subject)
    subject.settle()
    subject.restart()
    return _find(lab, subject)
