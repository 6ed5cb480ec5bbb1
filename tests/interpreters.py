# SPDX-License-Identifier: MIT
"""Which of the interpreters found a test runs on, by its marker `interpreters`."""

from __future__ import annotations

import json
import os
from typing import List, NamedTuple, Sequence, Set, Tuple

MARKER = (
    "interpreters(VERSION, ...): runs on the oldest interpreter, on the newest, and on those next "
    'below and from each "3.N" named, where what it tests changed; interpreters("one") on one; '
    "without the marker a test runs on all, as every test does under `./dev test all`"
)
ONE = "one"


class Known(NamedTuple):
    """What is to be known of an interpreter to choose it."""

    name: str
    version: Tuple[int, ...]
    free_threaded: bool = False


def everything() -> bool:
    """Whether the marker is to be overlooked."""
    return bool(os.environ.get("PMT_ALL"))


def at_changes(found: Sequence[Known], changes: Sequence[str]) -> Set[str]:
    """The names of those of FOUND that a test with these arguments of the marker runs on."""
    if everything() or not found:
        return {known.name for known in found}
    if ONE in changes:
        return {found[0].name}
    chosen = set()
    for free_threaded in (False, True):
        kind = sorted(
            (k for k in found if k.free_threaded == free_threaded), key=lambda k: k.version
        )
        for change in changes:
            version = tuple(map(int, change.split(".")))
            chosen |= {k.name for k in [k for k in kind if k.version < version][-1:]}
            chosen |= {k.name for k in [k for k in kind if k.version >= version][:1]}
        chosen |= {k.name for k in kind[:1] + kind[-1:]}
    return chosen


def text_of(found: Sequence[Known]) -> str:
    """For the environment of other processes."""
    return json.dumps(found)


def from_text(text: str) -> List[Known]:
    return [Known(name, tuple(version), free) for name, version, free in json.loads(text)]
