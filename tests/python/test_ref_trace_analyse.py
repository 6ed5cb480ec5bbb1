# SPDX-License-Identifier: MIT
"""The analyser says of a log what was written into it.

The logs are written by the C library's snprintf() with the format of the classic logs, from a list
of births and deaths; what must come out is counted from that list.
"""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import io
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pymemtrace
import pytest
from pymemtrace.util import ref_trace_analyse as rta

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

PACKAGES = Path(pymemtrace.__file__).resolve().parents[1]
LIBC = ctypes.CDLL(None)
FORMAT = b"%s: %12.6f %16p %16ld %-32s %-80s %4d %-40s %16zd %16ld\n"
HEADER = (
    "HDR:        Clock          Address          LiveCnt Type                             "
    + "File".ljust(80)
    + " Line Function                                              RSS             dRSS\n"
)


@dataclasses.dataclass
class Event:
    """A line of a log."""

    what: str
    clock: float
    address: int
    live: int
    type: str
    file: str = "/app/work.py"
    line: int = 7
    function: str = "make"
    rss: int = 38207488
    drss: int = 0

    def c_line(self) -> bytes:
        buffer = ctypes.create_string_buffer(10000)
        LIBC.snprintf(
            buffer, 10000, FORMAT, self.what.encode(), ctypes.c_double(self.clock),
            ctypes.c_void_p(self.address), ctypes.c_long(self.live), self.type.encode(),
            self.file.encode(), self.line, self.function.encode(), ctypes.c_ssize_t(self.rss),
            ctypes.c_long(self.drss),
        )  # fmt: skip
        return buffer.value

    def python_line(self) -> bytes:
        """Columns as wide by characters."""
        return (
            f"{self.what}: {self.clock:12.6f} {self.address:#16x} {self.live:16d} {self.type:<32}"
            f" {self.file:<80} {self.line:4d} {self.function:<40} {self.rss:16d} {self.drss:16d}\n"
        ).encode()


def new(number: int, name: str = "W", **more: object) -> Event:
    return Event("NEW", number / 1000, 0x7F0000000000 + 16 * number, 1, name, **more)  # type: ignore[arg-type]


def log(*events: object, end: bool = True, intro: str = "") -> bytes:
    lines = [e.c_line() if isinstance(e, Event) else str(e).encode() + b"\n" for e in events]
    return b"".join([intro.encode(), b"SOF\n", HEADER.encode(), *lines, b"EOF\n" if end else b""])


def read(data: bytes, **keywords: object) -> rta.LogFileResult:
    arguments: Dict[str, Any] = {"include_untracked": True, "recurse_files": False, **keywords}
    result: rta.LogFileResult = rta.process_file(io.BytesIO(data), **arguments)
    return result


def report(result: rta.LogFileResult, **keywords: bool) -> Dict[str, List[str]]:
    """The lines of each part of the report, by its heading."""
    arguments = {"show_full_path": False, "include_historical": True, **keywords}
    parts: Dict[str, List[str]] = {}
    lines: List[str] = []
    for line in result.long_str_list(**arguments):
        if line.endswith("]:") and not line.startswith(" "):
            lines = parts.setdefault(line, [])
        else:
            lines.append(line)
    return parts


def test_row_39_ref_trace_counts() -> None:
    """A thousand births and deaths, with addresses used again."""
    rng = random.Random(1)
    live: Dict[int, Event] = {}
    events, pairs = [], 0
    news: collections.Counter[str] = collections.Counter()
    dels: collections.Counter[str] = collections.Counter()
    for i in range(1000):
        address = 0x7F0000000000 + 16 * rng.randrange(60)
        if address in live:
            name = live.pop(address).type
            events.append(Event("DEL", i / 10, address, len(live), name, line=99))
            dels[name] += 1
            pairs += 1
        else:
            name = rng.choice(["W", "list", "datetime.datetime"])
            events.append(Event("NEW", i / 10, address, len(live) + 1, name, line=i))
            live[address] = events[-1]
            news[name] += 1
    result = read(log(*events))
    assert result.live_objects.keys() == live.keys()
    assert {a: (o.clock, o.type, o.line) for a, o in result.live_objects.items()} == {
        a: (e.clock, e.type, e.line) for a, e in live.items()
    }
    assert (result.count_new, result.count_del, result.count_lines) == (sum(news.values()), pairs, 1003)  # fmt: skip
    parts = report(result)
    assert len(parts[f"Live Objects [{len(live)}]:"]) == len(live)
    assert len(parts[f"Previous Objects, sorted by clock [{pairs}]:"]) == pairs
    table = parts["Type count [3]:"]
    assert table[0].split() == ["Type", "New", "Del", "New", "-", "Del"]
    assert [row.split() for row in table[1:]] == [
        [name, str(news[name]), str(dels[name]), str(news[name] - dels[name])]
        for name in sorted(news)
    ]


def test_row_39_ref_trace_layout() -> None:
    made = Event("NEW", 0.0174, 0x7F0147E786E0, 3, "W", "/x/t2.py", 6, "mk")
    gone = Event("DEL", 0.02, 0x7F0147E786E0, 2, "W", "/x/t3.py", 24, "<module>")
    other = dataclasses.replace(made, address=0x1230, clock=1.5, live=1)
    result = read(log(made, other, gone, dataclasses.replace(gone, address=0x99, type="X"), intro="hello\nyou\n"))  # fmt: skip
    assert result.long_str_list(show_full_path=True, include_historical=True) == [
        "Initial Message:",
        "hello",
        "you",
        "Untracked Objects [1]:",
        f"{'Type':40} {'Count':>8}",
        f"{'X':40} {1:>8}",
        "Live Objects [1]:",
        f"    0x000000001230 1.500000    1 {'W':40} {'mk':32} /x/t2.py#6",
        "Previous Objects, sorted by clock [1]:",
        f"    0x7f0147e786e0 {'W':40} NEW: t: 0.017400 /x/t2.py#6 DEL: dt: 0.002600 /x/t3.py#24",
        "Type count [2]:",
        f"{'Type':40} {'New':>8} {'Del':>8} {'New - Del':>10}",
        f"{'W':40} {2:>8} {1:>8} {1:>10}",
        f"{'X':40} {0:>8} {1:>8} {-1:>10}",
    ]
    short = result.long_str_list(show_full_path=False, include_historical=False)
    assert "Previous Objects, sorted by clock [1]:" in short
    assert not [line for line in short if "DEL: dt:" in line or "/x/" in line]


NAMES = [
    ("W", "/app/a.py", 1, "f"),
    ("with space", "/app/my file 12 b.py", 12345, "<lambda>"),
    ("Ж", "/приложение/файл с пробелом.py", 3, "функция"),
    ("W", "<frozen importlib._bootstrap>", 688, "spec_from_loader"),
    ("W" * 32, "/" + "f" * 79, 4, "g" * 40),
    ("T" * 33, "/" + "f" * 80, 99999, "g" * 41),
    ("long.module." * 5 + "T", "/app/a.py", 5, "f"),
    ("W", "/app/" + "deep folder 7 x/" * 20 + "a.py", 6, "f"),
    ("ЖЖЖ" * 20, "/" + "é " * 60 + "a.py", 123456, "ф" * 60),
    ("", "", 0, ""),
    ("W", "/app/a.py", -1, "f"),
    ("W", "/" + "a" * 90 + " 1234 b/x.py", 5, "f"),
    ("W" * 40, "/app/a.py", 5, "f 1234 g"),
    ("Ж", "/ж  " * 20 + "a.py", 5, "f  g"),
    ("numpy.ndarray", "/a" + " 5 " * 40 + "b.py", 17, "f"),
]


@pytest.mark.parametrize("names", NAMES, ids=range(len(NAMES)))
def test_row_39_ref_trace_names(names: tuple[str, str, int, str]) -> None:
    event = Event("NEW", 1.25, 0x7F00, 1, *names, rss=5, drss=-8329288979086233341)
    for line in (event.c_line(), event.python_line()):
        (found,) = read(b"SOF\n" + line + b"EOF\n").live_objects.values()
        expected = (2, 1.25, 0x7F00, 1, *names, 5, -8329288979086233341)
        assert tuple(found) == expected


def test_row_39_ref_trace_other_widths() -> None:
    """As versions before the live counts wrote it: found by words."""
    text = (
        "SOF\nHDR:        Clock          Address RefCnt Type   File  Line Function  RSS  dRSS\n"
        "NEW:     0.816183   0x6000025fde70      1 list     tests/test x.py   292 make_bytes    38207488     0\n"
        "DEL:     0.816121   0x60000670f980      0 builtin_function_or_method tests/t.py 9 f 1 2\nEOF\n"
    )
    result = read(text.encode())
    (found,) = result.live_objects.values()
    assert (found.type, found.file, found.line, found.function) == ("list", "tests/test x.py", 292, "make_bytes")  # fmt: skip
    assert result.type_count_untracked == {"builtin_function_or_method": 1}


def test_row_39_ref_trace_text_files(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(log(*(new(i, *names[:1]) for i, names in enumerate(NAMES))))
    with open(path, encoding="utf-8") as file:
        result = rta.process_file(file, include_untracked=False, recurse_files=False)
    assert result.live_objects == rta.process_file_path(str(path), False, False).live_objects
    assert not [x for x in result.long_str_list(False, False) if x.startswith("Untracked")]


def test_row_39_ref_trace_truncated(caplog: pytest.LogCaptureFixture) -> None:
    """Wherever a log is cut, what is whole is counted and what is not is said."""
    whole = log(*(new(i) for i in range(3)), intro="hello\n")
    begins = whole.index(b"NEW")
    for cut in range(begins, len(whole)):
        caplog.clear()
        result = read(whole[:cut])
        assert result.count_new == whole[:cut].count(b"\n", begins)
        assert result.truncated == [f"<log> ends after line {result.count_lines}, without EOF"]
        assert ("is incomplete" in caplog.text) == (whole[cut - 1 : cut] != b"\n")
        assert result.long_str_list(False, False)[0].startswith("Truncated: <log>")
    assert read(whole).truncated == []


def test_row_39_ref_trace_lost_deaths(caplog: pytest.LogCaptureFixture) -> None:
    first, second = new(1, "A"), new(2, "B")
    second.address = first.address
    gone = dataclasses.replace(second, what="DEL", type="C")  # by then it has another class
    result = read(log(first, second, gone))
    assert (result.count_replaced, result.live_objects) == (1, {})
    assert "already exists from line 3. type: 'A'" in caplog.text
    assert [(a.type, b.type) for a, b in result.prev_objects] == [("B", "C")]


def test_row_39_ref_trace_many_complaints(caplog: pytest.LogCaptureFixture) -> None:
    read(log(*[new(1)] * 1001))
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 6
    assert warnings[-1] == "Address given out twice: 995 more"


def test_row_39_ref_trace_garbage(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(2)
    garbage = bytes(rng.randrange(256) for _ in range(20000))
    lines = [b"NEW: " + g for g in garbage.split(b"\n")] + [b"NEW: ..  0x1 1 a b 1 c 1 1", b"DEL:"]
    result = read(b"SOF\n" + b"\n".join(lines) + b"\n" + new(1).c_line() + b"EOF\n")
    assert result.count_bad == len(lines)
    assert len(result.live_objects) == 1
    assert all(message.isprintable() for message in caplog.messages)


def test_row_39_ref_trace_nothing_behind_a_false_end(caplog: pytest.LogCaptureFixture) -> None:
    result = read(log(new(1), "EOF", new(2)))
    assert (result.count_new, result.truncated) == (2, [])
    assert "Lines behind EOF" in caplog.text
    result = read(log(new(1), "EOF", new(2), end=False))
    assert (result.count_new, len(result.truncated)) == (2, 1)


def test_row_39_ref_trace_terminal_is_safe() -> None:
    result = read(log(new(1, "\x1b[31mred"), intro="\x1b]0;title\x07\n"))
    text = "\n".join(result.long_str_list(False, False))
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text


def write_nested(folder: Path, name_in_log: str) -> Path:
    """An outer log, detached while an inner one was written, which ends an object of the outer."""
    outer = folder / "20261120_193526_0_1_O_0_PY3.13.0.log"
    inner = folder / "20261120_193526_1_1_O_1_PY3.13.0.log"
    first, second, third = new(1, "A"), new(2, "B"), new(3, "C")
    inner.write_bytes(log(second, dataclasses.replace(first, what="DEL", clock=9.0)))
    outer.write_bytes(
        log(
            first,
            f"MSG:     0.017999 # Detaching this Reference Tracing file wrapper. New file: {name_in_log}",
            "MSG:     0.018819 # Re-attaching this Reference Tracing file wrapper.",
            third,
            dataclasses.replace(second, what="DEL", clock=9.5),
            "ERR:     0.018819 # text",
        )
    )
    return outer


@pytest.mark.parametrize("elsewhere", [False, True])
def test_row_39_ref_trace_recurse_files(tmp_path: Path, elsewhere: bool) -> None:
    """The logs may have been moved since."""
    inner = "20261120_193526_1_1_O_1_PY3.13.0.log"
    outer = write_nested(tmp_path, f"/nowhere/{inner}" if elsewhere else str(tmp_path / inner))
    alone = rta.process_file_path(str(outer), True, False)
    assert {o.type for o in alone.live_objects.values()} == {"A", "C"}
    assert alone.type_count_untracked == {"B": 1}
    merged = rta.process_file_path(str(outer), True, True)
    assert {o.type for o in merged.live_objects.values()} == {"C"}
    assert merged.type_count_untracked == {}
    assert (merged.count_prev, merged.count_msg, merged.count_err) == (2, 2, 1)


def test_row_39_ref_trace_recurse_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Logs that name each other, are missing, are no files, or are empty."""
    outer = write_nested(tmp_path, "gone.log")
    for name, complaint in (
        ("gone.log", True), (str(outer), False), ("/dev/zero", True), (str(tmp_path / "empty"), False),
    ):  # fmt: skip
        (tmp_path / "empty").touch()
        write_nested(tmp_path, name)
        caplog.clear()
        result = rta.process_file_path(str(outer), True, True)
        assert result.count_new == 2
        assert ("No such log" in caplog.text) == complaint


def test_row_39_ref_trace_not_kept() -> None:
    gone = dataclasses.replace(new(1), what="DEL")
    result = read(log(new(1), gone), keep_historical=False)
    assert (result.count_prev, result.prev_objects) == (1, [])
    with pytest.raises(ValueError, match="not kept"):
        result.long_str_list(False, include_historical=True)


def test_row_39_ref_trace_by_line() -> None:
    events = [new(i, "A", line=5) for i in range(3)] + [new(9, "B", line=5)]
    parts = report(read(log(*events)), by_line=True)
    rows = parts["Live Objects by type and line [2]:"]
    assert [row.split() for row in rows] == [
        ["3", "A", "make", "work.py#5"],
        ["1", "B", "make", "work.py#5"],
    ]


def program(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pymemtrace.util.ref_trace_analyse", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGES), **env},
    )


def test_row_39_ref_trace_program(tmp_path: Path) -> None:
    outer = write_nested(tmp_path, "20261120_193526_1_1_O_1_PY3.13.0.log")
    done = program(str(outer))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"File path: {outer}"
    assert re.match(r"Process time: \d+\.\d{3} \(s\)$", lines[-1])
    assert "INFO     - Lines: 9 NEW: 2 DEL: 1 NEW - DEL: 1 MSG: 2" in done.stdout
    assert "Live Objects [2]:" in lines
    assert "Previous Objects, sorted by clock [0]:" in lines
    assert "/app/work.py" not in done.stdout
    options = ["--full-path", "--include-untracked", "--include-historical", "--recurse-files"]
    done = program(*options, "--by-line", "-l", "40", str(outer))
    assert "INFO" not in done.stdout
    for text in ("/app/work.py#7", "Untracked Objects [0]:", "DEL: dt: ", "by type and line [1]:"):
        assert text in done.stdout


def test_row_39_ref_trace_program_with_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(log(new(1, "Ж")))
    assert "\\u0416" in program(str(path), PYTHONIOENCODING="ascii").stdout
    assert "Ж" in program(str(path), PYTHONIOENCODING="utf-8").stdout


@pytest.mark.parametrize("data", [b"", b"not a log\n", bytes(range(256))])
def test_row_39_ref_trace_program_refuses(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(data)
    done = program(str(path))
    assert done.returncode == 1
    assert done.stderr.endswith("not a log of reference tracing: no SOF\n")
    assert "Traceback" not in done.stderr
    path.unlink()
    done = program(str(path))
    assert (done.returncode, "No such file" in done.stderr) == (1, True)
    assert program().returncode == 2


MESSAGES = (
    "MSG:     0.001500 # before",
    "MSG:     0.002500 # 'a' \"b\" `c` $(d)",
    "MSG:     0.002500 # twice",
)


def lived() -> bytes:
    """Three of W, of which one ends, and one V; with messages."""
    gone = dataclasses.replace(new(1), what="DEL", live=2, rss=7 << 20)
    made = [dataclasses.replace(new(n), live=n, rss=(n + 1) << 20) for n in (1, 2, 3)]
    return log(made[0], MESSAGES[0], made[1], *MESSAGES[1:], made[2], gone, new(4, "V"))


def test_row_39_later_and_earlier_arguments() -> None:
    data = lived().decode()
    one = rta.process_file(io.StringIO(data), True, False)
    two = rta.process_file(
        io.StringIO(data), "a.log", len(data), include_untracked=True, recurse_log_files=False
    )
    three = rta.process_file(
        data.splitlines(True),
        log_file_id="b.log",
        file_size=1,
        include_untracked=True,
        recurse_log_files=False,
    )
    four = rta.LogFileResult("c.log", True)
    rta.process_file_to_log_result(io.StringIO(data), 1, False, four)
    assert rta.LogFileResult(True).include_untracked and not rta.LogFileResult(False).log_file_id
    results = (one, two, three, four)
    assert [r.log_file_id for r in results] == ["<log>", "a.log", "b.log", "c.log"]
    assert all(r.long_str_list(True, True) == one.long_str_list(True, True) for r in results)
    counts = [(o.type, o.live_cnt) for o in one.objects]
    assert counts == [("W", 1), ("W", 2), ("W", 3), ("W", 2), ("V", 1)]
    assert [o.rss >> 20 for o in one.objects[:4]] == [2, 3, 4, 7]
    assert one.clock_message_dict == {0.0015: ["before"], 0.0025: ["'a' \"b\" `c` $(d)", "twice"]}
    assert one.count_msg == 3


def test_row_39_lines_one_by_one() -> None:
    """As read from a file, as text and as bytes."""
    result = rta.LogFileResult("x", False)
    lines = lived().decode().splitlines(True)
    calls = {"NEW:": result.add_new, "DEL:": result.add_del, "MSG:": result.add_msg}
    for number, line in enumerate(lines, 1):
        if line[:4] in calls:
            calls[line[:4]](number, line if number % 2 else line.encode())
    result.add_err(99, "ERR: 1.0 # it hurts\n")
    whole = rta.process_file(lines, False, False)
    assert result.long_str_list(True, True) == whole.long_str_list(True, True)
    assert (result.objects, result.count_err) == (whole.objects, 1)
    for call in calls.values():
        with pytest.raises(ValueError, match="Line 7"):
            call(7, "NEW: nothing of the kind\n")


def test_row_39_message_pattern() -> None:
    match = rta.RE_COMPILE_LOG_FILE_MSG.match("MSG:    16.723673 # a text # more")
    assert match and match.groups() == ("16.723673", "a text # more")


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="there is no gnuplot")
def test_row_39_plot(tmp_path: Path) -> None:
    path = tmp_path / "it's.log"
    path.write_bytes(lived())
    out = tmp_path / "plots" / "here"
    done = program("--gnuplot-path", str(out), "--gnuplot-types", "W, V,Nothing", str(path))
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in out.iterdir()) == [f"it's.log.{e}" for e in ("dat", "plt", "png")]
    rows = [line.split() for line in (out / "it's.log.dat").read_text().splitlines()]
    assert rows[1] == ["#", "Clock", "W", "V", "Nothing", "RSS", "dRSS"]
    counts = [" ".join(row[1:4]) for row in rows[2:]]
    assert counts == ["1 0 0", "2 0 0", "3 0 0", "2 0 0", "2 1 0"]
    assert [int(row[4]) >> 20 for row in rows[2:6]] == [2, 3, 4, 7]
    assert (out / "it's.log.png").read_bytes().startswith(b"\x89PNG")
    plt = (out / "it's.log.plt").read_text()
    assert plt.count("set arrow") == plt.count("set label") == 3
    assert "set label \"'\".'a'' \"b\" `c` $(d)' at 0.0025," in plt
    assert rta.GNUPLOT_PLT.format(name="n", extension="svg", labels="L", plot="P").count("svg") == 2


def test_row_39_nothing_to_plot(tmp_path: Path) -> None:
    result = rta.process_file(io.BytesIO(lived()), True, False)
    assert rta.invoke_gnuplot(result, [], str(tmp_path)) == -1
    assert rta.invoke_gnuplot(result, ["X"], str(tmp_path)) == -1
    assert os.listdir(tmp_path) == []
    path = tmp_path / "x.log"
    path.write_bytes(lived())
    for wrong in ("--gnuplot-path=x", "--gnuplot-types=W"):
        done = program(wrong, str(path))
        assert done.returncode == 2 and "go together" in done.stderr
    done = program(f"--gnuplot-path={tmp_path}", "--gnuplot-types=X", str(path))
    assert done.returncode == 1 and "not plotted" in done.stderr
