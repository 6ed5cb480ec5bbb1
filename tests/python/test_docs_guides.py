# SPDX-License-Identifier: MIT
"""The guides' marked commands run, in their order, in one folder, and say what the pages show."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path
from typing import Dict, List, NamedTuple, Set

import pytest

from installed import TOP, execute

pytestmark = [pytest.mark.interpreters(), pytest.mark.slow]

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
BLOCK = re.compile(r"<!-- (?:file: (?P<name>\S+)|run) -->\n```\w+\n(?P<body>.*?)```\n", re.DOTALL)
PLACE = re.compile(r"\b\w+\.py:\d+ +[\w.<>]+")


class Done(NamedTuple):
    command: str
    shown: str
    printed: str


def run_page(name: str, folder: Path) -> List[Done]:
    """Each command of a page with what the page shows and what it printed."""
    page = (TOP / "docs" / f"{name}.md").read_text(encoding="utf-8")
    env = {"PATH": f"{sysconfig.get_path('scripts')}:/usr/bin:/bin"}
    found = []
    for block in BLOCK.finditer(page):
        if block["name"]:
            # What is measured here is only that it can be measured.
            text = block["body"].replace("range(60_000)", "range(600)")
            (folder / block["name"]).write_text(text, encoding="utf-8")
            continue
        for step in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            done = execute(
                ["bash", "-c", command.replace("cost.py 5", "cost.py 1")], env=env, cwd=folder
            )
            printed = (done.stdout + done.stderr).decode().replace(f"{folder}/", "")
            found.append(Done(command, shown, printed))
    return found


def first_words(text: str) -> List[str]:
    """Those without figures, which depend on the machine."""
    words = text.partition("\n")[0].split()
    return [word for word in words if not any(c.isdigit() for c in word)][:2]


def places(text: str) -> Set[str]:
    return {" ".join(place.split()) for place in PLACE.findall(text)}


def compare(done: List[Done]) -> None:
    for command, shown, printed in done:
        assert first_words(printed) == first_words(shown), (command, printed)
        assert places(shown) <= places(printed), (command, printed)


@pytest.fixture(scope="module")
def leaks(tmp_path_factory: pytest.TempPathFactory) -> List[Done]:
    if FREE_THREADED:
        pytest.skip("the page is about the allocator and the collector of other builds")
    return run_page("guide-leaks", tmp_path_factory.mktemp("leaks"))


def printed_by(done: List[Done], start: str) -> List[str]:
    return [step.printed for step in done if step.command.startswith(start)]


def test_leaks_page(leaks: List[Done]) -> None:
    compare(leaks)


def test_leaks_are_there(leaks: List[Done]) -> None:
    """The programs do what the page says of them."""
    cycles, collected = printed_by(leaks, "pymemtrace top --by type")
    assert "__main__.Part" in cycles and "__main__.Part" not in collected
    before, after = (
        int(line.split()[-2])
        for line in printed_by(leaks, "pymemtrace run -o frag")[0].splitlines()
    )
    assert after > before // 2
    [told] = re.findall(r"tracemalloc: (\d+) kB", "".join(printed_by(leaks, "pymemtrace run")))
    assert int(told) < 1000
    [watched] = printed_by(leaks, "pymemtrace watch")
    [frozen] = printed_by(leaks, "python3 workers.py freeze")
    [copied] = re.findall(r"private to the worker: (\d+) MiB", watched)
    assert int(copied) > 10 + int(frozen.split()[-2])


def test_cost_table_has_what_is_measured(leaks: List[Done]) -> None:
    """The table's commands and figures are those of the measurement on the page."""
    [measured] = [step for step in leaks if step.command.startswith("python3 cost.py")]
    page = (TOP / "docs" / "guide-leaks.md").read_text(encoding="utf-8")
    table: Dict[str, str] = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 7 and cells[5].startswith("`p"):
            table[cells[5].strip("`")] = cells[4]
    shown = {line[9:]: line[:7].strip() for line in measured.shown.splitlines()}
    assert table == shown
    assert {line[9:] for line in measured.printed.splitlines()} <= set(shown)


def test_coming_page(tmp_path: Path) -> None:
    done = run_page("coming-from", tmp_path)
    if sys.version_info < (3, 10):  # the end of a `with` is no line there
        done = [step._replace(shown=step.shown.replace("part.py:4 ", "")) for step in done]
    compare(done)
    assert len(done) == 8
