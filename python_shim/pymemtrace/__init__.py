# SPDX-License-Identifier: MIT
"""Trace the memory of Python programs.

Tracing a whole program needs nothing from this package: ``pymemtrace run python3 app.py`` loads the
library before the interpreter, and the program ``pymemtrace`` reads the log. Here is what a Python
program can do by itself: find both, and read logs.
"""

from __future__ import annotations

from pymemtrace._paths import library_path, program_path
from pymemtrace._reader import Log, LogError, LogWarning, read
from pymemtrace._records import Event, Frame, Header, Row, Statistics

__all__ = [
    "Event",
    "Frame",
    "Header",
    "Log",
    "LogError",
    "LogWarning",
    "Row",
    "Statistics",
    "__author__",
    "__email__",
    "__version__",
    "library_path",
    "program_path",
    "read",
]

__version__: str = "1.0.0"
__author__: str = "The pymemtrace authors"
__email__: str = "pymemtrace@example.org"
