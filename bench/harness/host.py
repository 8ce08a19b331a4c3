# SPDX-License-Identifier: Apache-2.0
"""The machine: programs and processes, page cache, block devices, and what must be told of it with every result."""

from __future__ import annotations

import mmap
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

from .undo import Undo, is_mounted, start_time

READY_PATIENCE_S = 60
MADV_POPULATE_WRITE = 23  # Linux 5.14


class Unavailable(Exception):
    """A subject or source that cannot run here; its text is the reason."""


class Failed(Exception):
    """One measurement that went wrong; its text says how."""


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    if not found:
        raise Unavailable(f"{name} is not installed (scripts/install-deps --bench)")
    return found


def call(*command: str, timeout: float = 300, text_in: str | None = None) -> str:
    """Runs to the end, away from the terminal's Ctrl-C, and returns stdout; Failed with what it said on stderr."""
    try:
        done = subprocess.run([str(word) for word in command], input=text_in, capture_output=True, text=True,
                              timeout=timeout, start_new_session=True, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} did not end within {timeout:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Failed(f"{Path(command[0]).name}: {said[-1] if said else f'exit status {done.returncode}'}")
    return done.stdout


def wait_until(is_true, patience_s: float, what: str) -> None:
    deadline = time.monotonic() + patience_s
    while not is_true():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {patience_s:.0f} s")
        time.sleep(0.02)


class Service:
    """A program that stays in the foreground until it is stopped, with its output in a file."""

    def __init__(self, undo: Undo, command: list[str], log: Path, env: dict | None = None) -> None:
        self._undo = undo
        self._log = log
        self._name = Path(command[0]).name
        with open(log, "ab") as out:
            self._child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                           stderr=out, start_new_session=True, env={**os.environ, **(env or {})})
        self._step = undo.push(end=[self._child.pid, start_time(self._child.pid) or ""])

    @property
    def pid(self) -> int:
        return self._child.pid

    def is_running(self) -> bool:
        return self._child.poll() is None

    def wait_ready(self, is_ready, patience_s: float = READY_PATIENCE_S) -> None:
        """Unavailable with the last line it logged, if it ends or is not ready in time."""
        deadline = time.monotonic() + patience_s
        while not is_ready():
            if not self.is_running() or time.monotonic() > deadline:
                state = "is not ready" if self.is_running() else f"ended with status {self._child.returncode}"
                raise Unavailable(f"{self._name} {state}: {self.last_line()}")
            time.sleep(0.02)

    def wait_mounted(self, mountpoint: Path) -> None:
        self.wait_ready(lambda: is_mounted(str(mountpoint)))

    def last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "(it said nothing)"

    def stop(self) -> None:
        self._undo.now(self._step)


def descendants(pid: int) -> list[int]:
    """The process and all below it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_seconds(pid: int) -> float:
    """Time on a processor of a process and all below it, of all threads that live."""
    total_ns = 0
    for each in descendants(pid):
        for stat in Path(f"/proc/{each}/task").glob("*/schedstat"):
            try:
                total_ns += int(stat.read_text().split()[0])
            except OSError:
                continue
    return total_ns / 1e9


def read_calls(pid: int) -> int:
    """How often the process has called read(2) and its kin."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("syscr:"):
            return int(line.split()[1])
    return 0


def files_below(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names]


def advise_away(files: list[Path]) -> None:
    for path in files:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue  # a socket, a link, gone
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def drop_caches() -> None:
    """Page cache, dentries and inodes of every file system, FUSE mounts included."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def claim_memory(size: int) -> None:
    """A virtual machine may have handed its free memory back to the host, and whoever uses it first pays for getting it
    again: not what is measured. So that much is used once, within half of what is free."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            size = min(size, int(line.split()[1]) * 1024 // 2)
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
            memory.madvise(MADV_POPULATE_WRITE)
        except OSError:
            pass  # an old kernel, or one without huge pages


def device_of(folder: Path) -> str:
    """MAJOR:MINOR of the device that the folder's file system is on."""
    number = os.stat(folder).st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def readahead_file(folder: Path) -> Path:
    device = device_of(folder)
    for found in (Path(f"/sys/class/bdi/{device}"), Path(f"/sys/dev/block/{device}/bdi"),
                  Path(f"/sys/dev/block/{device}/../bdi")):  # the last one: a partition
        if (found / "read_ahead_kb").exists():
            return (found / "read_ahead_kb").resolve()
    raise Unavailable(f"the device of {folder} has no readahead to set")


class Readahead:
    """The readahead of a folder's device, held at one value until the end of the run; where it has none, this does nothing."""

    def __init__(self, undo: Undo, folder: Path, kib: int) -> None:
        self._kib = str(kib)
        self.before_kib: int | str = "unknown"
        self.kib: int | str = "unknown"
        self._path: Path | None = None
        try:
            self._path = readahead_file(folder)
        except Unavailable as reason:
            print(f"bench: {reason}; it stays as it is")
            return
        self.before_kib = int(self._path.read_text())
        self.kib = kib
        undo.push(write=[str(self._path), str(self.before_kib)])
        self._path.write_text(self._kib)

    def hold(self) -> None:
        """Sets it again if somebody else changed it."""
        if self._path and self._path.read_text().strip() != self._kib:
            print(f"bench: somebody changed {self._path}; it is {self._kib} KiB again")
            self._path.write_text(self._kib)


def device_read_bytes(folder: Path) -> int | None:
    """All that was ever read from the folder's device, by anybody; None where that is not counted."""
    try:
        return int(Path(f"/sys/dev/block/{device_of(folder)}/stat").read_text().split()[2]) * 512
    except OSError:
        return None


def first_line(*command: str, about: str = "") -> str:
    """The first line that a program says of itself, or the first with `about` in it; empty where it is not installed."""
    try:
        done = subprocess.run([program(command[0]), *command[1:]], capture_output=True, text=True, timeout=20,
                              start_new_session=True, check=False)
    except (Unavailable, subprocess.SubprocessError):
        return ""
    lines = (done.stdout + done.stderr).splitlines()
    return next((line.strip() for line in lines if line.strip() and about.lower() in line.lower()), "")


def _field(path: str, key: str) -> str:
    for line in Path(path).read_text(errors="replace").splitlines():
        name, _, value = line.replace("=", ":", 1).partition(":")
        if name.strip() == key:
            return value.strip().strip('"')
    return ""


def file_system_of(folder: Path) -> str:
    return first_line("findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(folder)) or "unknown"


def facts(folder: Path, repository: Path) -> dict:
    """What a reader of the results must know of the machine."""
    memory_kib = int(_field("/proc/meminfo", "MemTotal").split()[0])
    commit = first_line("git", "-c", f"safe.directory={repository}", "-C", str(repository), "describe", "--always",
                        "--dirty")
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kib / (1 << 20), 1),
        "virtualisation": first_line("systemd-detect-virt") or "unknown",
        "kernel": platform.release(),
        "system": _field("/etc/os-release", "PRETTY_NAME"),
        "file_system": file_system_of(folder),
        "mount_options": first_line("findmnt", "--noheadings", "--output", "OPTIONS", "--target", str(folder)),
        "device": first_line("findmnt", "--noheadings", "--output", "SOURCE", "--target", str(folder)),
        "load_at_start": round(os.getloadavg()[0], 2),
        "commit": commit,
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
    }
