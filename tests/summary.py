# SPDX-License-Identifier: MIT
"""Sum up the results of all test runners: failures, skips, times, and the closing line.

usage: summary.py FOLDER STATUS

FOLDER holds a JUnit file a runner (NAME.xml; Meson's names no reasons for skips, so meson.json has
the tests' own output), NAME.skipped with the reason of a runner that could
not run, NAME.failed with what a part said that failed without a test, NAME.none for a runner that had
nothing to run, again.txt the tests that failed once and got a second try, parts.txt the seconds that
each part took. STATUS is 1 if a runner reported failure.
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

SLOWEST = 10


class Sum:
    """Counts of all runners, and what is to be said about them."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        self.skipped: Counter[str] = Counter()
        self.reasons: list[str] = []  # for skips that come without, in order
        self.times: list[tuple[float, str]] = []

    def take_reasons(self, path: Path) -> None:
        """From lines like `ok 3 - name # SKIP reason` in the output of Meson's tests."""
        for line in path.read_text().splitlines():
            out = json.loads(line).get("stdout", "")
            self.reasons += re.findall(r"^ok .*# SKIP\S* *(.*)", out, re.MULTILINE | re.IGNORECASE)

    def add_case(self, case: ET.Element) -> None:
        name = f"{case.get('classname', '')} {case.get('name', '')}".strip()
        self.times.append((float(case.get("time") or 0), name))
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            self.failed.append(name)
        elif skip is not None:
            reason = skip.get("message") or (skip.text or "").strip()
            reason = reason or (self.reasons.pop(0) if self.reasons else "no reason given")
            self.skipped[reason] += 1
        else:
            self.passed += 1

    def add_file(self, path: Path) -> None:
        try:
            cases = list(ET.parse(path).iter("testcase"))
        except ET.ParseError as error:
            self.failed.append(f"{path.name} cannot be read: {error}")
            return
        for case in cases:
            self.add_case(case)


def print_times(folder: Path, total: Sum) -> None:
    """How long each part took, and the slowest tests (Meson's have no times)."""
    if (folder / "parts.txt").exists():
        for line in (folder / "parts.txt").read_text().splitlines():
            name, _, seconds = line.rpartition(" ")
            print(f"{int(seconds):5} s  {name}")
    print("slowest tests:")
    for seconds_taken, name in sorted(total.times, reverse=True)[:SLOWEST]:
        print(f"{seconds_taken:7.1f} s  {name}")


def main(folder: Path, status: int) -> int:
    total = Sum()
    if (folder / "meson.json").exists():
        total.take_reasons(folder / "meson.json")
    for path in sorted(folder.glob("*.xml")):
        total.add_file(path)
    for path in sorted(folder.glob("*.skipped")):
        total.skipped[f"{path.stem}: {path.read_text().strip()}"] += 1
    for path in sorted(folder.glob("*.failed")):
        total.failed.append(f"{path.stem}: {path.read_text().strip()}")
    for runner in ("meson", "pytest"):
        if not list(folder.glob(runner + ".*")):
            total.failed.append(f"{runner} left no results")
    if status and not total.failed:
        total.failed.append("a runner failed without naming a test")
    print()
    print_times(folder, total)
    for reason, count in sorted(total.skipped.items()):
        print(f"skipped {count}: {reason}")
    if (folder / "again.txt").exists():
        for name in (folder / "again.txt").read_text().splitlines():
            print(f"SECOND TRY {name}")
    for name in total.failed:
        print(f"FAILED {name}")
    skipped = sum(total.skipped.values())
    print(f"{total.passed} passed, {len(total.failed)} failed, {skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
