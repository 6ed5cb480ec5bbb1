# SPDX-License-Identifier: MIT
"""pymemtrace.process_tree: table, JSON, colours, what happens between ticks, the command line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, List, Optional

import pytest
import watched

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

psutil = pytest.importorskip("psutil")
from pymemtrace import _proc, _terminal, _tree_columns, _tree_watch, process_tree  # noqa: E402
from pymemtrace._tree_model import ColumnWidthFormat, Sample, WriteSummaryColumn  # noqa: E402
from pymemtrace._tree_output import JsonWriter, TableWriter  # noqa: E402

Record = Dict[str, Any]
#: A parent of two: one child holds 30 MB, the second, of 60 MB, comes a little later.
FAMILY = f"""
import subprocess, sys, time
hold = {watched.HOLD!r}
def child(size):
    words = [sys.executable, "-c", hold, str(size)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process
first = child(30)
print("one", first.pid, flush=True)
sys.stdin.readline()
second = child(60)
print("two", second.pid, flush=True)
sys.stdin.readline()
"""


def config(*options: str) -> process_tree.WriteSummaryConfig:
    return _tree_columns.chosen(process_tree._parser().parse_args(options))


def columns(*options: str) -> List[str]:
    return [column.name for column in config(*options).columns]


def walk(record: Record, depth: int = 0) -> Iterator[Record]:
    yield {**record, "depth": depth}
    for child in record["children"]:
        yield from walk(child, depth + 1)


def read(path: Path) -> List[Record]:
    records = json.loads(path.read_text())
    assert isinstance(records, list)
    return records


def wait_for(path: Path, count: int) -> List[Record]:
    """Wait until a JSON file has so many records. A look in the middle of a write sees a part."""
    end = time.monotonic() + watched.LIMIT
    while time.monotonic() < end:
        if path.exists() and path.stat().st_size:
            with contextlib.suppress(ValueError):
                records = read(path)
                if len(records) >= count:
                    return records
        time.sleep(0.01)
    raise AssertionError(f"{path} never got {count} records")


def wait_for_new(path: Path) -> Record:
    """The second record from now on: all of it was measured after this call."""
    return wait_for(path, len(wait_for(path, 1)) + 2)[-1]


def wait_for_rows(stream: IO[str], count: int) -> None:
    """Read a table until so many of its rows have come that begin with a time."""
    while count:
        line = stream.readline()
        assert line, "the table has ended"
        count -= bool(re.match(r" +\d+\.\d +\d+ ", line))


def at_ticks(
    act: Callable[[int], object], pid: int, *options: str
) -> process_tree.WriteSummaryConfig:
    """Columns, and one more, the number of the tick: act(1), act(2), ... happen when it is measured.

    So a tree does something between two ticks, after all else was measured of its root, `pid`.
    """
    ticks = 0

    def tick(process: Any) -> int:
        nonlocal ticks
        if process.pid == pid:
            ticks += 1
            act(ticks)
        return ticks

    columns = config(*options)
    columns.columns.append(
        WriteSummaryColumn("Tick", tick, 1, "", ColumnWidthFormat(4, "4d"), None)
    )
    return columns


def follow(pid: int, columns: process_tree.WriteSummaryConfig, sep: str = "", **more: Any) -> str:
    """The table of a tree that ends by what happens at its ticks."""
    out = io.StringIO()
    process_tree.log_process(pid, 0.05, more.pop("omit_first", False), columns, sep, out, **more)
    return out.getvalue()


def test_row_10_headings_of_columns() -> None:
    cells = ColumnWidthFormat(8, "8.1f")
    column = WriteSummaryColumn("RSS", lambda process: 0, 1.0, "MB", cells, None)
    assert column.name_and_units() == "RSS(MB)"
    assert WriteSummaryColumn("Files", lambda p: 0, 1, "", cells, None).name_and_units() == "Files"


def test_row_09_process_tree(tmp_path: Path) -> None:
    """Oracles: the program's own account of its children, and VmRSS of /proc."""
    out, path = tmp_path / "table", tmp_path / "tree.json"
    family = watched.start([sys.executable, "-c", FAMILY])
    assert family.stdin and family.stdout
    first = int(family.stdout.readline().split()[1])
    words = ["-i", "0.1", "-p", str(family.pid), "-o", str(out), "--json", str(path)]
    monitor = watched.start(watched.tool("process_tree", *words))
    before = wait_for(path, 2)[-1]
    family.stdin.write("\n")
    family.stdin.flush()
    second = int(family.stdout.readline().split()[1])
    for pid in (family.pid, first, second):
        watched.settle(pid)
    after = wait_for_new(path)
    sizes = {pid: watched.rss(pid) for pid in (family.pid, first, second)}
    watched.let_end(family)
    monitor.communicate(timeout=watched.LIMIT)
    assert monitor.returncode == 0

    assert [p["pid"] for p in walk(before)] == [family.pid, first]
    assert [(p["pid"], p["depth"]) for p in walk(after)] == [
        (family.pid, 0), *((pid, 1) for pid in sorted((first, second))),
    ]  # fmt: skip
    assert {p["pid"]: p["RSS"] for p in walk(after)} == sizes
    assert sizes[first] > 30 * watched.MB and sizes[second] > 60 * watched.MB
    text = out.read_text()
    assert re.search(rf'^ +\d+\.\d +{family.pid} "python', text, re.MULTILINE)
    assert re.search(rf'^ {{9}}  +{second} "python', text, re.MULTILINE), "not indented"
    rows = re.findall(r'^ +(?:\d+\.\d +)?\d+ +"python.*$', text, re.MULTILINE)
    assert len(rows) > 4 and len({len(row) for row in rows}) == 1, text
    assert f"Parent process {family.pid} is not running." in text


def fields_of(option: str) -> List[str]:
    """The headings behind time, process and name with this option."""
    out = io.StringIO()
    process_tree.ProcessTree.write_header(config(option), "|", out)
    assert out.getvalue().startswith("Time(s)|PID|Name|")
    return out.getvalue().strip().split("|")[3:]


BASE = ["RSS(MB)", "dRSS(MB)", "CPU(%)", "dCPU(%)"]


@pytest.mark.parametrize(
    ("option", "added"),
    [
        ("-u", ["USS(MB)", "dUSS(MB)"]),
        ("-g", ["PFaults", "dPFaults"]),
        ("-c", ["User(s)", "Sys(s)"]),
        ("-x", ["Ctx(m)", "dCtx(m)"]),
        ("-t", ["Thrds", "dThrds"]),
        ("-s", ["Status", "dStatus"]),
        ("-f", ["Files", "dFiles"]),
        ("-n", ["Net", "dNet"]),
        ("--cmdline", ["CmdLine"]),
    ],
)
def test_row_10_tree_columns(option: str, added: List[str]) -> None:
    headings = fields_of(option)
    assert [h for h in headings if h in BASE] == BASE
    assert [h for h in headings if h not in BASE] == added


def test_row_10_tree_columns_all() -> None:
    assert columns("-a") == columns("-cfgstn")
    assert columns("-a") == [
        "RSS", "PFaults", "CPU", "User", "Sys", "Thrds", "Status", "Files", "Net",
    ]  # fmt: skip
    assert set(columns("-a", "-u", "-x", "--cmdline")) - set(columns("-a")) == {
        "USS",
        "Ctx",
        "CmdLine",
    }


def test_row_10_tree_columns_tell_the_truth(tmp_path: Path) -> None:
    """Each column beside /proc, for a program that does nothing meanwhile."""
    path = tmp_path / "tree.json"
    opened = (
        "import sys, socket, threading; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
    )
    opened += "f = [open('/etc/passwd') for _ in range(3)]\n"
    opened += "[threading.Thread(target=sys.stdin.read).start() for _ in range(2)]\n"
    opened += "b = b'x' * (40 << 20); sum(range(10**7)); print('ready', flush=True)"
    target = watched.start([sys.executable, "-c", opened])
    assert target.stdout and target.stdout.readline() == "ready\n"
    watched.settle(target.pid)
    options = [
        "-a",
        "-u",
        "-x",
        "--cmdline",
        "-i",
        "0.1",
        "-p",
        str(target.pid),
        "--json",
        str(path),
    ]
    monitor = watched.start(watched.tool("process_tree", *options))
    found = wait_for(path, 2)[-1]
    fields = watched.stat_fields(target.pid)
    rollup = Path(f"/proc/{target.pid}/smaps_rollup").read_text()
    tasks = list(Path(f"/proc/{target.pid}/task").iterdir())
    switches = [
        int(line.split()[1])
        for task in tasks
        for line in (task / "status").read_text().splitlines()
        if "ctxt_switches" in line
    ]
    ticks = os.sysconf("SC_CLK_TCK")
    expected = {
        "RSS": watched.rss(target.pid),
        "PFaults": watched.page_faults(target.pid),
        "User": int(fields[11]) / ticks,
        "Sys": int(fields[12]) / ticks,
        "Thrds": len(tasks),
        "Status": "sleeping",
        "Files": 3,
        "Net": 1,
        "Ctx": sum(switches),
        "CmdLine": f"{sys.executable} -c {opened}",
        "CPU": 0.0,
    }
    watched.let_end(target)
    watched.let_end(monitor)
    assert {name: found[name] for name in expected} == expected
    private = sum(int(n) * 1024 for n in re.findall(r"^Private_\w+: +(\d+)", rollup, re.MULTILINE))
    assert private > 40 * watched.MB
    assert abs(found["USS"] - private) < watched.MB, "pages of files change with other processes"
    assert float(str(expected["User"])) > 0 and expected["Thrds"] == 3


def test_row_11_page_faults_on_linux(tmp_path: Path) -> None:
    """The program touches so many pages between two of its lines, and waits at both."""
    path = tmp_path / "tree.json"
    pages = 4000
    code = (
        "import mmap, sys; print('a', flush=True); sys.stdin.readline()\n"
        f"m = mmap.mmap(-1, {pages} * mmap.PAGESIZE)\n"
        "if hasattr(mmap, 'MADV_NOHUGEPAGE'): m.madvise(mmap.MADV_NOHUGEPAGE)\n"
        f"for i in range({pages}): m[i * mmap.PAGESIZE] = 1\n"
        "print('b', flush=True); sys.stdin.readline()"
    )
    target = watched.start([sys.executable, "-c", code])
    assert target.stdin and target.stdout and target.stdout.readline() == "a\n"
    watched.settle(target.pid)
    words = ["-g", "-i", "0.1", "-p", str(target.pid), "--json", str(path)]
    monitor = watched.start(watched.tool("process_tree", *words))
    first = wait_for(path, 1)[-1]["PFaults"]
    assert first == watched.page_faults(target.pid)
    target.stdin.write("\n")
    target.stdin.flush()
    assert target.stdout.readline() == "b\n"
    watched.settle(target.pid)
    last = wait_for_new(path)["PFaults"]
    assert last == watched.page_faults(target.pid)
    watched.let_end(target)
    watched.let_end(monitor)
    assert first > 0
    assert last - first >= pages


class Ending(io.StringIO):
    """Ends a process when it got the lines of some ticks: it is flushed after each of them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self.process = process
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1
        if self.flushes == 4:
            self.process.kill()


def watch(words: List[str], sep: str, *options: str, **more: Any) -> str:
    """The table of log_process() while a command runs, made in this process."""
    command = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out = Ending(command)
    process_tree.log_process(command.pid, 0.05, False, config(*options), sep, out, **more)
    command.communicate()
    return out.getvalue()


@pytest.mark.parametrize(
    "sep",
    [";", ",", "\t", " ", "::", "_", '"', "e", " -> ", "é"],
)
def test_row_12_tree_separator(sep: str, tmp_path: Path) -> None:
    """Also with names and a command line that hold it, sizes over 1000 MB or not."""
    name = (sep * 3).replace("/", "")[:9] + "x"
    program = tmp_path / name
    shutil.copy("/bin/sleep", program)
    options = ["-a", "-x", "-u", "--cmdline"]
    text = watch([str(program), "600"], sep, *options, total=True)
    lines = text.splitlines()
    assert len(lines) >= 8
    expected = 3 + sum(2 if c.width_and_format_diff else 1 for c in config(*options).columns)
    assert {len(line.split(sep)) for line in lines} == {expected}
    assert "PEAK" in lines[-1] or set(sep) & set("PEAK")


def test_row_12_tree_separator_of_a_command_line() -> None:
    """Rows on one stream, all the rest on stderr."""
    target = watched.holding(1)
    words = ["--sep", ";", "-i", "0.1", "--total", "-p", str(target.pid)]
    monitor = watched.start(watched.tool("process_tree", *words))
    assert monitor.stdout
    rows = [monitor.stdout.readline() for _ in range(3)]
    monitor.send_signal(signal.SIGINT)
    text, errors = monitor.communicate(timeout=watched.LIMIT)
    watched.let_end(target)
    lines = [*(row.rstrip("\n") for row in rows), *text.splitlines()]
    assert {line.count(";") for line in lines} == {6}
    assert monitor.returncode == 0
    for word in ("CMD: ", "KeyboardInterrupt!", "Bye, bye!", "Peak of the tree"):
        assert word in errors and word not in text


@pytest.mark.parametrize("sep", [".", "-", "+", "0", "1.5", "\n"])
def test_separators_that_are_part_of_a_number_are_refused(sep: str) -> None:
    with pytest.raises(ValueError, match=r"number|line"):
        _terminal.check_separator(sep)


def test_numbers_have_no_thousands_mark_with_a_separator() -> None:
    out = io.StringIO()
    setup = config("-g")
    sample = Sample(7, "n", 1.0, {"RSS": 2048 * watched.MB, "PFaults": 1234567}, {"RSS": -1048576})
    TableWriter(setup, ",", out).sample(sample)
    TableWriter(setup, "", out).sample(sample)
    lines = out.getvalue().splitlines()
    assert lines[0] == '1.0,7,"n",2048.0,-1.0,1234567,,,'
    assert "2,048.0" in lines[1] and "1,234,567" in lines[1]


@pytest.mark.parametrize("omit", [[], ["--omit-first"]])
@pytest.mark.parametrize(
    ("number", "records"),
    [
        (signal.SIGINT, 2),
        (signal.SIGTERM, 2),
        (signal.SIGTERM, 0),
        (signal.SIGHUP, 1),
        (signal.SIGKILL, 2),
    ],
)
def test_row_13_tree_json(
    omit: List[str], number: signal.Signals, records: int, tmp_path: Path
) -> None:
    path = tmp_path / "tree.json"
    target = watched.holding(1)
    words = ["-a", "-u", "-i", "0.05" if records else "3600", *omit, "--json", str(path)]
    monitor = watched.start(watched.tool("process_tree", "-p", str(target.pid), *words))
    assert monitor.stdout
    assert monitor.stdout.readline().startswith("CMD: ")
    wait_for(path, records)
    monitor.send_signal(number)
    monitor.communicate(timeout=watched.LIMIT)
    watched.let_end(target)
    found = read(path)
    assert len(found) >= records
    expected = {signal.SIGINT: 0, signal.SIGKILL: -9}.get(number, 128 + number)
    assert monitor.returncode == expected
    for record in found:
        assert {"process_time", "pid", "name", "RSS", "CPU", "PFaults", "USS"} <= set(record)
        assert record["children"] == []


def test_row_13_tree_json_when_the_root_ends(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    words = ["-i", "3600", "--json", str(path), "-1", "--", "true"]
    done = watched.run(watched.tool("process_tree", *words))
    assert done.returncode == 0
    assert read(path) == []


def test_json_to_a_pipe() -> None:
    words = watched.tool("process_tree", "-i", "0.1", "--json", "/dev/stdout", "--", "cat")
    monitor = watched.start(words)
    assert monitor.stderr
    wait_for_rows(monitor.stderr, 2)
    text, _ = monitor.communicate(timeout=watched.LIMIT)
    assert len(json.loads(text)) >= 2


def test_json_file_stays_whole_when_the_disk_is_full(tmp_path: Path) -> None:
    """A limit on file sizes stands for the full disk."""
    path = tmp_path / "tree.json"
    code = (
        "import resource, signal, sys; from pymemtrace import process_tree\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "sys.exit(process_tree.main(sys.argv[1:]))"
    )
    words = ["-i", "0.02", "--json", str(path), "--", "cat"]
    monitor = watched.start([sys.executable, "-c", code, *words])
    assert monitor.stderr
    for line in monitor.stderr:
        if "nothing more is written to it" in line:
            break
    wait_for_rows(monitor.stderr, 2)
    _, errors = monitor.communicate(timeout=watched.LIMIT)
    assert monitor.returncode == 0, errors
    assert 1 <= len(read(path)) < 20
    assert path.stat().st_size <= 2000


def test_json_writer_amends_to_something_shorter(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    writer = JsonWriter(str(path))
    assert read(path) == []
    writer.amend({"a": 0})
    writer.add({"a": 1, "list": [1]})
    writer.add({"a": 123456, "list": []})
    writer.amend({"a": 1, "list": [2]})
    assert read(path) == [{"a": 1, "list": [1]}, {"a": 1, "list": [2]}]
    writer.add({"a": 3})
    writer.close()
    assert [record["a"] for record in read(path)] == [1, 1, 3]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


RED, GREEN, MARK = "\033[31m", "\033[32m", "\033[30;43mACCESS DENIED\033[0m"


def coloured(
    monkeypatch: pytest.MonkeyPatch, out: io.StringIO, sep: str = "", **environment: Optional[str]
) -> str:
    for name, value in {"TERM": "xterm", "NO_COLOR": None, **environment}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    values = {"RSS": 5 * watched.MB, "CPU": "ACCESS DENIED", "Thrds": 1, "Status": "idle"}
    deltas = {"RSS": watched.MB, "Thrds": -2, "Status": ""}
    sample = Sample(1, "name", 1.0, values, deltas)
    TableWriter(config("-t", "-s"), sep, out).sample(sample)
    return out.getvalue()


def test_row_14_tree_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    text = coloured(monkeypatch, Terminal())
    assert f"{RED}    +1.0\033[0m" in text
    assert f"{GREEN}    -2\033[0m" in text
    assert MARK in text
    assert text.count("\033") == 6


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"TERM": ""}, {"TERM": None}, {"NO_COLOR": "1"}]
)
def test_row_14_tree_colours_only_where_there_are_any(
    environment: Dict[str, Optional[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = coloured(monkeypatch, Terminal(), "", **environment)
    assert "\033" not in text and "ACCESS DENIED" in text
    assert "\033" not in coloured(monkeypatch, io.StringIO())
    assert "\033" not in coloured(monkeypatch, Terminal(), sep="|")


def test_row_14_tree_colours_on_a_real_terminal() -> None:
    """A program that grows, under a pseudo-terminal; and the lines have the width they have elsewhere."""
    code = (
        "import select, sys\nb = []\n"
        "while not select.select([sys.stdin], [], [], 0.02)[0]: b.append(b'x' * (1 << 16))"
    )
    words = watched.tool("process_tree", "-i", "0.1", "--", sys.executable, "-c", code)
    ours, theirs = pty.openpty()
    environment = {**watched.environment(TERM="xterm"), "NO_COLOR": ""}
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=environment
    )
    assert process.stdin
    os.close(theirs)
    text = b""
    try:
        while True:
            text += os.read(ours, 4096)
            rows = re.findall(rb"^ +\d+\.\d +\d+ ", text, re.MULTILINE)
            if len(rows) >= 3 and RED.encode() in text:
                process.stdin.close()
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    assert RED.encode() in text
    plain = re.sub(rb"\033\[[0-9;]*m", b"", text).decode()
    lines = [line for line in plain.splitlines() if re.match(r" +\d+\.\d +\d+ ", line)]
    assert len(lines) >= 3 and len({len(line) for line in lines}) == 1


def denied_report() -> str:
    """What an ordinary user sees of the process of another, from a fork of this one."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.environ.update(TERM="xterm")
            os.environ.pop("NO_COLOR", None)
            out = Terminal()
            node = process_tree.ProcessTree(1)
            node.write_summary(0, 0, config("-u", "-f"), "", out)
            node.write_summary(0, 0, config("-u", "-f"), "|", out)
            found = node.sample(config("-u"))
            uss = process_tree.ProcessTree.get_memory_uss(node.proc)
            assert found
            out.write(json.dumps([found.values["USS"], uss]))
            os.write(theirs, out.getvalue().encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text


def test_row_14_access_denied_is_marked() -> None:
    """USS of process 1 is nothing that an ordinary user may see; it is not shown as -1 or 0."""
    table, separated, values = denied_report().splitlines()
    assert MARK in table
    words = separated.split("|")
    assert words[5:7] == ["ACCESS DENIED", ""] and words[-2] == "ACCESS DENIED"
    assert json.loads(values) == ["ACCESS DENIED", -1]
    assert "-1" not in separated.split("|")[3:]


def test_denied_is_null_in_json() -> None:
    from pymemtrace._tree_output import as_json

    sample = Sample(1, "x", 1.0, {"USS": "ACCESS DENIED", "RSS": 3}, {})
    assert as_json(sample)["USS"] is None
    assert as_json(sample)["RSS"] == 3


def test_a_sum_with_a_refused_value_is_refused() -> None:
    from pymemtrace._tree_model import total_of
    from pymemtrace._tree_output import total_as_json

    def node(pid: int, uss: Any, *children: Sample) -> Sample:
        return Sample(pid, "n", 1.0, {"USS": uss, "RSS": 5}, {}, list(children))

    all_known = total_of(node(1, 3, node(2, 4)), None)
    assert all_known.values == {"USS": 7, "RSS": 10}
    for sizes in ((3, "ACCESS DENIED", 4), ("ACCESS DENIED", 3, 4), (3, 4, "ACCESS DENIED")):
        total = total_of(node(1, sizes[0], node(2, sizes[1]), node(3, sizes[2])), all_known)
        assert (total.values, total.deltas) == (
            {"USS": "ACCESS DENIED", "RSS": 15},
            {"USS": None, "RSS": 5},
        )
        assert total_as_json(total)["USS"] is None


def test_row_15_tree_omit_first(tmp_path: Path) -> None:
    """Each tick has a line without -1; with it one less, and its changes are those since then."""
    target = watched.holding(20)
    out = io.StringIO()
    node = process_tree.ProcessTree(target.pid)
    node.load_previous(config())
    node.write_summary(0, 1, config(), "|", out)
    watched.let_end(target)
    words = out.getvalue().strip().split("|")
    assert float(words[3]) > 20 and words[4] == "+0.0"

    assert process_tree._parser().parse_args(["-1"]).omit_first
    rows = []
    for omit_first in (False, True):
        puppet = watched.Puppet()

        def act(tick: int, puppet: watched.Puppet = puppet) -> None:
            if tick == 1:
                puppet.do("b = b'x' * (50 << 20)")
            elif tick == 3:
                puppet.end()

        text = follow(puppet.pid, at_ticks(act, puppet.pid), "|", omit_first=omit_first)
        rows.append([line.split("|") for line in text.splitlines()[1:-1]])
    ticks = [[row[-1] for row in each] for each in rows]
    assert ticks == [["1", "2", "3"], ["2", "3"]], "the first sample is written"
    assert rows[0][0][4] == "+0.0" and float(rows[0][1][4]) >= 50
    assert float(rows[1][0][4]) >= 50, "the change is since the sample that was left out"


def test_total_and_peak(tmp_path: Path) -> None:
    """Sums over the JSON's own tree; and the line of the table says the same."""
    path, out = tmp_path / "tree.json", tmp_path / "out"
    words = ["-t", "-i", "0.1", "--total", "--sep", "|", "-o", str(out), "--json", str(path)]
    words = watched.tool("process_tree", *words, "--", sys.executable, "-c", watched.PUPPET)
    puppet = watched.Puppet(words)
    puppet.do("p = holding(70)")
    wait_for_new(path)
    puppet.do("p.communicate()")
    wait_for_new(path)
    puppet.process.communicate(timeout=watched.LIMIT)
    assert puppet.process.returncode == 0
    records = read(path)
    totals = [line.split("|") for line in out.read_text().splitlines() if "|TOTAL|" in line]
    assert len(totals) == len(records) > 4
    before = None
    for record, row in zip(records, totals):
        family = list(walk(record))
        assert record["total"]["RSS"] == sum(p["RSS"] for p in family)
        assert record["total"]["Thrds"] == sum(p["Thrds"] for p in family)
        assert record["total"]["processes"] == len(family)
        rss = record["total"]["RSS"]
        assert row[2] == f'"{len(family)} process{"" if len(family) == 1 else "es"}"'
        assert row[3] == f"{rss / watched.MB:.1f}"
        if before is not None:
            assert row[4] == f"{(rss - before) / watched.MB:+.1f}".replace("-0.0", "+0.0")
        before = rss
    peak = max(record["total"]["RSS"] for record in records)
    assert records[-1]["peak"]["RSS"] == peak > 70 * watched.MB
    assert records[-1]["peak"]["RSS"] > records[-1]["total"]["RSS"], "the child has ended"
    assert records[-1]["peak"]["processes"] == 2
    largest = records[-1]["peak"]["largest"]
    assert largest["RSS"] > 70 * watched.MB and largest["pid"] != records[0]["pid"]
    last = out.read_text().splitlines()[-1].split("|")
    assert (last[1], last[3]) == ("PEAK", f"{peak / watched.MB:.1f}")


def test_largest_process_is_the_kernels_figure(tmp_path: Path) -> None:
    """Memory that was given back before anyone looked; the oracle is VmHWM."""
    path = tmp_path / "tree.json"
    code = "import sys; b = b'x' * (90 << 20); del b; print('ready', flush=True); sys.stdin.read()"
    target = watched.start([sys.executable, "-c", code])
    assert target.stdout and target.stdout.readline() == "ready\n"
    words = ["-i", "0.1", "-p", str(target.pid), "--json", str(path)]
    monitor = watched.start(watched.tool("process_tree", *words))
    found = wait_for(path, 1)[-1]
    status = Path(f"/proc/{target.pid}/status").read_text()
    watched.let_end(target)
    text, _ = monitor.communicate(timeout=watched.LIMIT)
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    assert found["RSS"] < 60 * watched.MB < 90 * watched.MB < peak
    assert found["peak"]["largest"] == {"pid": target.pid, "name": found["name"], "RSS": peak}
    assert f"Largest process: {peak / watched.MB:.1f} MB, {target.pid} " in text


def test_short_lived_children_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight children, one after another, live and die between two ticks an hour apart."""
    # Each is there until it was seen, however busy the machine: so looking must not be rationed.
    monkeypatch.setattr(_tree_watch, "_SHARE", 1.0)
    path, out = tmp_path / "tree.json", io.StringIO()
    puppet = watched.Puppet()
    tree = process_tree.ProcessTree(puppet.pid)
    pids: List[int] = []

    def have_children() -> None:
        try:
            for megabytes in range(10, 90, 10):
                pids.append(int(puppet.do(f"p = holding({megabytes}); print(p.pid)")))
                size = megabytes * watched.MB
                watched.wait_until(
                    lambda: tree.census.largest["pid"] == pids[-1]
                    and tree.census.largest_rss > size,
                    f"{pids[-1]} was seen",
                )
                puppet.do("p.communicate()")
        finally:
            puppet.end()

    columns = config("--json", str(path))
    table = TableWriter(columns, "", out)
    watch = _tree_watch.Watch(tree, columns, table, _tree_watch.Options(interval=3600))
    thread = threading.Thread(target=have_children)
    thread.start()
    watch.run()
    thread.join()
    (record,) = read(path)
    assert [process["pid"] for process in record["ended"]] == pids and len(pids) == 8
    assert all(process["parent"] == record["pid"] for process in record["ended"])
    assert record["ended"][-1]["rss"] > 80 * watched.MB
    text = out.getvalue()
    rows = [line.split() for line in text.splitlines() if line.startswith("   ended ")]
    assert [int(row[1]) for row in rows] == pids
    assert "Processes: 9, 8 of them lived and died between two ticks" in text


class SlowTree:
    """Looking at it takes some time, of the processor or without it."""

    def __init__(self, busy: float, asleep: float) -> None:
        self.busy = busy
        self.asleep = asleep
        self.looks = 0

    def find_new(self) -> None:
        self.looks += 1
        end = time.thread_time() + self.busy
        while time.thread_time() < end:
            pass
        time.sleep(self.asleep)


@pytest.mark.parametrize("busy, asleep, looks", [(0.1, 0.0, 1), (0.0, 0.1, 5)])
def test_looking_is_rationed_by_processor_time(
    busy: float, asleep: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take a small part of a core. What it waits for one, as on a busy machine, is no cost."""
    monkeypatch.setattr(_tree_watch, "_SHARE", 0.0)  # nothing is saved up meanwhile
    monkeypatch.setattr("pymemtrace._proc.NewProcesses.any", lambda self: True)
    tree = SlowTree(busy, asleep)
    columns = config()
    table = TableWriter(columns, "", io.StringIO())
    watch = _tree_watch.Watch(tree, columns, table, _tree_watch.Options())
    for _ in range(5):
        watch._look()
    assert tree.looks == looks


def test_children_that_were_missed_are_said(tmp_path: Path) -> None:
    """With --poll 0 nobody looks between ticks: the kernel's accounts tell that there were some."""
    path = tmp_path / "tree.json"
    puppet = watched.Puppet()

    def act(tick: int) -> None:
        if tick == 1:
            puppet.do("child('true').communicate()")
        elif tick == 3:
            puppet.end()

    columns = at_ticks(act, puppet.pid, "--json", str(path))
    text = follow(puppet.pid, columns, poll_interval=0)
    groups = [group for record in read(path) for group in record["unseen"]]
    assert len(groups) == 1
    assert groups[0]["parent"] == puppet.pid
    assert groups[0]["page_faults"] > 0
    assert f'"child of {puppet.pid}"' in text
    assert "; at least 1 more were not seen" in text


def test_seen_children_are_not_said_to_be_missed(tmp_path: Path) -> None:
    """Six children, one after another, each there at two ticks."""
    path = tmp_path / "tree.json"
    puppet = watched.Puppet()
    pids = []

    def act(tick: int) -> None:
        if tick == 19:
            puppet.end()
        elif tick % 3 == 1:
            pids.append(int(puppet.do("p = child('sleep', '600'); print(p.pid)")))
        elif tick % 3 == 0:
            puppet.do("p.kill(); p.communicate()")

    text = follow(puppet.pid, at_ticks(act, puppet.pid, "--json", str(path)))
    records = read(path)
    assert [group for record in records for group in record["unseen"]] == []
    assert {puppet.pid, *pids} == {p["pid"] for record in records for p in walk(record)}
    assert len(pids) == 6 and "not seen" not in text


def test_orphans_stay_in_the_tree(tmp_path: Path) -> None:
    """The parent of the sleeping process ends; its memory still belongs to the tree."""
    path = tmp_path / "tree.json"
    puppet = watched.Puppet()
    orphans = []

    def act(tick: int) -> None:
        if tick == 1:
            puppet.do("p = child('sh', '-c', 'sleep 600 & echo $!; read line')")
            orphans.append(int(puppet.do("print(p.stdout.readline().decode())")))
        elif tick == 3:
            puppet.do("p.stdin.close(); p.wait()")
        elif tick == 5:
            os.kill(orphans[0], signal.SIGKILL)
            puppet.end()

    follow(puppet.pid, at_ticks(act, puppet.pid, "--json", str(path)))
    depths = [p["depth"] for record in read(path) for p in walk(record) if p["pid"] == orphans[0]]
    assert depths[0] == 2 and depths[-1] == 1
    assert depths == sorted(depths, reverse=True)


def test_zombies_are_shown_as_such(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    puppet = watched.Puppet()
    children = []

    def act(tick: int) -> None:
        if tick == 1:
            children.append(int(puppet.do("p = child('sleep', '600'); print(p.pid)")))
            watched.settle(children[0])
        elif tick == 3:
            puppet.do("p.kill()")
            watched.wait_until(lambda: watched.stat_fields(children[0])[0] == "Z", "a zombie")
        elif tick == 5:
            puppet.end()

    options = ["-a", "-u", "--cmdline", "--json", str(path)]
    follow(puppet.pid, at_ticks(act, puppet.pid, *options))
    states = [p["Status"] for record in read(path) for p in walk(record) if p["depth"]]
    assert states[0] == "sleeping" and states[-1] == "zombie"
    assert states == sorted(states) and len(states) >= 3


def test_a_number_that_is_used_again_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    target = watched.holding(1)
    node = process_tree.ProcessTree(target.pid)
    assert node.runs()
    real = _proc.read_stat
    other = lambda pid: real(pid)._replace(started=1)  # type: ignore[union-attr]  # noqa: E731
    monkeypatch.setattr(_proc, "read_stat", other)
    assert not node.runs()
    watched.let_end(target)


def test_children_are_found_without_the_kernels_list() -> None:
    """The other way, over all processes of the machine, gives the same."""
    family = watched.start([sys.executable, "-c", FAMILY])
    assert family.stdout
    first = int(family.stdout.readline().split()[1])
    direct, table = _proc.Children(), _proc.Children()
    table.direct = False
    for children in (direct, table):
        children.refresh()
        assert children.of(family.pid) == [first]
        assert children.of(first) == []
    watched.let_end(family)


def test_stat_of_a_hostile_name() -> None:
    text = "7 (a) R (b\n) c) S 1 2 3 4 5 6 70 80 9 10 11 12 13 14 20 0 1 0 555 4096 3 18446744073709551615\n"
    stat = _proc.parse_stat(text)
    assert (stat.name, stat.state, stat.parent, stat.started) == ("a) R (b\n) c", "S", 1, 555)
    assert (stat.faults, stat.major_faults, stat.reaped_faults) == (70 + 9, 9, 80 + 10)


def test_names_are_escaped(tmp_path: Path) -> None:
    program = tmp_path / "a\n\x1b[31m"
    shutil.copy("/bin/sleep", program)
    text = watch([str(program), "600"], "", "--cmdline")
    assert "\x1b" not in text
    assert '"a\\x0a\\x1b[31m"' in text


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["/does/not/exist"], 127),
        (["/"], 126),
    ],
)
def test_command_and_its_status(command: List[str], status: int) -> None:
    done = watched.run(watched.tool("process_tree", "--", *command))
    assert done.returncode == status
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_options_reach_what_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: List[Any] = []

    def watches(_: int, *values: Any, **more: Any) -> int:
        calls.append((values[0], values[1], values[3], more["poll_interval"], more["total"]))
        return 0

    monkeypatch.setattr(process_tree, "log_process", watches)
    options = ["-1", "-i", "7", "--poll", "0.5", "--total", "--sep", "|"]
    for words in (options, []):
        assert process_tree.main([*words, "--", "true"]) == 0
    assert calls == [(7.0, True, "|", 0.5, True), (1.0, False, "", 0.03, False)]


def test_the_output_of_a_command_is_its_own() -> None:
    done = watched.run(watched.tool("process_tree", "--", "cat"), input="a\nb\n")
    assert (done.returncode, done.stdout) == (0, "a\nb\n")


def test_signals_go_on_to_the_command(tmp_path: Path) -> None:
    ready, path = tmp_path / "ready", tmp_path / "tree.json"
    script = f"trap 'echo term; exit 5' TERM; echo ready > {ready}; while :; do sleep 0.05; done"
    words = watched.tool("process_tree", "-i", "0.1", "--json", str(path), "--", "sh", "-c", script)
    monitor = watched.start(words)
    watched.until(ready, "ready")
    wait_for(path, 1)
    monitor.terminate()
    text, _ = monitor.communicate(timeout=watched.LIMIT)
    assert (monitor.returncode, text) == (5, "term\n")
    assert len(read(path)) >= 1


@pytest.mark.parametrize("words", [["-p", "4194305"], ["--json", "/does/not/exist/x"]])
def test_errors_are_one_line(words: List[str]) -> None:
    done = watched.run(watched.tool("process_tree", *words))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("process_tree: ") == 1


@pytest.mark.parametrize(
    "words", [["--"], ["-p", "1", "--", "true"], ["-i", "0"], ["--poll", "-1"], ["--sep", "."]]
)
def test_command_line_errors(words: List[str]) -> None:
    assert watched.run(watched.tool("process_tree", *words)).returncode == 2


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    target = watched.holding(1)
    words = " ".join(watched.tool("process_tree", "-i", "0.05", "-p", str(target.pid)))
    done = watched.run(["sh", "-c", f"{words} | head -2"])
    watched.let_end(target)
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_plot_table(tmp_path: Path) -> None:
    from pymemtrace import _tree_plot

    def node(pid: int, megabytes: int, *children: Record) -> Record:
        return {
            "pid": pid,
            "name": f"n{pid}",
            "RSS": megabytes * watched.MB,
            "children": list(children),
        }

    path = tmp_path / "x.json"
    many = [node(pid, pid) for pid in range(2, 14)]
    records = [{"process_time": 1.0, **node(1, 100)}, {"process_time": 2.5, **node(1, 50, *many)}]
    path.write_text(json.dumps(records))
    rows, titles = _tree_plot.table(_tree_plot.read(str(path)))
    assert titles == ["whole tree", "1 n1", *(f"{p} n{p}" for p in range(5, 14)), "all others"]
    assert rows[1] == ["1.000", "100.000", "100.000", *["NaN"] * 9, "0.000"]
    sizes = [f"{megabytes}.000" for megabytes in range(5, 14)]
    assert rows[2] == ["2.500", f"{50 + sum(range(2, 14))}.000", "50.000", *sizes, "9.000"]
    path.write_text('{"a": 1}')
    with pytest.raises(ValueError, match="not a file of process_tree"):
        _tree_plot.read(str(path))


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="there is no gnuplot")
def test_plot_of_a_recorded_tree(tmp_path: Path) -> None:
    pytest.importorskip("pymemtrace.util.gnuplot")
    path, out = tmp_path / "it's.json", tmp_path / "plots"
    program = tmp_path / "`touch x`'"
    shutil.copy("/bin/sleep", program)
    script = '"$0" 600 & first=$!; sleep 600 & cat; kill $first $!; :'
    words = ["-i", "0.1", "--json", str(path), "--", "sh", "-c", script, str(program)]
    monitor = watched.start(watched.tool("process_tree", *words))
    wait_for(path, 3)
    monitor.communicate(timeout=watched.LIMIT)
    assert monitor.returncode == 0
    done = watched.run(watched.tool("process_tree", "--plot", str(path), str(out)))
    assert done.returncode == 0, done.stderr
    assert (out / "it's.json.png").read_bytes().startswith(b"\x89PNG")
    assert len((out / "it's.json.dat").read_text().splitlines()) == len(read(path)) + 1
    assert not (out / "x").exists(), "gnuplot has run a command of the file"


@pytest.mark.slow
def test_example() -> None:
    done = watched.run([sys.executable, "-m", "pymemtrace.examples.ex_process_tree", "1"])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "16 tasks, 160 MB in all\n"
    counts = [int(n) for n in re.findall(r'TOTAL "(\d+) process', done.stderr)]
    assert max(counts) >= 9
