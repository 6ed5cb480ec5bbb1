# SPDX-License-Identifier: MIT
"""Results as Markdown, the same for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

import statistics
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from reading import Reading
from rounds import C_WORKLOADS, PYTHON_WORKLOADS, WORKLOADS, Row
from startup import Cost
from targets import MIB, Figures, Verdict, event_rate, geomean
from tracers import OURS_ALL_UNFOLDED, PLAIN


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """The first LEFT columns to the left, numbers to the right."""
    body = [list(row) for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *body]) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        placed = (
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))
        )
        return "| " + " | ".join(placed) + " |"

    ruler = "|".join(
        "-" * (w + 2) if i < left else "-" * (w + 1) + ":" for i, w in enumerate(widths)
    )
    return "\n".join([line(head), f"|{ruler}|", *map(line, body)])


def mib(size: float) -> str:
    return f"{size / MIB:.1f}"


def overview(figures: Figures) -> str:
    """One line a tool: means over the Python workloads that it ran."""
    rows = []
    for tool in figures.tools:
        found = list(figures.python(tool).values())
        if tool in (PLAIN, OURS_ALL_UNFOLDED) or not found:
            continue
        exits = statistics.median(r.added_exit_s for r in found) * 1e3
        bytes_each = figures.event_bytes(tool).values()
        rows.append(
            [
                f"{tool} ({found[0].rounds} pairs)",
                f"{geomean(r.wall for r in found):.2f}",
                f"{max(r.wall for r in found):.2f}",
                f"{geomean(r.cpu for r in found):.2f}",
                mib(max(r.added_rss for r in found)),
                mib(sum(r.log_bytes for r in found)) if any(r.log_bytes for r in found) else "-",
                f"{geomean(bytes_each):.2f}" if bytes_each else "-",
                f"{exits:.0f}",
            ]
        )
    head = ["tool", "time", "worst", "processor time", "most memory added, MiB", "logs, MiB"]
    return table([*head, "bytes an event", "exit added, ms"], rows)


def times(figures: Figures) -> str:
    """Ratio of whole-process time, a line a workload, a column a tool."""
    tools = [tool for tool in figures.tools if tool not in (PLAIN, OURS_ALL_UNFOLDED)]
    rows = []
    for name in figures.workloads:
        samples = figures.rows[(name, PLAIN)].samples
        middle = statistics.median(s.wall_s for s in samples if s)
        cells = []
        for tool in tools:
            found = figures.ratios(name, tool)
            cells.append(f"{found.wall:.2f}" if found else "-")
        rows.append([name, f"{middle:.2f} s", *cells])
    return table(["workload", PLAIN, *tools], rows)


def detail(figures: Figures, row: Row) -> List[str]:
    found = figures.ratios(row.workload, row.tool)
    if found is None:
        return [row.workload, row.tool, *["-"] * 9]
    exact = row.events > 0
    return [
        row.workload,
        row.tool,
        f"{found.wall:.2f}",
        f"{found.cpu:.2f}",
        mib(found.added_rss),
        f"{found.log_bytes / MIB:.2f}" if found.log_bytes else "-",
        f"{row.events:,}" if exact else "-",
        f"{found.log_bytes / row.events:.2f}" if exact else "-",
        f"{found.added_exit_s * 1e3:.1f}",
        f"{row.report_s:.2f}" if row.report_s else "-",
        mib(row.report_rss) if row.report_rss else "-",
    ]


def details(figures: Figures) -> str:
    rows = [detail(figures, row) for row in figures.rows.values() if row.tool != PLAIN]
    head = ["workload", "tool", "time", "proc. time", "memory, MiB", "log, MiB", "events"]
    return table([*head, "bytes/event", "exit, ms", "report, s", "report, MiB"], rows, left=2)


def threads(figures: Figures) -> str:
    """Events a second inside the C program, a column a workload."""
    rows = []
    for tool in figures.tools:
        found = [figures.rows.get((name, tool)) for name in C_WORKLOADS]
        rates = [event_rate(row) if row and not row.failed else 0.0 for row in found]
        if any(rates):
            rows.append([tool, *(f"{rate / 1e6:.1f}" if rate else "-" for rate in rates)])
    return table(["tool", *C_WORKLOADS], rows)


def reading_table(reading: Reading) -> str:
    size = f"{reading.log_bytes / MIB:.1f}"
    rows = [
        [name, f"{reading.events:,}", size, f"{rate / 1e6:.1f}", mib(rss)]
        for name, rate, rss in (
            ("stats", reading.stats_rate, reading.stats_rss),
            ("top", reading.top_rate, reading.top_rss),
        )
    ]
    return table(["command", "events", "log, MiB", "million events/s", "memory, MiB"], rows)


def verdict_table(verdicts: List[Verdict]) -> str:
    rows = [[v.what, v.target, v.measured, "yes" if v.met else "missed"] for v in verdicts]
    return table(["what", "target", "measured", "met"], rows, left=4)


def startup_table(costs: List[Cost]) -> str:
    rows = [
        [c.name, f"{c.plain_ms:.2f}", f"{c.traced_ms:.2f}", f"{c.cost_ms:.2f}", f"{c.limit_ms:g}"]
        for c in costs
    ]
    return table(["program", "without, ms", "with, ms", "cost, ms", "limit, ms"], rows)


def failures(figures: Figures) -> List[str]:
    return [
        f"- {row.tool} with {row.workload}: {row.failed}"
        for row in figures.rows.values()
        if row.failed
    ]


def facts(machine: Dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in machine.items())


def workload_list(figures: Figures) -> str:
    return "\n".join(f"- `{name}`: {WORKLOADS[name]}" for name in figures.workloads)


def sections(
    figures: Figures,
    verdicts: List[Verdict],
    reading: Optional[Reading],
    costs: List[Cost],
    machine: Dict[str, str],
    missing: Dict[str, str],
    others: Sequence[Tuple[str, str]] = (),
) -> str:
    """Everything, under headings; OTHERS are the sections of the other parts."""
    parts = [("Machine and versions", facts(machine)), ("Targets", verdict_table(verdicts))]
    if any(name in PYTHON_WORKLOADS for name in figures.workloads):
        parts.append(("Each tool", overview(figures)))
    if figures.workloads:
        parts.append(("Time of the whole process", times(figures)))
    if any(name in figures.workloads for name in C_WORKLOADS):
        parts.append(("Threads, million events a second in the best round", threads(figures)))
    if reading:
        extra = f"A block live at the peak takes {reading.block_bytes:.1f} bytes of `top`, with "
        parts.append(
            ("Reading", f"{reading_table(reading)}\n\n{extra}{reading.live_blocks:,} of them.")
        )
    if costs:
        parts.append(("Start-up", startup_table(costs)))
    if figures.workloads:
        parts.append(("Every figure", details(figures)))
        absent = [f"- {name}: {reason}" for name, reason in missing.items()] + failures(figures)
        parts.append(("Not measured", "\n".join(absent) or "Nothing was left out."))
        parts.append(("Workloads", workload_list(figures)))
    parts += others
    return "\n\n".join(f"## {title}\n\n{body}" for title, body in parts) + "\n"
