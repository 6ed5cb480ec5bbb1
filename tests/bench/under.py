# SPDX-License-Identifier: MIT
"""Runs a program under a tracer that is started from Python.

usage: under.py MODE FOLDER PROGRAM [ARGUMENT...]

Logs go to FOLDER. Modes are the keys of MODES. Only what a mode needs is imported.
"""

from __future__ import annotations

import builtins
import importlib
import os
import sys
from typing import Any, Callable, Dict

# Frames from this module down to the functions of a workload: this, the program, main, the function.
DEPTH = 4


class Empty:
    """A callback that does nothing, until the process ends."""

    def __init__(self, kind: str) -> None:
        getattr(importlib.import_module("callbacks"), kind)()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def class_of_package(name: str) -> Callable[[str], Any]:
    """Profile or Trace with every event logged, of the package `pymemtrace` that is installed."""

    def start(folder: str) -> Any:
        module = importlib.import_module("pymemtrace.cPyMemTrace")
        return getattr(module, name)(0, "bench", os.path.join(folder, "log"))

    return start


def reference_tracing(folder: str) -> Any:
    module = importlib.import_module("pymemtrace.cPyMemTrace")
    return module.ReferenceTracing(filepath=os.path.join(folder, "log"), gc_collect_on_exit=-1)


def mempulse(name: str) -> Callable[[str], Any]:
    """A class of mempulse, whose table goes to the log."""

    def start(folder: str) -> Any:
        package = importlib.import_module("mempulse")

        def finish(records: Any) -> None:
            with open(os.path.join(folder, "log"), "w") as file:
                file.write(package.format_trace_result(records))

        return getattr(package, name)(finish, trace_depth=DEPTH - 1)

    return start


class MemoryProfiler:
    """memory_profiler for the functions that the program marks as watched."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.module = importlib.import_module("memory_profiler")
        self.profiler = self.module.LineProfiler(backend="psutil_uss")
        builtins.watched = self.profiler  # type: ignore[attr-defined]

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        with open(os.path.join(self.folder, "log"), "w") as file:
            self.module.show_results(self.profiler, file)


MODES: Dict[str, Callable[[str], Any]] = {
    "empty-profile": lambda folder: Empty("profile"),
    "empty-trace": lambda folder: Empty("trace"),
    "empty-objects": lambda folder: Empty("objects"),
    "Profile": class_of_package("Profile"),
    "Trace": class_of_package("Trace"),
    "ReferenceTracing": reference_tracing,
    "mempulse-c": mempulse("cMemoryUsageTracer"),
    "mempulse": mempulse("MemoryUsageTracer"),
    "memory_profiler": MemoryProfiler,
}


def main() -> None:
    mode, folder, program = sys.argv[1:4]
    if mode.startswith("empty"):
        sys.path.insert(1, os.environ["BENCH_CALLBACKS"])
    started = MODES[mode](folder)
    sys.argv = [program, *sys.argv[4:]]
    sys.path[0] = os.path.dirname(program)
    with open(program, "rb") as file:
        code = compile(file.read(), program, "exec")
    # The namespace of the program is that of a program.
    namespace = {"__name__": "__main__", "__file__": program, "__builtins__": builtins}
    with started:
        exec(code, namespace)


if __name__ == "__main__":
    main()
