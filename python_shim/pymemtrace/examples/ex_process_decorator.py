# SPDX-License-Identifier: MIT
"""Log this process during one function only, by a decorator.

Usage: python -m pymemtrace.examples.ex_process_decorator [SCALE], where SCALE (1) multiplies the
size of what the function makes.
"""

from __future__ import annotations

import logging
import sys
import time

from pymemtrace import process


@process.log_process_dec(interval=0.05, log_level=logging.INFO)
def squares(scale: int) -> int:
    """Hold a list of squares for a moment; returns the sum."""
    held = [number * number for number in range(200_000 * scale)]
    time.sleep(0.3)
    return sum(held)


def main() -> int:
    """Run the example; the log goes to stderr."""
    scale = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    print(f"{squares.__name__}() = {squares(scale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
