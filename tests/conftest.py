# SPDX-License-Identifier: MIT
"""What all tests in Python need: markers, signals as a shell gives them to a program, second tries."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import interpreters


def pytest_configure(config: pytest.Config) -> None:
    """Signals are ignored by what is started in the background of a script, or by nohup, and by all
    that it starts; tests send them."""
    config.addinivalue_line("markers", interpreters.MARKER)
    config.addinivalue_line("markers", "slow: takes more than a few seconds; not in the quick run")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test that gets a second try (--reruns) is named in the summary of all runners."""
    folder = os.environ.get("PMT_RESULTS")
    if report.outcome == "rerun" and folder and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(folder, "again.txt").open("a") as file:
            file.write(report.nodeid + "\n")
