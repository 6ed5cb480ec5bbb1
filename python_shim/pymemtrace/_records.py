# SPDX-License-Identifier: MIT
"""The shapes of what :func:`pymemtrace.read` gives back: dictionaries, as the program prints them.

The names are those of the program's JSON; their meaning is in the manual pages pymemtrace-json(1),
pymemtrace-stats(1) and pymemtrace-top(1). Sizes are bytes, times are seconds since the start.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, TypedDict

# One event: always with "event" and "time_s", then what this kind of event has. The kinds and their
# fields are in docs/log-format.md; later versions may add both. "address" is text: "0x7f01".
Event = Dict[str, Any]


class Frame(TypedDict):
    """One Python frame of a stack."""

    file: str
    function: str
    line: Optional[int]


class Amount(TypedDict):
    """So many blocks, and their bytes."""

    count: int
    bytes: int


class _Row(TypedDict):
    file: Optional[str]
    line: Optional[int]
    function: Optional[str]
    bytes: int
    count: int
    stack: List[Frame]  # innermost frame first; of several stacks the one with most bytes


class Row(_Row, total=False):
    """One row of a top table. What is below is there only with the ``by`` that it belongs to."""

    type: str
    allocator: str
    pid: int
    log: str
    thread: int
    tid: int
    thread_name: Optional[str]


class _Header(TypedDict):
    log: str
    format_version: int
    pid: int
    parent_pid: int
    command: List[str]
    python_version: Optional[str]
    start_s: float  # since 1970
    start_clock_s: float  # CLOCK_MONOTONIC, which the processes of a machine share
    traced: List[str]
    flags: List[str]
    rss_interval_s: float
    max_stack_depth: int
    page_bytes: int
    pointer_bytes: int


class Header(_Header, total=False):
    """What a log says first. What is below is there only if the process could tell."""

    executable: str
    python: str
    parent_log: str
    tracer: str
    system: str
    options: str
    dropped: Dict[str, Any]


class Damage(TypedDict):
    """What could not be read."""

    chunks_damaged: int
    records_damaged: int
    definitions_refused: int
    bytes_lost: int
    unknown_records: int
    truncated: bool


class Frees(TypedDict):
    """Blocks that were given back; of these, such that the log does not know."""

    count: int
    unmatched: int
    inherited: int
    dropped: int
    replaced: int


class Thread(TypedDict):
    """A thread that had events."""

    thread: int
    tid: int
    name: Optional[str]
    allocations: Amount


class Rss(TypedDict):
    """The samples of the resident set."""

    first_bytes: int
    peak_bytes: int
    last_bytes: int
    samples: int
    own_bytes: int
    last_own_bytes: int


class Statistics(TypedDict):
    """The figures of one log."""

    log: str
    pid: int
    parent_pid: int
    parent_log: Optional[str]
    command: List[str]
    python_version: Optional[str]
    complete: bool
    state: str
    lost_records: int
    damage: Damage
    events: int
    dropped: Optional[Dict[str, Any]]
    folded: Amount
    duration_s: float
    threads: int
    thread_list: List[Thread]
    allocations: Amount
    frees: Frees
    by_allocator: Dict[str, Amount]
    mappings: Dict[str, Any]
    peak_heap_bytes: int
    peak_heap_count: int
    peak_heap_time_s: float
    peak_heap_short_lived_bytes: int
    peak_memory_bytes: int  # of the heap and the program's own mappings
    peak_memory_time_s: float
    live_at_end: Amount  # the program's code had ended
    live_at_exit: Amount
    peak_rss_bytes: int
    peak_sample_time_s: float
    rss: Rss
    rss_detail: Optional[Dict[str, Dict[str, int]]]
    accounts: Optional[Dict[str, Any]]
