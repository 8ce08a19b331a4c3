# SPDX-License-Identifier: Apache-2.0
"""The rounds: every subject of every work of a group in turn, again and again, so that a slow minute hits all alike."""

from __future__ import annotations

import statistics
import time
from typing import Callable

from .host import Unavailable
from .lab import Lab
from .works import Work

GIVEN_UP_AFTER = 2  # failures of one subject at one work


class Samples:
    """Of one work: per subject its samples, or why there are none."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.by_subject: dict[str, list[dict]] = {}
        self.missing: dict[str, str] = {}
        self.failures: dict[str, list[str]] = {}

    def is_given_up(self, subject: str) -> bool:
        return subject in self.missing or len(self.failures.get(subject, [])) >= GIVEN_UP_AFTER

    def as_json(self) -> dict:
        work = self.work
        return {
            "id": work.id, "title": work.title, "unit": work.unit, "is_higher_better": work.is_higher_better,
            "missing": self.missing, "failures": self.failures,
            "subjects": {name: {**summary(samples), "samples": samples}
                         for name, samples in self.by_subject.items()},
        }


def summary(samples: list[dict]) -> dict:
    values = [sample["value"] for sample in samples]
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def groups_of(works: list[Work]) -> list[list[Work]]:
    groups: dict[str, list[Work]] = {}
    for work in works:
        groups.setdefault(work.group or work.id, []).append(work)
    return list(groups.values())


def _turned(subjects: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Another one goes first in each round."""
    at = number % len(subjects)
    return subjects[at:] + subjects[:at]


def _measure(lab: Lab, samples: Samples, name: str) -> str:
    """Adds one sample; returns what to tell of it."""
    try:
        sample = samples.work.measure(lab, lab.subject(name))
    except Unavailable as reason:
        samples.missing[name] = str(reason)
        return f"not here: {reason}"
    except Exception as failure:  # whatever it is, an hour of other measurements is not given up for it
        samples.failures.setdefault(name, []).append(str(failure) or type(failure).__name__)
        return f"FAILED: {failure}"
    samples.by_subject.setdefault(name, []).append(sample)
    return f"{sample['value']:10.1f} {samples.work.unit}"


def run_rounds(lab: Lab, works: list[Work], rounds: int, say: Callable[[str], None]) -> list[Samples]:
    results: list[Samples] = []
    for group in groups_of(works):
        all_samples = [Samples(work) for work in group]
        results += all_samples
        for number in range(rounds):
            for samples in all_samples:
                for name in _turned(samples.work.subjects, number):
                    if samples.is_given_up(name):
                        continue
                    begin = time.monotonic()
                    told = _measure(lab, samples, name)
                    took = time.monotonic() - begin
                    say(f"{samples.work.id:20} {number + 1}/{rounds}  {name:12} {told}  ({took:.1f} s)")
    return results
