# SPDX-License-Identifier: MIT
"""What is live, and the sums, from the events of a log alone: a second implementation of the reports.

It reads what `pymemtrace json --stacks` prints, line by line, so that a log may have millions of
events. Their stacks stay text: few of them differ.
"""

from __future__ import annotations

import functools
import json
import subprocess
from collections import Counter, defaultdict
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

from harness import TOOL, Event, Log, clean_env, parse

Amounts = Dict[str, Tuple[int, int]]  # name -> blocks, bytes
Stack = List[Dict[str, Any]]  # as in an event


class Block(NamedTuple):
    """A live block."""

    size: int
    allocator: str
    thread: int
    stack_text: str

    @property
    def stack(self) -> Stack:
        return frames_of(self.stack_text)


def events_with_stack_text(log: Log, *names: str) -> Iterator[tuple[Event, str]]:
    """Events of these names, and the stack of each as its text: few differ, and each is long."""
    starts = tuple(f'{{"event":"{name}",' for name in names)
    for line in log.stream(stacks=True):
        if line.startswith(starts):
            head, mark, rest = line.partition(',"stack":')
            assert mark, line
            end = 2 if rest.startswith("[]") else rest.index("}]") + 2
            yield parse(head + rest[end:]), rest[:end]


@functools.lru_cache(maxsize=None)
def frames_of(stack_text: str) -> Stack:
    found: Stack = json.loads(stack_text)
    return found


class Replay:
    """The heap of a log at its end, or before the first allocation for which stop() holds."""

    def __init__(self, log: Log, stop: Callable[[Event], bool] | None = None) -> None:
        self.live: dict[int, Block] = {}
        self.count: Counter[str] = Counter()  # by allocator, as the bytes
        self.bytes: Counter[str] = Counter()
        self.frees = self.heap = self.peak = self.folded = 0
        self.overlaps = 0  # blocks handed out at the address of a live one
        self.stopped = False
        self._stop = stop
        self._texts: dict[str, str] = {}
        command = [str(TOOL), "json", "--stacks", str(log.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_env()) as child:
            assert child.stdout
            for line in child.stdout:
                self._event(line)
                if self.stopped:
                    child.kill()
                    break
        assert child.returncode == 0 or self.stopped

    def _event(self, line: str) -> None:
        head, mark, stack = line.partition(',"stack":')
        if head.startswith('{"event":"free"'):
            self.frees += 1
            self._gone(parse(line)["address"])
        elif head.startswith(('{"event":"alloc"', '{"event":"realloc"')):
            assert mark, line
            event = parse(head + "}")
            if self._stop and self._stop(event):
                self.stopped = True
                return
            if event["event"] == "realloc":
                self.frees += 1
                self._gone(event["old_address"])
            stack = stack.rstrip()[:-1]  # without the brace that ends the event
            self._came(event, self._texts.setdefault(stack, stack))
        elif head.startswith('{"event":"folded"'):
            self._folded(parse(line))

    def _folded(self, event: Event) -> None:
        """Blocks that came and went, and have no events of their own."""
        count = event["count0"] + event["count1"] + event["count"]
        self.count[event["allocator"]] += count
        self.bytes[event["allocator"]] += event["bytes0"] + event["bytes1"] + event["bytes"]
        self.frees += count
        self.folded += count

    def _gone(self, address: str) -> None:
        block = self.live.pop(int(address, 16), None)
        self.heap -= block.size if block else 0

    def _came(self, event: Event, stack_text: str) -> None:
        name = event.get("allocator") or event["reallocator"]
        size, address = event["size"], event["address"]
        self.overlaps += int(address, 16) in self.live
        self._gone(address)
        self.live[int(address, 16)] = Block(size, name, event["thread"], stack_text)
        self.count[name] += 1
        self.bytes[name] += size
        self.heap += size
        self.peak = max(self.peak, self.heap)

    def by_allocator(self) -> Amounts:
        return {name: (self.count[name], self.bytes[name]) for name in self.count}

    def live_by(self, field: str) -> Amounts:
        """The live blocks, added up by a field of theirs."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for block in self.live.values():
            amount = sums[str(getattr(block, field))]
            amount[0] += 1
            amount[1] += block.size
        return {name: (count, size) for name, (count, size) in sums.items()}
