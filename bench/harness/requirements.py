# SPDX-License-Identifier: Apache-2.0
"""What the medians must show, as ratios, differences or numbers; evaluated on the results' JSON."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

RATIO_AT_LEAST = "ratio, at least"
RATIO_AT_MOST = "ratio, at most"
RATIO_ABOVE = "ratio, more than"
MORE_AT_MOST = "more by at most"
AT_MOST = "at most"


@dataclass(frozen=True)
class Requirement:
    text: str
    relation: str
    limit: float
    subject: str
    work: str
    over: str = ""  # the subject it is compared with
    over_work: str = ""  # where that is another work
    metric: str = "value"
    unit: str = ""

    def evaluate(self, results: dict) -> dict:
        mine = median_of(results, self.work, self.subject, self.metric)
        other = median_of(results, self.over_work or self.work, self.over, self.metric) if self.over else None
        value = self._value(mine, other)
        return {"text": self.text, "relation": self.relation, "limit": self.limit, "unit": self.unit,
                "work": self.work, "subject": self.subject, "over": self.over, "over_work": self.over_work or self.work,
                "value": value, "is_met": None if value is None else self._is_met(value)}

    def _value(self, mine: float | None, other: float | None) -> float | None:
        if mine is None or (self.over and other is None):
            return None
        if self.relation == AT_MOST:
            return mine
        if self.relation == MORE_AT_MOST:
            return mine - other
        return mine / other if other else None

    def _is_met(self, value: float) -> bool:
        if self.relation == RATIO_AT_LEAST:
            return value >= self.limit
        return value > self.limit if self.relation == RATIO_ABOVE else value <= self.limit


def median_of(results: dict, work: str, subject: str, metric: str) -> float | None:
    for each in results["works"]:
        if each["id"] == work:
            samples = each["subjects"].get(subject, {}).get("samples", [])
            values = [sample[metric] for sample in samples if sample.get(metric) is not None]
            return statistics.median(values) if values else None
    return None


def _at_least(text: str, limit: float, work: str, subject: str, over: str, over_work: str = "") -> Requirement:
    return Requirement(text, RATIO_AT_LEAST, limit, subject, work, over, over_work)


def _cold(subject: str, prefix: str) -> list[Requirement]:
    return [
        _at_least(f"{prefix}, read() with 1 MiB, cold, to native", 2.5, "read-cold", subject, "native"),
        _at_least(f"{prefix}, mmap in file order, cold, to native", 1.7, "mmap-order-cold", subject, "native"),
        _at_least(f"{prefix}, mmap with shuffled tensors, cold, to native", 1.25, "mmap-shuffled-cold", subject, "native"),
        _at_least(f"{prefix}, MADV_RANDOM page faults, cold, to native", 20, "pages-cold", subject, "native"),
    ]


REQUIREMENTS: list[Requirement] = [
    _at_least("hit, sequential, warm, to native", 0.97, "read-warm", "passthrough", "native"),
    _at_least("hit, mmap in file order, warm, to native", 0.97, "mmap-order-warm", "passthrough", "native"),
    _at_least("hit, mmap with shuffled tensors, warm, to native", 0.97, "mmap-shuffled-warm", "passthrough", "native"),
    *_cold("passthrough", "hit"),
    *_cold("fast", "fast local origin, nothing copied"),
    Requirement("header-only opens, cold: bytes read from the SSD, to native", RATIO_AT_MOST, 1.1, "passthrough",
                "headers-cold", "native", metric="ssd_mib"),
    _at_least("hit, 4 KiB preads at random, cold, to native", 0.90, "random-4k-cold", "passthrough", "native"),
    _at_least("hit, 4 KiB preads at random, warm, to native", 0.90, "random-4k-warm", "passthrough", "native"),
    _at_least("8 threads of 2 MiB preads again and again, to native", 0.97, "again", "passthrough", "native"),
    Requirement("open and close of a hit, warm, over native", MORE_AT_MOST, 70, "passthrough", "open-close", "native",
                unit="us"),
    Requirement("open, read the header, close, over native", MORE_AT_MOST, 70, "passthrough", "open-header", "native",
                unit="us"),
    _at_least("without passthrough: hit, read(), cold, to native", 1.0, "read-cold", "served", "native"),
    _at_least("without passthrough: hit, mmap in file order, cold, to native", 0.7, "mmap-order-cold", "served", "native"),
    _at_least("without passthrough: hit, sequential, warm, to rclone", 5, "read-warm", "served", "rclone"),
    _at_least("without passthrough: hit, sequential, cold, to rclone", 2.5, "read-cold", "served", "rclone"),
    _at_least("first open over 1 Gbit/s SFTP, sequential, to sshfs", 0.95, "net-first-read", "net", "sshfs"),
    _at_least("first open over SFTP, mmap with shuffled tensors, to sshfs read in order", 0.90, "net-first-shuffled", "net",
              "sshfs", "net-first-read"),
    _at_least("first open over SFTP, MADV_RANDOM page faults, to the same on sshfs", 8, "net-first-pages", "net", "sshfs"),
    Requirement("first byte of a cold open over SFTP, later than sshfs", MORE_AT_MOST, 5, "net", "net-first-byte", "sshfs",
                unit="ms"),
    _at_least("first load from the slow disk, shuffled tensors, to its sequential rate", 0.90, "disk-first-shuffled",
              "disk-mount", "disk", "disk-rate"),
    Requirement("second find over 10,000 files, time, to native warm", RATIO_AT_MOST, 2.0, "net", "find-second", "native"),
    Requirement("second find over 10,000 files: requests to the source's sshfs", AT_MOST, 0, "net", "find-second",
                metric="more_source_requests"),
    Requirement("the same right after a restart: requests to the source's sshfs", AT_MOST, 0, "net", "find-restart",
                metric="more_source_requests"),
    _at_least("writing through the mount, to native", 0.9, "write", "passthrough", "native"),
    Requirement("first open over SFTP, to rclone", RATIO_ABOVE, 1, "net", "net-first-read", "rclone-net"),
    Requirement("second open, page cache empty, to rclone", RATIO_ABOVE, 1, "net", "net-second-read", "rclone-net"),
    Requirement("second open, warm, to rclone", RATIO_ABOVE, 1, "net", "net-warm-read", "rclone-net"),
    # 0 as this clock can tell: a tenth of a percent of one core.
    Requirement("daemon's CPU while passthrough readers of a warm file run", AT_MOST, 1, "passthrough", "cpu", unit="ms/s"),
]


def evaluate_all(results: dict) -> list[dict]:
    """Those whose works were measured at all, in this run's selection."""
    measured = {each["id"] for each in results["works"]}
    return [each.evaluate(results) for each in REQUIREMENTS if {each.work, each.over_work or each.work} <= measured]
