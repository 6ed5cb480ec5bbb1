# SPDX-License-Identifier: MIT
"""What the end-to-end tests stand on: interpreters, targets, traced runs, and logs read by the tool.

A test runs a small program from tests/targets with and without the library, demands that it behaves
the same, and compares what the log says with what the program counted by itself.
"""

from __future__ import annotations

import ctypes
import dataclasses
import fcntl
import functools
import glob
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Mapping, Sequence

import orjson

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

import interpreters  # noqa: E402

TARGETS = TOP / "tests" / "targets"
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
TOOL = Path(os.environ.get("PMT_TOOL", BUILD / "tools" / "pymemtrace"))
LIBRARY = Path(os.environ.get("PMT_LIBRARY", BUILD / "lib" / "tracer" / "libpymemtrace.so"))
COMPILED = BUILD / "e2e-targets"
QUICK = bool(os.environ.get("PMT_QUICK"))
PAGE = os.sysconf("SC_PAGE_SIZE")

BEGIN, END = 1234, 4321  # sizes of the valloc() calls that targets put around their own records

Event = Dict[str, Any]  # one line of `pymemtrace json`


def parse(line: str) -> Event:
    """A line of `pymemtrace json`. A parser of its own: most of the time of a large log goes here."""
    try:
        event: Event = orjson.loads(line)
    except ValueError:  # a text with a byte that is no UTF-8, escaped as half of a surrogate pair
        event = json.loads(line)
    return event


# --- interpreters --------------------------------------------------------------------------------

ABOUT = """
import json, platform, sys, sysconfig
print(json.dumps({
    "version": list(sys.version_info[:3]), "path": sys.executable,
    "include": sysconfig.get_path("include"), "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "implementation": platform.python_implementation()}))
"""


@dataclasses.dataclass(frozen=True)
class Python:
    """An interpreter, perhaps inside another root folder that shows the same files."""

    path: str
    version: tuple[int, ...]
    include: str
    suffix: str
    free_threaded: bool
    root: str = ""

    @property
    def name(self) -> str:
        text = "py" + ".".join(map(str, self.version)) + ("t" if self.free_threaded else "")
        if self.root:
            return text + "-unstable"
        return text + ("-system" if self.path.startswith("/usr/bin/") else "")

    @property
    def known(self) -> interpreters.Known:
        return interpreters.Known(self.name, self.version, self.free_threaded)

    @property
    def enter(self) -> list[str]:
        """The command that goes where the interpreter lives."""
        return ["chroot", self.root] if self.root else []

    @property
    def has_headers(self) -> bool:
        return Path(self.root + self.include, "Python.h").exists()


def ask_python(command: str, root: str = "") -> Python | None:
    enter = ["chroot", root] if root else []
    try:
        answer = subprocess.run(
            [*enter, command, "-I", "-c", ABOUT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=True,
        ).stdout
        about = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    version = tuple(about["version"])
    if about["implementation"] != "CPython" or version < (3, 8):
        return None
    path = about["path"] if root else os.path.realpath(about["path"])
    return Python(
        path, version, about["include"], about["suffix"] or ".so", about["free_threaded"], root
    )


def commands_of_machine() -> list[str]:
    folders = os.environ["PATH"].split(":")
    commands = ["python3"]
    commands += [c for f in folders for c in sorted(glob.glob(f + "/python3.*"))]
    commands = [c for c in commands if re.fullmatch(r"(.*/)?python3(\.\d+t?)?", c)]
    commands += ["/usr/bin/python3"]
    return commands + sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")))


def commands_in(root: str) -> list[str]:
    commands = [c[len(root) :] for c in sorted(glob.glob(root + "/usr/bin/python3.*"))]
    return [c for c in commands if re.fullmatch(r".*/python3\.\d+t?", c)]


def find_pythons() -> list[Python]:
    """Every interpreter found, each once. PMT_PYTHONS names others: paths with colons between. With
    PMT_CHROOT those in that root folder; PMT_BESIDE: behind those of the machine."""
    asked = os.environ.get("PMT_PYTHONS")
    root = os.environ.get("PMT_CHROOT", "")
    places: list[tuple[str, list[str]]] = []
    if asked:
        places.append((root, asked.split(":")))
    else:
        if not root or os.environ.get("PMT_BESIDE"):
            places.append(("", commands_of_machine()))
        if root:
            places.append((root, commands_in(root)))
    found: dict[tuple[Any, ...], Python] = {}
    for where, commands in places:
        for command in dict.fromkeys(commands):
            python = ask_python(command, where)
            if python:
                found.setdefault((python.version, python.path, where), python)
    return list(found.values())


@functools.lru_cache(maxsize=None)
def pythons() -> tuple[Python, ...]:
    """The interpreters to test with; xdist workers get the list from the first process."""
    known = os.environ.get("PMT_FOUND_PYTHONS")
    if known:
        return tuple(Python(**{**p, "version": tuple(p["version"])}) for p in json.loads(known))
    found = find_pythons()
    if QUICK:
        found = found[:1]
    os.environ["PMT_FOUND_PYTHONS"] = json.dumps([dataclasses.asdict(p) for p in found])
    return tuple(found)


# --- targets -------------------------------------------------------------------------------------


def compile_target(
    source: str, *flags: str, python: Python | None = None, suffix: str = ""
) -> Path:
    """Compile tests/targets/SOURCE once for these flags; without optimisation, so calls stay calls."""
    path = source if os.path.isabs(source) else str(TARGETS / source)
    compiler = "g++" if path.endswith(".cpp") else "gcc"
    texts = [Path(path).read_bytes()]
    texts += [h.read_bytes() for h in sorted(TARGETS.glob("*.h"))]
    key = hashlib.sha256(b"\0".join(texts) + repr((flags, python)).encode()).hexdigest()[:12]
    out = COMPILED / f"{Path(path).stem}-{key}" / (Path(path).stem + suffix)
    if out.exists():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.{os.getpid()}")
    command = [
        compiler,
        "-g",
        "-O0",
        "-fno-builtin",
        "-w",
        "-D_GNU_SOURCE",
        "-pthread",
        "-o",
        str(unfinished),
    ]
    enter = python.enter if python else []
    subprocess.run([*enter, *command, path, *flags], check=True, stdin=subprocess.DEVNULL)
    os.rename(unfinished, out)
    return out


def compile_library(source: str, *flags: str) -> Path:
    return compile_target(source, "-shared", "-fPIC", *flags, suffix=".so")


def compile_extension(source: str, python: Python) -> Path:
    """A C extension for PYTHON; its folder is to be put on sys.path."""
    flags = ("-shared", "-fPIC", "-I" + python.include)
    return compile_target(source, *flags, python=python, suffix=python.suffix)


def marks(script: str) -> dict[str, int]:
    """Line numbers of the `# line: NAME` comments of a Python target."""
    found = {}
    for number, line in enumerate((TARGETS / script).read_text().splitlines(), 1):
        mark = re.search(r"# line: (\w+)$", line)
        if mark:
            found[mark[1]] = number
    return found


# --- running -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Outcome:
    """How a program ended. status is negative for a signal, as in subprocess."""

    status: int
    out: bytes
    err: bytes
    seconds: float
    pid: int

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def visible(self) -> tuple[int, bytes, bytes]:
        return self.status, self.out, self.err


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR")}
    keep.update(LANG="C.UTF-8", PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    keep.update(extra or {})
    return keep


def execute(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    input: bytes = b"",
    timeout: float = 120,
    preexec: Callable[[], None] | None = None,
) -> Outcome:
    start = time.monotonic()
    with subprocess.Popen(
        [os.fspath(a) for a in argv],
        env=clean_env(env),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=preexec,  # noqa: PLW1509 -- there are no threads here
        start_new_session=True,
    ) as child:
        try:
            out, err = child.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
            raise AssertionError(
                f"no end after {timeout} s: {argv}\nout: {out!r}\nerr: {err!r}"
            ) from None
    return Outcome(child.returncode, out, err, time.monotonic() - start, child.pid)


def same_addresses() -> None:
    """For `preexec`, in the child: no random addresses.

    A few sizes and counts in the interpreter depend on them: a number that is an address takes 28
    bytes or 32, and from 3.14 on the small ones come from a free list.
    """
    assert ctypes.CDLL(None).personality(0x0040000) != -1  # ADDR_NO_RANDOMIZE


def tool(*args: str | os.PathLike[str], status: int | None = 0, **keywords: Any) -> Outcome:
    """Run `pymemtrace ARGS`, and demand its exit status unless STATUS is None."""
    outcome = execute([TOOL, *args], **keywords)
    if status is not None:
        assert outcome.status == status, (args, outcome)
    return outcome


class Log:
    """One log, as the tool reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Log({self.path})"

    def _printed(self, *options: str) -> list[str]:
        """What `pymemtrace json` prints."""
        with tempfile.TemporaryFile() as file:  # much faster than a pipe
            command = [str(TOOL), "json", *options, str(self.path)]
            subprocess.run(command, check=True, stdout=file, env=clean_env(), timeout=120)
            file.seek(0)
            return file.read().decode().splitlines()

    @functools.cached_property
    def lines(self) -> list[str]:
        """Each event with its innermost frame only: whole stacks are nine tenths of the text."""
        return self._printed()

    @functools.cached_property
    def lines_with_stacks(self) -> list[str]:
        return self._printed("--stacks")

    def stream(self, stacks: bool) -> Iterable[str]:
        """The lines; those of a large log, which may take gigabytes, are not kept."""
        if self.path.stat().st_size < 2 << 20:
            yield from self.lines_with_stacks if stacks else self.lines
            return
        command = [str(TOOL), "json", *["--stacks"] * stacks, str(self.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_env()) as child:
            assert child.stdout
            yield from child.stdout
        assert child.returncode == 0

    @functools.cached_property
    def events(self) -> list[Event]:
        """All events in order, without their stacks, between the header and the end."""
        return [parse(line) for line in self.lines]

    @functools.cached_property
    def header(self) -> Event:
        first: Event = json.loads(self.lines[0])
        assert first["event"] == "header"
        return first

    @functools.cached_property
    def end(self) -> Event:
        last: Event = json.loads(self.lines[-1])
        assert last["event"] == "end"
        return last

    @functools.cached_property
    def stats(self) -> dict[str, Any]:
        answer = json.loads(tool("stats", "--json", "--only", self.path).out)
        assert isinstance(answer, (dict, list))
        return answer[0] if isinstance(answer, list) else answer

    def top(self, *options: str) -> list[dict[str, Any]]:
        """Rows of blocks of the heap, or of mappings if --mappings says so."""
        if "--mappings" not in options:
            options = ("--heap", *options)
        options = ("--show-imports", *options)
        answer = json.loads(
            tool("top", "--json", "--only", "-n", "1000000", *options, self.path).out
        )
        rows = answer["rows"]
        assert isinstance(rows, list) and answer["left_out"] == 0
        return rows

    def of(self, *names: str, stacks: bool = False, **fields: Any) -> list[Event]:
        """Events of these names with these fields; only lines that may be these are parsed. STACKS: with
        "stack", all frames of each."""
        starts = tuple(f'{{"event":"{name}",' for name in names)
        parts = [
            f'"{k}":{json.dumps(v)}'
            for k, v in fields.items()
            if re.fullmatch(r"[\w ./-]*", str(v), re.ASCII)
        ]
        found = [
            parse(line)
            for line in self.stream(stacks)
            if line.startswith(starts) and all(part in line for part in parts)
        ]
        return [e for e in found if all(e.get(k) == v for k, v in fields.items())]

    @property
    def own(self) -> list[Event]:
        """The events between the target's begin() and end() marks, of its thread."""
        [first] = [i for i, e in enumerate(self.events) if is_mark(e, BEGIN)]
        [last] = [i for i, e in enumerate(self.events) if is_mark(e, END)]
        thread = self.events[first]["thread"]
        return [e for e in self.events[first + 1 : last] if e.get("thread") == thread]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The heap and mapping calls among own, in the form in which targets report theirs."""
        return [call(e) for e in self.own if e["event"] in CALL_FIELDS]


def is_mark(event: Event, size: int) -> bool:
    got = (event["event"], event.get("allocator"), event.get("size"))
    return got == ("alloc", "valloc", size)


CALL_FIELDS = {
    "alloc": ("allocator", "address", "size"),
    "free": ("deallocator", "address"),
    "realloc": ("reallocator", "old_address", "address", "size"),
    "mmap": ("address", "size"),
    "munmap": ("address", "size"),
    "mremap": ("old_address", "old_size", "address", "size"),
}


def call(event: Event) -> dict[str, Any]:
    name = event["event"]
    return {"event": name, **{field: event[field] for field in CALL_FIELDS[name]}}


@dataclasses.dataclass
class Run:
    """A traced run: how the program ended, its logs, and what it reported about itself."""

    outcome: Outcome
    logs: list[Log]
    report: list[dict[str, Any]]
    folder: Path

    @property
    def log(self) -> Log:
        assert len(self.logs) == 1, self.logs
        return self.logs[0]

    def log_of(self, pid: int) -> Log:
        [found] = [log for log in self.logs if log.stats["pid"] == pid]
        return found


# Most tests look at single events, of the C library's functions: Python's own blocks would be a
# great many more. test_folding.py compares with what is counted instead.
EVERY_EVENT = {"FOLD": "off", "TRACE": "malloc,mmap,rss"}
EVERYTHING = {"TRACE": "malloc,mmap,pymem,rss"}


def variables(options: Mapping[str, Any]) -> dict[str, str]:
    """The environment of options; None: not set."""
    return {"PYMEMTRACE_" + k: str(v) for k, v in options.items() if v is not None}


class Tracer:
    """Runs programs in fresh folders of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0

    def _prepare(self) -> tuple[Path, Path]:
        self.runs += 1
        folder = self.folder / f"run{self.runs}"
        folder.mkdir()
        return folder, folder / "report"

    def untraced(self, argv: Sequence[Any], **keywords: Any) -> Run:
        folder, report = self._prepare()
        env = {"PMT_REPORT": str(report), **keywords.pop("env", {})}
        keywords.setdefault("cwd", folder)
        outcome = execute(argv, env=env, **keywords)
        return Run(outcome, [], read_report(report), folder)

    def traced(self, argv: Sequence[Any], **keywords: Any) -> Run:
        """options={NAME: value} are PYMEMTRACE_NAME, None is not set; the logs are those that appear in run/logs."""
        folder, report = self._prepare()
        logs = folder / "logs"
        logs.mkdir()
        options = {"OUTPUT": str(logs / "%p.pmt"), **EVERY_EVENT, **keywords.pop("options", {})}
        preload = keywords.pop("preload", [])
        env = {
            "PMT_REPORT": str(report),
            "LD_PRELOAD": ":".join([str(LIBRARY), *map(str, preload)]),
            **variables(options),
            **keywords.pop("env", {}),
        }
        keywords.setdefault("cwd", folder)
        if keywords.pop("within", None):  # a command like chroot: preload behind it only
            raise AssertionError("use python()")
        outcome = execute(argv, env=env, **keywords)
        found = [Log(p) for p in sorted(logs.iterdir())]
        return Run(outcome, found, read_report(report), folder)

    def both(self, argv: Sequence[Any], **keywords: Any) -> Run:
        """Run untraced and traced, demand the same output and status, return the traced run."""
        plain_keywords = {k: v for k, v in keywords.items() if k not in ("options",)}
        plain_keywords.pop("preload", None)
        plain = self.untraced(argv, **plain_keywords)
        run = self.traced(argv, **keywords)
        assert run.outcome.visible == plain.outcome.visible, (run.outcome, plain.outcome)
        return run

    def c(self, source: str, *args: Any, flags: Sequence[str] = (), **keywords: Any) -> Run:
        """A C target, as a program that is not Python, untraced and traced."""
        program = compile_target(source, *flags)
        options = {"NON_PYTHON": "on", **keywords.pop("options", {})}
        return self.both([program, *map(str, args)], options=options, **keywords)

    def python(self, python: Python, script: str, *args: Any, **keywords: Any) -> Run:
        """A Python target, untraced and traced; with -S, so that the trace is that of the target."""
        path = script if os.path.isabs(script) else str(TARGETS / script)
        return self.python_argv(python, ["-S", path, *map(str, args)], **keywords)

    def python_argv(self, python: Python, argv: Sequence[str], **keywords: Any) -> Run:
        traced_only = keywords.pop("traced_only", False)
        if python.root:
            # env behind chroot: neither chroot nor env itself runs under the library.
            keywords["env"] = {**keywords.get("env", {})}
            return self._inside(python, argv, traced_only, keywords)
        run = self.traced if traced_only else self.both
        return run([python.path, *argv], **keywords)

    def _inside(
        self, python: Python, argv: Sequence[str], traced_only: bool, keywords: dict[str, Any]
    ) -> Run:
        """As both(), for an interpreter in another root: the environment is set behind chroot."""
        options = {**EVERY_EVENT, **keywords.pop("options", {})}
        extra = keywords.pop("env", {})
        keywords.pop("cwd", None)
        visible = []
        for traced in [True] if traced_only else [False, True]:
            folder, report = self._prepare()
            (folder / "logs").mkdir()
            env = {"PMT_REPORT": str(report), "PATH": "/usr/bin:/bin", "HOME": "/root", **extra}
            if traced:
                env["LD_PRELOAD"] = str(LIBRARY)
                env["PYMEMTRACE_OUTPUT"] = str(folder / "logs" / "%p.pmt")
                env.update(variables(options))
            words = [f"{k}={v}" for k, v in env.items()]
            command = [*python.enter, "/usr/bin/env", "-C", str(folder), *words]
            outcome = execute([*command, python.path, *argv], **keywords)
            visible.append(outcome.visible)
        assert visible[0] == visible[-1], visible
        found = [Log(p) for p in sorted((folder / "logs").iterdir())]
        return Run(outcome, found, read_report(report), folder)


class Once:
    """Runs that several tests look at. Who of all workers asks first makes one, the others wait for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, Run] = {}

    def run(self, what: Sequence[Any], make: Callable[[Tracer], Run]) -> Run:
        """The run that MAKE makes; WHAT tells it from others: program, interpreter, options."""
        key = hashlib.sha256(repr(what).encode()).hexdigest()[:16]
        if key not in self.known:
            self.known[key] = self._find(self.folder / key, make)
        return self.known[key]

    def _find(self, place: Path, make: Callable[[Tracer], Run]) -> Run:
        place.mkdir(parents=True, exist_ok=True)
        stored = place / "run.pickle"
        with (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
            if not stored.exists():
                run = make(Tracer(Path(tempfile.mkdtemp(dir=place))))
                stored.write_bytes(pickle.dumps(run))
        found = pickle.loads(stored.read_bytes())
        assert isinstance(found, Run)
        return found


def read_report(path: Path) -> list[dict[str, Any]]:
    """What the target said about itself: lines of JSON in the file PMT_REPORT."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- what is compared ----------------------------------------------------------------------------


def frames(event: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """The stack of an event or of a row of top, innermost first."""
    return [(f["function"], f["file"], f["line"]) for f in event["stack"]]


def short(event: Mapping[str, Any]) -> list[tuple[str, int]]:
    """As frames(), last part of the function's name and line only."""
    return [(f["function"].rsplit(".", 1)[-1], f["line"]) for f in event["stack"]]


def only(events: Iterable[Event]) -> Event:
    [event] = list(events)
    return event


def vallocs(log: Log, size: int) -> list[Event]:
    return log.of("alloc", stacks=True, allocator="valloc", size=size)


def check_notes(run: Run, least: int = 1) -> None:
    """Each stack that the target noted with sys._getframe() is the stack of its allocation."""
    check_stacks(run.report, run.log.of("alloc", stacks=True, allocator="valloc"), "", least)


def check_stacks(
    report: Iterable[Mapping[str, Any]], made: Iterable[Event], case: str, least: int = 1
) -> None:
    """The same of one part of a log, where CASE ran."""
    notes = [n for n in report if "stack" in n]
    assert len(notes) >= least, (case, report)
    by_size: dict[int, list[Event]] = {}
    for event in made:
        by_size.setdefault(event["size"], []).append(event)
    for note in notes:
        expected = [tuple(frame) for frame in note["stack"]]
        event = only(by_size.get(note["size"], []))
        assert frames(event) == expected, f"{case}: block of {note['size']} bytes"


def need(condition: object, reason: str) -> None:
    """Skip the test with REASON unless CONDITION."""
    import pytest

    if not condition:
        pytest.skip(reason)


def need_root() -> None:
    need(os.geteuid() == 0, "needs root")


def need_program(name: str) -> str:
    path = shutil.which(name)
    need(path, f"{name} is not installed")
    assert path
    return path


def header_line() -> list[str]:
    where = f"pymemtrace: {TOOL}, {LIBRARY}"
    names = ", ".join(f"{p.name} ({p.path})" for p in pythons()) or "no interpreter found"
    return [where, f"interpreters: {names}", f"pytest runs on {sys.version.split()[0]}"]
