# SPDX-License-Identifier: MIT
"""The tests of the package that this one replaces pass with this one installed in its place.

They come with its source package, which run.py fetches; nothing of it is kept here.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from pathlib import Path
from typing import List, Set
from xml.etree import ElementTree

import pytest

from installed import clean_env, execute

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info < (3, 9), reason="upstream wants Python 3.9 or later"),
]

SHA256 = "02a18593b02150de3210522c94c3d393c5c6954f701f6bf3a3ebe3831a3d0b23"

#: Tests that are not to pass, and why. docs/python.md has this table, too.
EXCEPTED = {
    "tests.test_cpymemtrace::test_version": "it wants upstream's version number",
    "tests.test_trace_malloc::test_trace_malloc_simple": "it wants the noise of tracemalloc itself,"
    " which is left out here",
}

# They sleep for a minute in all, and none of them looks at how long.
SHORT_SLEEPS = """
import time
sleep = time.sleep
time.sleep = lambda seconds: sleep(seconds / 50)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with the tests in it, and without the package."""
    folder = Path(os.environ["PMT_UPSTREAM"])
    packages = list(folder.glob("*.tar.gz"))
    if not packages:
        pytest.skip((folder / "missing.txt").read_text())
    [package] = packages
    assert hashlib.sha256(package.read_bytes()).hexdigest() == SHA256
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            parts = Path(member.name).parts[1:]
            content = archive.extractfile(member)
            if parts[:1] == ("tests",) and ".." not in parts and content is not None:
                path = tmp_path.joinpath("suite", *parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    (tmp_path / "suite" / "short_sleeps.py").write_text(SHORT_SLEEPS)
    return tmp_path / "suite"


def run_suite(suite: Path, before: List[str]) -> None:
    """Runs it, behind the words BEFORE, and compares what failed with what may fail."""
    report = suite.parent / "report.xml"
    options = ["-q", "-p", "short_sleeps", "-p", "no:cacheprovider", "--show-capture=no"]
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", "tests"]
    env = clean_env({"PYTHONPATH": str(suite)})
    done = execute([*before, *command], None, env=env, cwd=suite, limit_s=None)
    assert done.returncode in (0, 1), (done.stdout + done.stderr).decode(errors="replace")
    cases = list(ElementTree.parse(report).iter("testcase"))
    names = [f"{case.get('classname')}::{case.get('name')}" for case in cases]
    failed: Set[str] = {
        name
        for name, case in zip(names, cases)
        if case.find("failure") is not None or case.find("error") is not None
    }
    assert len(names) > 100 and set(EXCEPTED) <= set(names)
    assert failed <= set(EXCEPTED), done.stdout.decode(errors="replace")


def test_upstream_suite(suite: Path) -> None:
    run_suite(suite, [])


@pytest.mark.interpreters("3.12", "3.13")
def test_upstream_suite_under_run(suite: Path, program: str) -> None:
    run_suite(suite, [program, "run", "-o", str(suite.parent / "%p.pmt"), "--"])
    assert len(list(suite.parent.glob("*.pmt"))) >= 1
