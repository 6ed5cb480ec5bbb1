# SPDX-License-Identifier: MIT
"""Temporaries of numpy, small and large."""

import numpy as np  # type: ignore[import-not-found,unused-ignore]
from ending import last_statement, turns

a = np.arange(1500, dtype=np.float64)
b = a[::-1].copy()
big = np.ones(200_000)
total = 0.0
for i in range(turns(32000)):
    total += float((a * 2 + b * i - a / 3).sum())
    if i % 50 == 0:
        total += float((big + i * big).mean())
last_statement(f"{total:.6e}")
