# SPDX-License-Identifier: MIT
"""Finding a leak by the objects that are made and never destroyed. Python 3.13 and later.

``python -m pymemtrace.examples.ex_cPyMemTrace_RefTrace`` handles some requests, each of which
should leave nothing behind, and asks which types live on, and where their objects were made.
"""

from __future__ import annotations

import collections
import sys
from typing import Dict, List, Tuple

from pymemtrace import cPyMemTrace

LOG = "ex_cPyMemTrace_RefTrace.log"


class Request:
    """Something to be done."""

    def __init__(self, text: str) -> None:
        self.text = text


class Answer:
    """What came of it."""

    def __init__(self, request: Request) -> None:
        self.request = request


class Server:
    """Keeps the answers of requests that failed, and nobody ever asks for them."""

    def __init__(self) -> None:
        self.failed: List[Answer] = []

    def handle(self, request: Request) -> bool:
        """Answer a request."""
        answer = Answer(request)
        if not request.text:
            self.failed.append(answer)
            return False
        return True


def work(server: Server) -> None:
    """Ten requests, three of them empty."""
    for number in range(10):
        server.handle(Request("" if number % 4 == 1 else "hello"))


def left_behind(path: str) -> Dict[Tuple[str, str, str], int]:
    """How many objects of the log were not destroyed, by type, function and line."""
    made: Dict[str, Tuple[str, str, str]] = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words and words[0] == "NEW:":
                made[words[2]] = (words[4], words[7], words[6])
            elif words and words[0] == "DEL:":
                made.pop(words[2], None)
    return dict(collections.Counter(made.values()))


def main() -> int:
    """Find the leak."""
    if sys.version_info < (3, 13):
        print("This needs Python 3.13 or later.")
        return 1
    server = Server()
    with cPyMemTrace.ReferenceTracing(filepath=LOG) as tracer:
        work(server)
        print("Made:", tracer.count_new(), "destroyed:", tracer.count_del())
        print("Alive:", tracer.live_object_counts())
    for (kind, function, line), count in sorted(left_behind(LOG).items()):
        print(f"{count} of {kind} made in {function}, line {line}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
