# SPDX-License-Identifier: MIT
"""What ``sys._debugmallocstats()`` says of Python's allocator for small objects, as figures.

CPython prints that text on the C library's stderr: pools and blocks by size class, arenas, and the
free lists of some types. Here it is caught, taken apart and compared with another. It works while
tracemalloc or another tracer of allocations is on.

Sizes are bytes. The meaning of the figures is that of ``_PyObject_DebugMallocStats()`` in CPython's
Objects/obmalloc.c.
"""

from __future__ import annotations

import re
import sys
from typing import Dict, Iterable, KeysView, List, NamedTuple, Optional, Tuple, Type, TypeVar

from ._debug_malloc_text import debug_malloc_text

__all__ = [
    "DebugMallocArenaMap",
    "DebugMallocArenas",
    "DebugMallocPoolsBlocks",
    "DebugMallocStat",
    "DebugTypeStat",
    "DiffSysDebugMallocStats",
    "PymallocNotActiveError",
    "SysDebugMallocStats",
    "diff_debug_malloc_stat",
    "diff_debug_type_stat",
    "diff_debugmallocstats",
    "get_debugmallocstats",
    "last_value_as_int",
]

#: Size of a pool of the running interpreter: 16 KiB on 64 bits from 3.10, a page before.
#: A snapshot's own figure is in its text.
POOL_SIZE = 16384 if sys.version_info >= (3, 10) and sys.maxsize > 2**32 else 4096

#: Size of the header of a pool (``struct pool_header``) on 64 bits. A snapshot's own figure is
#: its bytes lost to pool headers, divided by its pools.
POOL_OVERHEAD = 48

#: A size class: its number, block size, pools, blocks in use, blocks available.
RE_DEBUG_MALLOC_STATS_LINE = re.compile(rb"^\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$")
#: The arenas: how many, their size, all together.
RE_DEBUG_MALLOC_ARENAS_SUMMARY_LINE = re.compile(rb"^(\d+) arenas \* (\d+) bytes/arena\s+=\s+(.+)$")
#: The unused pools: how many, their size, all together.
RE_DEBUG_MALLOC_POOLS_SUMMARY_LINE = re.compile(rb"^(\d+) unused pools \* (\d+) bytes\s+=\s+(.+)$")
#: The free list of a type: how many, which type, size of one, all together.
RE_DEBUG_MALLOC_TYPE_LINE = re.compile(rb"^\s*(\d+) free (.+?) \* (\d+) bytes each =\s+(.+)$")
#: The first line: largest small block, number of size classes.
RE_DEBUG_MALLOC_HEADER_LINE = re.compile(
    rb"^Small block threshold = (\d+), in (\d+) size classes\.$"
)

_CLASSES_HEADER = [
    "class   size   num pools   blocks in use  avail blocks",
    "-----   ----   ---------   -------------  ------------",
]


def get_debugmallocstats() -> bytes:
    """The text of ``sys._debugmallocstats()``, as it is printed."""
    return debug_malloc_text()


def last_value_as_int(line: bytes) -> int:
    """The number behind the ``=`` of a line; ValueError if there is none."""
    _, sign, value = line.partition(b"=")
    if not sign:
        raise ValueError(f"No value in {line!r}")
    return int(value.replace(b",", b""))


def _line(left: str, value: int) -> str:
    return f"{left:<34s} = {value:>20,d}"


def _diff_line(left: str, value: int) -> str:
    return f"{left:<34s} = {value:>+20,d}"


def _require(what: str, a: object, b: object) -> None:
    if a != b:
        raise ValueError(f"a.{what} != b.{what}: {a} != {b}")


class _SizeClass(NamedTuple):
    block_class: int
    size: int
    num_pools: int
    blocks_in_use: int
    avail_blocks: int


class DebugMallocStat(_SizeClass):
    """A size class: its number, the size of its blocks, its pools, blocks in use and free ones."""

    #: Size of the pools that it is in, and of their headers.
    pool_size: int = POOL_SIZE
    pool_overhead: int = POOL_OVERHEAD

    @property
    def allocated_bytes(self) -> int:
        """Bytes of blocks in use."""
        return self.blocks_in_use * self.size

    @property
    def available_bytes(self) -> int:
        """Bytes of blocks that are free, in pools of this class."""
        return self.avail_blocks * self.size

    @property
    def pool_header_bytes(self) -> int:
        """Bytes of the headers of its pools."""
        return self.num_pools * self.pool_overhead

    @property
    def quantization(self) -> int:
        """Bytes at the ends of its pools that are too few for a block."""
        return self.num_pools * ((self.pool_size - self.pool_overhead) % self.size)

    def __repr__(self) -> str:
        return (
            f"{self.block_class:5d}  {self.size:5d}  {self.num_pools:10d}"
            f"  {self.blocks_in_use:14d}  {self.avail_blocks:12d}"
        )


def diff_debug_malloc_stat(a: DebugMallocStat, b: DebugMallocStat) -> str:
    """The line of a size class with what b has more than a; ValueError for different classes."""
    _require("block_class", a.block_class, b.block_class)
    _require("size", a.size, b.size)
    return (
        f"{a.block_class:5d}  {a.size:5d}  {b.num_pools - a.num_pools:+10d}"
        f"  {b.blocks_in_use - a.blocks_in_use:+14d}  {b.avail_blocks - a.avail_blocks:+12d}"
    )


_Section = TypeVar("_Section", bound="_Figures")


class _Figures:
    """A part of the text whose lines are ``name = number``."""

    #: Start of a line, and the attribute that gets its number.
    LINES: Tuple[Tuple[bytes, str], ...] = ()
    #: A line ``n things * size bytes``, and the attributes that get the two.
    PRODUCT: Optional[re.Pattern[bytes]] = None
    FACTORS: Tuple[str, ...] = ()

    def __init__(self, debug_malloc: bytes) -> None:
        found: Dict[str, int] = {}
        for line in debug_malloc.splitlines():
            match = self.PRODUCT.match(line) if self.PRODUCT is not None else None
            if match:
                found.update(zip(self.FACTORS, (int(match.group(1)), int(match.group(2)))))
            for start, name in self.LINES:
                if line.startswith(start):
                    found[name] = last_value_as_int(line)
        names = tuple(dict.fromkeys([*(name for _, name in self.LINES), *self.FACTORS]))
        if not all(name in found for name in names):
            raise ValueError(f"Can not find required attributes {names}")
        self.__dict__.update(found)

    def figures(self) -> List[Tuple[str, int]]:
        """Its lines as CPython prints them: left side and value."""
        raise NotImplementedError

    def diff(self: _Section, other: _Section) -> List[str]:
        """The lines whose value is another in other."""
        lines = zip(self.figures(), other.figures(), self.changed_names(other))
        return [_diff_line(name, b - a) for (_, a), (_, b), name in lines if a != b]

    def changed_names(self: _Section, other: _Section) -> List[str]:
        """The left sides of the lines of a difference."""
        return [name for name, _ in self.figures()]

    def __repr__(self) -> str:
        return "\n".join(_line(name, value) for name, value in self.figures())


class DebugMallocArenas(_Figures):
    """The arenas: large pieces of memory from the system, which are cut into pools."""

    LINES = (
        (b"# arenas allocated total", "ntimes_arena_allocated"),
        (b"# arenas highwater mark", "narenas_highwater"),
        (b"# arenas allocated current", "narenas"),
    )
    PRODUCT = RE_DEBUG_MALLOC_ARENAS_SUMMARY_LINE
    FACTORS = ("narenas", "arena_size")
    ntimes_arena_allocated: int
    narenas_highwater: int
    narenas: int
    arena_size: int

    @property
    def arenas_reclaimed(self) -> int:
        """Arenas given back to the system so far."""
        return self.ntimes_arena_allocated - self.narenas

    @property
    def arenas_total(self) -> int:
        """Bytes of all arenas."""
        return self.narenas * self.arena_size

    def figures(self) -> List[Tuple[str, int]]:
        """Its lines as CPython prints them: left side and value."""
        return [
            ("# arenas allocated total", self.ntimes_arena_allocated),
            ("# arenas reclaimed", self.arenas_reclaimed),
            ("# arenas highwater mark", self.narenas_highwater),
            ("# arenas allocated current", self.narenas),
            (f"{self.narenas} arenas * {self.arena_size} bytes/arena", self.arenas_total),
        ]

    def changed_names(self, other: DebugMallocArenas) -> List[str]:
        """The left sides of the lines of a difference."""
        _require("arena_size", self.arena_size, other.arena_size)
        more = f"{other.narenas - self.narenas:+d} arenas * {self.arena_size} bytes/arena"
        return [*super().changed_names(other)[:-1], more]


class DebugMallocPoolsBlocks(_Figures):
    """What the bytes of the arenas are: blocks in use and free, pools, headers, and losses."""

    LINES = (
        (b"# bytes in allocated blocks", "allocated_bytes"),
        (b"# bytes in available blocks", "available_bytes"),
        (b"# bytes lost to pool headers", "pool_header_bytes"),
        (b"# bytes lost to quantization", "quantization"),
        (b"# bytes lost to arena alignment", "arena_alignment"),
    )
    PRODUCT = RE_DEBUG_MALLOC_POOLS_SUMMARY_LINE
    FACTORS = ("numfreepools", "pool_size")
    allocated_bytes: int
    available_bytes: int
    pool_header_bytes: int
    quantization: int
    arena_alignment: int
    numfreepools: int
    pool_size: int

    @property
    def unused_pool_total(self) -> int:
        """Bytes of pools that belong to no size class at present."""
        return self.numfreepools * self.pool_size

    @property
    def total(self) -> int:
        """Bytes of all of it: those of the arenas."""
        return sum(value for _, value in self.figures()[:-1])

    def pool_overhead(self, num_pools: int) -> int:
        """Size of the header of a pool, given the number of pools of all size classes."""
        return self.pool_header_bytes // num_pools if num_pools else POOL_OVERHEAD

    def figures(self) -> List[Tuple[str, int]]:
        """Its lines as CPython prints them: left side and value."""
        figures = [
            ("# bytes in allocated blocks", self.allocated_bytes),
            ("# bytes in available blocks", self.available_bytes),
            (f"{self.numfreepools} unused pools * {self.pool_size} bytes", self.unused_pool_total),
            ("# bytes lost to pool headers", self.pool_header_bytes),
            ("# bytes lost to quantization", self.quantization),
            ("# bytes lost to arena alignment", self.arena_alignment),
        ]
        return [*figures, ("Total", sum(value for _, value in figures))]

    def changed_names(self, other: DebugMallocPoolsBlocks) -> List[str]:
        """The left sides of the lines of a difference."""
        _require("pool_size", self.pool_size, other.pool_size)
        names = super().changed_names(other)
        more = other.numfreepools - self.numfreepools
        names[2] = f"{more:+d} unused pools * {self.pool_size} bytes"
        return names


class DebugMallocArenaMap(_Figures):
    """The tree by which pymalloc knows its arenas, from 3.10 on 64 bits. Not part of the arenas."""

    LINES = (
        (b"# arena map mid nodes", "mid_nodes"),
        (b"# arena map bot nodes", "bot_nodes"),
        (b"# bytes lost to arena map root", "root_bytes"),
        (b"# bytes lost to arena map mid", "mid_bytes"),
        (b"# bytes lost to arena map bot", "bot_bytes"),
    )
    mid_nodes: int
    bot_nodes: int
    root_bytes: int
    mid_bytes: int
    bot_bytes: int

    @property
    def total(self) -> int:
        """Bytes of the tree."""
        return self.root_bytes + self.mid_bytes + self.bot_bytes

    def figures(self) -> List[Tuple[str, int]]:
        """Its lines as CPython prints them: left side and value."""
        return [
            ("# arena map mid nodes", self.mid_nodes),
            ("# arena map bot nodes", self.bot_nodes),
            ("# bytes lost to arena map root", self.root_bytes),
            ("# bytes lost to arena map mid", self.mid_bytes),
            ("# bytes lost to arena map bot", self.bot_bytes),
            ("Total", self.total),
        ]

    def __repr__(self) -> str:
        lines = super().__repr__().splitlines()
        return "\n".join(["arena map counts", *lines[:2], "", *lines[2:]])


class DebugTypeStat(NamedTuple):
    """The free list of a type: objects kept for reuse, the type, bytes of one, of all."""

    free_count: int
    object_type: str
    bytes_each: int
    bytes_total: int

    def __repr__(self) -> str:
        left = f"{self.free_count} free {self.object_type} * {self.bytes_each} bytes each"
        return f"{left:>48s} = {self.bytes_total:>20,d}"


def diff_debug_type_stat(a: DebugTypeStat, b: DebugTypeStat) -> str:
    """The line of a type with what b has more than a; ValueError for different types or sizes."""
    _require("object_type", a.object_type, b.object_type)
    _require("bytes_each", a.bytes_each, b.bytes_each)
    left = f"{b.free_count - a.free_count:+d} free {a.object_type} * {a.bytes_each} bytes each"
    return f"{left:>48s} = {b.bytes_total - a.bytes_total:>+20,d}"


class PymallocNotActiveError(ValueError):
    """CPython gives no arenas: small objects come from another allocator than pymalloc.

    So it is with ``PYTHONMALLOC=malloc``, with an interpreter built without pymalloc or without
    the GIL, and behind a tracer that does not tell what it calls. ``type_stats`` has what is known
    all the same: the free lists by type.
    """

    def __init__(self, type_stats: List[DebugTypeStat]) -> None:
        super().__init__(
            "No arenas in the text of sys._debugmallocstats(): pymalloc is not in use"
            " (PYTHONMALLOC=malloc?) or hidden behind another allocator"
        )
        self.type_stats = type_stats


def _type_stats(lines: Iterable[bytes]) -> List[DebugTypeStat]:
    matches = filter(None, map(RE_DEBUG_MALLOC_TYPE_LINE.match, lines))
    return [
        DebugTypeStat(
            int(m.group(1)),
            m.group(2).decode("ascii", "backslashreplace"),
            int(m.group(3)),
            int(m.group(4).replace(b",", b"")),
        )
        for m in matches
    ]


_Optional = TypeVar("_Optional", bound=_Figures)


def _section_if_there(section: Type[_Optional], text: bytes) -> Optional[_Optional]:
    return section(text) if section.LINES[0][0] in text else None


class SysDebugMallocStats:
    """A snapshot: the text of ``sys._debugmallocstats()``, or one given as bytes, taken apart.

    Attributes: ``small_block_threshold``, ``size_classes``, ``malloc_stats`` (DebugMallocStat by
    class), ``arenas``, ``pools_blocks``, ``arena_map`` (None up to 3.9), ``type_stats``. Its repr()
    is the text of CPython. Raises PymallocNotActiveError, which is a ValueError.
    """

    def __init__(self, debug_malloc: bytes = b"") -> None:
        text = debug_malloc or get_debugmallocstats()
        lines = text.splitlines()
        self.type_stats = _type_stats(lines)
        self.type_map: Dict[bytes, int] = {
            stat.object_type.encode(): i for i, stat in enumerate(self.type_stats)
        }
        header = next(filter(None, map(RE_DEBUG_MALLOC_HEADER_LINE.match, lines)), None)
        if header is None:
            raise PymallocNotActiveError(self.type_stats)
        self.small_block_threshold = int(header.group(1))
        self.size_classes = int(header.group(2))
        self.arenas = DebugMallocArenas(text)
        self.pools_blocks = DebugMallocPoolsBlocks(text)
        self.arena_map = _section_if_there(DebugMallocArenaMap, text)
        matches = filter(None, map(RE_DEBUG_MALLOC_STATS_LINE.match, lines))
        self.malloc_stats = [DebugMallocStat(*map(int, m.groups())) for m in matches]
        overhead = self.pools_blocks.pool_overhead(sum(s.num_pools for s in self.malloc_stats))
        for stat in self.malloc_stats:
            stat.pool_size = self.pools_blocks.pool_size
            stat.pool_overhead = overhead

    def object_types(self) -> KeysView[bytes]:
        """The types whose free lists are told."""
        return self.type_map.keys()

    def has_object_type(self, object_type: bytes) -> bool:
        """Whether the free list of a type is told."""
        return object_type in self.type_map

    def type_stat(self, object_type: bytes) -> DebugTypeStat:
        """The free list of a type; KeyError if it is not told."""
        return self.type_stats[self.type_map[object_type]]

    def __repr__(self) -> str:
        first = (
            f"Small block threshold = {self.small_block_threshold},"
            f" in {self.size_classes} size classes."
        )
        sections = [
            [first],
            [*_CLASSES_HEADER, *map(repr, self.malloc_stats)],
            [repr(self.arenas)],
            [repr(self.pools_blocks)],
            [repr(self.arena_map)] if self.arena_map is not None else [],
            list(map(repr, self.type_stats)),
        ]
        return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _diff_classes(a: SysDebugMallocStats, b: SysDebugMallocStats) -> List[str]:
    """Size classes that have no pool are not told: they count as zeros."""
    before, after = ({s.block_class: s for s in stats.malloc_stats} for stats in (a, b))
    lines = []
    for number in sorted(before.keys() | after.keys()):
        size = (before.get(number) or after[number]).size
        none = DebugMallocStat(number, size, 0, 0, 0)
        old, new = before.get(number, none), after.get(number, none)
        if old != new:
            lines.append(diff_debug_malloc_stat(old, new))
    return [*_CLASSES_HEADER, *lines] if lines else []


def _diff_arena_map(a: SysDebugMallocStats, b: SysDebugMallocStats) -> List[str]:
    if a.arena_map is None or b.arena_map is None:
        return []
    return a.arena_map.diff(b.arena_map)


def _diff_types(a: SysDebugMallocStats, b: SysDebugMallocStats) -> List[str]:
    """A type that is told in one of the two only has an empty free list in the other."""
    lines = []
    for name in dict.fromkeys([*b.object_types(), *a.object_types()]):
        known = (b if b.has_object_type(name) else a).type_stat(name)
        none = known._replace(free_count=0, bytes_total=0)
        old = a.type_stat(name) if a.has_object_type(name) else none
        new = b.type_stat(name) if b.has_object_type(name) else none
        if old != new:
            lines.append(diff_debug_type_stat(old, new))
    return lines


def diff_debugmallocstats(a_stats: SysDebugMallocStats, b_stats: SysDebugMallocStats) -> List[str]:
    """What b has more than a, in lines as CPython's, with a sign; equal lines are left out.

    Raises ValueError for snapshots of interpreters whose arenas, pools or objects differ in size.
    """
    sections = [
        _diff_classes(a_stats, b_stats),
        a_stats.arenas.diff(b_stats.arenas),
        a_stats.pools_blocks.diff(b_stats.pools_blocks),
        _diff_arena_map(a_stats, b_stats),
        _diff_types(a_stats, b_stats),
    ]
    lines: List[str] = []
    for i, section in enumerate(sections):
        if section:
            lines += [*([""] if i else []), *section]
    return lines


class DiffSysDebugMallocStats:
    """Context manager that takes a snapshot at its start and its end, and tells what changed.

    The texts are kept as they are, in one block each that is too large for pymalloc, and taken
    apart when they are asked for. So the context itself is hardly to be seen in the difference.
    """

    def __init__(self) -> None:
        self._texts: List[bytes] = []

    def __enter__(self) -> DiffSysDebugMallocStats:
        get_debugmallocstats()  # the first call makes objects that stay
        self._texts = [get_debugmallocstats()]
        if _section_if_there(DebugMallocArenas, self._texts[0]) is None:
            SysDebugMallocStats(self._texts[0])  # raises
        return self

    def __exit__(self, *_: object) -> None:
        self._texts.append(get_debugmallocstats())

    def _snapshot(self, number: int) -> Optional[SysDebugMallocStats]:
        return SysDebugMallocStats(self._texts[number]) if number < len(self._texts) else None

    @property
    def before(self) -> Optional[SysDebugMallocStats]:
        """The snapshot of the start; None if the context was not entered."""
        return self._snapshot(0)

    @property
    def after(self) -> Optional[SysDebugMallocStats]:
        """The snapshot of the end; None if the context was not left."""
        return self._snapshot(1)

    def diff(self) -> str:
        """What changed, as text. RuntimeError if the context was not entered, or not left."""
        before, after = self.before, self.after
        if before is None:
            raise RuntimeError("Context manager not entered.")
        if after is None:
            raise RuntimeError("Context manager not exited.")
        return "\n".join(diff_debugmallocstats(before, after))


def main() -> int:
    """Print the text, as ``python -m pymemtrace.debug_malloc_stats``."""
    print(get_debugmallocstats().decode("ascii", "backslashreplace"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
