# SPDX-License-Identifier: MIT
"""Buffers from half a KiB to some MiB, most of them short-lived."""

from ending import last_statement, turns

total = 0
kept = [b""] * 100
for i in range(turns(1_700_000)):
    block = bytearray(600 + i % 1000)
    if i % 10 == 0:
        kept[i // 10 % 100] = block
    if i % 1000 == 0:
        large = bytearray(100_000 + i % 7 * 300_000)
        large.extend(block)
        total += len(bytes(large))
    total += len(block)
last_statement(total)
