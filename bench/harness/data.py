# SPDX-License-Identifier: Apache-2.0
"""The files that are read: valid .safetensors of random bytes (nothing compresses them), made once and kept."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .host import Failed
from .undo import remove

MIB = 1 << 20
FORMAT = 1  # of what is made here; another number makes everything anew


@dataclass(frozen=True)
class Sizes:
    """In MiB, and numbers of files."""
    model: int
    pages: int  # the model read by single page faults
    remote: int  # the one read over the network and from the slow disk
    shard: int
    shards: int
    small: int  # those of which only the header is read
    smalls: int
    names: int  # files in the tree to list
    written: int

    @property
    def total(self) -> int:
        return self.model + self.pages + self.remote + self.shard * self.shards + self.small * self.smalls


# Subjects that keep copies in the folder of the run, by what they copy.
COPY_MODELS = {"passthrough", "served", "rclone", "squashfs"}
COPY_SMALLS = {"passthrough", "served"}
COPY_REMOTE = {"net", "rclone-net", "disk", "disk-mount"}
SPARE_MIB = 1024

FULL = Sizes(model=2048, pages=1024, remote=512, shard=128, shards=8, small=6, smalls=200, names=10_000, written=1024)
QUICK = Sizes(model=256, pages=256, remote=256, shard=32, shards=8, small=5, smalls=60, names=10_000, written=256)


def write_model(path: Path, mib: int, tensor_mib: int = 16) -> None:
    """Layout: length of the header, header (JSON), the tensors' bytes. Source: huggingface.co/docs/safetensors."""
    tensor = min(tensor_mib, mib) * MIB
    count = mib * MIB // tensor
    names = {f"model.layers.{i}.weight": {"dtype": "U8", "shape": [tensor], "data_offsets": [i * tensor, (i + 1) * tensor]}
             for i in range(count)}
    # A model's header has hundreds of tensors: 64 KiB, padded with spaces as the format allows.
    header = json.dumps({"__metadata__": {"format": "pt"}, **names}).encode()
    header = header.ljust(max(64 * 1024, (len(header) + 7) // 8 * 8))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        for _ in range(count):
            for _ in range(tensor // MIB):
                out.write(os.urandom(MIB))
    # As if downloaded some time ago: what was written a moment ago is not trusted to be finished.
    long_ago = time.time() - 2 * 86400
    os.utime(path, (long_ago, long_ago))


class Data:
    """Paths are relative to `root`, so that the same files are found below every subject."""

    def __init__(self, folder: Path, sizes: Sizes, name: str) -> None:
        self.root = folder / f"data-{name}"
        self.sizes = sizes
        self.model = "checkpoints/model.safetensors"
        self.pages = "checkpoints/pages.safetensors"
        self.remote = "remote/model.safetensors"
        self.shards = [f"shards/model-{i:05}-of-{sizes.shards:05}.safetensors" for i in range(sizes.shards)]
        self.smalls = [f"small/lora-{i:03}.safetensors" for i in range(sizes.smalls)]
        self.tree = "tree"

    @property
    def _mark(self) -> Path:
        return self.root / "complete.json"

    def _recipe(self) -> dict:
        return {"format": FORMAT, **asdict(self.sizes)}

    def is_made(self) -> bool:
        return self._mark.exists() and json.loads(self._mark.read_text()) == self._recipe()

    def check_room(self, subjects: set[str]) -> None:
        """Failed where the disk would get full in the run."""
        sizes = self.sizes
        needed = sizes.written + SPARE_MIB + (0 if self.is_made() else sizes.total)
        smalls = sizes.small * sizes.smalls
        needed += len(COPY_MODELS & subjects) * (sizes.total - smalls) + len(COPY_SMALLS & subjects) * smalls
        needed += len(COPY_REMOTE & subjects) * sizes.remote * 5 // 4
        free = shutil.disk_usage(self.root.parent).free
        if free < needed * MIB:
            raise Failed(f"{self.root.parent} needs {needed / 1024:.1f} GiB free and has {free / 1024 / MIB:.1f}: choose "
                         "another folder with --dir, fewer subjects, or --quick")

    def make(self) -> None:
        if self.is_made():
            return
        remove(str(self.root))
        self.root.mkdir(parents=True)
        self.root.chmod(0o755)
        print(f"making {self.sizes.total / 1024:.1f} GiB of models in {self.root} (kept for the next run)", flush=True)
        self._make_models()
        self._make_tree()
        os.sync()
        self._mark.write_text(json.dumps(self._recipe()))

    def _make_models(self) -> None:
        for name, mib in ((self.model, self.sizes.model), (self.pages, self.sizes.pages),
                          (self.remote, self.sizes.remote)):
            write_model(self.root / name, mib)
        for name in self.shards:
            write_model(self.root / name, self.sizes.shard)
        for name in self.smalls:
            write_model(self.root / name, self.sizes.small, tensor_mib=1)

    def _make_tree(self) -> None:
        """Sparse files of different sizes: only their names and attributes are asked for."""
        for i in range(self.sizes.names):
            path = self.root / self.tree / f"folder-{i // 100:03}" / f"file-{i:05}.safetensors"
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as out:
                out.truncate(1000 + i * 37)
