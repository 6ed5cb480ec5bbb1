# SPDX-License-Identifier: MIT
"""`pymemtrace watch` says what /proc says, sees every child, and leaves the command as it is."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

import pytest

from harness import TOOL, clean_env, execute, tool

pytestmark = pytest.mark.slow

Line = Dict[str, Any]
PYTHON = [sys.executable, "-I", "-S", "-c"]
MIB = 1 << 20


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true result; not a limit of anybody's speed, only an end to waiting in vain."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"in vain: {what}")


def lines_of(path: Path) -> List[Line]:
    """All whole lines; each must be JSON."""
    text = path.read_text(encoding="ascii") if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def of_kind(lines: Sequence[Line], kind: str, pid: Optional[int] = None) -> List[Line]:
    return [x for x in lines if x["kind"] == kind and pid in (None, x.get("pid"))]


def summary(path: Path) -> Line:
    last = lines_of(path)[-1]
    assert last["kind"] == "summary"
    return last


class Target:
    """A program that does a step for each line it reads, and says when it has."""

    def __init__(self, script: str, *args: str) -> None:
        self.process = subprocess.Popen(
            [*PYTHON, script, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_env(),
            start_new_session=True,
        )
        self.said = self.hear()

    def hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().decode().strip()

    def step(self, text: str = "go") -> str:
        assert self.process.stdin
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        return self.hear()

    @property
    def pid(self) -> int:
        return self.process.pid


@contextlib.contextmanager
def target(script: str, *args: str) -> Iterator[Target]:
    started = Target(script, *args)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.process.communicate()


@contextlib.contextmanager
def watching(json_file: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(TOOL), "watch", "--json", str(json_file), "-o", str(json_file) + ".txt", *args]
    with subprocess.Popen(command, env=clean_env()) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()


STEPS = """
import mmap, sys
kept = []
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() != "go":
        block = mmap.mmap(-1, int(line) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for at in range(0, len(block), mmap.PAGESIZE):
            block[at] = 1
        kept.append(block)
    print("done", flush=True)
"""


# --- figures -------------------------------------------------------------------------------------


def proc_figures(pid: int) -> Dict[str, float]:
    """What /proc says of a process, read here by other means."""
    folder = Path("/proc", str(pid))
    rollup: Dict[str, int] = {}
    for line in (folder / "smaps_rollup").read_text().splitlines()[1:]:
        key, value = line.split(":")
        rollup[key] = int(value.split()[0]) * 1024
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return {
        "rss_bytes": rollup["Rss"],
        "uss_bytes": sum(size for key, size in rollup.items() if key.startswith("Private_")),
        "pss_bytes": rollup["Pss"],
        "swap_bytes": rollup["Swap"],
        "kernel_peak_rss_bytes": int(status["VmHWM"].split()[0]) * 1024,
        "minor_faults": int(fields[7]),
        "major_faults": int(fields[9]),
        "user_s": int(fields[11]) / ticks,
        "system_s": int(fields[12]) / ticks,
        "threads": int(status["Threads"]),
        "file_bytes": sum(int(status[key].split()[0]) * 1024 for key in ("RssFile", "RssShmem")),
        "open_files": len(os.listdir(folder / "fd")),
        "start_ticks": int(fields[19]),
    }


def test_figures_are_those_of_proc(tmp_path: Path) -> None:
    """Of a program that waits: before and after, what is between lies between."""
    out = tmp_path / "w.json"
    with target(STEPS) as program:
        program.step("20")
        before = proc_figures(program.pid)
        tool("watch", "-p", str(program.pid), "-n", "1", "--json", out)
        after = proc_figures(program.pid)
        name = Path(f"/proc/{program.pid}/comm").read_text().rstrip("\n")
    [sample] = of_kind(lines_of(out), "sample")
    [total] = of_kind(lines_of(out), "total")
    assert sample["rss_bytes"] > 20 * MIB and sample["uss_bytes"] > 20 * MIB
    assert before.pop("file_bytes") == after["file_bytes"]
    for key in before:
        low, high = sorted((before[key], after[key]))
        if key in ("uss_bytes", "pss_bytes"):  # other processes come and go, with the same files
            low, high = low - after["file_bytes"], high + after["file_bytes"]
        assert low <= sample[key] <= high, key
        if key not in ("kernel_peak_rss_bytes", "start_ticks"):
            assert total[key] == sample[key], key
    assert sample["name"] == name
    assert sample["command"][: len(PYTHON)] == PYTHON
    assert sample["state"] in "SR"
    assert summary(out)["reason"] == "count"


def test_growth_and_peaks(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    with target(STEPS) as program, watching(out, "-p", str(program.pid), "-i", "0.02") as watch:

        def samples() -> List[Line]:
            return of_kind(lines_of(out), "sample")

        wait_for("a sample", samples)
        small = samples()[-1]
        program.step("48")
        count = len(samples())
        wait_for("samples behind it", lambda: len(samples()) >= count + 2)
        large = samples()[-1]
        grown = large["uss_bytes"] - small["uss_bytes"]
        # Others come and go, with whom it has pages of files in common.
        assert 44 * MIB <= grown < 52 * MIB
        assert 48 * MIB <= large["rss_bytes"] - small["rss_bytes"] < 52 * MIB
        assert large["minor_faults"] > small["minor_faults"]
        watch.send_signal(signal.SIGTERM)
        assert watch.wait() == 0
    lines = lines_of(out)
    end = summary(out)
    rates = [x["faults_per_s"] for x in samples() if x["faults_per_s"] is not None]
    assert end["reason"] == "signal"
    assert end["ticks"] == len(of_kind(lines, "total")) == len(samples())
    [process] = end["processes"]
    for peaks in (process["peaks"], end["peaks"]):
        for key in ("rss_bytes", "uss_bytes", "pss_bytes", "threads", "open_files"):
            assert peaks[key] == max(x[key] for x in samples()), key
        assert peaks["faults_per_s"] == max(rates)
    assert process["samples"] == end["ticks"]


def test_rates_are_growth_over_time(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    busy = (
        "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: bytearray(1 << 21)"
    )
    with watching(out, "-i", "0.2", "--", *PYTHON, busy) as watch:
        wait_for("samples", lambda: len(of_kind(lines_of(out), "sample")) >= 7)
        watch.send_signal(signal.SIGTERM)
        assert watch.wait() == 128 + signal.SIGTERM
    samples = of_kind(lines_of(out), "sample")
    checked = 0
    for a, b in zip(samples, samples[1:]):
        span = b["time_s"] - a["time_s"]
        if b["cpu_percent"] is None or span < 0.15:
            continue
        # times are printed to the microsecond
        used = b["user_s"] + b["system_s"] - a["user_s"] - a["system_s"]
        faults = sum(b[k] - a[k] for k in ("minor_faults", "major_faults"))
        assert b["cpu_percent"] == pytest.approx(used / span * 100, rel=1e-3, abs=1e-3)
        assert b["faults_per_s"] == pytest.approx(faults / span, rel=1e-3, abs=1e-3)
        checked += 1
    assert checked >= 2
    assert sum(x["cpu_percent"] or 0 for x in samples) > 0


# --- the tree ------------------------------------------------------------------------------------

TREE = """
import json, os, sys, time
r, w = os.pipe()
def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        time.sleep(600)
        os._exit(0)
    return pid
def a():
    c = child(lambda: os.write(w, b"."))
    os.write(w, b"%d\\n" % c)
pids = {"root": os.getpid(), "a": child(a)}
text = b""
while text.count(b"\\n") < 1 or text.count(b".") < 1:
    text += os.read(r, 100)
pids["c"] = int(text.replace(b".", b""))
pids["b"] = child(lambda: os.write(w, b"."))
os.read(r, 1)
print(json.dumps(pids), flush=True)
for line in sys.stdin:
    os.kill(pids[line.strip()], 9)
    os.waitpid(pids[line.strip()], 0)
    print("done", flush=True)
"""


def test_shape_of_the_tree(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    with target(TREE) as program:
        pids = json.loads(program.said)
        done = tool("watch", "-p", str(program.pid), "-n", "1", "--json", out)
        parents = {x["pid"]: x["parent"] for x in of_kind(lines_of(out), "sample")}
        root, a, b, c = (pids[k] for k in ("root", "a", "b", "c"))
        assert parents == {root: None, a: root, b: root, c: a}
        printed = done.err.decode().split("\npeaks of")[0]
        rows = [x for x in printed.splitlines() if re.match(r" +\d+\.\d\d +\d+ ", x)]
        indents = {int(row.split()[1]): len(re.findall(r" +(?=\S+$)", row)[0]) for row in rows}
        assert [indents[p] - indents[root] for p in (root, a, c, b)] == [0, 2, 4, 2]
        assert [int(row.split()[1]) for row in rows[:3]] in ([root, a, c], [root, b, a])
        [total] = of_kind(lines_of(out), "total")
        samples = of_kind(lines_of(out), "sample")
        assert total["processes"] == 4
        for key in ("rss_bytes", "uss_bytes", "pss_bytes", "threads", "minor_faults", "user_s"):
            assert total[key] == pytest.approx(sum(x[key] for x in samples)), key


def test_orphan_stays_in_the_tree(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    with target(TREE) as program, watching(out, "-p", str(program.pid), "-i", "0.02") as watch:
        pids = json.loads(program.said)

        def parent_of_c() -> Any:
            found = of_kind(lines_of(out), "sample", pids["c"])
            return found and found[-1]["parent"]

        wait_for("c", lambda: parent_of_c() == pids["a"])
        program.step("a")
        wait_for("c under the root", lambda: parent_of_c() == pids["root"])
        assert watch.poll() is None


def test_new_and_short_lived_children(tmp_path: Path) -> None:
    """With no sample between the first and the last, all of them lived between two samples."""
    out = tmp_path / "w.json"
    script = "for i in 1 2 3 4; do sleep 1; done; exec 3<&0"
    done = tool("watch", "-i", "3600", "--json", out, "--", "bash", "-c", script)
    assert summary(out)["between_samples"] == [{"name": "sleep", "count": 4}]
    assert of_kind(lines_of(out), "total")[-1]["between_samples"] == [{"name": "sleep", "count": 4}]
    assert "4 came and went between samples: sleep (4)" in done.err.decode()
    assert {x["pid"] for x in of_kind(lines_of(out), "sample")} == {lines_of(out)[0]["pid"]}


def test_exec_is_seen(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    go = tmp_path / "go"
    script = f"until [ -e {go} ]; do sleep 0.05; done; exec sleep 100"

    def commands() -> List[List[str]]:
        first = of_kind(lines_of(out), "sample", lines_of(out)[0]["pid"]) if lines_of(out) else []
        return [x["command"] for x in first if "command" in x]

    with watching(out, "-i", "0.05", "--", "bash", "-c", script) as watch:
        wait_for("a sample", commands)
        go.touch()
        wait_for("another command", lambda: len(commands()) > 1)
        watch.send_signal(signal.SIGTERM)
        watch.wait()
    assert commands() == [["bash", "-c", script], ["sleep", "100"]]


def test_end_of_a_watched_process(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    with target(STEPS) as program, watching(out, "-p", str(program.pid), "-i", "3600") as watch:
        wait_for("a sample", lambda: of_kind(lines_of(out), "total"))
        program.process.kill()
        program.process.wait()
        assert watch.wait() == 0
    assert summary(out)["reason"] == "ended"


def test_no_such_process() -> None:
    with subprocess.Popen(["true"]) as child:
        child.wait()
    done = tool("watch", "-p", str(child.pid), status=1)
    assert b"No such process" in done.err


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)],
)
def test_exit_status(script: str, status: int, tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    tool("watch", "--json", out, "--", "sh", "-c", script, status=status)
    end = summary(out)
    assert end["exit_status"] == (status if status < 128 else None)
    assert end["signal"] == (status - 128 if status > 128 else None)


def test_commands_that_cannot_run(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert b"not found" in tool("watch", "--", "no-such-program", status=127).err
    assert b"denied" in tool("watch", "--", str(plain), status=126).err


def test_streams_are_the_commands() -> None:
    done = tool("watch", "-o", "/dev/null", "--", "sh", "-c", "cat; echo e >&2", input=b"in\0put")
    assert (done.out, done.err) == (b"in\0put", b"e\n")


def test_surroundings_are_unchanged(tmp_path: Path) -> None:
    """Descriptors, signals, process group, session: what the command sees of itself."""
    script = (
        "import os, re\n"
        "status = open('/proc/self/status').read()\n"
        "print(sorted(os.listdir('/proc/self/fd'), key=int), re.findall('Sig(?:Blk|Ign).*', status))\n"
        "print(os.getpgid(0) in (os.getpid(), os.getppid()), sorted(os.environ))\n"
    )

    def prepare() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    options = [str(TOOL), "watch", "-o", str(tmp_path / "t"), "--json", str(tmp_path / "j"), "--"]
    plain = execute([*PYTHON, script], preexec=prepare)
    watched = execute([*options, *PYTHON, script], preexec=prepare)
    assert watched.visible == plain.visible
    assert plain.status == 0 and b"True" in plain.out


COUNTS = """
import signal, sys, time
got = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda n, frame: got.append(n))
print("ready", flush=True)
while not got:
    time.sleep(0.01)
time.sleep(0.5)
print("got", *got, flush=True)
sys.exit(len(got))
"""


def test_a_command_that_ends_at_once(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    for _ in range(30):
        done = tool("watch", "--json", out, "--", "false", status=1)
        assert b"pymemtrace:" not in done.err
        assert summary(out)["exit_status"] == 1
        assert of_kind(lines_of(out), "sample")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_are_handed_on(number: signal.Signals, tmp_path: Path) -> None:
    files = ["-o", str(tmp_path / "t"), "--json", str(tmp_path / "j")]
    command = [str(TOOL), "watch", *files, "--", *PYTHON, COUNTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=clean_env()) as watch:
        assert watch.stdout and watch.stdout.readline() == b"ready\n"
        watch.send_signal(number)
        assert watch.stdout.read() == b"got %d\n" % number
        assert watch.wait() == 1
    assert summary(tmp_path / "j")["exit_status"] == 1


def run_in_terminal(
    command: Sequence[str], keys: bytes, after: bytes, env: Dict[str, str]
) -> tuple[int, bytes]:
    """Run with a terminal of its own; type KEYS when AFTER was printed. Status, what was printed."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(command[0], list(command), env)
    shown = b""
    with contextlib.suppress(OSError):  # EIO is the end of a terminal
        while True:
            got = os.read(master, 65536)
            if not got:
                break
            shown += got
            if keys and after in shown:
                os.write(master, keys)
                keys = b""
    os.close(master)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1]), shown


def test_the_terminals_signal_comes_once(tmp_path: Path) -> None:
    command = [str(TOOL), "watch", "-o", str(tmp_path / "t"), "--", *PYTHON, COUNTS]
    status, shown = run_in_terminal(command, b"\x03", b"ready", clean_env())
    assert b"got 2\r\n" in shown
    assert status == 1


APART = """
import os, signal, sys, time
got = []
os.setpgid(0, 0)
signal.signal(signal.SIGINT, lambda n, frame: got.append(n))
print("ready", flush=True)
time.sleep(1)
sys.exit(len(got))
"""


def test_the_terminals_signal_is_not_handed_on(tmp_path: Path) -> None:
    """A command that has left the process group does not get it, as without us."""
    command = [str(TOOL), "watch", "-o", str(tmp_path / "t"), "--", *PYTHON, APART]
    status, shown = run_in_terminal(command, b"\x03", b"ready", clean_env())
    assert b"ready" in shown
    assert status == 0


def test_count_leaves_the_command_alone(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    command = ["sh", "-c", "sleep 0.3; echo out; exit 9"]
    done = tool("watch", "-n", "1", "-i", "0.01", "--json", out, "--", *command, status=9)
    assert done.out == b"out\n"
    assert summary(out)["ticks"] == 1


def test_no_zombie_is_left() -> None:
    """Ours are waited for: after the command's end it has no entry, though its parent lives on."""
    script = f"{TOOL} watch -o /dev/null -n 1 -- true; exec ps -o stat= --ppid $$"
    done = execute(["bash", "-c", script])
    assert not re.search(rb"^Z", done.out, re.MULTILINE)
    assert done.status in (0, 1)


def test_usage_is_the_kernels(tmp_path: Path) -> None:
    """What the command knows of itself, shortly before its end, and of a child we may not have seen."""
    out = tmp_path / "w.json"
    script = (
        "import os, resource, json\n"
        "if os.fork() == 0:\n"
        "    block = bytearray(b'x' * (30 << 20))\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "both = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
        "print(json.dumps([sum(u.ru_minflt for u in both), max(u.ru_maxrss for u in both),\n"
        "                  sum(u.ru_utime + u.ru_stime for u in both)]))\n"
    )
    done = tool("watch", "-i", "3600", "--json", out, "--", *[*PYTHON[:-2], "-c", script])
    faults, resident_kib, seconds = json.loads(done.out)
    usage = summary(out)["usage"]
    assert faults <= usage["minor_faults"] < faults + 2000
    assert usage["largest_rss_bytes"] == resident_kib * 1024 > 30 * MIB
    assert seconds <= usage["user_s"] + usage["system_s"] + 1e-5
    assert f"largest RSS {resident_kib / 1024:.1f} MiB" in done.err.decode()


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_file_is_good_after_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    with target(TREE) as program, watching(out, "-p", str(program.pid), "-i", "0.01") as watch:
        wait_for("samples", lambda: len(of_kind(lines_of(out), "total")) > 5)
        watch.send_signal(number)
        assert watch.wait() == (-9 if number == signal.SIGKILL else 0)
    lines = lines_of(out)
    assert lines[0]["format"] == "pymemtrace-watch"
    assert (lines[-1]["kind"] == "summary") == (number != signal.SIGKILL)
    if number != signal.SIGKILL:
        assert out.read_bytes().endswith(b"}\n")
    assert tool("gnuplot", out, "-o", tmp_path / "plot").err == b""


def expected_blocks(
    lines: Sequence[Line], keys: Sequence[str]
) -> List[List[List[Optional[float]]]]:
    curves: Dict[Any, List[List[Optional[float]]]] = {"tree": []}
    for line in lines:
        if line["kind"] in ("sample", "total"):
            name = (line["pid"], line["start_ticks"]) if line["kind"] == "sample" else "tree"
            curves.setdefault(name, []).append([line["time_s"], *(line[k] for k in keys)])
    return list(curves.values())


def data_blocks(path: Path) -> tuple[List[str], List[List[List[Optional[float]]]]]:
    text = path.read_text()
    keys = text.splitlines()[1].split()[2:]
    rows = [
        [
            [None if word == "?" else float(word) for word in line.split()]
            for line in block.splitlines()
            if not line.startswith("#") and line
        ]
        for block in text.split("\n\n\n")
    ]
    return keys, rows


def test_gnuplot_data_is_that_of_the_file(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    script = "bash -c 'sleep 1.2; true' & sleep 1; wait"
    tool("watch", "-i", "0.02", "--json", out, "--", "bash", "-c", script)
    tool("gnuplot", out, "-o", tmp_path / "plot")
    keys, rows = data_blocks(tmp_path / "plot" / "w.json.dat")
    assert keys == ["rss_bytes", "uss_bytes", "swap_bytes", "faults_per_s", "cpu_percent"]
    assert rows == expected_blocks(lines_of(out), keys)
    assert len(rows) >= 4


def test_gnuplot_draws_it(tmp_path: Path) -> None:
    if not shutil.which("gnuplot"):
        pytest.skip("gnuplot is not installed")
    out = tmp_path / "w.json"
    busy = "import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: bytearray(1 << 21)"
    tool("watch", "-i", "0.1", "--json", out, "--", *PYTHON, busy)
    done = tool("gnuplot", out, "-o", tmp_path / "plot", "--render", "svg")
    assert done.err == b""
    picture = (tmp_path / "plot" / "w.json.svg").read_text()
    assert "RSS, MiB" in picture and "CPU %" in picture and ">tree<" in picture


def test_long_files_are_thinned(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    header = {"format": "pymemtrace-watch", "version": 1, "kind": "header", "pid": 5}
    with out.open("w") as file:
        print(json.dumps(header, separators=(",", ":")), file=file)
        for i in range(30000):
            rss = 10**9 if i == 17117 else 1000 + i % 7
            cpu = 99.5 if i == 22222 else 1.0
            line = {"kind": "total", "time_s": i / 4, "rss_bytes": rss, "cpu_percent": cpu}
            print(json.dumps(line), file=file)
    tool("gnuplot", out, "-o", tmp_path / "plot")
    _, [rows] = data_blocks(tmp_path / "plot" / "w.json.dat")
    assert 1000 < len(rows) <= 10000
    assert rows[0][0] == 0 and rows[-1][0] == 29999 / 4
    assert [17117 / 4, 10**9] in [row[:2] for row in rows]
    assert [22222 / 4, 99.5] in [[row[0], row[-1]] for row in rows]


# --- lines ---------------------------------------------------------------------------------------

GROWS = """
import time
kept = []
for i in range(8):
    kept.append(bytearray(b"x" * (2 << 20)))
    time.sleep(0.05)
kept.clear()
time.sleep(1)
"""


def test_colours_are_for_terminals() -> None:
    command = [str(TOOL), "watch", "-i", "0.05", "--", *PYTHON, GROWS]
    shows = {"TERM": "xterm"}
    _, shown = run_in_terminal(command, b"", b"", clean_env(shows))
    assert re.search(rb"\033\[31m +[\d.]+\033\[0m", shown)
    assert re.search(rb"\033\[32m +[\d.]+\033\[0m", shown)
    for hides in ({**shows, "NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}):
        _, shown = run_in_terminal(command, b"", b"", clean_env(hides))
        assert b"\033" not in shown and b"total" in shown
    assert b"\033" not in execute(command).err


def test_columns() -> None:
    done = tool("watch", "-c", "cpu,minor,user", "-n", "1", "--", "true")
    assert done.err.decode().splitlines()[0].split() == [
        "time",
        "s",
        "pid",
        "CPU",
        "%",
        "minor",
        "user",
        "s",
        "process",
    ]
    assert b"did you mean 'rss'" in tool("watch", "-c", "rsss", "--", "true", status=2).err
    assert b"no column ''" in tool("watch", "-c", "", "--", "true", status=2).err
    wide = tool("watch", "-i", "0.05", "--", "bash", "-c", "sleep 0.2; true").err.decode()
    assert max(map(len, wide.splitlines())) <= 100


@pytest.mark.parametrize(
    "args",
    [[], ["-p", "1", "--", "true"], ["-p", "0"], ["-p", "x"], ["-i", "0", "true"], ["-i", "3601", "true"],
     ["-i", "nan", "true"], ["-i", "1s", "true"], ["-i", "", "true"]],
)  # fmt: skip
def test_wrong_usage(args: List[str]) -> None:
    done = tool("watch", *args, status=2)
    assert done.err.startswith(b"pymemtrace: ") and done.out == b""


HOSTILE = """
import ctypes, time
libc = ctypes.CDLL(None)
libc.prctl(15, b"\\x1b[31m) R\\n\\xff\\"`}", 0, 0, 0)
print("ready", flush=True)
time.sleep(600)
"""


def test_hostile_names(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    with target(HOSTILE, "\033]0;x\a", "\u202e`touch {}'\"\\") as program:
        done = tool("watch", "-p", str(program.pid), "-n", "1", "--json", out)
    [sample] = of_kind(lines_of(out), "sample")
    assert sample["name"] == '\033[31m) R\n\ufffd"`}'
    assert sample["command"][-2:] == ["\033]0;x\a", "\u202e`touch {}'\"\\"]
    assert sample["pid"] == program.pid and sample["state"] in "SR"
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.err)
    assert "\\x1b[31m) R\\n" in done.err.decode()
    assert not re.search(rb"[^\x20-\x7e\n]", out.read_bytes())
    tool("gnuplot", out, "-o", tmp_path / "plot")
    script = (tmp_path / "plot" / "w.json.plt").read_bytes()
    assert b"\x1b" not in script and not re.search(rb"(?<!\\)`", script)
    if shutil.which("gnuplot"):
        tool("gnuplot", out, "-o", tmp_path / "plot", "--render", "svg")


def test_denied(tmp_path: Path) -> None:
    """Another user's process: what may not be read says so, the rest is there."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    for folder in [tmp_path, *tmp_path.parents]:
        if not os.stat(folder).st_mode & 1:
            folder.chmod(folder.stat().st_mode | 0o011)
    copy = tmp_path / "pymemtrace"
    shutil.copy(TOOL, copy)
    copy.chmod(0o755)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    out = open_to_all / "w.json"
    with target(STEPS) as program:
        command = [str(copy), "watch", "-p", str(program.pid), "-n", "1", "--json", str(out)]
        done = execute(command, preexec=lambda: os.setresuid(65534, 65534, 65534))
        resident = proc_figures(program.pid)["rss_bytes"]
    assert done.status == 0, done
    [sample] = of_kind(lines_of(out), "sample")
    [total] = of_kind(lines_of(out), "total")
    assert sample["denied"] == ["uss_bytes", "pss_bytes", "open_files"]
    assert sample["uss_bytes"] is None and sample["open_files"] is None
    assert abs(sample["rss_bytes"] - resident) <= MIB
    assert {"uss_bytes", "pss_bytes", "open_files"} <= set(total["partial"])
    row = next(x for x in done.err.decode().splitlines() if f" {program.pid} " in x)
    assert row.split().count("denied") == 3


def test_full_disk() -> None:
    """The command goes on, with its own exit status; the message comes once."""
    script = "sleep 0.3; exit 3"
    done = tool(
        "watch",
        "-i",
        "0.05",
        "--json",
        "/dev/full",
        "-o",
        "/dev/null",
        "--",
        "sh",
        "-c",
        script,
        status=3,
    )
    assert done.err.count(b"/dev/full: cannot write") == 1


def test_full_disk_of_the_lines() -> None:
    done = tool("watch", "-o", "/dev/full", "--", "sh", "-c", "exit 3", status=3)
    assert done.err.count(b"/dev/full: not all lines could be written") == 1
    tool("watch", "-o", "/dev/full", "-n", "1", "-p", str(os.getpid()), status=1)


def test_readers_of_our_lines_may_go_away() -> None:
    command = [str(TOOL), "watch", "-i", "0.01", "--", "sh", "-c", "sleep 0.3; echo out; exit 4"]
    reader, writer = os.pipe()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer, env=clean_env()) as child:
        os.close(writer)
        os.close(reader)
        out, _ = child.communicate()
    assert (out, child.returncode) == (b"out\n", 4)


def test_a_watch_of_others_ends_with_its_reader(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    command = [str(TOOL), "watch", "-i", "0.01", "-p", str(os.getpid()), "--json", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=clean_env()) as child:
        assert child.stderr
        child.stderr.readline()
        child.stderr.close()
        assert child.wait() == -signal.SIGPIPE
    assert of_kind(lines_of(out), "header")
