# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests: `tracer` runs programs, `python` is each interpreter in turn."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import harness
import interpreters

# The events of a log are a million dictionaries, none of which is garbage: to look at them again and
# again while they are read takes a quarter of the time.
gc.set_threshold(1_000_000, 50, 100)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "python: runs with every interpreter; also on unstable's")
    config.addinivalue_line("markers", "versions(least, below): not with other interpreters")
    harness.pythons()  # before xdist starts its workers, who inherit the list


def pytest_report_header() -> list[str]:
    return harness.header_line()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "python" in metafunc.fixturenames:
        found = list(harness.pythons())
        marker = metafunc.definition.get_closest_marker("versions")
        if marker:
            least, below = marker.args
            found = [p for p in found if least <= p.version < below]
        marker = metafunc.definition.get_closest_marker("interpreters")
        if marker:
            chosen = interpreters.at_changes([p.known for p in found], marker.args)
            found = [p for p in found if p.name in chosen]
        reason = "no Python interpreter found"
        if harness.pythons():
            reason = "no interpreter of the versions that this is for"
        skip = pytest.param(None, marks=pytest.mark.skip(reason=reason))
        names = [p.name for p in found] or ["none"]
        metafunc.parametrize("python", [*found] or [skip], ids=names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "python" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.python)


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """Without the library and the tool nothing can be tested: that is an error, not a skip."""
    for path in (harness.TOOL, harness.LIBRARY):
        assert os.access(path, os.R_OK), f"{path} does not exist; run ./dev build"


@pytest.fixture
def tracer(tmp_path: Path) -> harness.Tracer:
    return harness.Tracer(tmp_path)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> harness.Once:
    folder = tmp_path_factory.getbasetemp()
    return harness.Once((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "once")


@pytest.fixture
def a_python() -> harness.Python:
    """One interpreter, for what does not depend on the version."""
    found = harness.pythons()
    if not found:
        pytest.skip("no Python interpreter found")
    return found[0]
