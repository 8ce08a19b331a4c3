# SPDX-License-Identifier: Apache-2.0
"""Subjects: the ways to the same files that are compared. Each shows the data's tree below `root`."""

from __future__ import annotations

import json
import time
from pathlib import Path

from .host import Failed, Service, Unavailable, call, cpu_seconds, drop_caches, files_below, first_line, read_calls
from .host import wait_until
from .undo import Undo

FILL_PATIENCE_S = 600


class Subject:
    """The plain folder, and the base of all others. Made by Lab, which starts it when it is first needed."""

    #: A command that runs another one where it sees the source as this subject does.
    prefix: tuple[str, ...] = ()

    def __init__(self, name: str, title: str, root: Path) -> None:
        self.name = name
        self.title = title
        self.root = root
        self.version = ""

    def start(self) -> None:
        """Unavailable where it cannot run here."""

    def path(self, name: str) -> Path:
        return self.root / name

    def paths(self, names: list[str]) -> list[Path]:
        return [self.path(name) for name in names]

    def keep(self, names: list[str]) -> None:
        """From now on these are hits: in this subject's cache, if it has one."""

    def forget(self, names: list[str]) -> None:
        """The next open of these is a first one."""

    def settle(self) -> None:
        """Waits until nothing happens in the background."""

    def stored_files(self, names: list[str]) -> list[Path]:
        """The files on the SSD that hold these names' bytes."""
        return self.paths(names)

    def drop_caches(self) -> None:
        drop_caches()

    def counters(self) -> dict[str, int]:
        """What the subject counts by itself, and how often it asked its source."""
        return {}


class Arenacache(Subject):
    """A mount by the daemon that was built, with its defaults but for a short wait until a copy counts as whole."""

    def __init__(self, name: str, title: str, work: Path, source: Path, build: Path, undo: Undo,
                 flags: dict[str, str] | None = None, prefix: tuple[str, ...] = (), feeder: Service | None = None,
                 needs_passthrough: bool = False) -> None:
        super().__init__(name, title, work / name)
        self.store = work / f"{name}-store"
        self.source = source
        self._daemon = build / "src/daemon/arenacached"
        self._client = build / "src/cli/arenacache"
        self._socket = work / f"{name}.socket"
        self._log = work / f"{name}.log"
        self._undo = undo
        self._flags = flags or {}
        self._start_prefix = prefix
        self._feeder = feeder  # the program behind the source, whose calls are counted
        self._needs_passthrough = needs_passthrough
        self._service: Service | None = None
        self._kept: set[str] = set()

    def start(self) -> None:
        self.version = first_line(str(self._daemon), "--version")
        usage = call(self._daemon, "--help")
        for flag in self._flags:
            if f"{flag} " not in usage and f"{flag}," not in usage:
                raise Unavailable(f"this daemon has no {flag}")
        for folder in (self.root, self.store):
            folder.mkdir(exist_ok=True)
        self._run()
        if self._needs_passthrough and (reason := self.passthrough_reason()):
            self._stop()
            raise Unavailable(reason)

    def _run(self) -> None:
        flags = {"--source": str(self.source), "--mount": str(self.root), "--store": str(self.store),
                 "--socket": str(self._socket), "--cache-settle": "0s", "--store-keep-free": "256MiB", **self._flags}
        command = [*self._start_prefix, str(self._daemon), "--foreground"]
        for flag, value in flags.items():
            command += [flag, value]
        self._unmount = self._undo.push(unmount=str(self.root))
        self._service = Service(self._undo, command, self._log)
        self._service.wait_mounted(self.root)
        self._service.wait_ready(self._answers)
        self._wait_until_source_rests()

    def _wait_until_source_rests(self) -> None:
        """At its start the daemon looks through the source for links that leave it."""
        calls = -1
        while self._feeder and (now := read_calls(self._feeder.pid)) != calls:
            calls = now
            time.sleep(0.5)

    def _answers(self) -> bool:
        try:
            self.stats()
        except Failed:
            return False
        return True

    def restart(self) -> None:
        """Ends the daemon and starts it again on the store as it is."""
        self._stop()
        self._run()

    def _stop(self) -> None:
        self._service.stop()
        self._undo.now(self._unmount)

    def ask(self, *words: str, timeout: float = 60) -> dict:
        return json.loads(call(self._client, "--socket", self._socket, "--json", *words, timeout=timeout))

    def stats(self) -> dict:
        return self.ask("stats")

    def passthrough_reason(self) -> str | None:
        """None: files in the store are read past the daemon. Else why not."""
        stats = self.stats()
        state = stats.get("passthrough") or next((tier["passthrough"] for tier in stats.get("tiers", [])
                                                  if "passthrough" in tier), None)
        if state is None:
            return "this daemon has no passthrough"
        return None if state.get("available") else state.get("reason") or "not available"

    def keep(self, names: list[str]) -> None:
        wanted = [name for name in names if name not in self._kept]
        if not wanted:
            return
        self.ask("prefetch", "--wait", *map(str, self.paths(wanted)), timeout=FILL_PATIENCE_S)
        wait_until(lambda: all(self._cached(name).get("state") == "resident" for name in wanted), FILL_PATIENCE_S,
                   f"{self.name}: {wanted[0]} is resident")
        self._kept.update(wanted)

    def _cached(self, name: str) -> dict:
        """What the store has of a file."""
        try:
            objects = self.ask("ls", str(self.path(name)))["objects"]
        except Failed:
            return {}  # nothing is known of it
        return next((each for each in objects if each["path"] == name), {})

    def forget(self, names: list[str]) -> None:
        self.settle()
        paths = list(map(str, self.paths(names)))

        def is_gone() -> bool:
            self.ask("evict", *paths)
            return not any(self._cached(name).get("cached_bytes") for name in names)

        wait_until(is_gone, FILL_PATIENCE_S, f"{self.name}: {names[0]} is evicted")
        self._kept.difference_update(names)

    def settle(self) -> None:
        def is_idle() -> bool:
            fills = self.stats()["fills"]
            return fills["active"] == 0 and fills["queued"] == 0

        wait_until(is_idle, FILL_PATIENCE_S, f"{self.name}: its copies are complete")

    def stored_files(self, names: list[str]) -> list[Path]:
        return files_below(self.store)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._service.pid)

    def counters(self) -> dict[str, int]:
        stats = self.stats()
        counters = {key: stats["opens"][key] for key in ("passthrough", "served") if key in stats.get("opens", {})}
        counters["origin_calls"] = sum(mount["origin_calls"] for mount in stats["mounts"])  # made for programs
        if self._feeder:
            counters["source_requests"] = read_calls(self._feeder.pid)
        return counters


class FastOrigin(Arenacache):
    """A mount that copies nothing: every file is read where it lies."""

    def keep(self, names: list[str]) -> None:
        pass

    def stored_files(self, names: list[str]) -> list[Path]:
        return [self.source / name for name in names]


class Disk(Subject):
    """The slow disk as programs see it that are throttled; its sequential rate is asked for without the page cache."""

    def __init__(self, name: str, title: str, root: Path, prefix: tuple[str, ...]) -> None:
        super().__init__(name, title, root)
        self.prefix = prefix
