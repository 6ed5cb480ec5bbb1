# SPDX-License-Identifier: MIT
"""Plot what a log of reference tracing says: the resident set, and live objects by type."""

from __future__ import annotations

import logging
import os
from typing import Any, Dict, List, Protocol, Sequence, Set

from . import gnuplot
from ._cli import printable
from ._ref_trace_line import ObjectData

__all__ = ["GNUPLOT_PLT", "invoke_gnuplot"]

logger = logging.getLogger(__name__)

#: The text for gnuplot: ``GNUPLOT_PLT.format(name=..., extension=..., labels=..., plot=...)``. name
#: is that of the picture without its extension, labels and plot are lines of gnuplot.
GNUPLOT_PLT = """set terminal {extension} size 1200,800
set output '{name}.{extension}'
set title 'Resident set and live objects'
set grid
set xlabel 'Processor time (s)'
set ylabel 'Resident set (MiB)'
set yrange [0:]
set ytics nomirror
set y2label 'Live objects'
set y2range [0:]
set y2tics
set key outside bottom horizontal noenhanced
set datafile separator whitespace
{labels}
plot {plot}
"""


class _Result(Protocol):
    log_file_id: str
    objects: List[ObjectData]
    clock_message_dict: Dict[float, List[str]]


def _rows(objects: Sequence[ObjectData], tp_names: Sequence[str]) -> List[List[Any]]:
    """The clock, how many of each type live, RSS and its change, at each event of those types."""
    live = dict.fromkeys(tp_names, 0)
    rows: List[List[Any]] = []
    for event in objects:
        if event.type in live:
            live[event.type] = event.live_cnt
            counts = [live[name] for name in tp_names]
            rows.append([event.clock, *counts, event.rss, event.drss])
    return rows


def _labels(messages: Dict[float, List[str]]) -> List[str]:
    """An arrow down to the moment of each message, with its text over it."""
    lines = []
    for clock in sorted(messages):
        for text in messages[clock]:
            lines.append(f"set arrow from {clock},graph 0.1 to {clock},graph 0")
            lines.append(
                f"set label {gnuplot.as_text(text)} at {clock},graph 0.11"
                " left font ',8' rotate by 90 noenhanced front"
            )
    return lines


def _curves(file: str, tp_names: Sequence[str]) -> str:
    column = len(tp_names) + 2
    curves = [
        f"{file} using 1:(${column}/1024**2) axes x1y1 with steps lw 2 title 'Resident set (left)'"
    ]
    for number, name in enumerate(tp_names, 2):
        curves.append(f"{file} using 1:{number} axes x1y2 with steps title {gnuplot.as_text(name)}")
    return ", \\\n  ".join(curves)


def invoke_gnuplot(log_result: _Result, tp_names: Sequence[str], gnuplot_dir: str) -> int:
    """Write ``LOG.dat``, ``LOG.plt`` and ``LOG.png`` into a folder, LOG being the log's file name.

    The resident set is on the left axis, the live objects of the types tp_names on the right;
    messages are arrows with their text. Returns the status of gnuplot, or -1 without types, or when
    the log, which must have been read with ``keep_historical``, has no object of them. Raises
    FileNotFoundError if there is no gnuplot.
    """
    names = list(dict.fromkeys(tp_names))
    rows = _rows(log_result.objects, names)
    if not rows:
        logger.error("Nothing to plot: %s", "no object of these types" if names else "no types")
        return -1
    seen: Set[str] = {event.type for event in log_result.objects}
    for name in names:
        if name not in seen:
            logger.warning("No object of type %s", printable(name))
    name = os.path.basename(log_result.log_file_id) or "log"
    lines = [f"# {printable(log_result.log_file_id)}", "# Clock " + " ".join([*names, "RSS dRSS"])]
    plt = GNUPLOT_PLT.format(
        name=name.replace("'", "''"),
        extension="png",
        labels="\n".join(_labels(log_result.clock_message_dict)),
        plot=_curves(gnuplot.as_text(f"{name}.dat"), names),
    )
    return gnuplot.invoke_gnuplot(gnuplot_dir, name, lines, rows, plt)
