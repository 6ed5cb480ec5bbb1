# SPDX-License-Identifier: MIT
"""What the library costs at start-up: idle in a program that is not Python, and tracing `pass`.

usage: startup.py [-n ROUNDS] [-p PYTHON] [--limit]

Each round runs every variant once, in turn, so that a machine that becomes slower becomes slower
for all; figures are medians of the rounds. With --limit the exit status is 1 if an idle preload
costs a millisecond or more, or a traced `python -c pass` ten milliseconds or more.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
LIBRARY = BUILD / "lib" / "tracer" / "libpymemtrace.so"
LIMITS_MS = {"/bin/true": 1.0, "python -c pass": 10.0}


def run_ms(argv: list[str], env: dict[str, str]) -> float:
    """Wall-clock milliseconds from start to end of a process."""
    start = time.perf_counter()
    subprocess.run(argv, env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1e3


def measure(argv: list[str], rounds: int, folder: str) -> tuple[list[float], list[float]]:
    """Times untraced and with the library preloaded, pair by pair."""
    plain_env = {k: v for k, v in os.environ.items() if not k.startswith("PYMEMTRACE_")}
    traced_env = {
        **plain_env,
        "LD_PRELOAD": str(LIBRARY),
        "PYMEMTRACE_OUTPUT": folder + "/%p.pmt",
    }
    run_ms(argv, plain_env)
    plain: list[float] = []
    traced: list[float] = []
    for number in range(rounds):
        # Who goes first changes, so that neither always runs in the other's warm caches.
        for env, times in sorted(
            ((plain_env, plain), (traced_env, traced)),
            key=lambda pair: pair[1] is traced,
            reverse=bool(number % 2),
        ):
            times.append(run_ms(argv, env))
        for log in Path(folder).iterdir():
            log.unlink()
    return plain, traced


@dataclasses.dataclass
class Cost:
    """Milliseconds of a program, medians."""

    name: str
    plain_ms: float
    traced_ms: float
    cost_ms: float
    limit_ms: float


def costs(python: str, rounds: int) -> List[Cost]:
    programs = {"/bin/true": ["/bin/true"], "python -c pass": [python, "-c", "pass"]}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, argv in programs.items():
            plain, traced = measure(argv, rounds, folder)
            added = statistics.median(t - p for p, t in zip(plain, traced))
            middle = statistics.median
            found.append(Cost(name, middle(plain), middle(traced), added, LIMITS_MS[name]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-n", "--rounds", type=int, default=101)
    parser.add_argument("-p", "--python", default=sys.executable)
    parser.add_argument("--limit", action="store_true", help="exit 1 if a cost is over its limit")
    arguments = parser.parse_args()
    print(f"{arguments.rounds} pairs, medians; {LIBRARY}; python is {arguments.python}")
    print(f"{'program':<16}{'without':>12}{'with':>12}{'cost':>12}{'ratio':>8}{'limit':>10}")
    found = costs(arguments.python, arguments.rounds)
    for c in found:
        print(
            f"{c.name:<16}{c.plain_ms:>9.2f} ms{c.traced_ms:>9.2f} ms{c.cost_ms:>9.2f} ms"
            f"{c.traced_ms / c.plain_ms:>8.2f}{'< ' + str(c.limit_ms) + ' ms':>10}"
        )
    return 1 if arguments.limit and any(c.cost_ms >= c.limit_ms for c in found) else 0


if __name__ == "__main__":
    sys.exit(main())
