# SPDX-License-Identifier: Apache-2.0
"""Caches in the kernel that are not among the subjects, and whether this kernel would have them at all."""

from __future__ import annotations

import gzip
import platform
from pathlib import Path

RIVALS = {
    "NFS with FS-Cache": (("CONFIG_NFS_FS", "CONFIG_NFS_FSCACHE", "CONFIG_CACHEFILES", "CONFIG_NFSD"),
                          "needs a server and cachefilesd set up for the whole machine"),
    "lvmcache (dm-cache)": (("CONFIG_BLK_DEV_DM", "CONFIG_DM_CACHE"), "needs a block device for the cache alone, and caches"
                            " block devices, never a network folder"),
    "bcache": (("CONFIG_BCACHE",), "needs block devices that are formatted for it, and caches no network folder"),
}


def kernel_options() -> set[str] | None:
    """What the kernel was built with, built in or as a module; None where it does not say."""
    text = None
    if Path("/proc/config.gz").exists():
        text = gzip.decompress(Path("/proc/config.gz").read_bytes()).decode()
    elif (boot := Path(f"/boot/config-{platform.release()}")).exists():
        text = boot.read_text()
    if text is None:
        return None
    return {line.split("=")[0] for line in text.splitlines() if line.endswith(("=y", "=m"))}


def reasons() -> dict[str, str]:
    options = kernel_options()
    found = {}
    for name, (needed, otherwise) in RIVALS.items():
        lacking = [] if options is None else [option for option in needed if option not in options]
        found[name] = f"this kernel has no {', '.join(lacking)}" if lacking else f"not set up by this benchmark: {otherwise}"
    return found
