# SPDX-License-Identifier: Apache-2.0
"""A slow hard disk on this machine: ext4 on a loop device, throttled for the processes that are started behind it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .host import Failed, Unavailable, call, device_of, program
from .undo import Undo

CGROUPS = Path("/sys/fs/cgroup")
MIB = 1 << 20


class SlowDisk:
    def __init__(self, work: Path, undo: Undo, megabytes_per_s: int = 150, requests_per_s: int = 200) -> None:
        self.root = work / "slow-disk"
        self.megabytes_per_s = megabytes_per_s
        self.requests_per_s = requests_per_s
        self._image = work / "slow-disk.image"
        self._undo = undo
        self._group: Path | None = None

    def start(self, files: list[tuple[Path, str]]) -> None:
        """Makes the disk with these files, (from, path on the disk), on it."""
        try:
            self._make(sum(path.stat().st_size for path, _ in files))
            for path, name in files:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, self.root / name)
            os.sync()
            self._throttle()
        except (Failed, OSError) as failure:
            raise Unavailable(f"no throttled disk can be made here: {failure}") from None

    def _make(self, size: int) -> None:
        with open(self._image, "wb") as image:
            image.truncate(size * 5 // 4 + 64 * MIB)
        call(program("mkfs.ext4"), "-q", "-F", self._image)
        losetup = program("losetup")
        try:
            device = call(losetup, "--find", "--show", "--direct-io=on", self._image).strip()
        except Failed:
            device = call(losetup, "--find", "--show", self._image).strip()
        self._undo.push(run=[losetup, "--detach", device])
        self.root.mkdir()
        self._undo.push(unmount=str(self.root))
        call("mount", device, self.root)

    def _throttle(self) -> None:
        device = device_of(self.root)
        bytes_per_s = self.megabytes_per_s * 1_000_000
        name = f"arenacache-bench-{os.getpid()}"
        if (CGROUPS / "blkio/blkio.throttle.read_bps_device").exists():
            self._make_group(CGROUPS / "blkio" / name)
            (self._group / "blkio.throttle.read_bps_device").write_text(f"{device} {bytes_per_s}")
            (self._group / "blkio.throttle.read_iops_device").write_text(f"{device} {self.requests_per_s}")
            return
        if "io" not in self._words("cgroup.controllers"):
            raise Failed("this kernel does not throttle block devices by cgroup")
        if "io" not in self._words("cgroup.subtree_control"):
            self._undo.push(write=[str(CGROUPS / "cgroup.subtree_control"), "-io"])
            (CGROUPS / "cgroup.subtree_control").write_text("+io")
        self._make_group(CGROUPS / name)
        (self._group / "io.max").write_text(f"{device} rbps={bytes_per_s} riops={self.requests_per_s}")

    @staticmethod
    def _words(name: str) -> list[str]:
        path = CGROUPS / name
        return path.read_text().split() if path.exists() else []

    def _make_group(self, group: Path) -> None:
        self._undo.push(run=["rmdir", str(group)])
        group.mkdir()
        self._group = group

    @property
    def prefix(self) -> tuple[str, ...]:
        """Starts a command that sees the disk slow."""
        return ("sh", "-c", f'echo $$ >"{self._group}/cgroup.procs" && exec "$@"', "sh")
