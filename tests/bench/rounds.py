# SPDX-License-Identifier: MIT
"""Runs each workload untraced and under each tool in turn, again and again."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
from pathlib import Path
from typing import Dict, List, Optional

from measure import FOLDER, HERE, Failed, Sample, compile_c, empty_folder, log_size, note, run
from tracers import OURS_ALL, PLAIN, Tracer, one_log

# In the order of the tables. The C program's threads are part of its name.
PYTHON_WORKLOADS = {
    "calls": "recursive calls, no allocation",
    "syntax": "AST of 170 files of the standard library",
    "json_text": "json: dumps and loads",
    "regex": "regular expressions",
    "pickling": "pickle in pure Python",
    "recursion": "recursion 900 deep, allocating at every depth",
    "generators": "generators and async tasks",
    "simulation": "many objects of a few classes",
    "numpy_arrays": "numpy temporaries",
    "buffers": "bytearrays of 0.6 KB to 2 MB",
    "imports": "imports of the standard library",
}
THREADS = (1, 2, 4, 8)
TURNS = 24_000_000
C_WORKLOADS = {
    **{f"threads {n}": f"C: malloc and free on {n} thread{'s' * (n > 1)}" for n in THREADS},
    **{f"shared {n}": f"C: the same on {n}, every eighth block freed by another" for n in (2, 8)},
}
WORKLOADS = {**PYTHON_WORKLOADS, **C_WORKLOADS}

LARGEST = FOLDER / "largest.pmt"


@dataclasses.dataclass
class Row:
    """A workload under a tool. Ratios and differences are medians of those of each round."""

    workload: str
    tool: str
    samples: List[Optional[Sample]] = dataclasses.field(
        default_factory=list
    )  # None: not that round
    events: int = 0
    report_s: float = 0.0  # 0: the tool has no report of its own
    report_rss: int = 0
    failed: str = ""


@dataclasses.dataclass
class Ratios:
    """A row against the untraced runs of the same rounds."""

    wall: float
    cpu: float
    added_s: float
    added_cpu_s: float
    added_rss: int
    added_exit_s: float
    log_bytes: int
    rounds: int


def ratios(row: Row, plain: Row) -> Ratios:
    pairs = [(t, p) for t, p in zip(row.samples, plain.samples) if t is not None and p is not None]
    middle = statistics.median
    return Ratios(
        middle(t.wall_s / p.wall_s for t, p in pairs),
        middle(t.cpu_s / p.cpu_s for t, p in pairs),
        middle(t.wall_s - p.wall_s for t, p in pairs),
        middle(t.cpu_s - p.cpu_s for t, p in pairs),
        round(middle(t.peak_rss - p.peak_rss for t, p in pairs)),
        middle(t.exit_s - p.exit_s for t, p in pairs),
        round(middle(t.log_bytes for t, _ in pairs)),
        len(pairs),
    )


def program_of(workload: str, python: str, folder: Path, scale: float) -> List[str]:
    stamp = str(folder / "stamp")
    if workload in C_WORKLOADS:
        kind, threads = workload.split()
        shared = str(int(kind == "shared"))
        return [str(compile_c("threads")), threads, str(round(TURNS * scale)), shared, stamp]
    return [python, str(HERE / "workloads" / f"{workload}.py"), str(scale), stamp]


@dataclasses.dataclass
class Bench:
    """What is to be measured, and the rows so far."""

    python: str
    tracers: List[Tracer]
    rounds: int
    side_rounds: int
    scale: float
    rows: List[Row] = dataclasses.field(default_factory=list)
    largest_events: int = 0

    def suitable(self, workload: str) -> List[Tracer]:
        kind = "c" if workload in C_WORKLOADS else "python"
        return [tracer for tracer in self.tracers if kind in tracer.programs]

    def once(self, workload: str, tracer: Optional[Tracer]) -> Sample:
        """One run in an empty folder, whose log stays until the next run. Raises Failed."""
        folder = empty_folder(FOLDER / "run")
        logs = empty_folder(folder / "logs")
        program = program_of(workload, self.python, folder, self.scale)
        if tracer is None:
            return run(program, folder)
        sample = run(tracer.command(program, logs), folder, tracer.env(logs))
        sample.log_bytes = log_size(logs)
        return sample

    def workload(self, name: str) -> List[Row]:
        """All rounds of one workload; empty where it cannot run here."""
        try:
            self.once(name, None)  # fills caches, and shows whether it can run
        except Failed as error:
            note(f"{name}: left out, {error}")
            return []
        expected = (FOLDER / "run" / "stdout").read_bytes()
        plain = Row(name, PLAIN)
        rows = {tracer.name: Row(name, tracer.name) for tracer in self.suitable(name)}
        for number in range(self.rounds):
            note(f"{name}: round {number + 1} of {self.rounds}")
            plain.samples.append(self.once(name, None))
            self.round(name, number, rows, expected)
        self.rows += [plain, *rows.values()]
        return [plain, *rows.values()]

    def round(self, name: str, number: int, rows: Dict[str, Row], expected: bytes) -> None:
        """Each tool once; another one begins each time."""
        tracers = self.suitable(name)
        first = number % len(tracers)
        for tracer in tracers[first:] + tracers[:first]:
            row = rows[tracer.name]
            if row.failed or number >= self.rounds_of(tracer):
                row.samples.append(None)
                continue
            try:
                row.samples.append(self.once(name, tracer))
                self.check_output(tracer, expected)
                if number == self.rounds_of(tracer) - 1:
                    self.examine(tracer, row)
            except Failed as error:
                note(f"{name} under {tracer.name}: {error}")
                row.failed = str(error)[:100]

    def rounds_of(self, tracer: Tracer) -> int:
        if tracer.sizes_only:
            return 1
        return min(self.rounds, self.side_rounds) if tracer.side else self.rounds

    def check_output(self, tracer: Tracer, expected: bytes) -> None:
        """Our tool must not change what the program prints."""
        if tracer.ours and (FOLDER / "run" / "stdout").read_bytes() != expected:
            raise Failed("other output than untraced")

    def examine(self, tracer: Tracer, row: Row) -> None:
        """Events of the log that was just written, and the cost of the report of its peak."""
        if tracer.report is None:
            return
        log = one_log(FOLDER / "run" / "logs")
        folder = empty_folder(FOLDER / "report")
        sample = run(tracer.report(log, folder), folder)
        row.report_s, row.report_rss = sample.wall_s, sample.peak_rss
        if tracer.events:
            row.events = tracer.events(log)
        if tracer.name == OURS_ALL and row.events > self.largest_events:
            self.largest_events = row.events
            shutil.move(str(log), LARGEST)
