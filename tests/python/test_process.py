# SPDX-License-Identifier: MIT
"""pymemtrace.process: the log, its table and plot, the command line."""

from __future__ import annotations

import argparse
import io
import json
import logging
import mmap
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest
import watched

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

psutil = pytest.importorskip("psutil")
from pymemtrace import process  # noqa: E402

Lines = List[Tuple[str, Dict[str, Any]]]


class Log(logging.Handler):
    """Keeps the lines of the logger: (START, "" or STOP; the JSON)."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Lines = []
        self.levels: List[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        kind, text = record.getMessage().split(" ", 1)
        assert kind.startswith("ProcessLoggingThread-JSON")
        self.lines.append((kind[len("ProcessLoggingThread-JSON") :], json.loads(text)))
        self.levels.append(record.levelno)

    def kinds(self) -> List[str]:
        return [kind for kind, _ in self.lines]


@pytest.fixture
def log() -> Iterator[Log]:
    handler = Log()
    level = process.logger.level
    process.logger.addHandler(handler)
    process.logger.setLevel(1)
    yield handler
    process.logger.removeHandler(handler)
    process.logger.setLevel(level)


def records(text: str) -> Lines:
    """The lines of a log, found without the code that is tested."""
    found = re.findall(r"ProcessLoggingThread-JSON(-START|-STOP|) (\{.*\})$", text, re.MULTILINE)
    return [(kind, json.loads(words)) for kind, words in found]


def table(path: Path, capsys: pytest.CaptureFixture[str]) -> List[str]:
    process.write_log_to_stdout(str(path))
    return capsys.readouterr().out.splitlines()


def test_row_01_process_sampling_thread(log: Log) -> None:
    before = watched.page_faults(os.getpid())
    with process.log_process(interval=0.1) as thread:
        assert isinstance(thread, process.ProcessLoggingThread)
        assert thread.name == "ProcMon"
        time.sleep(0.25)
    assert log.kinds()[0] == "-START" and log.kinds()[-1] == "-STOP"
    assert set(log.kinds()[1:-1]) == {""}
    assert set(log.levels) == {logging.INFO}
    for _, record in log.lines:
        assert record["pid"] == os.getpid()
        assert record["memory_info"]["rss"] > 1024 * 1024
        assert {"user", "system"} <= set(record["cpu_times"])
        assert record["memory_info"]["pfaults"] >= before
        process.parse_timestamp(record["timestamp"])
    times = [record["elapsed_time"] for _, record in log.lines]
    assert times == sorted(times)


def test_first_sample_comes_soon(log: Log) -> None:
    """Not after an interval only."""
    with process.log_process(interval=3600):
        end = time.monotonic() + watched.LIMIT
        while "" not in log.kinds() and time.monotonic() < end:
            time.sleep(0.01)
        assert log.kinds() == ["-START", ""]
    assert log.kinds() == ["-START", "", "-STOP"]


def test_a_sample_also_of_a_short_body(log: Log) -> None:
    with process.log_process(interval=3600):
        pass
    assert log.kinds() == ["-START", "", "-STOP"]


def test_row_02_labels(log: Log) -> None:
    with process.log_process(interval=3600) as thread:
        thread.add_message_to_queue("one")
        thread.add_message_to_queue("two")
    # On a busy machine the first sample, which has no label, may have been due before a message.
    kinds = [kind for kind, record in log.lines if kind or "label" in record]
    assert kinds == ["-START", "", "", "-STOP"] and len(log.lines) <= 5
    labels = [record["label"] for _, record in log.lines if "label" in record]
    assert labels == ["one", "two"]


def test_label_has_the_time_of_its_message(log: Log) -> None:
    """It does not wait for the next interval, an hour away."""
    with process.log_process(interval=3600) as thread:
        watched.wait_until(log.kinds, "there is a first line")
        time.sleep(0.2)
        thread.add_message_to_queue("here")
    labelled = next(record for _, record in log.lines if record.get("label") == "here")
    assert labelled["elapsed_time"] - log.lines[0][1]["elapsed_time"] >= 0.2


def test_row_03_decorator(log: Log) -> None:
    @process.log_process_dec(interval=0.1, log_level=logging.DEBUG)
    def twice(x: int) -> int:
        """Doubles."""
        return 2 * x

    assert twice(21) == 42
    assert (twice.__name__, twice.__doc__) == ("twice", "Doubles.")
    assert log.kinds()[0] == "-START" and log.kinds()[-1] == "-STOP"
    assert set(log.levels) == {logging.DEBUG}
    count = len(log.lines)
    assert twice(x=1) == 2, "it can be called again"
    assert len(log.lines) > count


def test_an_exception_of_the_body_goes_through(log: Log) -> None:
    with pytest.raises(KeyError), process.log_process(interval=3600):
        raise KeyError("body")
    assert log.kinds()[-1] == "-STOP"


def test_row_04_other_process(tmp_path: Path) -> None:
    target = watched.holding(64)
    out = tmp_path / "out.log"
    try:
        words = watched.tool("process", "-i", "0.1", "-p", str(target.pid), "-o", str(out))
        monitor = watched.start(words)
        watched.until(out, "JSON {", 2)
        monitor.send_signal(signal.SIGINT)
        text, errors = monitor.communicate(timeout=watched.LIMIT)
        expected = (watched.rss(target.pid), watched.page_faults(target.pid))
    finally:
        watched.let_end(target)
    assert (monitor.returncode, errors) == (0, "")
    assert "KeyboardInterrupt!" in text and text.endswith("Bye, bye!\n")
    lines = records(out.read_text())
    assert lines[0][0] == "-START" and lines[-1][0] == "-STOP"
    assert expected[0] > 64 * watched.MB
    for _, record in lines:
        memory = record["memory_info"]
        assert record["pid"] == target.pid
        assert (memory["rss"], memory["pfaults"]) == expected, "the target does nothing meanwhile"


def test_sigterm_ends_the_log_too() -> None:
    monitor = watched.start(watched.tool("process", "-i", "3600"))
    assert monitor.stderr
    assert "-START" in monitor.stderr.readline()
    monitor.terminate()
    _, errors = monitor.communicate(timeout=watched.LIMIT)
    assert monitor.returncode == 128 + signal.SIGTERM
    assert [kind for kind, _ in records(errors)][-1] == "-STOP"


def test_a_process_that_ends_ends_the_log() -> None:
    target = watched.holding(1)
    monitor = watched.start(watched.tool("process", "-i", "0.05", "-p", str(target.pid)))
    assert monitor.stderr
    assert "-START" in monitor.stderr.readline()
    target.kill()  # and is left a zombie: that has ended, too
    text, errors = monitor.communicate(timeout=watched.LIMIT)
    watched.let_end(target)
    assert monitor.returncode == 0
    assert f"Process {target.pid} is not running." in text
    kind, last = records(errors)[-1]
    assert (kind, last["ended"]) == ("-STOP", True)
    assert "memory_info" not in last, "no figures of a process that is gone"


def test_no_such_process() -> None:
    done = watched.run(watched.tool("process", "-p", "4194305"))
    assert done.returncode == 1
    assert "4194305" in done.stderr and "Traceback" not in done.stderr


ROW_A1 = "0.2              28475392      43974.9          0.3       135.9%       135.9% 2019-10-14T17:44:46.955519  24098 # "
MACOS_TABLE = (watched.DATA / "process_macos.txt").read_text()


def test_row_05_log_to_table_of_a_macos_log() -> None:
    """The stored table was worked out by hand from the log; its first row is upstream's own."""
    assert MACOS_TABLE.splitlines()[2] == ROW_A1
    done = watched.run(watched.tool("process", str(watched.DATA / "process_macos.log")))
    assert (done.returncode, done.stdout, done.stderr) == (0, MACOS_TABLE, "")


def test_row_05_log_to_table_of_a_linux_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recorded now, while so many pages are touched."""
    path = tmp_path / "linux.log"
    pages = 5000
    code = (
        "import logging, mmap, os, sys, time\n"
        "from pymemtrace import process\n"
        "logging.basicConfig(level=20, filename=sys.argv[1], format='%(asctime)s - %(message)s')\n"
        "with process.log_process(interval=0.15) as thread:\n"
        "    while not os.path.getsize(sys.argv[1]):\n"
        "        time.sleep(0.01)\n"
        "    time.sleep(0.2)\n"
        "    thread.add_message_to_queue('before')\n"
        f"    m = mmap.mmap(-1, {pages} * mmap.PAGESIZE)\n"
        f"    if hasattr(m, 'madvise') and hasattr(mmap, 'MADV_NOHUGEPAGE'):\n"
        "        m.madvise(mmap.MADV_NOHUGEPAGE)\n"
        f"    for i in range({pages}):\n"
        "        m[i * mmap.PAGESIZE] = 1\n"
        "    time.sleep(0.2)\n"
    )
    done = watched.run([sys.executable, "-c", code, str(path)])
    assert done.returncode == 0, done.stderr
    lines = records(path.read_text())
    rows = table(path, capsys)
    assert len(rows) == len(lines) + 3
    assert rows[1] == MACOS_TABLE.splitlines()[1]
    for row, (_, record) in zip(rows[2:-1], lines):
        words = row.split()
        assert int(words[1]) == record["memory_info"]["rss"]
        assert words[7] == str(record["pid"])
    first, last = lines[0][1], lines[-1][1]
    grown = last["memory_info"]["pfaults"] - first["memory_info"]["pfaults"]
    assert grown >= pages
    assert last["memory_info"]["rss"] - first["memory_info"]["rss"] >= pages * mmap.PAGESIZE * 0.9
    # Rates times times give the count again, but for the steps that share a base.
    shown = float(rows[2].split()[2]) * first["elapsed_time"]
    assert shown == pytest.approx(first["memory_info"]["pfaults"], rel=0.001)
    assert [row.split("# ")[1] for row in rows[2:-1]].count("before") == 1


def linux_line(elapsed: float, **more: Any) -> str:
    """A line as upstream's tool writes it on Linux, without page faults."""
    record = {
        "timestamp": "2026-11-20 19:38:52.916937",
        "memory_info": {"rss": 148692992, "vms": 69402624, "shared": 8011776, "data": 71651328},
        "cpu_times": {"user": 0.25, "system": 0.25, "children_user": 0.0, "children_system": 0.0},
        "elapsed_time": elapsed,
        "pid": 24523,
        **more,
    }
    return f"INFO ProcessLoggingThread-JSON {json.dumps(record)}\n"


def test_system_time_is_counted_where_it_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "p.log"
    log.write_text(linux_line(1.0))
    for option, shares in ((), ["25.0%"] * 2), (("--system-time",), ["50.0%"] * 2):
        done = watched.run(watched.tool("process", str(log), *option))
        assert done.stdout.splitlines()[2].split()[4:6] == shares, done.stderr


def test_table_of_upstreams_linux_log() -> None:
    """What the log does not tell is NaN; CPU is user time."""
    found = process.extract_json(io.StringIO(linux_line(1.0)))
    tables, t_min, t_max, rss_min, rss_max = process.extract_json_as_table(found)
    header, row = tables[24523]
    assert [cell.strip() for cell in header] == [
        "#t(s)", "RSS", "PageFaults/s", "User", "Mean_CPU%", "Inst_CPU%", "Timestamp", "PID", "Label",
    ]  # fmt: skip
    assert [cell.strip() for cell in row[:6]] == [
        "1.0",
        "148692992",
        "NaN",
        "0.2",
        "25.0%",
        "25.0%",
    ]
    assert (t_min, t_max) == ({24523: 1.0}, {24523: 1.0})
    assert rss_min == rss_max == {24523: 148692992}


def test_samples_at_the_same_moment_divide_nothing_by_zero() -> None:
    text = linux_line(0.0) + linux_line(0.0, label="b") + linux_line(2.0)
    rows = process.extract_json_as_table(process.extract_json(io.StringIO(text)))[0][24523]
    assert [row[5].strip() for row in rows[1:]] == ["NaN", "NaN", "0.0%"]


def test_damaged_lines_are_counted_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    text = linux_line(1.0) + linux_line(2.0)[:-20] + "\nx ProcessLoggingThread-JSON [1]\nother\n"
    assert len(process.extract_json(io.StringIO(text))) == 1
    assert "2 damaged lines" in caplog.text


def test_each_process_has_its_own_table_and_labels() -> None:
    text = linux_line(1.0, label="x") + linux_line(1.0, pid=7) + linux_line(2.0, pid=7)
    found = process.extract_json(io.StringIO(text))
    tables = process.extract_json_as_table(found)[0]
    assert {pid: len(rows) for pid, rows in tables.items()} == {24523: 2, 7: 3}
    assert [r["pid"] for r in process.extract_labels_from_json(found)] == [24523]
    assert "set label 'x'" in process._arrows(found, 24523)
    assert process._arrows(found, 7) == ""


def test_a_label_gives_no_commands_to_gnuplot_nor_lines_to_the_table() -> None:
    label = "`touch x` 'a' \"b\"\n\x1b[31m"
    found = process.extract_json(io.StringIO(linux_line(1.0, label=label)))
    text = r"'`touch x` ''a'' " + '"b"' + r"\x0a\x1b[31m'"
    assert f"set label {text} at" in process._arrows(found, 24523)
    row = process.extract_json_as_table(found)[0][24523][1]
    assert row[-1] == "# `touch x` 'a' \"b\"\\x0a\\x1b[31m"


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="there is no gnuplot")
def test_row_06_log_to_gnuplot(tmp_path: Path) -> None:
    pytest.importorskip("pymemtrace.util.gnuplot")
    log = tmp_path / "it's.log"
    lines = [linux_line(t, label="`touch bad`" if t == 2 else f"at {t}") for t in (1, 2, 3)]
    log.write_text("".join(lines))
    out = tmp_path / "plots" / "here"
    done = watched.run(watched.tool("process", str(log), str(out)))
    assert done.returncode == 0, done.stderr
    stem = out / "it's.log_24523"
    assert (out / "test.svg").stat().st_size > 0
    assert Path(f"{stem}.png").read_bytes().startswith(b"\x89PNG")
    rows = Path(f"{stem}.dat").read_text().splitlines()
    assert [row.split()[1] for row in rows] == ["RSS", *["148692992"] * 3]
    plt = Path(f"{stem}.plt").read_text()
    assert plt.count("set arrow from") == 3
    assert not (out / "bad").exists(), "gnuplot has run a command of the log"


def test_plot_of_a_log_without_samples(tmp_path: Path) -> None:
    pytest.importorskip("pymemtrace.util.gnuplot")
    log = tmp_path / "empty.log"
    log.write_text("nothing\n")
    done = watched.run(watched.tool("process", str(log), str(tmp_path / "out")))
    assert done.returncode == 1
    assert "has no samples" in done.stderr


def test_row_07_log_process_helper() -> None:
    parser = argparse.ArgumentParser()
    process.add_process_logger_to_argument_parser(parser)
    assert parser.parse_args([]).log_process == 0.0
    assert isinstance(parser.parse_args([]).log_process, float)
    assert parser.parse_args(["--log-process=0.25"]).log_process == 0.25
    with pytest.raises(SystemExit):
        parser.parse_args(["--log-process=often"])


def test_row_08_fast_exit(log: Log) -> None:
    """Leaving does not wait for the interval; the first sample has passed, so the thread waits."""
    left = threading.Event()

    def body() -> None:
        with process.log_process(interval=3600):
            while "" not in log.kinds():
                time.sleep(0.01)
        left.set()

    threading.Thread(target=body, daemon=True).start()
    assert left.wait(watched.LIMIT), "the context waits for the interval"
    assert log.kinds() == ["-START", "", "-STOP"]


def test_join_twice_writes_one_stop(log: Log) -> None:
    thread = process.ProcessLoggingThread(interval=3600)
    thread.start()
    thread.join()
    thread.join()
    assert log.kinds().count("-STOP") == 1
    assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forks with a thread, which is the case
def test_a_forked_child_logs_nothing(log: Log) -> None:
    """It has left the context too, without the thread."""
    with process.log_process(interval=3600) as thread:
        child = os.fork()
        if child == 0:
            log.lines.clear()
            thread.join()
            os._exit(len(log.lines))
        assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 0
    assert log.kinds()[-1] == "-STOP"


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_bad_intervals(interval: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        process.ProcessLoggingThread(interval=interval)
    done = watched.run(watched.tool("process", "-i", str(interval)))
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["true"], 0),
        (["sh", "-c", "kill -9 $$"], 137),
        (["/does/not/exist"], 127),
        (["/"], 126),
    ],
)
def test_command_and_its_status(command: List[str], status: int) -> None:
    done = watched.run(watched.tool("process", "-i", "0.05", "--", *command))
    assert done.returncode == status
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_command_is_followed_and_its_output_is_its_own() -> None:
    code = "import sys; b = b'x' * (80 << 20); sys.stdin.read(); print('-- own')"
    words = watched.tool("process", "-i", "0.1", "--", sys.executable, "-c", code)
    began = time.monotonic()
    monitor = watched.start(words)
    assert monitor.stderr
    lines: Lines = []
    while not lines or lines[-1][1]["memory_info"]["rss"] <= 80 * watched.MB:
        line = monitor.stderr.readline()
        assert line and time.monotonic() - began < watched.LIMIT
        lines += records(line)
    text, errors = monitor.communicate(timeout=watched.LIMIT)
    lines += records(errors)
    assert (monitor.returncode, text) == (0, "-- own\n")
    assert [lines[0][0], lines[-1][0]] == ["-START", "-STOP"]
    passed = time.monotonic() - began
    # Start times are in steps of 10 ms.
    assert lines[0][1]["elapsed_time"] < passed + 0.02, "since the command, not this machine, began"


def test_signals_go_on_to_the_command(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'echo term; exit 5' TERM; echo ready > {ready}; while :; do sleep 0.05; done"
    monitor = watched.start(watched.tool("process", "--", "sh", "-c", script))
    watched.until(ready, "ready")
    monitor.terminate()
    text, _ = monitor.communicate(timeout=watched.LIMIT)
    assert (monitor.returncode, text) == (5, "term\n")


@pytest.mark.parametrize("more", [["-p", "1"], ["LOG"], []])
def test_command_line_errors(more: List[str]) -> None:
    command = [] if not more else ["true"]
    done = watched.run(watched.tool("process", *more, "--", *command))
    assert done.returncode == 2
    assert "COMMAND" in done.stderr


@pytest.mark.parametrize("module", ["process", "process_tree"])
def test_without_psutil_the_error_says_what_to_install(module: str) -> None:
    code = f"import sys; sys.modules['psutil'] = None; import pymemtrace.{module}"
    done = watched.run([sys.executable, "-c", code])
    assert done.returncode == 1
    assert (
        f"ImportError: pymemtrace.{module} needs the package psutil: pip install psutil"
        in done.stderr
    )


def test_the_other_modules_need_no_psutil() -> None:
    code = "import sys; sys.modules['psutil'] = None; import pymemtrace"
    assert watched.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("example", ["ex_process", "ex_process_decorator"])
def test_examples(example: str) -> None:
    done = watched.run([sys.executable, "-m", f"pymemtrace.examples.{example}", "1"])
    assert done.returncode == 0, done.stderr
    lines = records(done.stdout + done.stderr)
    assert lines[0][0] == "-START" and lines[-1][0] == "-STOP"
    assert len([r for _, r in lines if "label" in r]) >= (1 if example == "ex_process" else 0)


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    done = watched.run(watched.tool("process", "-o", str(tmp_path / "no" / "dir"), "--", "true"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
