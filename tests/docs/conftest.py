# SPDX-License-Identifier: MIT
"""What the checks of the documents share: docs/generate.py as a module, and the pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "docs"))
sys.path.insert(0, str(TOP / "tests"))

import generate  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """Without the program nothing can be checked: that is an error, not a skip."""
    for path in (generate.TOOL, generate.TABLES):
        assert os.access(path, os.X_OK), f"{path} does not exist; run ./dev build"
