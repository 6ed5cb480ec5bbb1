# SPDX-License-Identifier: MIT
"""50 MB before the trace, which a signal begins, and 10 MB in it."""

import os
import signal

before = [bytearray(100_000) for _ in range(500)]
os.kill(os.getpid(), signal.SIGUSR1)
after = [bytearray(100_000) for _ in range(100)]
os._exit(0)
