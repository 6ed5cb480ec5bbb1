# SPDX-License-Identifier: MIT
"""The project's targets, and whether the figures meet them."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Callable, Dict, Iterable, List, Optional, Tuple

from reading import Reading
from rounds import C_WORKLOADS, PYTHON_WORKLOADS, Ratios, Row, ratios
from tracers import MEMRAY_ALL, OURS, OURS_ALL, OURS_ALL_UNFOLDED, PLAIN

MIB = 1 << 20
FEW_EVENTS = 100_000  # of logs with fewer, most bytes are not events


@dataclasses.dataclass
class Verdict:
    what: str
    target: str
    measured: str
    met: bool


def geomean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(statistics.fmean(logs)) if logs else math.nan


class Figures:
    """Rows by workload and tool."""

    def __init__(self, rows: List[Row]) -> None:
        self.rows = {(row.workload, row.tool): row for row in rows if row.samples}
        self.tools = list(dict.fromkeys(row.tool for row in rows))
        self.workloads = list(dict.fromkeys(row.workload for row in rows))

    def ratios(self, workload: str, tool: str) -> Optional[Ratios]:
        row, plain = self.rows.get((workload, tool)), self.rows.get((workload, PLAIN))
        if row is None or plain is None or row.failed:
            return None
        return ratios(row, plain)

    def of(self, tool: str, workloads: Iterable[str]) -> Dict[str, Ratios]:
        found = ((name, self.ratios(name, tool)) for name in workloads)
        return {name: figures for name, figures in found if figures is not None}

    def python(self, tool: str) -> Dict[str, Ratios]:
        return self.of(tool, PYTHON_WORKLOADS)

    def event_bytes(self, tool: str) -> Dict[str, float]:
        found = {}
        for name in self.workloads:
            figures, row = self.ratios(name, tool), self.rows.get((name, tool))
            if figures and row and row.events >= FEW_EVENTS:
                found[name] = figures.log_bytes / row.events
        return found


def worst(values: Dict[str, float]) -> str:
    name = max(values, key=lambda key: values[key])
    return f"{values[name]:.2f} ({name})"


def check_time(figures: Figures, tool: str, mean: float, most: float) -> List[Verdict]:
    verdicts = []
    found = figures.python(tool)
    clocks: Tuple[Tuple[str, Callable[[Ratios], float]], ...] = (
        ("time", lambda r: r.wall),
        ("processor time", lambda r: r.cpu),
    )
    for clock, get in clocks:
        values = {name: get(r) for name, r in found.items()}
        if values:
            middle = geomean(values.values())
            measured = f"{middle:.2f}, worst {worst(values)}"
            target = f"at most {mean:.2f}, none over {most:.2f}"
            met = middle <= mean and max(values.values()) <= most
            verdicts.append(Verdict(f"{tool}: {clock}, ratio", target, measured, met))
    return verdicts


def check_calls(figures: Figures) -> List[Verdict]:
    found = [(tool, figures.ratios("calls", tool)) for tool in (OURS, OURS_ALL)]
    return [
        Verdict(
            f"{tool}: calls without allocation",
            "at most 1.02",
            f"{r.wall:.2f} (processor time {r.cpu:.2f})",
            r.wall <= 1.02,
        )
        for tool, r in found
        if r
    ]


def check_memray(figures: Figures) -> List[Verdict]:
    """Sums over the workloads that both ran; the worst of those where memray adds enough to compare."""
    ours, theirs = figures.python(OURS_ALL), figures.python(MEMRAY_ALL)
    both = [name for name in ours if name in theirs]
    if not both:
        return []
    total = sum(ours[n].added_s for n in both) / sum(theirs[n].added_s for n in both)
    each = {n: ours[n].added_s / theirs[n].added_s for n in both if theirs[n].added_s > 0.1}
    measured = f"{total:.3f} of the sum, worst {worst(each)}" if each else f"{total:.3f}"
    what = f"{OURS_ALL}: time added, of what {MEMRAY_ALL} adds"
    return [Verdict(what, "at most 0.167", measured, total <= 1 / 6)]


def check_log(figures: Figures) -> List[Verdict]:
    unfolded = OURS_ALL_UNFOLDED in figures.tools
    # Without folding the target of an unfolded log is the one to look at; both are shown.
    checks = [(OURS_ALL, 2), (OURS_ALL_UNFOLDED if unfolded else OURS_ALL, 4)]
    verdicts = []
    for tool, most in checks:
        values = figures.event_bytes(tool)
        if values:
            mean = geomean(values.values())
            folding = "with" if most == 2 else "without"
            what = f"{tool}: bytes an event, {folding} folding"
            measured = f"{mean:.2f}, worst {worst(values)}"
            if most == 2 and not unfolded:
                measured += "; this version does not fold"
            verdicts.append(Verdict(what, f"at most {most}", measured, mean <= most))
    return verdicts


def check_memory(figures: Figures) -> List[Verdict]:
    verdicts = []
    for tool in (OURS, OURS_ALL):
        found = figures.of(tool, figures.workloads)
        # What is over the allowance for the threads of the C program is what counts.
        over = {
            name: r.added_rss / MIB - (int(name.split()[1]) + 1 if name in C_WORKLOADS else 1)
            for name, r in found.items()
        }
        if over:
            name = max(over, key=lambda key: over[key])
            measured = f"{found[name].added_rss / MIB:.1f} MiB at most ({name})"
            target = "at most 16 MiB and 1 a thread"
            verdicts.append(
                Verdict(f"{tool}: peak memory added", target, measured, over[name] <= 16)
            )
    return verdicts


def check_exit(figures: Figures) -> List[Verdict]:
    verdicts = []
    for tool in (OURS, OURS_ALL):
        values = {n: r.added_exit_s * 1e3 for n, r in figures.of(tool, figures.workloads).items()}
        if values:
            what = f"{tool}: exit, after the program's own"
            measured = f"{worst(values)} ms"
            verdicts.append(Verdict(what, "at most 20 ms", measured, max(values.values()) <= 20))
    return verdicts


def event_rate(row: Row) -> float:
    """Mallocs and frees a second inside the C program, in the best round.

    A program of somebody else on one of the cores halves what two threads do, and nothing makes them
    faster than they are.
    """
    return max(2 * s.turns / s.loop_s for s in row.samples if s)


def scaling(figures: Figures, kind: str, tool: str) -> Optional[float]:
    """Events a second of two threads to those of one."""
    one, two = figures.rows.get(("threads 1", tool)), figures.rows.get((f"{kind} 2", tool))
    if one is None or two is None or one.failed or two.failed:
        return None
    return event_rate(two) / event_rate(one)


def check_threads(figures: Figures) -> List[Verdict]:
    verdicts = []
    for kind, what in (("threads", "each its own blocks"), ("shared", "also each other's")):
        ratio, plain = scaling(figures, kind, OURS), scaling(figures, kind, PLAIN)
        if ratio and plain:
            measured = f"{ratio:.2f} (untraced {plain:.2f})"
            name = f"events a second of two threads to one, {what}"
            verdicts.append(Verdict(name, "at least 1.7", measured, ratio >= 1.7))
    return verdicts


def check_reading(reading: Optional[Reading]) -> List[Verdict]:
    if reading is None:
        return []
    rates = (("stats", reading.stats_rate, 40), ("top", reading.top_rate, 20))
    verdicts = [
        Verdict(
            f"{name}: million events a second",
            f"at least {least}",
            f"{rate / 1e6:.1f}",
            rate >= least * 1e6,
        )
        for name, rate, least in rates
    ]
    size = f"{reading.block_bytes:.1f}"
    verdicts.append(
        Verdict("top: bytes a live block", "at most 32", size, reading.block_bytes <= 32)
    )
    return verdicts


def check(figures: Figures, reading: Optional[Reading]) -> List[Verdict]:
    return [
        *check_time(figures, OURS, 1.05, 1.15),
        *check_time(figures, OURS_ALL, 1.35, 1.8),
        *check_memray(figures),
        *check_calls(figures),
        *check_log(figures),
        *check_memory(figures),
        *check_exit(figures),
        *check_threads(figures),
        *check_reading(reading),
    ]
