# SPDX-License-Identifier: MIT
"""Fixtures of the tests of the Python package, which is installed; `./dev test` sees to that."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Callable

import pytest

import interpreters
from installed import execute


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves to other interpreters what is theirs; all is run where nobody says which there are."""
    found = interpreters.from_text(os.environ.get("PMT_INTERPRETERS", "[]"))
    others = []
    for item in items if found else []:
        marker = item.get_closest_marker("interpreters")
        if marker and os.environ["PMT_INTERPRETER"] not in interpreters.at_changes(
            found, marker.args
        ):
            others.append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def program() -> str:
    """The program pymemtrace that was installed with the package."""
    from pymemtrace import program_path

    return program_path()


@pytest.fixture
def trace(program: str, tmp_path: Path) -> Callable[..., Path]:
    """trace(script, NAME=value...) runs a script under the tracer, and returns its log."""

    def run(script: str, **options: object) -> Path:
        path = tmp_path / "traced.py"
        path.write_text(script)
        log = tmp_path / "traced.pmt"
        env = {f"PYMEMTRACE_{name}": str(value) for name, value in options.items()}
        execute([program, "run", "-o", log, "--", sys.executable, path], env=env)
        return log

    return run
