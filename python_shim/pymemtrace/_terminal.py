# SPDX-License-Identifier: MIT
"""Texts of other programs made safe to show, and colours where a terminal has them."""

from __future__ import annotations

import os
import re
from typing import List, TextIO

RED = "31"
GREEN = "32"
BLACK_ON_YELLOW = "30;43"


def escape(text: str) -> str:
    """`text` with what cannot be printed written as ``\\xNN`` or ``\\uNNNN``.

    Names and command lines are chosen by the processes that are watched; what they hold must not
    reach a terminal as a command, nor break a line.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _code(ord(c)) for c in text)


def _code(point: int) -> str:
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def has_colours(stream: TextIO) -> bool:
    """Whether `stream` shows colours: a terminal, not a dumb one, and NO_COLOR is not set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in ("", "dumb"):
        return False
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


class Painter:
    """Colours texts for one stream, or leaves them as they are."""

    def __init__(self, stream: TextIO, wanted: bool = True) -> None:
        self._on = wanted and has_colours(stream)

    def paint(self, text: str, colour: str) -> str:
        """`text` in `colour`, one of the constants of this module; "" is none."""
        return f"\033[{colour}m{text}\033[0m" if self._on and colour else text


def check_separator(sep: str) -> str:
    """`sep` if fields can be told apart by it.

    Raises:
        ValueError: it is made of characters that numbers have too, or of more than one line.
    """
    if re.fullmatch(r"[-+.0-9]+", sep):
        raise ValueError(f"{sep!r} cannot separate fields, it can be part of a number")
    if "\n" in sep or "\r" in sep:
        raise ValueError("a separator cannot hold the end of a line")
    return sep


def join(fields: List[str], sep: str) -> str:
    """`fields` in one line with `sep` between them, and nowhere else.

    Where a field holds the separator, or would make one with what follows, its characters of the
    separator are replaced by ``_`` (``?`` if the separator has a ``_``).
    """
    line = sep.join(fields)
    if line.split(sep) == fields:
        return line
    mark = "?" if "_" in sep else "_"
    safe = [re.sub(f"[{re.escape(sep)}]", mark, f) if _clashes(f, sep) else f for f in fields]
    return sep.join(safe)


def _clashes(field: str, sep: str) -> bool:
    return (field + sep).split(sep) != [field, ""] or (sep + field).split(sep) != ["", field]
