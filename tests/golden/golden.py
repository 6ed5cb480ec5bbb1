# SPDX-License-Identifier: MIT
"""Stored logs must be read, or refused, as the expectations beside them say.

Each LOG.pmt and LOG.pmt.zst in logs/ has expected/LOG.txt: what `pymemtrace text --stacks --definitions` prints, what it
says on stderr, and its exit status; `pymemtrace json` must print as many events. TAP on stdout.

Usage: golden.py PROGRAM [--update-golden]
"""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(program: str, *arguments: str) -> tuple[str, str, int]:
    """Standard output, standard error, exit status; in the logs' folder, so that paths are short."""
    done = subprocess.run(
        [program, *arguments], cwd=HERE / "logs", capture_output=True, timeout=300, check=False
    )
    return done.stdout.decode(), done.stderr.decode(), done.returncode


def name_of(log: Path) -> str:
    return log.name.split(".", 1)[0]


def report(program: str, log: Path) -> str:
    out, err, status = run(program, "text", "--stacks", "--definitions", log.name)
    return f"{out}--- stderr\n{err}--- exit status {status}\n"


def json_problem(program: str, log: Path, text: str) -> str:
    """What is wrong with the JSON output, measured by the text output; "" if nothing is."""
    out, _, status = run(program, "json", "--stacks", log.name)
    objects = [json.loads(line) for line in out.splitlines()]
    if f"--- exit status {status}\n" not in text:
        return f"json ends with {status}"
    if not objects:
        return "" if text.startswith("--- stderr") else "json prints nothing"
    events = sum(
        not line.startswith("#") for line in run(program, "text", log.name)[0].splitlines()
    )
    array = json.loads(run(program, "json", "--stacks", "--array", log.name)[0])
    if array != objects:
        return "--array differs"
    objects = [o for o in objects if o["event"] != "totals"]  # no events
    if [objects[0]["event"], objects[-1]["event"]] != ["header", "end"]:
        return "json has no header or no end"
    if len(objects) - 2 != events or objects[-1]["events"] != events:
        return f"{len(objects) - 2} events in json, {events} in text"
    return ""


def compare(program: str, log: Path, update: bool) -> list[str]:
    expected = HERE / "expected" / (name_of(log) + ".txt")
    got = report(program, log)
    if update:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(got)
    wanted = expected.read_text() if expected.exists() else ""
    difference = list(difflib.unified_diff(wanted.splitlines(), got.splitlines(), lineterm=""))
    problem = json_problem(program, log, got)
    good = log.stem.startswith("good-")
    if good != got.endswith("--- stderr\n--- exit status 0\n"):
        difference.append("the name of the log says otherwise about messages and the exit status")
    return difference + ([problem] if problem else [])


def main() -> int:
    program = str(Path(sys.argv[1]).resolve())
    update = "--update-golden" in sys.argv
    folder = HERE / "logs"
    logs = sorted([*folder.glob("*.pmt"), *folder.glob("*.pmt.zst")])
    orphans = {p.stem for p in (HERE / "expected").glob("*.txt")} - {name_of(p) for p in logs}
    failed = not logs or bool(orphans)
    print(f"1..{len(logs) + 1}")
    for number, log in enumerate(logs, 1):
        difference = compare(program, log, update)
        failed |= bool(difference)
        print(f"{'not ok' if difference else 'ok'} {number} - {log.name}")
        for line in difference[:60]:
            print(f"# {line}")
    print(
        f"{'not ok' if orphans or not logs else 'ok'} {len(logs) + 1} - each expectation has its log"
    )
    return failed


if __name__ == "__main__":
    sys.exit(main())
