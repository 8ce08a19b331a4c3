# SPDX-License-Identifier: Apache-2.0
"""What a user would pick instead, each with the options that its documentation gives for this use."""

from __future__ import annotations

from pathlib import Path

from .host import Failed, Service, Unavailable, call, first_line, program
from .network import Network
from .subjects import Subject
from .undo import Undo, remove


class Rival(Subject):
    """A mount by a program that stays in the foreground."""

    def __init__(self, name: str, title: str, work: Path, undo: Undo) -> None:
        super().__init__(name, title, work / name)
        self._work = work
        self._undo = undo
        self._service: Service | None = None

    def command(self) -> list[str]:
        """What mounts it. Unavailable where it is not installed."""
        raise NotImplementedError

    def start(self) -> None:
        command = self.command()
        self.root.mkdir(exist_ok=True)
        self._unmount = self._undo.push(unmount=str(self.root))
        self._service = Service(self._undo, command, self._work / f"{self.name}.log", {"RCLONE_CONFIG": "/dev/null"})
        self._service.wait_mounted(self.root)

    def stop(self) -> None:
        self._service.stop()
        self._undo.now(self._unmount)


class Rclone(Rival):
    """`remote`: a folder, or what rclone calls a connection string."""

    def __init__(self, name: str, title: str, work: Path, undo: Undo, remote: str) -> None:
        super().__init__(name, title, work, undo)
        self._remote = remote
        self._cache = work / f"{name}-cache"
        self._kept: set[str] = set()

    def command(self) -> list[str]:
        rclone = program("rclone")
        self.version = first_line("rclone", "version")
        return [rclone, "mount", self._remote, str(self.root), "--vfs-cache-mode", "full", "--cache-dir",
                str(self._cache), "--allow-other", "--read-only"]

    def keep(self, names: list[str]) -> None:
        for name in names:
            if name not in self._kept:
                call("dd", f"if={self.path(name)}", "of=/dev/null", "bs=1M", timeout=1200)  # what a user does: read it once
        self._kept.update(names)

    def forget(self, names: list[str]) -> None:
        self.stop()
        remove(str(self._cache))
        self._kept.clear()
        self.start()

    def stored_files(self, names: list[str]) -> list[Path]:
        return [path for path in self._cache.rglob("*") if path.is_file()]


class Mergerfs(Rival):
    def __init__(self, name: str, title: str, work: Path, undo: Undo, source: Path) -> None:
        super().__init__(name, title, work, undo)
        self._source = source

    def command(self) -> list[str]:
        mergerfs = program("mergerfs")
        self.version = first_line("mergerfs", "--version")
        return [mergerfs, "-f", "-o", "allow_other,cache.files=full,async_read=true", str(self._source), str(self.root)]

    def stored_files(self, names: list[str]) -> list[Path]:
        return [self._source / name for name in names]


class Squashfs(Subject):
    def __init__(self, name: str, title: str, work: Path, undo: Undo, source: Path) -> None:
        super().__init__(name, title, work / name)
        self._image = work / f"{name}.image"
        self._source = source
        self._undo = undo

    def start(self) -> None:
        if "squashfs" not in Path("/proc/filesystems").read_text().split():
            try:
                call("modprobe", "squashfs")
            except (Failed, OSError):
                raise Unavailable("this kernel has no squashfs") from None
        mksquashfs = program("mksquashfs")
        self.version = first_line("mksquashfs", "-version")
        call(mksquashfs, self._source, self._image, "-comp", "zstd", "-Xcompression-level", "3", "-b", "1M", "-quiet",
             "-no-progress", "-wildcards", "-e", "tree", "small", timeout=1800)
        self.root.mkdir(exist_ok=True)
        self._undo.push(unmount=str(self.root))
        try:
            call("mount", "-t", "squashfs", "-o", "loop,ro", self._image, self.root)
        except Failed as failure:
            raise Unavailable(str(failure)) from None

    def stored_files(self, names: list[str]) -> list[Path]:
        return [self._image]


class Sshfs(Rival):
    """sshfs over the shaped network: a subject by itself, and the source of others."""

    def __init__(self, name: str, title: str, work: Path, undo: Undo, network: Network, exported: Path) -> None:
        super().__init__(name, title, work, undo)
        self._network = network
        self._exported = exported

    def command(self) -> list[str]:
        sshfs = program("sshfs")
        self.version = first_line("sshfs", "--version", about="sshfs version")
        return [sshfs, "-f", *self._network.sshfs_options(), f"root@{self._network.host}:{self._exported}",
                str(self.root)]

    def forget_names(self) -> None:
        """sshfs keeps names for 20 s by itself."""
        self.stop()
        self.start()

    @property
    def service(self) -> Service:
        return self._service

    def stored_files(self, names: list[str]) -> list[Path]:
        return []
