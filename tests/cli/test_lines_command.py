# SPDX-License-Identifier: MIT
"""`pymemtrace lines` against a count in Python of what `pymemtrace json` prints of the same log."""

from __future__ import annotations

import collections
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
TOOL = BUILD / "tools" / "pymemtrace"
MAKELOG = BUILD / "tests" / "cli" / "makelog"

CALLS, LINES = 1 << 4, 1 << 6
ENTERS = ["call", "resume", "throw"]
LEAVES = ["return", "yield", "unwind"]
WHAT = ["call", "resume", "throw", "return", "yield", "unwind", "exception", "opcode"]
Key = tuple[str, int, str]


def make_log(path: Path, text: str) -> Path:
    subprocess.run([MAKELOG, path], input=text, text=True, check=True)
    return path


def run(*words: object) -> str:
    command = [str(TOOL), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def events(*logs: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for log in logs for line in run("json", log).splitlines()]


def random_log(seed: int) -> str:
    """Threads that call each other's functions at random; RSS, and sometimes USS, moves."""
    rng = random.Random(seed)
    text = ["pid 1"]
    for thread in (1, 2, 3):
        text += [f"slot {thread}", f"thread {thread} {100 + thread}"]
        stack = rng.choice(["", " a.py:1:main"])
        text.append(f"begin {CALLS | LINES}{stack}")
    for number in range(1500):
        if rng.random() < 0.15:
            text += [f"slot {rng.randint(1, 3)}", f"at {number / 1000 + 0.001}"]
        if rng.random() < 0.4:
            text.append(f"resident {rng.randint(0, 300) * 4096}")
        if rng.random() < 0.02 and seed % 2:
            text.append(f"skipped {rng.randint(0, 1)} {rng.randint(1, 9)}")
        frame = f"{rng.choice('ab')}.py:{rng.randint(1, 9)}:f{rng.randint(1, 3)}"
        kind = rng.random()
        if kind < 0.6:
            if rng.random() < 0.5:
                peak = number + rng.randint(0, 40)  # falls, as the kernel's figure does
                text.append(f"memory {rng.randint(0, 9999)} {rng.randint(0, 99)} {peak}")
            text.append(f"line {frame}")
        elif kind < 0.95:
            text.append(f"py {rng.randint(0, 7)} {frame}")
        else:
            text.append(f"c 0 1 {frame}")
    return "\n".join(text) + "\n"


class Change:
    """A memory figure of a line, as the manual page describes it."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self.changes: list[int] = []

    def as_json(self) -> dict[str, Optional[int]]:
        known = bool(self.values) and bool(self.changes)
        return {
            "first": self.values[0] if self.values else None,
            "last": self.values[-1] if self.values else None,
            "change": sum(self.changes) if known else None,
            "largest": max(self.changes) if known else None,
        }


class Row:
    def __init__(self) -> None:
        self.hits = 0
        self.rss, self.uss = Change(), Change()
        self.memory: Optional[dict[str, int]] = None


class Thread:
    """What one thread runs: a list of (row or None, is it counted, change so far)."""

    def __init__(self, base: int, floor: int) -> None:
        self.frames: list[list[Any]] = [[None, False, 0] for _ in range(base)]
        self.floor = floor
        self.rss = 0
        self.memory: Optional[dict[str, int]] = None
        self.sampled: Optional[tuple[Row, int]] = None


class Table:
    """The rows that a log gives; written without a look at how the program does it."""

    def __init__(self, thread: int = 0, depth: Optional[int] = None) -> None:
        self.rows: dict[Key, Row] = {}
        self.only, self.depth = thread, depth
        self.elsewhere = self.skipped = 0

    def end(self, frame: list[Any]) -> None:
        row, counted, change = frame
        if row is not None and counted:
            row.rss.changes.append(change)
        else:
            self.elsewhere += change
        frame[:] = [None, False, 0]

    def line(self, thread: Thread, event: dict[str, Any]) -> None:
        frame = thread.frames[-1]
        self.end(frame)
        key = (event["file"], event["line"], event["function"])
        level = len(thread.frames) - 2
        counted = self.only in (0, event["thread"]) and (self.depth is None or level <= self.depth)
        row = self.rows.get(key) or Row()
        frame[:] = [row, counted, 0]
        if counted:
            self.rows[key] = row
            row.hits += 1
            if event.get("rss"):
                row.rss.values.append(event["rss"])
        memory, thread.memory = thread.memory, None
        if thread.sampled and memory:
            thread.sampled[0].uss.changes.append(memory["uss"] - thread.sampled[1])
        thread.sampled = None
        if memory and counted:
            thread.sampled = (row, memory["uss"])
            row.uss.values.append(memory["uss"])
            row.memory = row.memory or memory

    def event(self, thread: Thread, event: dict[str, Any]) -> None:
        rss = event.get("rss", 0)
        if rss and thread.rss:
            frames = thread.frames
            at = -1 if frames[-1][0] is not None or len(frames) == 1 else -2
            frames[-1 if frames[at][0] is None else at][2] += rss - thread.rss
        thread.rss = rss or thread.rss
        self.skipped += event.get("skipped", 0)
        if event["event"] == "line":
            self.line(thread, event)
        elif event["event"] == "pyevent" and event["what"] in ENTERS:
            thread.frames.append([None, False, 0])
        elif event["event"] == "pyevent" and event["what"] in LEAVES:
            self.end(thread.frames[-1])
            if len(thread.frames) > thread.floor:
                thread.frames.pop()

    def log(self, found: list[dict[str, Any]]) -> Table:
        threads: dict[int, Thread] = collections.defaultdict(lambda: Thread(2, 2))
        peak = 0
        for event in found:
            number = event.get("thread", 0)
            if event["event"] == "events_begin":
                base = 2 if "file" in event else 1
                threads[number] = Thread(base, base)
            elif event["event"] == "memory":
                peak = max(peak, event["peak"])
                threads[number].memory = {**event, "peak": peak}
            elif event["event"] in ("line", "pyevent", "c_event", "create", "destroy"):
                self.event(threads[number], event)
        for thread in threads.values():
            for frame in thread.frames:
                self.end(frame)
        return self

    def as_json(self) -> dict[str, Any]:
        rows = [
            {
                "file": key[0],
                "line": key[1],
                "function": key[2],
                "hits": row.hits,
                "rss": row.rss.as_json(),
                "uss": row.uss.as_json(),
                "swap": row.memory["swap"] if row.memory else None,
                "peak_rss": row.memory["peak"] if row.memory else None,
            }
            for key, row in self.rows.items()
        ]
        return {
            "executions": sum(row.hits for row in self.rows.values()),
            "rss_change": sum(sum(row.rss.changes) for row in self.rows.values()),
            "rss_change_elsewhere": self.elsewhere,
            "skipped": self.skipped,
            "lines": rows,
        }


@pytest.fixture(scope="module", params=range(4))
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    return make_log(folder / "x.pmt", random_log(request.param))


def test_all_lines(log: Path) -> None:
    expected = Table().log(events(log)).as_json()
    assert len(expected["lines"]) > 20
    assert any(row["uss"]["change"] for row in expected["lines"])
    assert json.loads(run("lines", "--json", log)) == expected


@pytest.mark.parametrize("thread", [1, 2, 3])
def test_one_thread(log: Path, thread: int) -> None:
    expected = Table(thread=thread).log(events(log)).as_json()
    assert json.loads(run("lines", "--json", "--thread", thread, log)) == expected


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_depth(log: Path, depth: int) -> None:
    found = events(log)
    if any("skipped" in event for event in found):
        done = subprocess.run(
            [TOOL, "lines", "--depth", str(depth), log], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0
        assert "is not known without calls and returns" in done.stderr
        return
    expected = Table(depth=depth).log(found).as_json()
    assert json.loads(run("lines", "--json", "--depth", depth, log)) == expected


def test_sums(log: Path) -> None:
    """No byte is counted twice, none is lost: all changes are those of the threads' RSS."""
    known: dict[int, list[int]] = collections.defaultdict(list)
    for event in events(log):
        if event.get("rss") and event["event"] != "rss":
            known[event["thread"]].append(event["rss"])
    changed = sum(values[-1] - values[0] for values in known.values())
    for options in ([], ["--thread", "1"], ["--include", "file:a*", "--exclude", "f[!12]"]):
        found = json.loads(run("lines", "--json", *options, log))
        assert found["rss_change"] + found["rss_change_elsewhere"] == changed


def test_globs(log: Path) -> None:
    found = json.loads(run("lines", "--json", "--include", "file:a*", "--exclude", "f[!12]", log))[
        "lines"
    ]
    every = json.loads(run("lines", "--json", log))["lines"]
    assert found == [r for r in every if r["file"] == "a.py" and r["function"] in ("f1", "f2")]
    assert 0 < len(found) < len(every)


def sort_key(row: dict[str, Any], sort: str) -> int:
    if sort == "hits":
        return -int(row["hits"])
    return -int(row["rss"]["change" if sort == "total" else "largest"] or 0)


@pytest.mark.parametrize("sort", ["hits", "total", "largest"])
def test_sort(log: Path, sort: str) -> None:
    by_order = json.loads(run("lines", "--json", log))["lines"]
    expected = sorted(by_order, key=lambda row: sort_key(row, sort))
    assert json.loads(run("lines", "--json", "--sort", sort, log))["lines"] == expected
    assert (
        json.loads(run("lines", "--json", "--sort", sort, "-n", "3", log))["lines"]
        == (expected[:3])
    )


def test_two_logs(log: Path, tmp_path: Path) -> None:
    other = make_log(tmp_path / "y.pmt", random_log(17))
    table = Table().log(events(log)).log(events(other))
    assert json.loads(run("lines", "--json", log, other)) == table.as_json()


def classic(found: list[dict[str, Any]]) -> Iterator[str]:
    """mempulse 0.6.4's table of the same lines, by the formats that it documents."""
    form = "{:64s} {:24s} {:>16s} {:>16s} {:>16s}"
    yield form.format("Callsite", "Method Name", "USS", "Swap", "Peak RSS")
    yield "-" * 140
    for row in found:
        place, name = f"{row['file']}:{row['line']}", row["function"]
        place = place if len(place) <= 64 else "..." + place[-61:]
        name = name if len(name) <= 24 else "..." + name[-21:]
        figures = [row["uss"]["first"], row["swap"], row["peak_rss"]]
        yield form.format(place, name, *("-" if n is None else f"{n:,}" for n in figures))
    yield ""


def test_classic(log: Path) -> None:
    found = json.loads(run("lines", "--json", log))["lines"]
    assert run("lines", "--style=classic", log).splitlines() == list(classic(found))


@pytest.mark.parametrize("size", [20, 21, 22, 24, 25, 59, 60, 61, 62, 63, 64, 100])
@pytest.mark.parametrize("letter", ["x", "é", "大"])
def test_classic_long_names(tmp_path: Path, size: int, letter: str) -> None:
    """Widths are those of characters, as in Python, not of bytes."""
    text = f"thread 1 1\nbegin 64\nmemory 1 2 3\nline {letter * size}.py:12:{letter * size}\n"
    path = make_log(tmp_path / "x.pmt", text)
    found = json.loads(run("lines", "--json", path))["lines"]
    assert found[0]["function"] == letter * size
    assert run("lines", "--style=classic", path).splitlines() == list(classic(found))


def test_source(tmp_path: Path) -> None:
    """Regular files only, and nothing of them reaches the terminal as it is."""
    (tmp_path / "a.py").write_bytes(b"import x\n\n\tx = [\x1b[31m0]  \r\nlast")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    names = ["a.py:1", "a.py:3", "a.py:4", "a.py:5", "pipe.py:1", "folder.py:1", "/dev/zero:1"]
    names += ["none.py:1", "/proc/self/environ:1", "a.py:0"]
    text = "thread 1 1\nbegin 64\n" + "".join(f"line {name}:f\n" for name in names)
    make_log(tmp_path / "x.pmt", text)
    command = [str(TOOL), "lines", "--source", "x.pmt"]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    shown = [line.partition("  | ")[2] for line in out.splitlines()[4:]]
    assert shown == ["import x", "x = [\\x1b[31m0]", "last"] + [""] * 7
    found = json.loads(
        subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, check=True).stdout
    )
    assert [row["source"] for row in found["lines"][:4]] == [
        "import x",
        "x = [\x1b[31m0]",
        "last",
        None,
    ]
    assert "|" not in run("lines", tmp_path / "x.pmt")


def test_source_reads_no_large_file_whole(tmp_path: Path) -> None:
    with open(tmp_path / "big.py", "wb") as file:
        file.write(b"first\n")
        file.truncate(1 << 40)
    make_log(tmp_path / "x.pmt", "thread 1 1\nline big.py:1:f\nline big.py:9:f\n")
    command = [str(TOOL), "lines", "--source", "--json", "x.pmt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert [row["source"] for row in json.loads(done.stdout)["lines"]] == ["first", None]


def test_deep_and_unbalanced(tmp_path: Path) -> None:
    """Many calls without returns, and returns without calls: the sum still holds."""
    text = [f"thread 1 1\nbegin {CALLS | LINES}"]
    for i in range(3000):
        text.append(f"resident {(i + 1) * 4096}\npy 0 a.py:1:f\nline a.py:{i % 50 + 1}:f")
    for i in range(4000):
        text.append(f"resident {(9000 - i) * 4096}\npy 3 a.py:1:f")
    path = make_log(tmp_path / "x.pmt", "\n".join(text) + "\n")
    assert json.loads(run("lines", "--json", path)) == Table().log(events(path)).as_json()
