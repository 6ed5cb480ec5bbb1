# SPDX-License-Identifier: MIT
"""`pymemtrace objects` against a count in Python of what `pymemtrace json` prints of the same log."""

from __future__ import annotations

import collections
import fnmatch
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any, Optional

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
TOOL = BUILD / "tools" / "pymemtrace"
MAKELOG = BUILD / "tests" / "cli" / "makelog"

Event = dict[str, Any]
COUNTS = ["live", "live_bytes", "created", "created_bytes", "destroyed", "inferred", "before"]
NO_FRAME = "<no Python frame>"
BEFORE = "<before the log>"


def make_log(path: Path, text: str) -> Path:
    subprocess.run([MAKELOG, path], input=text, text=True, check=True)
    return path


def run(*words: object) -> Any:
    command = [str(TOOL), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def report(*words: object) -> Any:
    return json.loads(run("objects", "--json", "-n", 10**6, *words))


def events(log: Path) -> list[Event]:
    return [json.loads(line) for line in run("json", log).splitlines()]


def random_log(seed: int, number: int = 1200) -> str:
    """Few addresses, so that some are created twice and some destroyed twice; type 9 has no name."""
    rng = random.Random(seed)
    text = [f"pid {seed + 1}", "objecttype 1 0 list", "objecttype 2 1 app.Thing"]
    text += ["objecttype 3 0 app.Other"]
    for thread in (1, 2):
        text += [f"slot {thread}", f"thread {thread} {100 + thread}", "begin 512"]
    for i in range(number):
        if rng.random() < 0.3:
            text += [f"slot {rng.randint(1, 2)}", f"at {(i + 1) / 1000}"]
        if rng.random() < 0.3:
            text.append(f"resident {rng.randint(0, 300) * 4096}")
        place = f"{rng.choice('ab')}.py:{rng.randint(1, 3)}:f{rng.randint(1, 3)}"
        stack = rng.choice([place, place, place + " main.py:1:main", ""])
        addr, kind = rng.randint(1, 80) * 16, rng.choice([1, 2, 3, 9])
        if rng.random() < 0.1:
            text.append(f"line {place}")
        elif rng.random() < (0.7 if i < number / 2 else 0.4):
            text.append(f"create {addr} {kind} {rng.choice([0, 56, 1 << 20, 5 << 32])} {stack}")
        else:
            text.append(f"destroy {rng.randint(0, 1)} {addr} {kind} {stack}")
    return "\n".join(text) + "\n"


class Replay:
    """The objects of a log: live ones by address, dead ones in order; all as dicts."""

    def __init__(self, found: list[Event], until: Optional[float] = None, last: int = 10**9):
        self.live: dict[str, Event] = {}
        self.dead: list[Event] = []
        self.created: list[Event] = []
        self.before: list[Event] = []
        self.time = 0.0
        for event in found:
            if "time_s" not in event or event["event"] == "header":
                continue
            if until is not None and event["time_s"] > until:
                self.time = until
                break
            if last == 0:
                break
            self.time = event["time_s"]
            if event["event"] in ("create", "destroy"):
                getattr(self, event["event"])(event)
                last -= 1

    def create(self, event: Event) -> None:
        old = self.live.pop(event["address"], None)
        if old:
            self.dead.append({**old, "died": self.time, "inferred": True, "by": None})
        born = {**event, "born": self.time}
        self.live[event["address"]] = born
        self.created.append(born)

    def destroy(self, event: Event) -> None:
        old = self.live.pop(event["address"], None)
        if old is None:
            self.before.append(event)
        else:
            inferred = event.get("inferred") in (1, "1", True)
            self.dead.append({**old, "died": self.time, "inferred": inferred, "by": event})


def place_of(event: Event) -> Optional[dict[str, Any]]:
    if "file" not in event:
        return None
    return {key: event[key] for key in ("file", "line", "function")}


def key_of(event: Event, by: str, before: bool) -> tuple[Any, ...]:
    """Type, file, line, function, as rows have them."""
    kind = event["type"] if by in ("type", "site") else None
    if by == "type":
        return (kind, None, None, None)
    if before:
        return (kind, BEFORE, None, None)
    if "file" not in event:
        return (kind, NO_FRAME, None, None)
    function = None if by == "file" else event["function"]
    return (kind, event["file"], event["line"] if by == "site" else None, function)


def count(replay: Replay, by: str, wanted: Any) -> dict[tuple[Any, ...], dict[str, int]]:
    rows: dict[tuple[Any, ...], dict[str, int]] = collections.defaultdict(
        lambda: dict.fromkeys(COUNTS, 0)
    )
    for event in filter(wanted, replay.created):
        row = rows[key_of(event, by, False)]
        row["created"] += 1
        row["created_bytes"] += event["size"]
    for event in filter(wanted, replay.dead):
        row = rows[key_of(event, by, False)]
        row["destroyed"] += 1
        row["inferred"] += event["inferred"]
    for event in filter(wanted, replay.live.values()):
        row = rows[key_of(event, by, False)]
        row["live"] += 1
        row["live_bytes"] += event["size"]
    for event in replay.before:
        if wanted({**event, "thread": None, "file": None}):
            rows[key_of(event, by, True)]["before"] += 1
    return rows


def anything(_: Event) -> bool:
    return True


def check(found: Any, replay: Replay, by: str = "type", wanted: Any = anything) -> None:
    expected = count(replay, by, wanted)
    rows = {
        (row["type"], row["file"], row["line"], row["function"]): {key: row[key] for key in COUNTS}
        for row in found["rows"]
    }
    assert rows == expected
    assert len(rows) == len(found["rows"])
    order = [(-row["live"], -row["live_bytes"], -row["created"]) for row in found["rows"]]
    assert order == sorted(order)
    for key in COUNTS:
        assert found[key] == sum(row[key] for row in expected.values())


@pytest.fixture(scope="module", params=range(3))
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_log(tmp_path_factory.mktemp("objects") / "x.pmt", random_log(request.param))


@pytest.mark.parametrize("by", ["type", "site", "function", "file"])
def test_end(log: Path, by: str) -> None:
    replay = Replay(events(log))
    assert replay.live and replay.dead and replay.before
    assert any(event["by"] is None for event in replay.dead)
    check(report("--by", by, log), replay, by)


@pytest.mark.parametrize("at", [0, 0.0005, 0.3, 0.777, 1.0])
def test_time(log: Path, at: float) -> None:
    check(report("--at", at, "--by", "site", log), Replay(events(log), until=at), "site")


def peak(found: list[Event], wanted: Any = anything) -> tuple[int, int, Event, int]:
    """Most live objects, their bytes, the event, and how many object events up to it."""
    best: tuple[int, int, Event, int] = (0, 0, {}, 0)
    objects = [event for event in found if event["event"] in ("create", "destroy")]
    live: dict[str, Event] = {}
    for number, event in enumerate(objects, 1):
        live.pop(event["address"], None)
        if event["event"] == "create":
            live[event["address"]] = event
        those = [one for one in live.values() if wanted(one)]
        if len(those) > best[0]:
            best = (len(those), sum(one["size"] for one in those), event, number)
    return best


@pytest.mark.parametrize("options", [[], ["--thread", "2"], ["--type", "app.*"]])
def test_peak(log: Path, options: list[str]) -> None:
    def wanted(event: Event) -> bool:
        if "--thread" in options:
            return bool(event["thread"] == 2)
        return not options or fnmatch.fnmatch(event["type"], "app.*")

    found = events(log)
    most, most_bytes, event, number = peak(found, wanted)
    for at in ("peak", "end"):
        process = report("--at", at, *options, log)["processes"][0]
        assert process["most_live"] == most
        assert process["most_live_bytes"] == most_bytes
        assert process["most_live_time_s"] == pytest.approx(event["time_s"], abs=1e-9)
        assert (process["most_live_rss"] or 0) == event.get("rss", 0)
    check(report("--at", "peak", *options, log), Replay(found, last=number), "type", wanted)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--thread", "1"], lambda event: event["thread"] == 1),
        (["--type", "app.*"], lambda event: event["type"].startswith("app.")),
        (["--type", "?"], lambda event: event["type"] == "?"),
        (["--include", "a.py"], lambda event: event.get("file") == "a.py"),
        (["--type", "list", "--type", "app.T*"], lambda e: e["type"] in ("list", "app.Thing")),
    ],
)
def test_filters(log: Path, options: list[str], wanted: Any) -> None:
    found = report("--by", "site", *options, log)
    check(found, Replay(events(log)), "site", wanted)
    assert found["rows"]


@pytest.mark.parametrize("at", ["end", "0.4", "peak"])
def test_live(log: Path, at: str) -> None:
    found = events(log)
    until = float(at) if at[0].isdigit() else None
    replay = Replay(found, until=until, last=peak(found)[3] if at == "peak" else 10**9)
    expected = sorted(
        replay.live.values(), key=lambda event: (event["born"], int(event["address"], 16))
    )
    listed = json.loads(run("objects", "--json", "--live", "--at", at, log))
    assert len(listed) > 5
    assert [one["address"] for one in listed] == [event["address"] for event in expected]
    for one, event in zip(listed, expected):
        assert (one["type"], one["size"], one["thread"]) == (
            event["type"],
            event["size"],
            event["thread"],
        )
        assert one["created_s"] == pytest.approx(event["born"], abs=1e-9)
        assert one["age_s"] == pytest.approx(replay.time - event["born"], abs=1e-8)
        assert one["created"] == place_of(event)
    assert run("objects", "--live", "--at", at, log).count("\n") == 1 + len(expected)


@pytest.mark.parametrize("at", ["end", "0.4"])
def test_previous(log: Path, at: str) -> None:
    replay = Replay(events(log), until=None if at == "end" else float(at))
    listed = json.loads(run("objects", "--json", "--previous", "--at", at, log))
    assert len(listed) == len(replay.dead) > 10
    for one, event in zip(listed, replay.dead):
        assert one["address"] == event["address"]
        assert (one["type"], one["size"]) == (event["type"], event["size"])
        assert one["lifetime_s"] == pytest.approx(event["died"] - event["born"], abs=1e-8)
        assert one["created"] == place_of(event)
        assert one["destroyed"] == (place_of(event["by"]) if event["by"] else None)
        assert one["inferred"] == event["inferred"]
    text = run("objects", "--previous", "--at", at, "-n", 7, log).splitlines()
    assert len(text) == 1 + 7 + 1
    assert text[-1] == f"{len(listed) - 7:,} more"


def test_two_logs(log: Path, tmp_path: Path) -> None:
    other = make_log(tmp_path / "y.pmt", random_log(77))
    replays = [Replay(events(path)) for path in (log, other)]
    both = Replay([])
    for replay in replays:
        both.created += replay.created
        both.dead += replay.dead
        both.before += replay.before
        both.live.update({f"{id(replay)}{key}": value for key, value in replay.live.items()})
    found = report("--by", "site", log, other)
    check(found, both, "site")
    assert [process["live"] for process in found["processes"]] == [len(r.live) for r in replays]


def test_many_objects(tmp_path: Path) -> None:
    """The table of live objects grows, and gives addresses back as they were."""
    rng = random.Random(5)
    text = ["objecttype 1 0 list", "thread 1 1"]
    live: list[int] = []
    for _ in range(20000):
        if live and rng.random() < 0.3:
            text.append(f"destroy 0 {live.pop(rng.randrange(len(live)))} 1 a.py:1:f")
        else:
            live.append(rng.getrandbits(47))
            text.append(f"create {live[-1]} 1 8 a.py:1:f")
    path = make_log(tmp_path / "x.pmt", "\n".join(text) + "\n")
    listed = json.loads(run("objects", "--json", "--live", path))
    assert [int(one["address"], 16) for one in listed] == sorted(live)
