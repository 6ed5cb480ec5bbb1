# SPDX-License-Identifier: MIT
"""A small parser of the text logs of cPyMemTrace, made from the description of their columns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List

EVENT = re.compile(
    r"(?P<label>FRST|NEXT|PREV|LAST): (?P<number>\d+) +\+(?P<since>\d+) +(?P<clock>\d+\.\d{6}) +"
    r"(?P<what>[A-Z_]+) +(?P<file>\S.*?) +(?P<line>\d+) (?P<function>.{32,}?) +(?P<rss>\d+) +"
    r"(?P<growth>-?\d+)"
)
OBJECT = re.compile(
    r"(?P<label>NEW|DEL): +(?P<clock>\d+\.\d{6}) +0x(?P<address>[0-9a-f]+) +(?P<live>-?\d+) "
    r"(?P<type>.{32,}?) (?P<file>.{80,}?) +(?P<line>\d+) (?P<function>.{40,}?) +(?P<rss>\d+) +"
    r"(?P<growth>-?\d+)"
)
MESSAGE = re.compile(
    r"MSG:  (?P<number>\d+) +\+(?P<since>\d+) +(?P<clock>\d+\.\d{6}) +# (?P<text>.*)"
)
OBJECT_MESSAGE = re.compile(r"MSG: +(?P<clock>\d+\.\d{6}) # (?P<text>.*)")
NUMBERS = ("number", "since", "line", "rss", "growth", "live")

Row = Dict[str, Any]


def rows(path: str | Path) -> List[Row]:
    """Each line as its fields; one that is nothing known as label RAW with its text."""
    return [parse(line) for line in Path(path).read_text("utf-8").splitlines()]


def parse(line: str) -> Row:
    for pattern in (EVENT, OBJECT, MESSAGE, OBJECT_MESSAGE):
        match = pattern.fullmatch(line)
        if match:
            row: Row = {"label": "MSG", **match.groupdict()}
            for name in NUMBERS:
                if name in row:
                    row[name] = int(row[name])
            for name in ("function", "type", "file"):
                if name in row:
                    row[name] = row[name].rstrip()
            return row
    label = line[:4].rstrip(": ")
    return {"label": label if label in ("SOF", "HDR", "EOF") else "RAW", "text": line}


def events(path: str | Path, *labels: str) -> List[Row]:
    """The events proper: not LAST, which is none."""
    return [row for row in rows(path) if row["label"] in (labels or ("FRST", "NEXT", "PREV"))]


def messages(path: str | Path) -> List[str]:
    return [row["text"] for row in rows(path) if row["label"] == "MSG"]


def labels(path: str | Path) -> List[str]:
    return [row["label"] for row in rows(path)]
