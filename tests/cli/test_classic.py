# SPDX-License-Identifier: MIT
"""The classic layouts: printed lines are parsed here and compared with what a model of them says.

A random program is made up: its events are a list. What each line must hold is computed from that
list in Python, and never read from the log.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
TOOL = BUILD / "tools" / "pymemtrace"
MAKELOG = BUILD / "tests" / "cli" / "makelog"

PAGE = 4096
PROFILE = {
    **{"call": "CALL", "resume": "CALL", "throw": "CALL"},
    **{"return": "RETURN", "yield": "RETURN", "unwind": "RETURN"},
    **{"ccall": "C_CALL", "creturn": "C_RETURN", "cexception": "C_EXCEPT"},
}
TRACE = {
    **{key: word for key, word in PROFILE.items() if not key.startswith("c") or key == "call"},
    **{"lineof": "LINE", "exception": "EXCEPT", "opcode": "OPCODE"},
}
WORDS = {"profile": PROFILE, "trace": TRACE}
LINE = re.compile(
    r"(?P<label>FRST|NEXT|PREV|LAST): (?P<number>\d+) *(?<=.{12}) \+(?P<since>\d+) * "
    r"(?P<clock>\d+\.\d{6}) * (?P<what>\w+) * (?P<file>/\S+(?: \S+)*?\.py) * (?P<line>\d+) "
    r"(?P<function>.{32,}?) +(?P<rss>\d+) +(?P<growth>-?\d+)"
)


@dataclass
class Event:
    key: str
    file: str
    first: int
    name: str
    line: int
    rss: int
    time: float
    thread: int = 1
    c_name: str = ""
    marks: list[str] = field(default_factory=list)  # right before it


@dataclass
class Shown:
    """A line as it must be."""

    label: str
    number: int
    since: int
    event: Event
    growth: int


def escaped(text: str) -> str:
    return text.replace(" ", r"\x20")


def text_of(event: Event) -> str:
    """The event as a line of makelog."""
    function = f"{escaped(event.file)}:{event.first}:{escaped(event.name)}:{event.line}"
    if event.key in ("ccall", "creturn", "cexception"):
        return f"{event.key} builtins:{escaped(event.c_name)} {function}\n"
    return f"{event.key} {function}\n"


def make_log(path: Path, events: list[Event], extra: dict[int, str] | None = None) -> Path:
    """EXTRA: what stands before the event of this number in the list."""
    lines = ["traced 0x70\n", f"page {PAGE}\n"]
    lines += [f"slot {t}\nthread {t} {t + 100}\n" for t in sorted({e.thread for e in events})]
    now: dict[int, tuple[float, int]] = {}
    order = 0
    for i, event in enumerate(events):
        lines.append(f"slot {event.thread}\n")
        if i == 0 or events[i - 1].thread != event.thread:
            order += 1
            lines.append(f"order {order}\n")
        time, rss = now.get(event.thread, (-1.0, 0))
        if time != event.time:
            lines.append(f"at {event.time}\n")
        lines += [f"mark {mark}\n" for mark in event.marks]
        if rss != event.rss:
            lines.append(f"resident {event.rss}\n")
        now[event.thread] = (event.time, event.rss)
        lines.append((extra or {}).get(i, ""))
        lines.append(text_of(event))
    subprocess.run([MAKELOG, path], input="".join(lines), text=True, check=True)
    return path


def random_events(rng: random.Random, count: int, threads: int) -> list[Event]:
    names = ["f", "g h", "<listcomp>", "Данные", "very_" + "long_" * 12 + "name"]
    events = []
    rss, time = 40 * PAGE, 0.01
    for i in range(count):
        key = rng.choice(sorted({*PROFILE, *TRACE}))
        first = rng.randrange(1, 500)
        if rng.random() < 0.2:
            rss = max(PAGE, rss + rng.randrange(-6, 9) * PAGE)
        if rng.random() < 0.1:
            time = round(time + 0.01, 2)
        events.append(
            Event(
                *(key, rng.choice(["/a/b.py", "/a/with space.py"]), first, rng.choice(names)),
                *(first + rng.randrange(0, 90), rss, time, rng.randrange(1, threads + 1)),
                rng.choice(["len", "append"]),
                [f"mark {i}"] if rng.random() < 0.05 else [],
            )
        )
    return events


def expected(events: list[Event], kind: str, trigger: int = 0, thread: int = 0) -> list[Shown]:
    """The lines by the rules of classic.h, for a log that has every event."""
    chosen = [e for e in events if e.key in WORDS[kind] and thread in (0, e.thread)]
    shown: list[Shown] = []
    last = 0  # number of the last FRST or NEXT
    for number, event in enumerate(chosen):
        moved = event.rss - chosen[last].rss
        if number == 0:
            shown.append(Shown("FRST", 0, 0, event, event.rss))
        elif abs(moved) >= trigger:
            if last != number - 1:
                before = chosen[number - 1]
                change = before.rss - chosen[last].rss
                shown.append(Shown("PREV", number - 1, number - 1 - last, before, change))
            shown.append(Shown("NEXT", number, number - last, event, moved))
            last = number
    if chosen:
        change = chosen[-1].rss - chosen[last].rss
        shown.append(Shown("LAST", len(chosen), len(chosen) - last, chosen[-1], change))
    return shown


def text(log: Path, *options: str) -> list[str]:
    command = [str(TOOL), "text", "--style=classic", "--clock", "wall", *options, str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def check_frame(lines: list[str]) -> list[str]:
    """SOF, HDR, FRST, LAST and EOF once and in their places. Returns what is between."""
    assert lines[0] == "SOF" and lines[1].startswith("HDR: ") and lines[-1] == "EOF"
    labels = [line.split(":")[0] for line in lines]
    for label in ("SOF", "HDR", "EOF", "FRST", "LAST"):
        assert labels.count(label) == 1, label
    events = [label for label in labels if label in ("FRST", "NEXT", "PREV", "LAST")]
    assert events[0] == "FRST" and labels[-2] == "LAST"
    return lines[2:-1]


def compare(lines: list[str], wanted: list[Shown], kind: str) -> None:
    found = [line for line in check_frame(lines) if not line.startswith("MSG:")]
    assert len(found) == len(wanted)
    for line, want in zip(found, wanted):
        match = LINE.fullmatch(line)
        assert match, line
        event = want.event
        got = (match["label"], int(match["number"]), int(match["since"]), int(match["growth"]))
        assert got == (want.label, want.number, want.since, want.growth), line
        assert match["what"] == WORDS[kind][event.key]
        assert (match["file"], int(match["line"])) == (event.file, event.line)
        is_c = event.key in ("ccall", "creturn", "cexception")
        assert match["function"].rstrip() == (event.c_name if is_c else event.name)
        assert int(match["rss"]) == event.rss
        assert float(match["clock"]) == event.time


@pytest.mark.parametrize("kind", ["profile", "trace"])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_event(tmp_path: Path, kind: str, threads: int) -> None:
    events = random_events(random.Random(threads), 400, threads)
    lines = text(make_log(tmp_path / "a.pmt", events), "--kind", kind)
    compare(lines, expected(events, kind), kind)
    numbers = [int(line.split()[1]) for line in lines if re.match("FRST|NEXT|LAST", line)]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("trigger", [-1, 1, PAGE + 1, 5 * PAGE])
def test_trigger_of_the_reader(tmp_path: Path, trigger: int) -> None:
    events = random_events(random.Random(trigger), 600, 2)
    lines = text(
        make_log(tmp_path / "a.pmt", events), "--kind=profile", f"--d-rss-trigger={trigger}"
    )
    wanted = expected(events, "profile", PAGE if trigger < 0 else trigger)
    compare(lines, wanted, "profile")
    labels = [w.label for w in wanted]
    assert "PREV" in labels and labels.count("NEXT") > labels.count("PREV")
    for line, after in zip(lines, lines[1:]):
        if line.startswith("PREV"):
            assert after.startswith("NEXT")
            assert int(line.split()[1]) == int(after.split()[1]) - 1


def test_one_thread(tmp_path: Path) -> None:
    events = random_events(random.Random(7), 300, 3)
    log = make_log(tmp_path / "a.pmt", events)
    compare(text(log, "--kind=trace", "--thread=2"), expected(events, "trace", 0, 2), "trace")


def filtered(events: list[Event], trigger: int) -> tuple[list[Event], dict[int, str]]:
    """What a tracer with this trigger writes: the events, and the prefixes before them."""
    kept: list[Event] = []
    prefixes: dict[int, str] = {}
    passed: list[Event] = []
    last = 0
    for event in events:
        if kept and abs(event.rss - last) < trigger:
            passed.append(event)
            continue
        if passed:
            prefixes[len(kept)] = f"skipped 1 {len(passed) - 1}\n"
            kept.append(passed[-1])
        passed = []
        kept.append(event)
        last = event.rss
    return kept, prefixes


def test_trigger_of_the_tracer(tmp_path: Path) -> None:
    """A log that the tracer filtered gives the lines of one that it did not."""
    events = [e for e in random_events(random.Random(3), 800, 1) if e.key in PROFILE]
    for event in events:
        event.marks = []
    kept, prefixes = filtered(events, 3 * PAGE)
    assert 10 < len(kept) < len(events) // 2
    lines = text(make_log(tmp_path / "a.pmt", kept, prefixes), "--kind=profile")
    whole = expected(events, "profile", 3 * PAGE)
    last = whole.pop().event
    assert last is not kept[-1]  # what was passed over at the end is not in the log
    end = max(w.number for w in whole) + 1
    whole.append(Shown("LAST", end, 1, kept[-1], 0))
    compare(lines, whole, "profile")


def test_prev_waits_for_its_thread(tmp_path: Path) -> None:
    """Events of other threads between PREV and NEXT in the log do not come between their lines."""
    source = "".join(
        f"slot {t}\nthread {t} {t}\norder {i}\nresident {rss}\n{prefix}call a.py:1:{name}\n"
        for i, (t, rss, prefix, name) in enumerate(
            [
                *((1, 4096, "", "a"), (2, 4096, "skipped 1 4\n", "b")),
                *((1, 8192, "", "c"), (2, 8192, "", "d"), (2, 8192, "skipped 1 2\n", "e")),
            ],
            start=1,
        )
    )
    log = tmp_path / "a.pmt"
    subprocess.run([MAKELOG, log], input="traced 0x10\n" + source, text=True, check=True)
    lines = [line.split() for line in text(log)]
    assert [(w[0], w[1], w[7]) for w in lines[2:-1]] == [
        *(("FRST:", "0", "a"), ("NEXT:", "1", "c"), ("PREV:", "6", "b"), ("NEXT:", "7", "d")),
        ("LAST:", "11", "d"),
    ]


def test_marks(tmp_path: Path) -> None:
    """A mark has the number of the event that follows, and the distance to the last line."""
    events = [e for e in random_events(random.Random(5), 300, 1) if e.key in PROFILE]
    log = make_log(tmp_path / "a.pmt", events)
    shown = expected(events, "profile", 4 * PAGE)
    lines = text(log, "--kind=profile", f"--d-rss-trigger={4 * PAGE}")
    got = [line for line in lines if line.startswith("MSG:")]
    wanted = []
    for number, event in enumerate(events):
        for mark in event.marks:
            last = max(
                (w.number for w in shown if w.number < number and w.label != "PREV"), default=0
            )
            wanted.append(f"MSG:  {number:<12} +{number - last:<6} {event.time:<12.6f} # {mark}")
    assert got == wanted and len(got) > 5


def test_clock_is_processor_time(tmp_path: Path) -> None:
    """Between samples it grows evenly; before the first and after the last it stands."""
    log = tmp_path / "a.pmt"
    source = "traced 0x10\nthread 1 1\nresident 4096\n"
    samples = [(0.5, 0.25), (1.0, 0.75), (2.0, 0.80)]
    times = [0.1, 0.5, 0.6, 1.0, 1.25, 2.0, 2.5]
    for time in sorted({*times, *(t for t, _ in samples)}):
        source += f"at {time}\n"
        for at, cpu in samples:
            if at == time:
                source += f"cpu {int(cpu * 1e9)}\nrss 4096 0 0 0\n"
        if time in times:
            source += "call a.py:1:f\n"
    subprocess.run([MAKELOG, log], input=source, text=True, check=True)
    command = [str(TOOL), "text", "--style=classic", str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [float(line.split()[3]) for line in check_frame(done.stdout.splitlines())]
    assert found == pytest.approx([0.25, 0.25, 0.35, 0.75, 0.7625, 0.8, 0.8, 0.8], abs=1e-6)


OBJECT = re.compile(
    r"(?P<label>NEW|DEL): +(?P<clock>\d+\.\d{6}) +(?P<addr>0x[0-9a-f]+) +(?P<live>-?\d+) "
    r"(?P<type>.{32,}?) (?P<file>/\S+\.py) +(?P<line>\d+) (?P<function>.{40,}?) +(?P<rss>\d+) +"
    r"(?P<growth>-?\d+)"
)


def test_objects(tmp_path: Path) -> None:
    """LiveCnt is the count after the event, of objects that the log saw made."""
    rng = random.Random(11)
    types = ["W", "dict", "my module.C"]
    live: dict[int, str] = {}
    counts = dict.fromkeys(types, 0)
    source, wanted = "traced 0x200\nthread 1 1\n", []
    source += "".join(f"objecttype {i} 0 {escaped(t)}\n" for i, t in enumerate(types, 1))
    rss = last = 50 * PAGE
    for i in range(300):
        address = rng.randrange(1, 40) * 16
        kind = rng.choice(types)
        made = rng.random() < 0.55
        kind = kind if made else live.get(address, kind)
        old = live.pop(address, None)
        if old is not None:
            counts[old] -= 1
        if made:
            live[address] = kind
            counts[kind] += 1
        if rng.random() < 0.3:
            rss += rng.randrange(-3, 5) * PAGE
        number = types.index(kind) + 1
        word = f"create {address} {number} 8" if made else f"destroy 0 {address} {number}"
        source += f"resident {rss}\n{word} /a/b.py:{i + 1}:mk\n"
        wanted.append(
            ("NEW" if made else "DEL", address, counts[kind], kind, i + 1, rss, rss - last)
        )
        last = rss
    assert min(counts.values()) >= 0 and any(not w[2] for w in wanted)
    log = tmp_path / "a.pmt"
    subprocess.run([MAKELOG, log], input=source, text=True, check=True)
    lines = text(log)
    assert lines[0] == "SOF" and lines[1].startswith("HDR: ") and lines[-1] == "EOF"
    got = []
    for line in lines[2:-1]:
        match = OBJECT.fullmatch(line)
        assert match, line
        assert (match["file"], match["function"].rstrip()) == ("/a/b.py", "mk")
        numbers = (int(match["line"]), int(match["rss"]), int(match["growth"]))
        got.append(
            (
                *(match["label"], int(match["addr"], 16), int(match["live"])),
                *(match["type"].rstrip(), *numbers),
            )
        )
    assert got == wanted


def test_columns_stand_where_they_stood(tmp_path: Path) -> None:
    """Short names: each column begins or ends where programs that cut by column look for it."""
    log = tmp_path / "a.pmt"
    subprocess.run(
        [MAKELOG, log],
        input="traced 0x30\nthread 1 1\nresident 4096\ncall /é.py:3:f\nreturn /é.py:3:f:4\n",
        text=True,
        check=True,
    )
    lines = text(log)
    wanted = f"FRST: {0:<12} +{0:<6} {0:<12.6f} {'CALL':<8} {'/é.py':<80} {3:4} {'f':<32} "
    assert lines[2] == wanted + f"{4096:12} {4096:12}"
    wanted = f"HDR: {'Event':<12} {'dEvent':<6}  {'Clock':<12} {'What':<8} {'File':<80} Line "
    assert lines[1] == wanted + f"{'Function':<32} {'RSS':>12} {'dRSS':>12}"


def test_hostile_names(tmp_path: Path) -> None:
    """A name cannot end its line, and a long one is whole."""
    log = tmp_path / "a.pmt"
    name = "n" * 3000
    subprocess.run(
        [MAKELOG, log],
        input="traced 0x10\nthread 1 1\nresident 4096\n"
        r"call /a.py:3:x\x0aNEXT\x3a\x20\x1b[31m" + "\n"
        f"call /a.py:3:{name}\ncall ?77\n"
        "mark a\\x0ab\\xff\n",
        text=True,
        check=True,
    )
    lines = text(log)
    assert len(lines) == 8
    assert r" x\nNEXT: \x1b[31m " in lines[2]
    assert f" {name} " in lines[3]
    assert lines[4].split()[5:8] == ["?", "0", "?"]
    assert lines[5].endswith(r"# a\nb\xff")


def test_no_events(tmp_path: Path) -> None:
    log = tmp_path / "a.pmt"
    subprocess.run([MAKELOG, log], input="traced 0x10\nthread 1 1\nmark x\n", text=True, check=True)
    lines = text(log)
    assert [line.split(":")[0] for line in lines] == ["SOF", "HDR", "MSG", "EOF"]
