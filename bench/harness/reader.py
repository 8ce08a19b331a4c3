# SPDX-License-Identifier: Apache-2.0
"""bench_reader from here: one process a measurement."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from .host import Failed, call

PATIENCE_S = 180  # beyond the limit that the reader keeps itself


class Reader:
    def __init__(self, binary: Path) -> None:
        self._binary = str(binary)

    def _command(self, work: str, files: list[Path], options: dict[str, int]) -> list[str]:
        return [self._binary, work, *(f"{key}={value}" for key, value in options.items()), "--", *map(str, files)]

    def read(self, work: str, files: list[Path], options: dict[str, int], prefix: tuple[str, ...] = ()) -> dict:
        """`prefix`: a command that runs the reader, such as one that puts it into a cgroup."""
        patience = options.get("limit_ms", 0) / 1000 + PATIENCE_S
        return json.loads(call(*prefix, *self._command(work, files, options), timeout=patience))

    def resident_bytes(self, files: list[Path]) -> int:
        """How much of the files is in the page cache."""
        return json.loads(call(self._binary, "resident", text_in="".join(f"{path}\n" for path in files)))["bytes"]

    def read_gated(self, work: str, files: list[Path], options: dict[str, int], at_gate, at_end) -> dict:
        """Calls at_gate() when the file is open and warm, at_end() when the reading is over."""
        with subprocess.Popen(self._command(work, files, {**options, "gate": 1}), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
            try:
                if child.stdout.readline() != "ready\n":
                    raise Failed("the reader did not come to its gate")
                at_gate()
                child.stdin.write("\n")
                child.stdin.flush()
                line = child.stdout.readline()
                at_end()
            finally:
                child.kill()  # it has printed all it has to say, or is not wanted any more
        if not line:
            raise Failed("the reader said nothing")
        return json.loads(line)
