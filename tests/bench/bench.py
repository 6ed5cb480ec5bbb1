# SPDX-License-Identifier: MIT
"""What tracing costs, beside what it costs with other tools, all in one run.

usage: bench.py [quick] [--write] [--only PART] [-w WORKLOAD] [-n ROUNDS] [--no-peers] ...

There are three parts: `blocks`, allocations and what is held; `events`, calls, lines and objects;
`package`, the tools of the Python package. Each workload runs in a process of its own, untraced and under each tool in turn, ROUNDS times;
figures are medians of the rounds' ratios to the untraced run of the same round. `quick` is two
rounds of a tenth of the work, to see that everything runs. Results go to build/bench/results.json,
as tables to stdout, and with --write into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import event_tables
import events
import machine
import package
import peers
import startup
import tables
from measure import FOLDER, TOP, Failed, Sample, note
from reading import Reading, measure_reading
from rounds import LARGEST, WORKLOADS, Bench, Row
from targets import Figures, check
from tracers import set_up

import harness

PAGE = TOP / "docs" / "benchmarks.md"
RESULTS = FOLDER / "results.json"
PARTS = ("blocks", "events", "package")
MEASURED = re.compile(r"(<!-- measured -->\n).*(<!-- end of measured -->)", re.DOTALL)


@dataclasses.dataclass
class Results:
    """All that a run found."""

    machine: Dict[str, str]
    missing: Dict[str, str]
    rows: List[Row]
    reading: Optional[Reading]
    startup: List[startup.Cost]
    events: Optional[events.Part] = None
    package: Optional[package.PackagePart] = None


def default_python() -> str:
    """The system's, which is what most programs run with, where it is new enough."""
    system = "/usr/bin/python3"
    chosen = os.environ.get("PYTHON", system)
    return chosen if os.path.exists(chosen) or chosen != system else sys.executable


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "quick", nargs="?", choices=["quick"], help="a tenth of the work, two rounds"
    )
    parser.add_argument(
        "-w", "--workload", action="append", choices=sorted(WORKLOADS), metavar="NAME"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        help="this part; may be given again (all, or blocks with -w)",
    )
    parser.add_argument(
        "-n", "--rounds", type=int, default=5, help="pairs of each tool (%(default)s)"
    )
    parser.add_argument(
        *("--side-rounds", "-s"),
        type=int,
        default=1,
        help="pairs of the slowest of the others (%(default)s)",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="of the work (%(default)s)")
    parser.add_argument("-p", "--python", default=default_python())
    parser.add_argument(
        *("--events-python", "-e"),
        metavar="PYTHON",
        help="for events and package; with headers (the newest found)",
    )
    parser.add_argument(
        "--no-peers", action="store_true", help="our tool only; no virtual environment"
    )
    parser.add_argument("--no-extras", action="store_true", help="no start-up, no reading speed")
    parser.add_argument(
        "--again", action="store_true", help="tables of the last run, without a new one"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep what the last run found of what this one leaves out",
    )
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(TOP)}")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.scale = 2, 0.1
    partial = chosen.no_peers or ((chosen.workload or chosen.only) and not chosen.keep)
    chosen.only = chosen.only or (["blocks"] if chosen.workload else list(PARTS))
    if chosen.write and (chosen.quick or partial or chosen.rounds < 5):
        parser.error("--write wants a whole run of at least five rounds")
    return chosen


def extras(bench: Bench, quick: bool) -> Tuple[Optional[Reading], List[startup.Cost]]:
    costs = startup.costs(bench.python, 11 if quick else 51)
    try:
        return (measure_reading(bench) if LARGEST.exists() else None), costs
    except Failed as error:
        note(f"reading speed: {error}")
        return None, costs


def measure_blocks(chosen: argparse.Namespace, results: Results) -> None:
    LARGEST.unlink(missing_ok=True)
    python, tracers, results.missing = set_up(chosen.python, not chosen.no_peers)
    for name, reason in results.missing.items():
        note(f"not measured: {name}: {reason}")
    results.machine = machine.describe(python)
    bench = Bench(python, tracers, chosen.rounds, chosen.side_rounds, chosen.scale)
    for name in chosen.workload or WORKLOADS:
        bench.workload(name)
    results.rows = bench.rows
    if not chosen.no_extras:
        results.reading, results.startup = extras(bench, bool(chosen.quick))


def python_of_events(chosen: argparse.Namespace) -> Optional[harness.Python]:
    if not chosen.events_python:
        return peers.newest_with_headers()
    found = harness.ask_python(chosen.events_python)
    return found if found and found.has_headers else None


def measure_parts(chosen: argparse.Namespace, results: Results) -> None:
    """The parts that want an interpreter with headers."""
    if chosen.only == ["blocks"]:
        return
    python = python_of_events(chosen)
    if python is None:
        missing = {"all of it": "no interpreter with headers (python3-dev?)"}
        if "events" in chosen.only:
            results.events = events.Part({}, missing, [])
        if "package" in chosen.only:
            results.package = package.PackagePart({}, missing, [])
        return
    how = (chosen.rounds, chosen.side_rounds, chosen.scale, not chosen.no_peers)
    if "events" in chosen.only:
        results.events = events.measure_events(python, *how)
        results.machine.update(results.events.facts)
    if "package" in chosen.only:
        results.package = package.measure_package(python, *how)
        results.machine.update(results.package.facts)


def measure(chosen: argparse.Namespace) -> Results:
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = Results({}, {}, [], None, [])
    began = time.monotonic()
    if "blocks" in chosen.only:
        measure_blocks(chosen, results)
    else:
        results.machine = machine.describe(chosen.python)
    measure_parts(chosen, results)
    results.machine["run"] = (
        f"{datetime.date.today()}, {time.monotonic() - began:.0f} s, {chosen.rounds} rounds"
    )
    command = f"`./dev bench {shlex.join(sys.argv[1:])}`".replace(" `", "`")
    results.machine["command"] = command
    return results


def save(results: Results) -> None:
    RESULTS.write_text(json.dumps(dataclasses.asdict(results), indent=1))


def rows_of(old: Dict[str, Any]) -> List[Row]:
    return [
        Row(**{**row, "samples": [Sample(**s) if s else None for s in row["samples"]]})
        for row in old["rows"]
    ]


def load() -> Results:
    old: Dict[str, Any] = json.loads(RESULTS.read_text())
    results = Results(
        old["machine"],
        old["missing"],
        rows_of(old),
        Reading(**old["reading"]) if old["reading"] else None,
        [startup.Cost(**c) for c in old["startup"]],
    )
    if old.get("events"):
        results.events = events.Part(**{**old["events"], "rows": rows_of(old["events"])})
    if old.get("package"):
        part = {**old["package"], "rows": rows_of(old["package"])}
        results.package = package.PackagePart(**part)
    return results


def replaced(fact: str, fresh: List[str]) -> bool:
    """The fact tells of an earlier run of some workloads, all of which were measured anew."""
    _, of, names = fact.partition(" of ")
    return bool(of) and set(names.split(", ")) <= set(fresh)


def merged(old: Results, new: Results) -> Results:
    """The new rows in the places of the old ones; the facts name both runs."""
    fresh = {row.workload: [r for r in new.rows if r.workload == row.workload] for row in new.rows}
    parts = [name for name in PARTS if getattr(new, name, None)]
    what = [*fresh, *parts]
    names = dict.fromkeys(row.workload for row in old.rows)
    rows = [
        row
        for name in [*names, *(name for name in fresh if name not in names)]
        for row in fresh.get(name) or [r for r in old.rows if r.workload == name]
    ]
    kept = {k: v for k, v in old.machine.items() if not replaced(k, what)}
    facts = (new.events or new.package or events.Part({}, {}, [])).facts
    told = ("command", "run", "pymemtrace")
    again = {f"{name} of {', '.join(what)}": new.machine[name] for name in told}
    return Results(
        {**kept, **facts, **again},
        {**old.missing, **new.missing},
        rows,
        new.reading or old.reading,
        new.startup or old.startup,
        new.events or old.events,
        new.package or old.package,
    )


def render(results: Results) -> str:
    figures = Figures(results.rows)
    verdicts = check(figures, results.reading)
    others: List[event_tables.Section] = []
    if results.events:
        verdicts += event_tables.check_events(results.events)
        others += event_tables.event_sections(results.events)
    if results.package:
        verdicts += event_tables.check_package(results.package)
        others += event_tables.package_sections(results.package)
    return tables.sections(
        figures,
        verdicts,
        results.reading,
        results.startup,
        results.machine,
        results.missing,
        others,
    )


def write(path: Path, text: str) -> None:
    """Puts TEXT between the marks of the page."""
    page = path.read_text(encoding="utf-8")
    if not MEASURED.search(page):
        raise SystemExit(f"{path} has no place for the figures")
    path.write_text(MEASURED.sub(lambda m: f"{m[1]}\n{text}\n{m[2]}", page), encoding="utf-8")


def main() -> int:
    chosen = arguments()
    if chosen.again:
        results = load()
    else:
        old = load() if chosen.keep else None
        results = measure(chosen)
        results = merged(old, results) if old else results
        save(results)
    text = render(results)
    print(text)
    if chosen.write:
        write(PAGE, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
