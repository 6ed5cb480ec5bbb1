# SPDX-License-Identifier: MIT
"""Imports of many packages, again and again from their byte code."""

import importlib
import pkgutil
import sys
import sysconfig
import warnings

from ending import last_statement, turns

warnings.simplefilter("ignore")
# Modules that print, open something, need a display or the network, or are not for import.
LEFT_OUT = {"antigravity", "this", "idlelib", "turtle", "turtledemo", "tkinter", "test", "lib2to3"}
LEFT_OUT |= {
    "pip",
    "ensurepip",
    "sitecustomize",
    "__main__",
    "__phello__",
    "site",
    "crypt",
    "nturl2path",
}

library = sysconfig.get_path("stdlib")
names = sorted(m.name for m in pkgutil.iter_modules([library]) if m.name not in LEFT_OUT)
names = [name for name in names if not name.startswith("_")]
kept = set(sys.modules)
count = 0
for _ in range(turns(3)):
    for name in names:
        try:
            importlib.import_module(name)
            count += 1
        except (ImportError, OSError):
            pass
    for name in set(sys.modules) - kept:
        # Those in C, and what holds on to its state, stay: they cannot be loaded twice.
        if name.partition(".")[0] in names and name.partition(".")[0] not in (
            "decimal",
            "multiprocessing",
        ):
            del sys.modules[name]
last_statement(count)
