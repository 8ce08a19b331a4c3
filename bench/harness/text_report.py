# SPDX-License-Identifier: Apache-2.0
"""Results as text: tables for the terminal, and the results section of docs/performance.md."""

from __future__ import annotations

from pathlib import Path

from .requirements import AT_MOST, MORE_AT_MOST, RATIO_ABOVE, RATIO_AT_LEAST

BEGIN = "<!-- results: begin (made by bench/report, do not edit) -->"
END = "<!-- results: end -->"


def number(value: float) -> str:
    """Three figures or so."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def base_of(work: dict) -> str | None:
    """The subject that the others of a work are compared with."""
    for name in ("native", "sshfs", "disk"):
        if name in work["subjects"]:
            return name
    return None


def ratio_of(work: dict, name: str) -> float | None:
    """How many times as good as the base: above 1 is better, whatever the unit."""
    base = base_of(work)
    if base is None or name == base:
        return None
    mine, other = work["subjects"][name]["median"], work["subjects"][base]["median"]
    if not mine or not other:
        return None
    return mine / other if work["is_higher_better"] else other / mine


def limit_text(each: dict) -> str:
    sign = {RATIO_AT_LEAST: ">=", RATIO_ABOVE: ">", AT_MOST: "<=", MORE_AT_MOST: "<= +"}.get(each["relation"], "<=")
    unit = f" {each['unit']}" if each["unit"] else " times" if each["relation"].startswith("ratio") else ""
    return f"{sign}{'' if sign.endswith('+') else ' '}{each['limit']:g}{unit}"


def value_text(each: dict) -> str:
    return "not measured" if each["value"] is None else number(each["value"])


def verdict(each: dict) -> str:
    return {None: "-", True: "yes", False: "NO"}[each["is_met"]]


def machine_lines(results: dict) -> list[str]:
    machine = results["machine"]
    versions = "; ".join(f"{name}: {text}" for name, text in results["versions"].items() if text)
    return [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, virtualisation: "
        f"{machine['virtualisation']}; {machine['system']}, Linux {machine['kernel']}",
        f"{machine['file_system']} on {machine['device']} ({machine['mount_options']}), device readahead "
        f"{results['settings']['readahead_kib']} KiB in the run, {machine['readahead_before_kib']} before",
        f"{machine['date']}, commit {machine['commit']}, load {machine['load_at_start']} at the start, "
        f"{results['settings']['rounds']} rounds, {results['settings']['sizes']} files",
        f"versions: {versions}",
    ]


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in
                      enumerate(zip(row, widths))).rstrip() for row in rows]


def work_rows(results: dict, work: dict) -> list[list[str]]:
    rows = []
    for name, each in work["subjects"].items():
        ratio = ratio_of(work, name)
        rows.append([results["titles"].get(name, name), number(each["median"]),
                     f"{number(each['min'])} to {number(each['max'])}", f"{ratio:.2f}" if ratio else ""])
    return rows


def terminal_report(results: dict) -> str:
    lines = machine_lines(results)
    for work in results["works"]:
        lines += ["", f"{work['title']} [{work['id']}], {work['unit']}"]
        if work["subjects"]:
            head = ["", "median", "from to", "times as good"]
            lines += [f"  {line}" for line in _columns([head, *work_rows(results, work)])]
        lines += [f"  {results['titles'].get(name, name)}: failed: {said[0]}" for name, said in work["failures"].items()]
    lines += ["", "Required (ratios of medians)"]
    rows = [[each["text"], limit_text(each), value_text(each), verdict(each)] for each in results["requirements"]]
    lines += [f"  {line}" for line in _columns([["", "must", "is", "met"], *rows])] if rows else ["  (nothing selected)"]
    if results["micro"]:
        lines += ["", "In-process paths"]
        lines += [f"  {line}" for line in _columns([["", "ns"], *([name, number(ns)] for name, ns in
                                                                    results["micro"].items())])]
    if results["missing"]:
        lines += ["", "Not measured here"]
        lines += [f"  {results['titles'].get(name, name)}: {reason}" for name, reason in results["missing"].items()]
    return "\n".join(lines)


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def docs_section(results: dict) -> str:
    lines = [BEGIN, ""]
    for line in machine_lines(results):
        lines.append(f"* {line}")
    lines += ["", "### Required and measured", ""]
    lines += _markdown_table(["what", "must", "is", "met"],
                             [[each["text"], limit_text(each), value_text(each), verdict(each)]
                              for each in results["requirements"]])
    lines += ["", "### All works", "", "Medians; in brackets the smallest and the largest sample."]
    for work in results["works"]:
        if not work["subjects"]:
            continue
        rows = [[title, f"{median} ({span})", ratio] for title, median, span, ratio in work_rows(results, work)]
        base = base_of(work)
        compared = f"times as good as {results['titles'].get(base, base)}" if base else ""
        lines += ["", f"**{work['title']}**", "", *_markdown_table(["", work["unit"], compared], rows)]
    if results["micro"]:
        lines += ["", "### In-process paths", ""]
        lines += _markdown_table(["", "ns"], [[name, number(ns)] for name, ns in results["micro"].items()])
    if results["missing"]:
        lines += ["", "### Not measured here", ""]
        lines += [f"* {results['titles'].get(name, name)}: {reason}" for name, reason in results["missing"].items()]
    return "\n".join([*lines, "", END])


def update_docs(page: Path, results: dict) -> None:
    """Replaces the section between the two marks."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no marks of a results section")
    page.write_text(before + docs_section(results) + after)
