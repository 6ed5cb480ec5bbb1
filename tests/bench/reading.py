# SPDX-License-Identifier: MIT
"""How fast our reader reads, and what memory it takes for each live block."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path

from measure import FOLDER, HERE, Sample, empty_folder, run
from rounds import LARGEST, Bench
from tracers import OURS_ALL, TOOL, count, our_events, our_figures


@dataclasses.dataclass
class Reading:
    """Events a second of processor time on the largest log, bytes for each live block."""

    events: int
    log_bytes: int
    peak_blocks: int
    stats_rate: float
    stats_rss: int
    top_rate: float
    top_rss: int
    live_blocks: int
    block_bytes: float


def read(command: str, log: Path, times: int) -> Sample:
    """The run with the middle processor time."""
    samples = []
    for _ in range(times):
        folder = empty_folder(FOLDER / "report")
        samples.append(run([str(TOOL), command, str(log)], folder))
    return sorted(samples, key=lambda sample: sample.cpu_s)[len(samples) // 2]


def record_live(bench: Bench, scale: float) -> Path:
    """The log of a program that keeps its blocks."""
    folder = empty_folder(FOLDER / "run")
    logs = empty_folder(folder / "logs")
    program = [bench.python, str(HERE / "workloads" / "live.py"), str(scale), str(folder / "stamp")]
    tracer = next(t for t in bench.tracers if t.name == OURS_ALL)
    run(tracer.command(program, logs), folder, tracer.env(logs))
    return next(logs.iterdir()).rename(FOLDER / f"live-{scale}.pmt")


def peak_blocks(log: Path) -> int:
    return count(our_figures(log), "peak_heap_count")


def bytes_a_block(bench: Bench) -> tuple[int, float]:
    """Live blocks, and the memory of `top` for each: two logs that differ in them only."""
    few, many = record_live(bench, 0.2 * bench.scale), record_live(bench, bench.scale)
    blocks = peak_blocks(many) - peak_blocks(few)
    rss = [statistics.median(read("top", log, 1).peak_rss for _ in range(3)) for log in (few, many)]
    size = (rss[1] - rss[0]) / blocks
    live = peak_blocks(many)
    few.unlink()
    many.unlink()
    return live, size


def measure_reading(bench: Bench) -> Reading:
    stats, top = read("stats", LARGEST, 5), read("top", LARGEST, 5)
    events = our_events(LARGEST)
    live, size = bytes_a_block(bench)
    return Reading(
        events,
        LARGEST.stat().st_size,
        peak_blocks(LARGEST),
        events / stats.cpu_s,
        stats.peak_rss,
        events / top.cpu_s,
        top.peak_rss,
        live,
        size,
    )
