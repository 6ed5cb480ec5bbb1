# SPDX-License-Identifier: MIT
"""Not timed: many blocks that stay, for the memory that a reader takes for each."""

from ending import last_statement, turns

kept = [bytes(40 + i % 200) for i in range(turns(1_500_000))]
last_statement(len(kept))
