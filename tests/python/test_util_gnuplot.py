# SPDX-License-Identifier: MIT
"""What is written for gnuplot is what gnuplot reads: gnuplot itself is asked."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, List

import pytest
from pymemtrace.util import gnuplot

pytestmark = pytest.mark.interpreters()  # nothing of an interpreter's inside

needs_gnuplot = pytest.mark.skipif(shutil.which("gnuplot") is None, reason="no gnuplot")

TABLE: List[List[Any]] = [["#t", "a", "long-name"], [0.5, 1, 2], [1.5, 1 << 40, "NaN"]]
PLT = """set terminal svg
set output "{name}.svg"
plot "{name}.dat" using 1:2 with lines title "bytes"
"""


def test_row_44_gnuplot_dat() -> None:
    text = gnuplot.create_gnuplot_dat(TABLE)
    lines = text.split("\n")
    assert [line.split() for line in lines] == [[str(v) for v in row] for row in TABLE]
    assert len({len(line) for line in lines}) == 1
    starts = {tuple(line.index(word) for word in line.split()[:1]) for line in lines}
    assert starts == {(0,)}
    assert [line.index(line.split()[2]) for line in lines] == [lines[0].index("long-name")] * 3


def test_row_44_gnuplot_dat_refuses() -> None:
    with pytest.raises(ValueError, match=r"Not rectangular: rows have \[1, 2\] columns"):
        gnuplot.create_gnuplot_dat([[1], [1, 2]])
    assert gnuplot.create_gnuplot_dat([]) == ""


@needs_gnuplot
def test_row_44_gnuplot_version() -> None:
    shown = subprocess.check_output(["gnuplot", "-V"])
    assert gnuplot.version() == shown.strip()
    assert gnuplot.version().startswith(b"gnuplot ")


@needs_gnuplot
def test_row_44_gnuplot_reads_the_numbers(tmp_path: Path) -> None:
    """gnuplot counts what it read, by itself."""
    folder = tmp_path / "new" / "folder"
    plt = 'set print "told"\nstats "n.dat" using 2 nooutput\nprint STATS_records, STATS_max\n'
    prefix = ["# made by a test"]
    assert gnuplot.invoke_gnuplot(str(folder), "n", TABLE, plt, prefix) == 0
    assert (folder / "told").read_text().split() == ["2", "1099511627776.0"]
    assert (folder / "n.dat").read_text().startswith("# made by a test\n#t")
    assert (folder / "n.plt").read_text() == plt


@needs_gnuplot
def test_row_44_gnuplot_reads_text(tmp_path: Path) -> None:
    """Whatever stands in a column of text, the column behind it is read."""
    words = ["one", "two words", "", 'a"b c', "a\nb"]
    table = [[word, 7, "# a comment\n8"] for word in words]
    plt = 'set print "told"\nstats "n.dat" using 2 nooutput\nprint STATS_records, STATS_sum\n'
    assert gnuplot.invoke_gnuplot(str(tmp_path), "n", table, plt) == 0
    assert (tmp_path / "told").read_text().split() == ["5", "35.0"]


@needs_gnuplot
def test_row_44_gnuplot_plots(tmp_path: Path) -> None:
    for name in ("plot", "-strange name é"):
        fragments = gnuplot.PLOT + gnuplot.X_LOG + gnuplot.Y_LOG + gnuplot.Y2_LOG
        plt = fragments.format(title="A title", label="A label") + PLT.format(name=name)
        assert gnuplot.invoke_gnuplot(str(tmp_path), name, TABLE, plt) == 0
        picture = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert "A title" in picture
        assert picture.count("A label") == 3
        assert "</svg>" in picture


TEXTS = ["", "it's", "'a", "''a", "a''b'", "'", "'''", 'a"b', "`date` $(date) @x \\n"]


@needs_gnuplot
@pytest.mark.parametrize("text", TEXTS)
def test_row_44_gnuplot_text(tmp_path: Path, text: str) -> None:
    plt = f'set print "told"\nprint {gnuplot.as_text(text)}\n'
    assert gnuplot.invoke_gnuplot(str(tmp_path), "n", TABLE, plt) == 0
    assert (tmp_path / "told").read_text() == text + "\n"


@needs_gnuplot
def test_row_44_gnuplot_both_forms(tmp_path: Path) -> None:
    """The lines before the table come in front of it, or behind plt, with and without names."""
    folder, lines = str(tmp_path), ["# one", "# two"]
    plt = PLT.format(name="n")
    calls: List[Callable[[], int]] = [
        lambda: gnuplot.invoke_gnuplot(folder, "n", lines, TABLE, plt),
        lambda: gnuplot.invoke_gnuplot(folder, "n", tuple(lines), table=TABLE, plt=plt),
        lambda: gnuplot.invoke_gnuplot(folder, "n", TABLE, plt, lines),
        lambda: gnuplot.invoke_gnuplot(folder, "n", TABLE, plt=plt, dat_prefix_lines=lines),
        lambda: gnuplot.invoke_gnuplot(
            path=folder, name="n", dat_prefix_lines=lines, table=TABLE, plt=plt
        ),
        lambda: gnuplot.invoke_gnuplot(folder, "n", [], TABLE, plt),
        lambda: gnuplot.invoke_gnuplot(folder, "n", TABLE, plt),
    ]
    table = gnuplot.create_gnuplot_dat(TABLE) + "\n"
    for number, call in enumerate(calls):
        assert call() == 0
        head = "# one\n# two\n" if number < 5 else ""
        assert (tmp_path / "n.dat").read_text() == head + table


def test_row_44_gnuplot_wrong_arguments(tmp_path: Path) -> None:
    invoke: Any = gnuplot.invoke_gnuplot
    wrong: List[Any] = [
        ((TABLE,), {}),
        (([], TABLE), {}),
        ((TABLE, ""), {"table": TABLE}),
        ((TABLE, ""), {"other": 1}),
        ((TABLE, "", (), 1.0, 2), {}),
    ]
    for args, named in wrong:
        with pytest.raises(TypeError, match="invoke_gnuplot"):
            invoke(str(tmp_path), "n", *args, **named)
    assert os.listdir(tmp_path) == []


@needs_gnuplot
def test_row_44_gnuplot_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert gnuplot.invoke_gnuplot(str(tmp_path), "bad", TABLE, "plot nothing\n") != 0
    assert "undefined variable" in caplog.text
    caplog.clear()
    assert gnuplot.invoke_gnuplot(str(tmp_path), "long", TABLE, "pause 100\n", (), 0.2) < 0
    assert "gnuplot was killed after 0.2 s" in caplog.text


@needs_gnuplot
@pytest.mark.parametrize("typ, start", [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_row_44_gnuplot_test_file(tmp_path: Path, typ: str, start: bytes) -> None:
    assert gnuplot.write_test_file(str(tmp_path), typ) == 0
    assert (tmp_path / f"test.{typ}").read_bytes().startswith(start)
    assert gnuplot.write_test_file(str(tmp_path), "nosuchterminal") != 0


def test_row_44_gnuplot_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    clear = pytest.raises(FileNotFoundError, match="gnuplot is not installed")
    with clear:
        gnuplot.version()
    with clear:
        gnuplot.invoke_gnuplot(str(tmp_path), "x", TABLE, "")
    assert sorted(os.listdir(tmp_path)) == ["x.dat", "x.plt"]
    with clear:
        gnuplot.write_test_file(str(tmp_path), "svg")
    # The option does no harm to whoever does not use it.
    parser = argparse.ArgumentParser()
    gnuplot.add_gnuplot_to_argument_parser(parser)
    assert parser.parse_args([]).gnuplot is None
    with pytest.raises(SystemExit):
        parser.parse_args(["--gnuplot", "x"])
    assert "gnuplot is not installed" in capsys.readouterr().err


def test_row_44_gnuplot_without_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        gnuplot.write_test_file(str(tmp_path / "none"), "svg")
    if shutil.which("gnuplot") is not None:
        assert "not installed" not in str(caught.value)


@needs_gnuplot
def test_row_44_gnuplot_argument() -> None:
    parser = argparse.ArgumentParser()
    gnuplot.add_gnuplot_to_argument_parser(parser)
    assert parser.parse_args(["--gnuplot", "x"]).gnuplot == "x"
