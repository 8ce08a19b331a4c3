# SPDX-License-Identifier: Apache-2.0
"""What of the harness can be tried without root: undoing, the required figures, reports, and the files it makes."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import html_report, packed_reads, requirements, text_report, undo  # noqa: E402
from harness.data import MIB, Data, Sizes, write_model  # noqa: E402
from harness.host import Failed  # noqa: E402
from harness.rounds import groups_of, summary, _turned  # noqa: E402
from harness.works import all_works  # noqa: E402


def results_with(works: list[dict]) -> dict:
    results = {
        "machine": {"cpu": "c", "cores": 2, "memory_gib": 1, "virtualisation": "none", "system": "s", "kernel": "k",
                    "file_system": "ext4", "device": "d", "mount_options": "rw", "readahead_before_kib": 256,
                    "date": "today", "commit": "abc", "load_at_start": 0},
        "settings": {"rounds": 3, "sizes": "quick", "readahead_kib": 128},
        "versions": {"passthrough": "1"}, "titles": {"native": "ext4 <directly>"}, "missing": {"rclone": "not <there>"},
        "works": works, "micro": {"path": 3.5},
    }
    results["requirements"] = requirements.evaluate_all(results)
    return results


def work_with(id_: str, is_higher_better: bool = True, **values: list[float]) -> dict:
    subjects = {name: {"samples": [{"value": value} for value in each], **summary([{"value": value} for value in each])}
                for name, each in values.items()}
    return {"id": id_, "title": f"work <{id_}>", "unit": "MB/s", "is_higher_better": is_higher_better, "missing": {},
            "failures": {}, "subjects": subjects}


class UndoTest(unittest.TestCase):
    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        self.journals = self.folder / "journals"

    def test_undoes_the_last_step_first_and_forgets_the_journal(self) -> None:
        target = self.folder / "value"
        target.write_text("now")
        steps = undo.Undo(self.journals)
        steps.push(write=[str(target), "first"])
        steps.push(write=[str(target), "second"])
        steps.all()
        self.assertEqual(target.read_text(), "first")
        self.assertEqual(list(self.journals.iterdir()), [])

    def test_undoes_what_a_killed_run_left_but_not_what_still_runs(self) -> None:
        made = self.folder / "made"
        made.mkdir()
        self.journals.mkdir()
        step = {"remove": str(made)}
        journal = self.journals / "1.json"
        journal.write_text(json.dumps({"pid": os.getpid(), "started": undo.start_time(os.getpid()), "steps": [step]}))
        self.assertEqual(undo.undo_leftovers(self.journals), 0)
        self.assertTrue(made.exists())
        journal.write_text(json.dumps({"pid": os.getpid(), "started": "1", "steps": [step]}))
        self.assertEqual(undo.undo_leftovers(self.journals), 1)
        self.assertFalse(made.exists())
        self.assertFalse(journal.exists())

    def test_one_run_at_a_time(self) -> None:
        first = undo.only_one(self.journals)
        self.assertIsNone(undo.only_one(self.journals))
        os.close(first)
        again = undo.only_one(self.journals)
        self.assertIsNotNone(again)
        os.close(again)

    def test_ends_a_process_of_ours_but_never_one_that_got_its_number_later(self) -> None:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        undo.end_process(child.pid, "1")
        self.assertIsNone(child.poll())
        undo.end_process(child.pid, undo.start_time(child.pid) or "")
        self.assertIsNone(undo.start_time(child.pid))
        child.stdin.close()
        child.wait()


class RequirementsTest(unittest.TestCase):
    def test_ratios_are_of_medians(self) -> None:
        results = results_with([work_with("read-cold", native=[100, 200, 900], passthrough=[500, 10, 501])])
        found = next(each for each in results["requirements"] if each["work"] == "read-cold"
                     and each["subject"] == "passthrough")
        self.assertEqual(found["value"], 2.5)
        self.assertTrue(found["is_met"])

    def test_what_has_no_samples_is_neither_met_nor_missed(self) -> None:
        results = results_with([work_with("read-cold", native=[100])])
        self.assertTrue(results["requirements"])
        self.assertTrue(all(each["is_met"] is None for each in results["requirements"]))

    def test_differences_and_plain_numbers(self) -> None:
        results = results_with([work_with("open-close", False, native=[3], passthrough=[74]),
                                work_with("cpu", False, passthrough=[0])])
        met = {each["work"]: each["is_met"] for each in results["requirements"]}
        self.assertEqual(met, {"open-close": False, "cpu": True})

    def test_every_requirement_is_of_a_work_and_subjects_that_are_measured(self) -> None:
        works = {work.id: work for work in all_works()}
        for each in requirements.REQUIREMENTS:
            self.assertIn(each.subject, works[each.work].subjects, each.text)
            if each.over:
                self.assertIn(each.over, works[each.over_work or each.work].subjects, each.text)


class RoundsTest(unittest.TestCase):
    def test_another_subject_goes_first_in_each_round(self) -> None:
        self.assertEqual([_turned(("a", "b", "c"), i)[0] for i in range(4)], ["a", "b", "c", "a"])

    def test_every_work_is_in_one_group(self) -> None:
        works = all_works()
        self.assertEqual(sorted(work.id for group in groups_of(works) for work in group),
                         sorted({work.id for work in works}))


class ReportTest(unittest.TestCase):
    RESULTS = results_with([work_with("read-cold", native=[100, 120], passthrough=[300, 310]), work_with("empty")])

    def test_the_page_is_whole_and_needs_nothing_else(self) -> None:
        page = html_report.page(self.RESULTS)
        self.assertNotIn("http", page.replace("http-equiv", ""))
        self.assertNotIn("<directly>", page)
        for svg in page.split("<svg")[1:]:
            xml.dom.minidom.parseString("<svg" + svg.split("</svg>")[0] + "</svg>")

    def test_the_docs_section_is_replaced_and_nothing_else(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text(f"before\n{text_report.BEGIN}\nold\n{text_report.END}\nafter\n")
            for _ in range(2):
                text_report.update_docs(page, self.RESULTS)
            text = page.read_text()
            self.assertTrue(text.startswith("before\n") and text.endswith("\nafter\n"))
            self.assertNotIn("\nold\n", text)
            self.assertEqual(text.count("Required and measured"), 1)

    def test_the_terminal_report_tells_ratios_and_what_is_missing(self) -> None:
        text = text_report.terminal_report(self.RESULTS)
        self.assertIn("2.77", text)  # 305 / 110
        self.assertIn("not <there>", text)


class PackedTest(unittest.TestCase):
    def results(self, packed_rate: float, packed_size: float) -> dict:
        rates = {"native": [900.0, 1000.0, 1100.0], "packed": [packed_rate] * 3, "squashfs-1m": [400.0, 500.0, 600.0]}
        return {"titles": {name: name for name in rates}, "rates": {work: rates for work in packed_reads.WORKS},
                "sizes": {"native": 1.0, "packed": packed_size, "squashfs-1m": 0.8}}

    def test_what_is_asked_of_packed_reads_is_of_medians(self) -> None:
        self.assertEqual([line[:6].strip() for line in packed_reads.verdict(self.results(1000, 0.7))[:2]], ["ok", "ok"])
        self.assertEqual([line[:6].strip() for line in packed_reads.verdict(self.results(999, 0.8))[:2]], ["MISSED", "MISSED"])

    def test_the_table_has_a_line_a_subject(self) -> None:
        lines = packed_reads.table(self.results(1234, 0.7)).splitlines()
        self.assertEqual(len(lines), 2 + 3)
        self.assertIn("| packed | 0.700 | 1,234 MB/s (1,234 to 1,234) |", lines[3])


class DataTest(unittest.TestCase):
    def test_a_disk_that_would_get_full_is_refused_before_anything_is_made(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            small = Data(Path(folder), Sizes(1, 1, 1, 1, 1, 1, 1, 1, 1), "small")
            small.check_room({"native", "passthrough", "net"})
            huge = Data(Path(folder), Sizes(1 << 40, 1, 1, 1, 1, 1, 1, 1, 1), "huge")
            with self.assertRaises(Failed):
                huge.check_room({"native"})
            self.assertEqual(os.listdir(folder), [])

    def test_a_model_is_valid_safetensors(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            write_model(path, 4, tensor_mib=1)
            content = path.read_bytes()
        length, = struct.unpack("<Q", content[:8])
        header = json.loads(content[8:8 + length])
        ends = [each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"]
        self.assertEqual(ends, [i * MIB for i in range(1, 5)])
        self.assertEqual(len(content), 8 + length + 4 * MIB)


if __name__ == "__main__":
    unittest.main()
