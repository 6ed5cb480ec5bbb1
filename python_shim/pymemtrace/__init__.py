# SPDX-License-Identifier: MIT
"""Trace the memory of Python programs.

Tracing itself needs nothing from this package: the library libpymemtrace.so is loaded before the
interpreter (``pymemtrace run python3 app.py``) and the program ``pymemtrace`` reads its logs. The
package is the place of the in-process interface, which does not exist yet.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__: str = "0.1.0"
