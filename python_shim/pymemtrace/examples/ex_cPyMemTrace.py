# SPDX-License-Identifier: MIT
"""Which functions, and which lines, make the resident set grow.

``python -m pymemtrace.examples.ex_cPyMemTrace`` writes two logs into the current folder and prints
them, without the columns that are wide.
"""

from __future__ import annotations

from typing import Dict, Iterator, List

from pymemtrace import cPyMemTrace, cpymemtrace_decs

SIZE = 1024**2


def create_string(size: int) -> str:
    """A new string of so many characters."""
    return " " * size


def create_strings(kept: List[str], count: int) -> None:
    """Keep so many strings of a MiB."""
    for _ in range(count):
        kept.append(create_string(SIZE))


def build_cache() -> Dict[int, str]:
    """Some more, in a dictionary."""
    cache = {}
    for key in range(4):
        cache[key] = create_string(SIZE * 2)
    return cache


def short(path: str) -> Iterator[str]:
    """The lines of a log without the folder of the source and without spaces in a row."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield " ".join(line.replace(__file__, "ex_cPyMemTrace.py").split())


def example_profile() -> str:
    """Calls and returns at which the resident set has moved by half a MiB; where the log is."""
    kept: List[str] = []
    with cPyMemTrace.Profile(SIZE // 2, message="Strings, then a cache") as profiler:
        path = profiler.log_file_path()
        create_strings(kept, 3)
        profiler.write_message_to_log(f"{len(kept)} strings are there")
        build_cache()
    assert path is not None
    return path


@cpymemtrace_decs.trace(SIZE // 2, filepath="ex_cPyMemTrace_trace.log")
def example_trace() -> int:
    """The same for lines, by a decorator."""
    kept: List[str] = []
    create_strings(kept, 2)
    cPyMemTrace.trace_write_message_to_log("now the cache")
    return len(build_cache())


def main() -> int:
    """Write the logs and print them."""
    paths = [example_profile()]
    example_trace()
    paths.append("ex_cPyMemTrace_trace.log")
    for path in paths:
        print("\n".join(short(path)))
        print()
    print(f"Resident set: {cPyMemTrace.rss():,} bytes, at most {cPyMemTrace.rss_peak():,}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
