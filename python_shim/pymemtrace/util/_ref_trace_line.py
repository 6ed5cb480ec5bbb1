# SPDX-License-Identifier: MIT
"""Take a NEW or DEL line of a log of reference tracing apart.

Such a line is written by ``"%s: %12.6f %16p %16ld %-32s %-80s %4d %-40s %16zd %16ld"``. Names may
have spaces in them and may be longer than their columns, which then move; and the columns are wide
by bytes or by characters, depending on the writer. The widths tell where a name ends.
"""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional, Tuple

__all__ = ["ObjectData", "parse_object"]

_TYPE, _FILE, _LINE = 32, 80, 4  # widths

_START = rb"(?:NEW|DEL): +(-?[\d.]+) +(0x[0-9A-Fa-f]+|\(nil\)) +(-?\d+) "
_NUMBERS = rb" +(-?\d+) +(-?\d+)\s*$"
_FITTING = re.compile(
    _START + rb"(.{32}) (.{80}) +(-?\d+) (.{40})" + _NUMBERS,
    re.DOTALL,
)
_ANY = re.compile(_START + rb"(.*\S)" + _NUMBERS, re.DOTALL)
_NUMBER = re.compile(r"(?<= )-?\d+(?= )")

_Names = Tuple[str, str, int, str]  # type, file, line, function


class ObjectData(NamedTuple):
    """A line: when (seconds), which object, where in Python, and the resident set (bytes)."""

    line_num: int
    clock: float
    address: int
    live_cnt: int
    type: str
    file: str
    line: int
    function: str
    rss: int
    drss: int


_texts: Dict[bytes, str] = {}
_MOST_TEXTS = 1 << 16


def _text(name: bytes) -> str:
    """A name; the same object for the same name, as millions of lines have few names."""
    text = _texts.get(name)
    if text is None:
        if len(_texts) >= _MOST_TEXTS:
            _texts.clear()
        text = _texts[name] = name.strip().decode("utf-8", "backslashreplace")
    return text


def _left_parts(left: str) -> Optional[Tuple[str, str]]:
    """Type and file, if what stands before the number of a line is as wide as it must be."""
    if left[_TYPE : _TYPE + 1] == " ":
        type_name, file = left[:_TYPE], left[_TYPE + 1 :]
    else:
        type_name, _, file = left.partition(" ")
    return (type_name, file) if len(type_name) >= _TYPE and len(file) >= _FILE else None


def _by_width(middle: str) -> Optional[_Names]:
    """The number behind the padding of a file's name, or else the last one that is far enough."""
    found: Optional[_Names] = None
    for match in _NUMBER.finditer(middle):
        start = min(match.start(), match.end() - _LINE)
        if start < 1 or middle[start - 1 : match.start()].strip():
            continue
        parts = _left_parts(middle[: start - 1])
        if parts is not None:
            type_name, file = (part.strip() for part in parts)
            found = (type_name, file, int(match.group()), middle[match.end() :].strip())
            if len(parts[1]) == _FILE and parts[1].endswith(" "):
                break
    return found


def _by_words(middle: str) -> Optional[_Names]:
    """For columns of other widths: the last number that has something on its right."""
    words = middle.split()
    for i in range(len(words) - 2, 1, -1):
        if re.fullmatch(r"-?\d+", words[i]):
            return words[0], " ".join(words[1:i]), int(words[i]), " ".join(words[i + 1 :])
    return None


def _names(middle: bytes) -> Optional[_Names]:
    # Each byte as a character. Columns that are wide by characters are as wide by bytes, or wider.
    names = _by_width(middle.decode("latin-1"))
    if names is None:
        return _by_words(middle.decode("utf-8", "backslashreplace"))
    type_name, file, line, function = names
    return (
        _text(type_name.encode("latin-1")),
        _text(file.encode("latin-1")),
        line,
        _text(function.encode("latin-1")),
    )


def parse_object(line_num: int, line: bytes) -> Optional[ObjectData]:
    """What a NEW or DEL line says, or None if it cannot be understood."""
    match = _FITTING.match(line)
    names: _Names
    if match:
        clock, address, live, type_name, file, number, function, rss, drss = match.groups()
        names = _text(type_name), _text(file), int(number), _text(function)
    else:
        match = _ANY.match(line)
        if match is None:
            return None
        clock, address, live, middle, rss, drss = match.groups()
        found = _names(middle)
        if found is None:
            return None
        names = found
    try:
        when = float(clock)
    except ValueError:
        return None
    where = 0 if address == b"(nil)" else int(address, 16)
    return ObjectData(line_num, when, where, int(live), *names, int(rss), int(drss))
