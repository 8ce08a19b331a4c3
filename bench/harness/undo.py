# SPDX-License-Identifier: Apache-2.0
"""What must be undone at the end, as plain data in a journal, so that the next run can undo what a killed one left.

Steps, undone last first:
  {"end": [pid, start_time]}     end a process that we started (never a recycled pid: its start time is compared)
  {"unmount": mountpoint}        unmount if it is mounted
  {"run": [program, ...]}        run a command; its failure is ignored
  {"write": [path, text]}        write a file of /sys or /proc back
  {"remove": folder}             remove a folder of ours, never across file systems
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path

JOURNALS = Path("/run/arenacache-bench")
END_PATIENCE_S = 30


def start_time(pid: int) -> str | None:
    """The process's start in clock ticks, or None when it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def is_mounted(path: str) -> bool:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        return any(line.split()[4] == path for line in lines)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # not our child: somebody else's leftover


def end_process(pid: int, started: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if start_time(pid) != started:
            break
        os.kill(pid, number)
        deadline = time.monotonic() + END_PATIENCE_S
        while start_time(pid) == started and time.monotonic() < deadline:
            _reap(pid)
            time.sleep(0.01)
    _reap(pid)


def unmount(path: str) -> None:
    for _ in range(10):
        if not is_mounted(path):
            return
        if subprocess.run(["umount", path], capture_output=True, check=False).returncode != 0:
            time.sleep(0.2)
    subprocess.run(["umount", "--lazy", path], capture_output=True, check=False)


def remove(folder: str) -> None:
    if os.path.isdir(folder):
        subprocess.run(["rm", "-rf", "--one-file-system", folder], capture_output=True, check=False)


def undo_step(step: dict) -> None:
    (kind, value), = step.items()
    try:
        if kind == "end":
            end_process(int(value[0]), value[1])
        elif kind == "unmount":
            unmount(value)
        elif kind == "run":
            subprocess.run(value, capture_output=True, check=False, timeout=60)
        elif kind == "write":
            Path(value[0]).write_text(value[1])
        elif kind == "remove":
            remove(value)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"bench: could not undo {step}: {error}")


class Undo:
    """A stack of steps, mirrored in a journal file."""

    def __init__(self, folder: Path = JOURNALS) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._journal = folder / f"{os.getpid()}.json"
        self._steps: list[dict] = []
        self._save()

    def push(self, **step) -> dict:
        """Call it before the deed where the step does no harm without it, else right after."""
        assert len(step) == 1
        self._steps.append(step)
        self._save()
        return step

    def now(self, step: dict) -> None:
        """Undoes one step before its turn."""
        if step in self._steps:
            undo_step(step)
            self._steps.remove(step)
            self._save()

    def all(self) -> None:
        while self._steps:
            undo_step(self._steps[-1])
            self._steps.pop()
            self._save()
        self._journal.unlink(missing_ok=True)

    def _save(self) -> None:
        record = {"pid": os.getpid(), "started": start_time(os.getpid()), "steps": self._steps}
        draft = self._journal.with_suffix(".new")
        draft.write_text(json.dumps(record))
        draft.replace(self._journal)


def only_one(folder: Path = JOURNALS) -> int | None:
    """A lock, held until the process ends, so that no other run empties the caches or puts the readahead back under this one.

    None: another run has it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def undo_leftovers(folder: Path = JOURNALS) -> int:
    """Undoes what runs left that were killed; returns how many there were."""
    count = 0
    for journal in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        record = json.loads(journal.read_text())
        if start_time(record["pid"]) == record["started"]:
            continue  # it still runs
        count += 1
        for step in reversed(record["steps"]):
            undo_step(step)
        journal.unlink()
    return count
