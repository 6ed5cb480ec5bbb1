# SPDX-License-Identifier: MIT
"""The data of `pymemtrace gnuplot` about the interpreter's events: thinned, but true."""

from __future__ import annotations

import collections
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PMT_BUILD", TOP / "build"))
TOOL = BUILD / "tools" / "pymemtrace"
MAKELOG = BUILD / "tests" / "cli" / "makelog"

POINTS_MAX = 10000
INTERVALS_MAX = 256


def random_log(seed: int, number: int) -> str:
    rng = random.Random(seed)
    text = ["objecttype 1 0 list", "thread 1 1", "begin 576"]
    for i in range(number):
        text.append(f"at {(i + rng.random()) / 1000:.6f}")
        if rng.random() < 0.8:
            text.append(f"resident {rng.randint(1, 100000) * 4096}")
        kind = rng.random()
        if kind < 0.3:
            text.append(f"create {rng.randint(1, 5000) * 16} 1 8 a.py:1:f")
        elif kind < 0.6:
            text.append(f"destroy 0 {rng.randint(1, 5000) * 16} 1 a.py:1:f")
        else:
            text.append("line a.py:1:f")
    return "\n".join(text) + "\n"


@pytest.fixture(scope="module", params=[300, 30000])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gnuplot")
    text = random_log(request.param, request.param)
    subprocess.run([MAKELOG, path / "x.pmt"], input=text, text=True, check=True)
    command = [str(TOOL), "gnuplot", "-o", ".", "--second-axis", "objects", "x.pmt"]
    subprocess.run(command, cwd=path, capture_output=True, check=True)
    return path


def events(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run([TOOL, "json", folder / "x.pmt"], capture_output=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [event for event in found if event["event"] in ("line", "create", "destroy")]


def block(folder: Path, number: int) -> list[list[str]]:
    text = (folder / "x.dat").read_text().split("\n\n\n")[number]
    return [line.split() for line in text.splitlines() if not line.startswith("#")]


def states(folder: Path) -> list[tuple[float, int, int]]:
    """Time, RSS and number of live objects after each event."""
    live: set[str] = set()
    found = []
    for event in events(folder):
        if event["event"] == "create":
            live.add(event["address"])
        elif event["event"] == "destroy":
            live.discard(event["address"])
        found.append((event["time_s"], event.get("rss", 0), len(live)))
    return found


def test_points_are_events(folder: Path) -> None:
    points = [(float(t), 0 if r == "?" else int(r), int(n)) for t, r, n in block(folder, 1)]
    expected = states(folder)
    assert 100 < len(points) <= POINTS_MAX
    assert set(points) <= set(expected)
    assert [time for time, _, _ in points] == sorted(time for time, _, _ in points)
    assert points[-1] == expected[-1]


def test_no_point_is_missing_where_all_fit(folder: Path) -> None:
    expected = states(folder)
    changes = sum(1 for a, b in zip(expected, expected[1:]) if a[1:] != b[1:])
    if changes > POINTS_MAX:
        pytest.skip("only of the small log")
    assert len(block(folder, 1)) == 1 + changes + 1


def test_extremes_are_kept(folder: Path) -> None:
    """Of each piece of time that is longer than a span: the least and the largest value."""
    points = [(float(t), 0 if r == "?" else int(r), int(n)) for t, r, n in block(folder, 1)]
    expected = states(folder)
    width = expected[-1][0] / 100
    for column in (1, 2):
        most: dict[int, float] = collections.defaultdict(int)
        kept: dict[int, float] = collections.defaultdict(int)
        for state in expected:
            most[int(state[0] / width)] = max(most[int(state[0] / width)], state[column])
        for point in points:
            kept[int(point[0] / width)] = max(kept[int(point[0] / width)], point[column])
        near = [abs(most[i] - kept[i]) for i in most]
        assert sum(1 for difference in near if difference != 0) <= len(near) / 4
    for pick in (min, max):
        for column in (1, 2):
            known = [state for state in expected if state[1] != 0]
            assert pick(s[column] for s in known) == pick(p[column] for p in points if p[1])


def test_intervals(folder: Path) -> None:
    rows = [(round(float(time) * 1e9), int(count)) for time, count in block(folder, 2)]
    width = rows[1][0]
    counts = collections.Counter(round(e["time_s"] * 1e9) // width for e in events(folder))
    assert len(rows) <= INTERVALS_MAX + 1
    assert rows[-1][1] == 0 != rows[-2][1]
    assert {time // width: count for time, count in rows if count != 0} == dict(counts)
    assert [time for time, _ in rows] == [i * width for i in range(len(rows))]
