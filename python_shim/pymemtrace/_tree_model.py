# SPDX-License-Identifier: MIT
"""What process_tree measures: its columns, a sample of a process, and sums over a tree."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Iterator, List, Optional

#: The value of a column that the system refuses to tell.
ACCESS_DENIED = "ACCESS DENIED"


@dataclasses.dataclass
class ColumnWidthFormat:
    """How a value is written: characters, and a format for format()."""

    width: int
    format: str


@dataclasses.dataclass
class WriteSummaryColumn:
    """A column: what it measures and how it is written.

    ``getter`` takes a psutil.Process; its value is written times ``mult_factor``, in ``units``.
    Without ``width_and_format_diff`` there is no column for the change.
    """

    name: str
    getter: Callable[[Any], Any]
    mult_factor: float
    units: str
    width_and_format: ColumnWidthFormat
    width_and_format_diff: Optional[ColumnWidthFormat]

    def name_and_units(self) -> str:
        """The heading, such as ``RSS(MB)``."""
        return f"{self.name}({self.units})" if self.units else self.name


@dataclasses.dataclass
class WriteSummaryConfig:
    """The columns after time, process and name, and the JSON file to write ("" for none)."""

    columns: List[WriteSummaryColumn]
    json_file_path: str = ""


@dataclasses.dataclass
class Sample:
    """A process at a tick.

    ``values`` and ``deltas`` are by column name, as the getters give them; a value is None if it
    could not be had, and `ACCESS_DENIED` if the system refused. ``time`` is in seconds since the
    process started.
    """

    pid: int
    name: str
    time: float
    values: Dict[str, Any]
    deltas: Dict[str, Any]
    children: List[Sample] = dataclasses.field(default_factory=list)

    def walk(self) -> Iterator[Sample]:
        """This process and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclasses.dataclass
class Ended:
    """A process that started and ended between two ticks.

    ``rss`` (bytes) is the largest that was seen, ``seconds`` how long it was seen alive: both can
    have been more.
    """

    pid: int
    parent: int
    name: str
    rss: int
    seconds: float


@dataclasses.dataclass
class Unseen:
    """Children of ``parent``, ``at_least`` so many, that ended without having been seen.

    ``cpu_time`` (seconds) and ``page_faults`` are what the kernel added to the parent's account.
    """

    parent: int
    at_least: int
    cpu_time: float
    page_faults: int


@dataclasses.dataclass
class Total:
    """Sums over a tree at a tick: ``values`` of the columns that can be summed."""

    time: float
    processes: int
    values: Dict[str, Any]
    deltas: Dict[str, Any]


def total_of(sample: Sample, previous: Optional[Total]) -> Total:
    """The sums over a tree, and how they have changed since `previous`.

    Where a value of one process was refused, so is the sum: without it, it would be too small.
    """
    values: Dict[str, Any] = {}
    count = 0
    for process in sample.walk():
        count += 1
        for name, value in process.values.items():
            if value == ACCESS_DENIED or values.get(name) == ACCESS_DENIED:
                values[name] = ACCESS_DENIED
            elif isinstance(value, (int, float)):
                values[name] = values.get(name, 0) + value
    before = previous.values if previous else values
    deltas = {name: _difference(value, before.get(name, 0)) for name, value in values.items()}
    return Total(sample.time, count, values, deltas)


def _difference(value: Any, before: Any) -> Any:
    return None if ACCESS_DENIED in (value, before) else value - before
