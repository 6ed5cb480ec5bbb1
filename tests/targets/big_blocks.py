# SPDX-License-Identifier: MIT
"""100 MB in blocks that are too large for Python's own allocator, live to the end."""

import os


def big():
    return [bytearray(100_000) for _ in range(1000)]


keep = big()
print(len(keep), flush=True)
os._exit(0)
