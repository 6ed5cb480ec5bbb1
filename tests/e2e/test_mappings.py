# SPDX-License-Identifier: MIT
"""Ranges: mappings made, cut, moved and replaced, down to the page."""

import pytest

from harness import PAGE, Log, Run, Tracer

CASES = """anonymous head tail middle holes spanning several shrink_then_free split_then_free
split_then_leak unmap_nothing remap_grow remap_shrink remap_move remap_over remap_part remap_keep
remap_fails fixed_replace reserved file_backed fails""".split()


def trace(tracer: Tracer, case: str) -> Run:
    return tracer.c("maps.c", case)


def reported(run: Run) -> list:
    return [e for e in run.report if "event" in e]


@pytest.mark.parametrize("case", CASES)
def test_calls(tracer: Tracer, case: str) -> None:
    """Each call stands in the log once, with its addresses and lengths; failed calls do not."""
    run = trace(tracer, case)
    assert run.log.calls == reported(run)


def test_in_a_thread(tracer: Tracer) -> None:
    run = trace(tracer, "in_thread")
    assert [e for e in run.log.calls if e["event"] in ("mmap", "munmap")] == run.report


def mapped_pages(run: Run) -> set:
    """Pages of the target's own mappings at the end, as the kernel has them."""
    touched = set()
    for event in reported(run):
        first = int(event["address"], 16)
        touched.update(range(first, first + event["size"], PAGE))
    pages = set()
    for row in run.report:
        if "maps" in row:
            pages.update(range(row["maps"][0], row["maps"][1], PAGE))
    return touched & pages


def replayed_pages(log: Log) -> set:
    """The same from the log's own records."""
    pages: set = set()

    def of(event, addr="address", size="size"):
        first = int(event[addr], 16)
        return set(range(first, first + event[size], PAGE))

    for event in log.own:
        if event["event"] == "mmap":
            pages |= of(event)
        elif event["event"] == "munmap":
            pages -= of(event)
        elif event["event"] == "mremap":
            if not int(event["flags"], 16) & 4:  # MREMAP_DONTUNMAP
                pages -= of(event, "old_address", "old_size")
            pages |= of(event)
    return pages


@pytest.mark.parametrize("case", CASES)
def test_pages_equal_the_kernel_s(tracer: Tracer, case: str) -> None:
    run = trace(tracer, case)
    assert replayed_pages(run.log) == mapped_pages(run)


LEFT = {
    "anonymous": 5,
    "head": 6,
    "tail": 6,
    "middle": 6,
    "holes": 14,
    "spanning": 4,
    "several": 3,
    "shrink_then_free": 0,
    "split_then_free": 0,
    "split_then_leak": 3,
    "unmap_nothing": 2,
    "remap_grow": 9,
    "remap_shrink": 4,
    "remap_move": 8,
    "remap_over": 10,
    "remap_part": 10,
    "remap_keep": 8,
    "remap_fails": 5,
    "fixed_replace": 14,
    "fails": 1,
}


@pytest.mark.parametrize("case", LEFT)
def test_pages_left(tracer: Tracer, case: str) -> None:
    """What the test's author counted by hand, so that kernel and replay are not both wrong."""
    run = trace(tracer, case)
    assert len(mapped_pages(run)) == LEFT[case]
