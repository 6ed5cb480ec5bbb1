# SPDX-License-Identifier: MIT
"""The pages on process and process_tree: options are all there, and their programs do what they show."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import watched

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

psutil = pytest.importorskip("psutil")
from pymemtrace import process, process_tree  # noqa: E402

DOCS = watched.TOP / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def program(name: str) -> str:
    found = re.search(r"```python\n(.*?)```", page(name), re.DOTALL)
    assert found
    return found[1]


def test_the_page_names_every_option() -> None:
    common = {"--help", "--interval", "--pid", "--log_level", "--output"}
    for action in process_tree._parser()._actions:
        long, short = action.option_strings[-1], action.option_strings[0]
        if long not in common:
            assert re.search(rf"`(\$ )?.*(?<![\w-]){short}(?![\w-])", page("process_tree")), short


def test_the_default_of_poll_is_that_of_the_page() -> None:
    default = process_tree._parser().parse_args([]).poll
    assert f"every {default} s (`--poll S`" in page("process_tree")


def test_a_table_of_the_page_has_the_headings_of_the_program() -> None:
    heading = " ".join(process._HEADER)
    assert heading in page("process").splitlines()


# Runs argv[1]; its messages wait until they are logged, for the program goes on meanwhile.
WAITING = """
import runpy, sys, time
from pymemtrace import process
add = process.ProcessLoggingThread.add_message_to_queue
def add_and_wait(thread, message):
    add(thread, message)
    while message not in open("leak.log").read():
        time.sleep(0.01)
process.ProcessLoggingThread.add_message_to_queue = add_and_wait
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.slow
def test_program_of_the_page_on_process(tmp_path: Path) -> None:
    """Its labels stand where memory has grown by 10 MB between them, as the page says."""
    path = tmp_path / "leak.py"
    path.write_text(program("process"))
    done = watched.run([sys.executable, "-c", WAITING, str(path)], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "leak.log") as stream:
        records = process.extract_labels_from_json(process.extract_json(stream))
    assert [record["label"] for record in records] == ["100 requests", "200 requests"]
    grown = records[1]["memory_info"]["rss"] - records[0]["memory_info"]["rss"]
    assert grown == pytest.approx(10_000_000, rel=0.1)


@pytest.mark.slow
def test_program_of_the_page_on_process_tree(tmp_path: Path) -> None:
    """Nine megabytes of results a round stay with the parent of the pool."""
    (tmp_path / "pool.py").write_text(program("process_tree"))
    words = ["-i", "0.5", "--json", "pool.json", "--", sys.executable, "pool.py"]
    done = watched.run(watched.tool("process_tree", *words), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = json.loads((tmp_path / "pool.json").read_text())
    sizes = [record["RSS"] for record in records]
    assert max(sizes) - min(sizes) > 20_000_000
    assert max(len(record["children"]) for record in records) >= 4
