# SPDX-License-Identifier: MIT
"""The tables of the parts `events` and `package`, and whether their figures meet the targets."""

from __future__ import annotations

import statistics
from typing import Callable, Dict, List, Optional, Tuple

import events
import package
from events import OBJECTS_A_TURN, REJECTED, TURNS, UPSTREAM, WORKLOADS, Part
from measure import Sample
from package import PackagePart
from rounds import Ratios, Row, ratios
from tables import mib, table
from targets import MIB, Figures, Verdict
from tracers import PLAIN

Section = Tuple[str, str]
NOISE_S = 1e-3


def to_other(figures: Figures, workload: str, tool: str, other: str) -> Optional[Ratios]:
    """TOOL to OTHER, round by round."""
    row, base = figures.rows.get((workload, tool)), figures.rows.get((workload, other))
    if row is None or base is None or row.failed or base.failed:
        return None
    return ratios(row, base)


def at_most(what: str, found: Optional[Ratios], limit: float) -> List[Verdict]:
    if found is None:
        return []
    measured = f"{found.wall:.2f} (processor time {found.cpu:.2f})"
    return [Verdict(what, f"at most {limit:g}", measured, found.wall <= limit)]


def check_callbacks(figures: Figures) -> List[Verdict]:
    """Against a callback that does nothing, and against no tracing."""
    found = []
    calls, objects = events.PROFILE, events.OBJECTS
    for name in ("fib", "c_calls"):
        value = to_other(figures, name, calls, events.EMPTY_PROFILE)
        what = f"{calls}, {name}: time, to that of an {events.EMPTY_PROFILE}"
        found += at_most(what, value, 1.3)
        value = to_other(figures, name, calls, PLAIN)
        found += at_most(f"{calls}, {name}: time, ratio", value, 4)
    value = to_other(figures, "lines", events.LINES, events.EMPTY_TRACE)
    what = f"{events.LINES}, lines: time, to that of an {events.EMPTY_TRACE}"
    found += at_most(what, value, 1.5)
    value = to_other(figures, "objects", objects, PLAIN)
    return found + at_most(f"{objects}, objects: time, ratio", value, 2.5)


def rejected_ns(figures: Figures, workload: str, scale: float) -> Optional[float]:
    """For each birth and each end, over what an empty reference tracer takes."""
    row = figures.rows.get((workload, REJECTED[workload]))
    base = figures.rows.get((workload, events.EMPTY_OBJECTS))
    if row is None or base is None or row.failed or base.failed:
        return None
    made = OBJECTS_A_TURN * max(1, round(TURNS * scale))
    return ratios(row, base).added_s * 1e9 / (2 * made)


def check_rejected(figures: Figures, scale: float) -> List[Verdict]:
    verdicts = []
    for name, tool in REJECTED.items():
        value = rejected_ns(figures, name, scale)
        if value is not None:
            what = f"{tool}, {name}: a rejected event"
            verdicts.append(Verdict(what, "at most 30 ns", f"{value:.1f} ns", value <= 30))
    return verdicts


def check_bytes(figures: Figures) -> List[Verdict]:
    verdicts = []
    for tool, names, limit in (
        (events.PROFILE, ("fib", "c_calls"), 6),
        (events.OBJECTS, ("objects",), 8),
    ):
        sizes = figures.event_bytes(tool)
        for name in names:
            if name in sizes:
                what = f"{tool}, {name}: bytes an event"
                measured = f"{sizes[name]:.2f}"
                met = sizes[name] <= limit
                verdicts.append(Verdict(what, f"at most {limit}", measured, met))
    return verdicts


def times_less(own: Ratios, other: Ratios) -> float:
    """How many times more OTHER adds, by wall clock or by processor time, whichever is less."""
    # Within the noise there is no quotient.
    wall = other.added_s / max(own.added_s, NOISE_S)
    return min(wall, other.added_cpu_s / max(own.added_cpu_s, NOISE_S))


def check_upstream(
    figures: Figures, pairs: Dict[str, str], less: float, smaller: Optional[float]
) -> List[Verdict]:
    """Added time, and size of the log, of upstream's classes to ours in PAIRS (class: our tool)."""
    verdicts = []
    for name, tool in pairs.items():
        own = figures.ratios("mixed", tool)
        other = figures.ratios("mixed", UPSTREAM[name])
        if own is None or other is None:
            continue
        value = times_less(own, other)
        what = f"{tool}: time added, of what {UPSTREAM[name]} adds"
        verdicts.append(Verdict(what, f"at most 1/{less:g}", f"1/{value:.1f}", value >= less))
        if smaller is not None and own.log_bytes:
            value = other.log_bytes / own.log_bytes
            what = f"{tool}: log, of that of {UPSTREAM[name]}"
            verdicts.append(
                Verdict(what, f"at most 1/{smaller:g}", f"1/{value:.1f}", value >= smaller)
            )
    return verdicts


def check_by_line(figures: Figures) -> List[Verdict]:
    verdicts = []
    others = {
        tool: found.added_s
        for tool in (events.MEMPULSE_C, events.MEMPULSE, events.MEMORY_PROFILER)
        for found in [figures.ratios("by_line", tool)]
        if found
    }
    for tool in (events.LINES_RSS, events.LINES_USS):
        own = figures.ratios("by_line", tool)
        if own and others:
            least = min(others, key=lambda name: others[name])
            measured = f"{own.added_s * 1e3:.0f} ms ({least} {others[least] * 1e3:.0f} ms)"
            met = own.added_s < others[least]
            verdicts.append(
                Verdict(f"{tool}, by_line: time added", "less than others", measured, met)
            )
    return verdicts


def check_events(part: Part) -> List[Verdict]:
    figures = Figures(part.rows)
    ours = (events.PROFILE, events.TRACE, events.OBJECTS)
    return [
        *check_callbacks(figures),
        *check_rejected(figures, part.scale),
        *check_bytes(figures),
        *check_upstream(figures, dict(zip(UPSTREAM, ours)), 20, 15),
        *check_by_line(figures),
    ]


def check_package(part: PackagePart) -> List[Verdict]:
    figures = Figures(part.rows)
    verdicts = check_upstream(figures, package.OURS, 10, None)
    if "ours" in part.calls_ns:
        value = part.calls_ns["ours"]
        verdicts.append(
            Verdict("cPyMemTrace.rss()", "under 1500 ns", f"{value:.0f} ns", value < 1500)
        )
    for name, value in part.idle.items():
        what = f"{name}: part of a core, a sample a second"
        verdicts.append(Verdict(what, "under 1 %", f"{value * 100:.2f} %", value < 0.01))
    return verdicts


# --- tables ----------------------------------------------------------------------------------------


def middle(row: Row, get: Callable[[Sample], float]) -> float:
    return statistics.median(get(sample) for sample in row.samples if sample)


def line(figures: Figures, row: Row) -> List[str]:
    if row.failed:
        return [row.workload, row.tool, *["-"] * 8]
    if row.tool == PLAIN:
        return [row.workload, row.tool, f"{middle(row, lambda s: s.wall_s):.3f}", *["-"] * 7]
    found = figures.ratios(row.workload, row.tool)
    assert found is not None  # neither failed
    exact = row.events > 0
    return [
        row.workload,
        f"{row.tool} ({found.rounds})",
        f"{middle(row, lambda s: s.wall_s):.3f}",
        f"{found.wall:.2f}",
        f"{found.cpu:.2f}",
        f"{found.added_s * 1e3:.0f}",
        mib(found.added_rss),
        f"{found.log_bytes / MIB:.2f}" if found.log_bytes else "-",
        f"{row.events:,}" if exact else "-",
        f"{found.log_bytes / row.events:.2f}" if exact else "-",
    ]


def row_table(rows: List[Row]) -> str:
    figures = Figures(rows)
    head = ["workload", "tool (pairs)", "time, s", "ratio", "proc. time", "added, ms"]
    head += ["memory, MiB", "log, MiB", "events", "bytes/event"]
    return table(head, [line(figures, row) for row in figures.rows.values()], left=2)


def workload_list(part: Part) -> str:
    names = dict.fromkeys(row.workload for row in part.rows)
    return "\n".join(f"- `{name}`: {WORKLOADS[name]}" for name in names)


def not_measured(part: Part) -> str:
    failed = {f"{row.tool} with {row.workload}": row.failed for row in part.rows if row.failed}
    lines = [f"- {name}: {reason}" for name, reason in {**part.missing, **failed}.items()]
    return "\n".join(["Not measured:", "", *lines] if lines else [])


def event_sections(part: Part) -> List[Section]:
    body = [
        row_table(part.rows) if part.rows else "",
        workload_list(part),
        not_measured(part),
    ]
    return [("Interpreter events", "\n\n".join(text for text in body if text))]


def package_sections(part: PackagePart) -> List[Section]:
    costs = [
        [f"cPyMemTrace.rss(), {who}", f"{ns:.0f} ns a call"] for who, ns in part.calls_ns.items()
    ]
    costs += [
        [f"{name}, a sample a second", f"{v * 100:.2f} % of a core"]
        for name, v in part.idle.items()
    ]
    body = [
        row_table(part.rows) if part.rows else "",
        table(["what", "cost"], costs) if costs else "",
        not_measured(part),
    ]
    return [("Python package", "\n\n".join(text for text in body if text))]
