# SPDX-License-Identifier: Apache-2.0
"""Results as one HTML page that needs nothing else: tables, and a plot of every sample as inline SVG."""

from __future__ import annotations

from html import escape

from .text_report import limit_text, machine_lines, number, ratio_of, value_text, verdict

STYLE = """
:root { --ink: #1b1f24; --soft: #667; --paper: #fff; --line: #d8dde3; --ours: #2f6fde; --plain: #7a8794; --other: #c9822b;
  --good: #1a7f37; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b1; --paper: #14181d; --line: #333b45;
  --ours: #6ea0ff; --plain: #93a0ad; --other: #e2a75a; --good: #4cc26a; --bad: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; font-size: 1.2rem; } h3 { margin: 1.8rem 0 .3rem; font-size: 1rem; }
p, li { color: var(--soft); } table { border-collapse: collapse; width: 100%; }
td, th { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.yes { color: var(--good); } .NO { color: var(--bad); font-weight: 600; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .soft { fill: var(--soft); } .ours { fill: var(--ours); } .plain { fill: var(--plain); } .other { fill: var(--other); }
.dot { fill: var(--ink); opacity: .55; } .axis { stroke: var(--line); }
"""

PLAIN = ("native", "sshfs", "disk")
OURS = ("passthrough", "served", "fast", "net", "disk-mount")
WIDTH, LEFT, RIGHT, ROW = 960, 270, 190, 30


def _kind(name: str) -> str:
    return "plain" if name in PLAIN else "ours" if name in OURS else "other"


def _bar(results: dict, work: dict, name: str, top: int, scale: float) -> str:
    each = work["subjects"][name]
    ratio = ratio_of(work, name)
    told = f"{number(each['median'])} {work['unit']}" + (f"  ×{ratio:.2f}" if ratio else "")
    middle = top + ROW // 2
    dots = "".join(f'<circle class="dot" cx="{LEFT + sample["value"] * scale:.1f}" cy="{middle}" r="3"/>'
                   for sample in each["samples"])
    return (f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(results["titles"].get(name, name))}</text>'
            f'<rect class="{_kind(name)}" x="{LEFT}" y="{top + 5}" width="{max(1.0, each["median"] * scale):.1f}" '
            f'height="{ROW - 10}" rx="2"/>{dots}'
            f'<text class="soft" x="{WIDTH - RIGHT + 10}" y="{middle + 4}">{escape(told)}</text>')


def plot(results: dict, work: dict) -> str:
    """A bar a subject up to its median, a dot a sample."""
    largest = max((each["max"] for each in work["subjects"].values()), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / largest
    height = ROW * len(work["subjects"])
    bars = "".join(_bar(results, work, name, i * ROW, scale) for i, name in enumerate(work["subjects"]))
    return (f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(work["title"])}">'
            f'<line class="axis" x1="{LEFT}" y1="0" x2="{LEFT}" y2="{height}"/>{bars}</svg>')


def _requirements(results: dict) -> str:
    rows = "".join(f'<tr><td>{escape(each["text"])}</td><td class="n">{escape(limit_text(each))}</td>'
                   f'<td class="n">{escape(value_text(each))}</td><td class="{verdict(each)}">{verdict(each)}</td></tr>'
                   for each in results["requirements"])
    return f'<table><tr><th>what</th><th class="n">must</th><th class="n">is</th><th>met</th></tr>{rows}</table>'


def _work(results: dict, work: dict) -> str:
    better = "more is better" if work["is_higher_better"] else "less is better"
    failures = "".join(f"<p>{escape(results['titles'].get(name, name))}: failed: {escape(said[0])}</p>"
                       for name, said in work["failures"].items())
    return (f'<h3 id="{escape(work["id"])}">{escape(work["title"])}</h3><p>{escape(work["unit"])}, {better}</p>'
            f'{plot(results, work) if work["subjects"] else ""}{failures}')


def _micro(results: dict) -> str:
    rows = "".join(f'<tr><td>{escape(name)}</td><td class="n">{number(ns)}</td></tr>'
                   for name, ns in results["micro"].items())
    return f'<h2>In-process paths</h2><table><tr><th>path</th><th class="n">ns</th></tr>{rows}</table>' if rows else ""


def _missing(results: dict) -> str:
    rows = "".join(f"<li>{escape(results['titles'].get(name, name))}: {escape(reason)}</li>"
                   for name, reason in results["missing"].items())
    return f"<h2>Not measured here</h2><ul>{rows}</ul>" if rows else ""


def page(results: dict) -> str:
    machine = "".join(f"<li>{escape(line)}</li>" for line in machine_lines(results))
    works = "".join(_work(results, work) for work in results["works"])
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>arenacache: benchmark</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
            f"<h1>arenacache: benchmark</h1><ul>{machine}</ul><h2>Required and measured</h2>{_requirements(results)}"
            f"<h2>All works</h2><p>Bars are medians, dots are samples; × tells how many times as good as the first plain "
            f"subject.</p>{works}{_micro(results)}{_missing(results)}</body></html>\n")
