# SPDX-License-Identifier: MIT
"""A daemon thread is in C, allocating, while the interpreter ends and frees its thread state."""

import ctypes
import os
import sys
import threading
import time
import types

busy = ctypes.CDLL(os.environ["PMT_BUSY"])


def work(depth):
    if depth:
        return work(depth - 1)
    busy.churn(5000)


class Slow:
    def __del__(self, sleep=time.sleep, busy=busy):
        sleep(0.2)
        busy.fill()
        sleep(0.1)


module = types.ModuleType("ends_late")
sys.modules["ends_late"] = module
module.slow = Slow()
threading.Thread(target=work, args=(5,), daemon=True).start()
time.sleep(0.1)
print("done", flush=True)
