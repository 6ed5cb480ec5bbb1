# SPDX-License-Identifier: MIT
"""The interpreter's own switches: debug allocators, development mode, tracemalloc, isolated mode."""

import pytest

from harness import Python, Tracer

SWITCHES = {
    "debug_allocators": ([], {"PYTHONMALLOC": "debug"}),
    "malloc_debug": ([], {"PYTHONMALLOC": "malloc_debug"}),
    "development_mode": (["-X", "dev"], {}),
    "tracemalloc": (["-X", "tracemalloc=5"], {}),
    "isolated": (["-I", "-S", "-E"], {}),
}
WORDS = ("malloc,mmap,rss", "malloc,mmap,pymem,rss")
PROGRAM = "import json; print(len(json.dumps([{'a': i} for i in range(3000)])))"


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_changes_nothing(tracer: Tracer, python: Python, switch: str, words: str) -> None:
    """Under debug allocators the interpreter once aborted over the entry of our audit hook."""
    flags, env = SWITCHES[switch]
    run = tracer.python_argv(python, [*flags, "-c", PROGRAM], env=env, options={"TRACE": words})
    assert run.outcome.status == 0
    stats = run.log.stats
    assert stats["complete"]
    assert stats["lost_records"] == 0
