# SPDX-License-Identifier: MIT
"""Fixtures of the tests of the Python package, which is installed; `./dev test` sees to that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Mapping, Sequence

import pytest

TOP = Path(__file__).resolve().parents[2]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than a few seconds; not in the quick run")
    config.addinivalue_line(
        "markers", "once: does not depend on the interpreter; run by one of all"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("PMT_ONCE"):
        return
    once = [item for item in items if item.get_closest_marker("once")]
    config.hook.pytest_deselected(items=once)
    items[:] = [item for item in items if item not in once]


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment that traces nothing."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR")}
    keep.update(LANG="C.UTF-8", PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    keep.update(extra or {})
    return keep


def execute(
    argv: Sequence[str | Path], status: int | None = 0, **keywords: object
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command and demands its exit status, unless STATUS is None."""
    env = clean_env(keywords.pop("env", None))  # type: ignore[arg-type]
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        list(map(str, argv)),
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
        **keywords,  # type: ignore[call-overload]
    )
    if status is not None:
        assert done.returncode == status, (argv, done)
    return done


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
