# SPDX-License-Identifier: MIT
"""Plots a JSON file that process_tree wrote: the resident set of each process and of the tree."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, Iterator, List, Tuple

#: So many processes get a line of their own: those with the largest resident sets.
LINES = 10
_MISSING = "NaN"
_PLT = """set title "Resident sets of a process tree" font ",14"
set grid
set xlabel "Time since the start of the root process (s)"
set ylabel "Resident set (MB)"
set yrange [0:*]
set key top left noenhanced
set datafile separator whitespace
set datafile missing "NaN"
set terminal {extension} size 1000,700
set output './{name}.{extension}'
plot {lines}
"""

Record = Dict[str, Any]


def _walk(record: Record) -> Iterator[Record]:
    yield record
    for child in record["children"]:
        yield from _walk(child)


def read(path: str) -> List[Record]:
    """The records of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not such a file.
    """
    with open(path, encoding="utf-8") as stream:
        records = json.load(stream)
    try:
        for record in records:
            float(record["process_time"])
            for process in _walk(record):
                int(process["pid"]), int(process["RSS"] or 0), str(process["name"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a file of process_tree --json") from error
    return list(records)


def table(records: List[Record]) -> Tuple[List[List[str]], List[str]]:
    """Rows of time (s), the sum and a process a column (MB), below headings; and their names.

    Beyond `LINES` processes the smaller ones have one column together.
    """
    peaks: Dict[int, int] = {}
    names: Dict[int, str] = {}
    for record in records:
        for process in _walk(record):
            pid = process["pid"]
            peaks[pid] = max(peaks.get(pid, 0), process["RSS"] or 0)
            names[pid] = process["name"]
    largest = sorted(peaks, key=lambda pid: -peaks[pid])
    chosen, others = sorted(largest[:LINES]), set(largest[LINES:])
    rows = [["#t(s)", "total", *map(str, chosen), *(["others"] if others else [])]]
    for record in records:
        sizes = {process["pid"]: process["RSS"] or 0 for process in _walk(record)}
        cells = [_mb(sizes[pid]) if pid in sizes else _MISSING for pid in chosen]
        rest = [_mb(sum(sizes[pid] for pid in others if pid in sizes))] if others else []
        rows.append([f"{record['process_time']:.3f}", _mb(sum(sizes.values())), *cells, *rest])
    titles = ["whole tree", *(f"{pid} {names[pid]}" for pid in chosen)]
    return rows, titles + (["all others"] if others else [])


def _mb(size: int) -> str:
    return f"{size / 1024**2:.3f}"


def plot(json_path: str, gnuplot_dir: str, extension: str = "png") -> int:
    """Plot a file of ``--json``: its name with ``.dat``, ``.plt`` and the picture, in a folder.

    Returns:
        0, the status of gnuplot where it failed, or 1 for a file without samples.

    Raises:
        OSError: a file cannot be read or written, or there is no gnuplot.
        ValueError: it is not a file of process_tree.
    """
    from pymemtrace.util import gnuplot

    records = read(json_path)
    if not records:
        print(f"process_tree: {json_path} has no samples to plot", file=sys.stderr)
        return 1
    os.makedirs(gnuplot_dir, exist_ok=True)
    name = os.path.basename(json_path)
    quoted = name.replace("'", "''")
    rows, titles = table(records)
    lines = ", \\\n    ".join(
        f"'./{quoted}.dat' using 1:{column} with linespoints pt 7 ps 0.4"
        f" lw {3 if column == 2 else 1} title {gnuplot.as_text(title)}"
        for column, title in enumerate(titles, 2)
    )
    plt = _PLT.format(name=quoted, extension=extension, lines=lines)
    return int(gnuplot.invoke_gnuplot(gnuplot_dir, name, rows, plt))
