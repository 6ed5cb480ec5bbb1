# SPDX-License-Identifier: MIT
"""Say which blocks a log of the D scripts leaves allocated, and who allocated them.

Reads what the scripts print of malloc, calloc, realloc and free, and of Python's own allocators,
from ``dtrace:::BEGIN`` to ``dtrace:::END``, as a stream: what is kept is the blocks that are
allocated. Blocks of different processes are told apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import re
import sys
from typing import IO, Dict, Iterable, Iterator, List, Match, Optional, TextIO, Tuple, Union

from ._cli import Complaints, NotThisLogError, add_log_level, printable, run

__all__ = [
    "DTraceFreeCall",
    "DTraceMallocCall",
    "DTraceMallocs",
    "DTraceReallocCall",
    "Holder",
    "main",
    "match_free_line",
    "match_malloc_line",
    "match_realloc_line",
    "pprint_mallocs",
    "read_dtrace_log",
    "read_dtrace_log_file",
]

logger = logging.getLogger(__name__)

_WHO = r"^\s+(\d+)\s+([^:]+)?:(-?\d+)\s+->\s+(\S.*?)??\s*"
_RESULT = r"\s+(?:pntr|\S+ returns)\s+(0x[0-9a-f]+|\(nil\))\s*$"
_POINTER = r"(0x[0-9a-f]+|\(nil\))"


def _name(c_name: str) -> str:
    """malloc, and what Python calls its own: _PyObject_Malloc, _PyMem_RawMalloc, PyMem_Malloc."""
    return rf"(?:{c_name}|_?Py(?:Object|Mem)_(?:Raw)?{c_name.capitalize()})"


_MALLOC = rf"{_name('malloc')}\((\d+)\)"
_CALLOC = rf"{_name('calloc')}\((\d+), *(\d+)\)"
_REALLOC = rf"{_name('realloc')}\({_POINTER}, *(\d+)\)"
_FREE = rf"{_name('free')}\({_POINTER}\)\s*$"

#: Process, file, line, function, size, pointer; as in
#: `` 77633  cmn_cmd_opts.py:141  -> set_log_level malloc(560) pntr 0x7fca83ef4240``.
RE_MALLOC = re.compile(_WHO + _MALLOC + _RESULT)
#: As RE_MALLOC, with number and size.
RE_CALLOC = re.compile(_WHO + _CALLOC + _RESULT)
#: As RE_MALLOC, with the old pointer and the new size; the new pointer may be missing.
RE_REALLOC = re.compile(_WHO + _REALLOC + f"(?:{_RESULT}|\\s*$)")
#: Process, file, line, function, pointer; as in
#: `` 77633       process.py:268  -> _get_process_data free(0x7fca83c00620)``.
RE_FREE = re.compile(_WHO + _FREE)

# What is left when the front of a line is garbled: the process, if it is there, and the call.
_ANYTHING = r"^(?:\s+(\d+)\s)?(.*?)"
RE_MALLOC_LAST_RESORT = re.compile(_ANYTHING + _MALLOC + _RESULT)
RE_CALLOC_LAST_RESORT = re.compile(_ANYTHING + _CALLOC + _RESULT)
RE_REALLOC_LAST_RESORT = re.compile(_ANYTHING + _REALLOC + f"(?:{_RESULT}|\\s*$)")
RE_FREE_LAST_RESORT = re.compile(_ANYTHING + _FREE)

#: Lines of the flow of calls, which are not about memory.
RE_FLOW = re.compile(r"^\s*(?:\d+\s.*:-?\d+\s+(?:CALL|RTN)\s|C\s+PID\s+DELTA)")

_BEGIN = "dtrace:::BEGIN"
_END = ("dtrace:::END", "dtrace::END")  # the second stands in old logs


@dataclasses.dataclass
class DTraceMallocCall:
    """A call of malloc or calloc. process and line are -1 and names empty where garbled."""

    log_line: int
    process: int
    file: str
    line: int
    function: Optional[str]
    size: int
    pointer: int
    calloc: bool = False


@dataclasses.dataclass
class DTraceFreeCall:
    """A call of free."""

    log_line_num: int
    process: int
    file: Optional[str]
    line: int
    function: Optional[str]
    pointer: int


@dataclasses.dataclass
class DTraceReallocCall:
    """A call of realloc; new_pointer is None if the log does not say."""

    log_line: int
    process: int
    file: str
    line: int
    function: Optional[str]
    size: int
    pointer: int
    new_pointer: Optional[int]


@dataclasses.dataclass
class Holder:
    """Who holds blocks: bytes and number of those that one line of Python allocated."""

    file: str
    line: int
    function: str
    size: int = 0
    count: int = 0


def _pointer(text: str) -> int:
    return 0 if text == "(nil)" else int(text, 16)


def _who(match: Match[str], log_line: int) -> Tuple[int, int, str, int, Optional[str]]:
    process, file, line, function = match.groups()[:4]
    return log_line, int(process), file or "", int(line), function


def _who_garbled(match: Match[str], log_line: int) -> Tuple[int, int, str, int, Optional[str]]:
    return log_line, int(match.group(1) or -1), match.group(2).strip(), -1, ""


def match_malloc_line(line: str, log_line: int) -> Optional[DTraceMallocCall]:
    """What a line says of malloc or calloc; None if it is about something else."""
    for expression in (RE_MALLOC, RE_CALLOC, RE_MALLOC_LAST_RESORT, RE_CALLOC_LAST_RESORT):
        match = expression.match(line)
        if match:
            whole = expression in (RE_MALLOC, RE_CALLOC)
            who = (_who if whole else _who_garbled)(match, log_line)
            *numbers, pointer = match.groups()[4 if whole else 2 :]
            calloc = len(numbers) == 2
            size = int(numbers[0]) * (int(numbers[1]) if calloc else 1)
            return DTraceMallocCall(*who, size, _pointer(pointer), calloc)
    return None


def match_realloc_line(line: str, log_line: int) -> Optional[DTraceReallocCall]:
    """What a line says of realloc; None if it is about something else."""
    for expression in (RE_REALLOC, RE_REALLOC_LAST_RESORT):
        match = expression.match(line)
        if match:
            whole = expression is RE_REALLOC
            who = (_who if whole else _who_garbled)(match, log_line)
            old, size, new = match.groups()[4 if whole else 2 :]
            return DTraceReallocCall(
                *who, int(size), _pointer(old), None if new is None else _pointer(new)
            )
    return None


def match_free_line(line: str, log_line: int) -> Optional[DTraceFreeCall]:
    """What a line says of free; None if it is about something else."""
    match = RE_FREE.match(line)
    if match:
        return DTraceFreeCall(*_who(match, log_line), _pointer(match.group(5)))
    match = RE_FREE_LAST_RESORT.match(line)
    if match:
        return DTraceFreeCall(*_who_garbled(match, log_line), _pointer(match.group(3)))
    return None


class DTraceMallocs:
    """The blocks that are allocated at a point of a log, and what happened up to there.

    ``malloc_dict`` has the outstanding blocks by process and pointer. ``count_mallocs`` and
    ``total_bytes_malloced`` count malloc and calloc, and a realloc as a free and a malloc; sizes
    are the requested ones, in bytes. A malloc is "failed" if its address was given out already: its
    free is missing, and the new block takes its place. A free is "failed" if its block is unknown.
    """

    def __init__(self) -> None:
        self.malloc_dict: Dict[Tuple[int, int], DTraceMallocCall] = {}
        self.count_mallocs = 0
        self.count_callocs = 0
        self.count_reallocs = 0
        self.count_reallocs_without_result = 0
        self.count_null_results = 0
        self.count_frees_non_null = 0
        self.count_frees_null = 0
        self.count_lines = 0
        self.total_bytes_malloced = 0
        self.total_bytes_freed = 0
        self.total_bytes_outstanding = 0
        self.max_malloc = 0
        self.max_allocations = 0
        self.max_bytes_outstanding = 0
        self.failed_to_add_malloc = 0
        self.failed_to_add_free = 0
        self.failed_to_parse_line = 0
        self.ended = False
        self.complaints = Complaints(logger)
        self._process = -1

    def __len__(self) -> int:
        return len(self.malloc_dict)

    def _key(self, process: int, pointer: int) -> Tuple[int, int]:
        """A garbled line is taken to be of the process that printed last."""
        if process != -1:
            self._process = process
        return self._process, pointer

    def _take(self, key: Tuple[int, int]) -> Optional[DTraceMallocCall]:
        block = self.malloc_dict.pop(key, None)
        if block is not None:
            self.total_bytes_freed += block.size
            self.total_bytes_outstanding -= block.size
        return block

    def _put(self, call: DTraceMallocCall) -> None:
        key = self._key(call.process, call.pointer)
        if call.pointer == 0:
            self.count_null_results += 1
            return
        was = self.malloc_dict.get(key)
        if was is not None:
            self.failed_to_add_malloc += 1
            self.complaints.add(
                "Malloc call of a block that is allocated",
                f"at 0x{call.pointer:012x} Was log line: {was.log_line} now {call.log_line}",
            )
            # Neither malloc'd twice nor free'd: it is not known when it went.
            self._take(key)
        self.malloc_dict[key] = call
        self.count_mallocs += 1
        self.total_bytes_malloced += call.size
        self.total_bytes_outstanding += call.size
        self.max_malloc = max(self.max_malloc, call.size)
        self.max_allocations = max(self.max_allocations, len(self))
        self.max_bytes_outstanding = max(self.max_bytes_outstanding, self.total_bytes_outstanding)

    def _drop(self, process: int, pointer: int, log_line: int) -> None:
        key = self._key(process, pointer)
        if pointer == 0:
            self.count_frees_null += 1
        elif self._take(key) is not None:
            self.count_frees_non_null += 1
        else:
            self.failed_to_add_free += 1
            self.complaints.add(
                "Free call of an unknown block", f"at 0x{pointer:012x} line {log_line}"
            )

    def add_malloc(self, malloc_call: DTraceMallocCall) -> None:
        """A block was allocated, or, if the pointer is 0, was not."""
        self.count_lines += 1
        self.count_callocs += malloc_call.calloc
        self._put(malloc_call)

    def add_free(self, free_call: DTraceFreeCall) -> None:
        """A block was freed."""
        self.count_lines += 1
        self._drop(free_call.process, free_call.pointer, free_call.log_line_num)

    def add_realloc(self, call: DTraceReallocCall) -> None:
        """A block was moved, or became larger or smaller.

        Without a result in the log it is not known where the block is now. It is taken to be gone,
        so that it is not reported as a leak because it was freed at an unknown address.
        """
        self.count_lines += 1
        self.count_reallocs += 1
        if call.new_pointer is None:
            self.count_reallocs_without_result += 1
        elif call.new_pointer == 0 and call.size != 0:
            self.count_null_results += 1  # and the old block stays as it is
            return
        if call.pointer != 0:
            self._drop(call.process, call.pointer, call.log_line)
        if call.new_pointer:
            self._put(
                DTraceMallocCall(
                    call.log_line,
                    call.process,
                    call.file,
                    call.line,
                    call.function,
                    call.size,
                    call.new_pointer,
                )
            )

    def holders(self) -> List[Holder]:
        """Who holds the outstanding blocks, most bytes first."""
        found: Dict[Tuple[str, int, str], Holder] = {}
        for call in self.malloc_dict.values():
            key = (call.file, call.line, call.function or "")
            holder = found.setdefault(key, Holder(*key))
            holder.size += call.size
            holder.count += 1
        return sorted(found.values(), key=lambda h: (-h.size, -h.count, h.file, h.line))

    def str_failures(self) -> str:
        """How many lines there were, and how many of them were of no use."""
        return (
            f"Total lines: {self.count_lines + self.failed_to_parse_line:,d}"
            f" Failed parse lines: {self.failed_to_parse_line:,d}"
            f" Failed malloc: {self.failed_to_add_malloc:,d}"
            f" Failed free: {self.failed_to_add_free:,d}"
        )


def _add_line(mallocs: DTraceMallocs, line: str, number: int) -> None:
    """Most lines are of malloc or free: the other one is not tried on them."""
    malloc_call = match_malloc_line(line, number) if "alloc(" in line else None
    if malloc_call is not None:
        mallocs.add_malloc(malloc_call)
        return
    realloc_call = match_realloc_line(line, number) if "ealloc(" in line else None
    if realloc_call is not None:
        mallocs.add_realloc(realloc_call)
        return
    free_call = match_free_line(line, number)
    if free_call is not None:
        mallocs.add_free(free_call)
    elif not RE_FLOW.match(line):
        mallocs.failed_to_parse_line += 1
        mallocs.complaints.add("Can not parse line", f"[{number}]: {line.rstrip()[:200]}")


def read_dtrace_log_file(log_file: Union[IO[str], Iterable[str]]) -> DTraceMallocs:
    """Read an open log, line by line, from its BEGIN to its END.

    Raises NotThisLogError, a ValueError, if there is no BEGIN.
    """
    mallocs = DTraceMallocs()
    begun = False
    for number, line in enumerate(log_file, 1):
        text = line.rstrip()
        if text == _BEGIN:
            logger.info("Starting DTrace block at line %d", number)
            begun = True
        elif begun and text in _END:
            logger.info("Ending DTrace block at line %d", number)
            mallocs.ended = True
            break
        elif begun and text:
            _add_line(mallocs, line, number)
    mallocs.complaints.close()
    if not begun:
        raise NotThisLogError(f"not a log of a D script: no line {_BEGIN}")
    if not mallocs.ended:
        logger.warning("The log has no line %s: it ends early", _END[0])
    return mallocs


def read_dtrace_log(log_path: str) -> DTraceMallocs:
    """Read a log by its path: see ``read_dtrace_log_file()``. Raises OSError too."""
    with open(log_path, encoding="utf-8", errors="backslashreplace", newline="\n") as log_file:
        return read_dtrace_log_file(log_file)


def pprint_mallocs(dtm: DTraceMallocs, st: Optional[TextIO] = None) -> None:
    """Print the sums, on stdout if not told otherwise."""
    print("\n".join(_summary(dtm)), file=st)


def _summary(dtm: DTraceMallocs) -> Iterator[str]:
    yield "DTraceMallocs:"
    for name, value in (
        ("malloc count outstanding", len(dtm)),
        ("Total bytes outstanding", dtm.total_bytes_outstanding),
        ("Max bytes outstanding", dtm.max_bytes_outstanding),
        ("Total bytes malloc'd", dtm.total_bytes_malloced),
        ("Total bytes free'd", dtm.total_bytes_freed),
        ("Maximum malloc", dtm.max_malloc),
        ("Max allocations", dtm.max_allocations),
        ("Count mallocs", dtm.count_mallocs),
        ("Count frees non-null", dtm.count_frees_non_null),
        ("Count frees null", dtm.count_frees_null),
    ):
        yield f"{name:>24}: {value:12,d}"
    yield dtm.str_failures()
    if dtm.count_callocs or dtm.count_reallocs or dtm.count_null_results:
        yield (
            f"Of these calloc: {dtm.count_callocs:,d} realloc: {dtm.count_reallocs:,d}"
            f" (without result: {dtm.count_reallocs_without_result:,d})"
            f" Without memory: {dtm.count_null_results:,d}"
        )


def _outstanding(dtm: DTraceMallocs, most: int) -> Iterator[str]:
    holders = dtm.holders()
    yield f"Outstanding by file, line and function [{len(holders)}]:"
    yield f"{'Bytes':>12} {'Blocks':>8}  File:line function"
    for holder in holders[:most]:
        place = f"{holder.file or '?'}:{holder.line if holder.line >= 0 else '?'}"
        yield printable(
            f"{holder.size:12,d} {holder.count:8,d}  {place} {holder.function}".rstrip()
        )
    rest = holders[most:]
    if rest:
        size, count = sum(h.size for h in rest), sum(h.count for h in rest)
        yield f"{size:12,d} {count:8,d}  {len(rest):,d} more"


def _report(args: argparse.Namespace) -> Iterator[str]:
    try:
        result = read_dtrace_log(args.path_in)
    except NotThisLogError as error:
        raise NotThisLogError(f"{args.path_in}: {error}") from None
    yield from _summary(result)
    yield from _outstanding(result, args.number)


def main(*arguments: str) -> int:
    """The program ``pymemtrace_dtrace_log_analyse``; its exit status."""
    parser = argparse.ArgumentParser(
        prog="pymemtrace_dtrace_log_analyse",
        description="Say which blocks a log of the D scripts leaves allocated, and by whom.",
    )
    parser.add_argument("path_in", help="The log.")
    parser.add_argument(
        "-n",
        "--number",
        type=int,
        default=20,
        help="Show so many lines of Python that hold memory [default: %(default)s]",
    )
    add_log_level(parser)
    return run(parser, _report, arguments)


if __name__ == "__main__":
    sys.exit(main())
