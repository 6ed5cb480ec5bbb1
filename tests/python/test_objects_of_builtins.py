# SPDX-License-Identifier: MIT
"""ReferenceTracing: which types of the interpreter itself are logged, also under `pymemtrace run`."""

from __future__ import annotations

import collections
import sys
from pathlib import Path
from typing import Counter

import classic
import pytest

from installed import execute

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 13), reason="needs Python 3.13 or later"),
    pytest.mark.interpreters("3.13", "3.14"),
]

PROGRAM = """
import sys, threading
from pymemtrace import cPyMemTrace as c

class Own: pass
class OwnDict(dict): pass
class OwnError(ValueError): pass

held = []
def work():
    keep = held.append
    for i in range(1000, 1010):
        keep(i); keep([i]); keep(str(i)); keep(i / 3); keep({i: i}); keep({i}); keep(lambda: i)
        keep(ValueError(i)); keep(x for x in held)
        keep(Own()); keep(OwnDict()); keep(OwnError())
        keep(type("Made", (), {})); keep(property()); keep(super(Own, Own()))
        keep(map(str, held)); keep(zip(held)); keep(enumerate(held)); keep(iter(held)); keep(iter({i: i}))
        keep(threading.RLock())

for n in range(2):
    with c.ReferenceTracing(filepath=f"default{n}.log"):
        work()
    with c.ReferenceTracing(filepath=f"all{n}.log", include_builtins=True):
        work()
    for name in "property", "type", "list", "enumerate":
        with c.ReferenceTracing(filepath=f"{name}{n}.log", include_tp_names=[name]):
            work()
    with c.ReferenceTracing(filepath=f"not{n}.log", include_tp_names=["map", "zip"], exclude_tp_names=["map"]):
        work()
"""


@pytest.fixture
def logs(tmp_path: Path, program: str, request: pytest.FixtureRequest) -> Path:
    """The folder with the logs of PROGRAM, run alone or traced for some words."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    run = ["run", "-o", "run.pmt", "--trace", *request.param, "--"]
    before = [program, *run] if request.param else []
    execute([*before, sys.executable, script], cwd=tmp_path)
    return tmp_path


def made(path: Path) -> Counter[str]:
    rows = classic.events(path, "NEW")
    return collections.Counter(row["type"] for row in rows if row["function"] in ("work", "RLock"))


WAYS = pytest.mark.parametrize(
    "logs", [(), ("pymem",), ("objects",)], ids=["alone", "run", "run-objects"], indirect=True
)


@WAYS
def test_builtins(logs: Path) -> None:
    common = {"int", "list", "str", "float", "dict", "set", "function", "ValueError"}
    others = {"type", "property", "super", "map", "zip", "enumerate", "list_iterator"}
    others |= {"dict_keyiterator", "_thread.RLock", "Own", "OwnDict", "OwnError"}
    for n in range(2):
        default, everything = made(logs / f"default{n}.log"), made(logs / f"all{n}.log")
        assert {name: default[name] for name in common} == dict.fromkeys(common, 0)
        assert not {name for name in others if default[name] < 10}, default
        assert not {name for name in common | others if everything[name] < 10}, everything
        assert not {"frame", "code"} & set(everything)
        assert default["generator"] == 0  # 3.13.0 does not tell of them at all


@WAYS
def test_names_are_logged_whatever_they_are(logs: Path) -> None:
    for n in range(2):
        for name in "property", "type", "list", "enumerate":
            counts = made(logs / f"{name}{n}.log")
            assert set(counts) == {name} and counts[name] >= 10
        assert set(made(logs / f"not{n}.log")) == {"zip"}
