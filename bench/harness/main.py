# SPDX-License-Identifier: Apache-2.0
"""bench/run: arguments, building, the order of things, and that all is undone at the end."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from . import html_report, not_run, text_report
from .data import FULL, QUICK, Data
from .host import Failed, Readahead, Unavailable, call, facts
from .lab import Lab
from .requirements import evaluate_all
from .rounds import run_rounds
from .undo import Undo, only_one, undo_leftovers
from .works import Work, all_works

REPOSITORY = Path(__file__).resolve().parents[2]
READAHEAD_KIB = 128  # Linux's default
DOCS = REPOSITORY / "docs/performance.md"
MICRO = "micro"


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures arenacache and its rivals side by side.")
    parser.add_argument("--quick", action="store_true", help="small files and three rounds: some minutes")
    parser.add_argument("--only", metavar="REGEX", default="", help="only works whose id matches (see --list)")
    parser.add_argument("--subjects", metavar="REGEX", default="", help="only subjects whose name matches")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 5, with --quick 3")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go; default: bench/results/TIME")
    parser.add_argument("--dir", type=Path, metavar="DIR", default=Path("/var/tmp"),
                        help="a folder on the SSD to measure; the generated models stay there for the next run")
    parser.add_argument("--build", type=Path, metavar="DIR", help="take this build folder as it is; default: build/bench")
    parser.add_argument("--write-docs", action="store_true", help="write the results into docs/performance.md too")
    parser.add_argument("--list", action="store_true", help="list works and subjects, and end")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 5)
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    return options


def selected(options: argparse.Namespace) -> list[Work]:
    works = [work for work in all_works() if re.search(options.only, work.id)]
    kept = []
    for work in works:
        subjects = tuple(name for name in work.subjects if re.search(options.subjects, name))
        if subjects:
            kept.append(Work(**{**work.__dict__, "subjects": subjects}))
    return kept


def _as_owner(command: list[str]) -> list[str]:
    """Under sudo, whoever called builds: the build folder stays theirs."""
    owner = os.environ.get("SUDO_USER")
    if os.geteuid() == 0 and owner and str(REPOSITORY.stat().st_uid) == os.environ.get("SUDO_UID"):
        return ["runuser", "-u", owner, "--", *command]
    return command


def build(folder: Path) -> None:
    os.environ["ARENACACHE_LAUNCHER"] = shutil.which("ccache") or ""
    configure = ["cmake", "--preset", "release", "-B", str(folder), "-DARENACACHE_BENCH=ON", "-DARENACACHE_TESTS=OFF"]
    compile_ = ["cmake", "--build", str(folder), "--target", "arenacached", "arenacache", "bench_reader", "bench_micro"]
    for command in (configure, compile_):
        done = subprocess.run(_as_owner(command), cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"building failed: {(done.stdout + done.stderr)[-4000:]}")


def micro(folder: Path, quick: bool) -> dict[str, float]:
    """Nanoseconds, medians of repetitions, by name."""
    report = call(folder / "bench/bench_micro", "--benchmark_format=json", "--benchmark_repetitions=3",
                  f"--benchmark_min_time={0.05 if quick else 0.3}", timeout=900)
    runs: dict[str, list[float]] = {}
    for each in json.loads(report)["benchmarks"]:
        if each.get("run_type") == "iteration" and "error_message" not in each:
            runs.setdefault(each["run_name"], []).append(each["real_time"])
    return {name: statistics.median(times) for name, times in runs.items()}


def measure(options: argparse.Namespace, folder: Path, undo: Undo) -> dict:
    data = Data(folder, QUICK if options.quick else FULL, "quick" if options.quick else "full")
    works = selected(options)
    data.check_room({name for work in works for name in work.subjects})
    data.make()
    machine = facts(data.root, REPOSITORY)
    readahead = Readahead(undo, data.root, READAHEAD_KIB)
    machine["readahead_before_kib"] = readahead.before_kib
    lab = Lab(folder, data, options.build, undo, readahead, options.quick)
    results = run_rounds(lab, works, options.rounds, lambda line: print(line, flush=True))
    return {
        "machine": machine,
        "settings": {"rounds": options.rounds, "sizes": "quick" if options.quick else "full",
                     "mib": asdict(data.sizes), "readahead_kib": readahead.kib, "only": options.only},
        "versions": {name: subject.version for name, subject in lab.started().items()},
        "titles": lab.titles(),
        "missing": {**lab.missing(), **not_run.reasons()},
        "works": [samples.as_json() for samples in results],
        "micro": micro(options.build, options.quick) if re.search(options.only, MICRO) else {},
    }


def write_results(results: dict, out: Path) -> None:
    results["requirements"] = evaluate_all(results)
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "report.html").write_text(html_report.page(results))
    if owner := os.environ.get("SUDO_UID"):
        for path in (out, out / "results.json", out / "report.html"):
            os.chown(path, int(owner), int(os.environ.get("SUDO_GID", owner)))


def _stop_on_signals() -> None:
    def stop(number: int, _frame) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)  # what follows is the undoing, which must not be cut short
        raise SystemExit(128 + number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)


def show_list() -> None:
    for work in all_works():
        print(f"{work.id:20} {work.title}\n{'':20} {', '.join(work.subjects)}")
    print(f"{MICRO:20} in-process paths, by Google Benchmark")


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    if options.list:
        show_list()
        return 0
    if os.geteuid() != 0:
        print("bench: mounts, network namespaces and empty caches need root: sudo bench/run", file=sys.stderr)
        return 1
    if not selected(options) and not re.search(options.only, MICRO):
        print(f"bench: no work matches --only {options.only!r} (try --list)", file=sys.stderr)
        return 2
    lock = only_one()
    if lock is None:
        print("bench: another run is going on, and two would spoil each other's figures", file=sys.stderr)
        return 1
    _stop_on_signals()
    if count := undo_leftovers():
        print(f"bench: undid what {count} killed run(s) had left")
    undo = Undo()
    try:
        if options.build is None:
            options.build = REPOSITORY / "build/bench"
            print("building", flush=True)
            build(options.build)
        options.build = options.build.resolve()
        folder = options.dir.resolve() / "arenacache-bench"
        folder.mkdir(mode=0o755, exist_ok=True)
        results = measure(options, folder, undo)
    except (Failed, Unavailable) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        print("undoing", flush=True)
        undo.all()
    out = (options.out or REPOSITORY / "bench/results" / time.strftime("%Y%m%d-%H%M%S")).resolve()
    write_results(results, out)
    if options.write_docs:
        text_report.update_docs(DOCS, results)
    print(f"\n{text_report.terminal_report(results)}\n\nResults: {out}/results.json and {out}/report.html")
    return 0
