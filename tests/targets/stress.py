# SPDX-License-Identifier: MIT
"""Much of everything at once; what it prints is the same in every run. usage: stress.py [PART...]

Without PART all parts run, at last two of them in several threads, and processes are made.
"""

import gc
import os
import queue
import subprocess
import sys
import threading
import warnings

ROUNDS = 6


class Node:
    """In a cycle with its parent; some say when they die."""

    died = 0

    def __init__(self, parent, depth):
        self.parent = parent
        self.text = "node %d" % depth
        self.children = [Node(self, depth - 1) for _ in range(2)] if depth else []

    def __del__(self):
        Node.died += 1


def cycles():
    before = Node.died
    for _ in range(ROUNDS):
        Node(None, 5)
    gc.collect()
    return Node.died - before


def counting(limit):
    held = []
    for number in range(limit):
        held.append(str(number) * 3)
        sent = yield held[-1]
        if sent:
            held.clear()


def generators():
    total = 0
    for _ in range(ROUNDS):
        running = [counting(20) for _ in range(10)]
        for each in running:
            next(each)
        for each in running[::2]:
            total += len(each.send(True))
        for each in running:
            total += sum(map(len, each))
        running[0].close()
    return total


async def worker(asyncio, number, items, done):
    while True:
        item = await items.get()
        if item is None:
            return number
        done.append(b"%d" % item * item)
        await asyncio.sleep(0)


async def line_up(asyncio):
    items, done = asyncio.Queue(maxsize=5), []
    workers = [asyncio.ensure_future(worker(asyncio, number, items, done)) for number in range(8)]
    for item in range(200):
        await items.put(item)
    for _ in workers:
        await items.put(None)
    await asyncio.gather(*workers)
    return sum(map(len, done))


def coroutines():
    import asyncio  # its import allocates numbers made of addresses

    return asyncio.run(line_up(asyncio))


def fail(depth, kept):
    kept.append("%d" % depth * 20)
    try:
        if depth == 0:
            raise KeyError("x" * 1000)
        fail(depth - 1, kept)
    except KeyError as error:
        if depth % 2:
            raise
        raise KeyError("again") from error
    finally:
        kept.pop()


def exceptions():
    depth = total = 0
    for _ in range(ROUNDS):
        try:
            fail(20, [])
        except KeyError as error:
            while error is not None:
                depth += 1
                error = error.__cause__
        total += depth
    return total


def dive(depth):
    return [depth] + (dive(depth - 1)[:3] if depth else [])


def recursion():
    """In a thread with room for it."""
    found = []
    old_limit, old_size = sys.getrecursionlimit(), threading.stack_size(256 << 20)
    sys.setrecursionlimit(8000)

    def run():
        for depth in (10, 4000, 100):
            found.append(len(dive(depth)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    threading.stack_size(old_size)
    sys.setrecursionlimit(old_limit)
    return found


SOURCE = """
class C%d:
    def method(self, n):
        return [str(n + i) for i in range(%d)]

def function(n):
    return C%d().method(n)
"""


def code_objects():
    """Compiled, called once, and forgotten, so that their addresses are used again."""
    total = 0
    for number in range(40):
        namespace = {}
        filename = "<code %d>" % (number % 7)
        exec(compile(SOURCE % (number, number % 20, number), filename, "exec"), namespace)
        total += len(namespace["function"](number))
    return total


def growing():
    total = 0
    for number in range(ROUNDS):
        numbers, data, table = [], bytearray(), {}
        for each in range(500):
            numbers.append(each)
            data += b"%d" % each
            table[each] = None
        del numbers[100:], data[number * 50 :]
        for each in range(0, 500, 3):
            del table[each]
        numbers.extend(table)
        text = ""
        for each in numbers:
            text += chr(65 + each % 26)
        total += len(numbers) + len(data) + len(text) + len(bytes(each % 300))
    return total


def handed_over():
    """Blocks of all sizes, made in one thread and dropped in another."""
    passed, got = queue.Queue(maxsize=20), []

    def make():
        for number in range(300):
            passed.put([bytes(number * 7), [number] * 10, {"n": number}])
        passed.put(None)

    def drop():
        total, held = 0, []
        while True:
            item = passed.get()
            if item is None:
                break
            held.append(item)
            if len(held) > 50:
                total += sum(len(each[0]) for each in held)
                held = []
        got.append(total + sum(len(each[0]) for each in held))

    threads = [threading.Thread(target=make), threading.Thread(target=drop)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


PARTS = (cycles, generators, coroutines, exceptions, recursion, code_objects, growing, handed_over)


def in_threads():
    """The same work in several threads at once."""
    results = {}

    def work(name):
        results[name] = [growing(), generators(), code_objects(), exceptions()]

    threads = [threading.Thread(target=work, args=(name,), name="work %d" % name) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[name] for name in sorted(results)]


def forked():
    """Children that free what their parent made, beside their own work."""
    # The kernel may not yet have forgotten the threads that were joined.
    warnings.simplefilter("ignore", DeprecationWarning)
    inherited = [bytes(number) for number in range(2000)]
    found = []
    for number in range(3):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            del inherited[:: number + 1]
            answer = "%d %d %d" % (len(inherited), generators(), code_objects())
            os.write(writer, answer.encode())
            os._exit(number)
        os.close(writer)
        with open(reader) as file:
            found.append(file.read())
        found.append(os.waitpid(pid, 0)[1] >> 8)
    return found


def started():
    command = [sys.executable, __file__, "growing", "exceptions"]
    return [subprocess.run(command, stdout=subprocess.PIPE).stdout for _ in range(2)]


def main():
    asked = sys.argv[1:]
    for part in [globals()[name] for name in asked] or [*PARTS, in_threads, forked, started]:
        print(part.__name__, part())
    sys.exit(7)


if __name__ == "__main__":
    main()
