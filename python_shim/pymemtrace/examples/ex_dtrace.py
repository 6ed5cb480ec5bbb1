# SPDX-License-Identifier: MIT
"""Allocate in known ways from known lines, for a tracer to see.

Three kinds of C allocation, by ``pymemtrace.cMemLeak``, and small Python objects. With ``--pause``
it waits for the return key before it begins, so that a tracer can be attached to its process.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any, Callable, List

from pymemtrace import cMemLeak

logger = logging.getLogger(__name__)

COUNT = 4


def use_blocks(make: Callable[[int], Any], size: int) -> None:
    """Keep COUNT blocks for a while, and give them back, the oldest first."""
    blocks: List[Any] = []
    for _ in range(COUNT):
        block = make(size)
        logger.info("Created %s size=%d buffer=0x%x", make.__name__, block.size, block.buffer)
        blocks.append(block)
    while blocks:
        block = blocks.pop(0)
        logger.info("Popped %s size=%d buffer=0x%x", make.__name__, block.size, block.buffer)
        del block


def create_cmalloc_list() -> None:
    """By malloc()."""
    use_blocks(cMemLeak.CMalloc, 1477)


def create_pyrawmalloc_list() -> None:
    """By PyMem_RawMalloc()."""
    use_blocks(cMemLeak.PyRawMalloc, 128)


def create_pymalloc_list() -> None:
    """By PyMem_Malloc()."""
    use_blocks(cMemLeak.PyMalloc, 371)


def create_py_array_list(size: int) -> None:
    """Bytes objects."""
    blocks = []
    for _ in range(COUNT):
        blocks.append(b" " * size)
        logger.info("Created bytes size=%d at 0x%x", size, id(blocks[-1]))
    while blocks:
        logger.info("Popped bytes at 0x%x", id(blocks.pop(0)))


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-p", "--pause", action="store_true", help="wait before the start")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(process)5d %(message)s", stream=sys.stdout)
    if args.pause:
        input(f"Process {os.getpid()}: press return to begin ")
    create_cmalloc_list()
    create_pyrawmalloc_list()
    create_pymalloc_list()
    create_py_array_list(27)
    return 0


if __name__ == "__main__":
    sys.exit(main())
