# SPDX-License-Identifier: MIT
"""Generators, and tasks that hand values to each other."""

import asyncio
from typing import Iterator

from ending import last_statement, turns


def tree(depth: int) -> Iterator[str]:
    if depth:
        yield from tree(depth - 1)
        yield f"node {depth}"
        yield from tree(depth - 1)


async def produce(queue: "asyncio.Queue[bytes]", count: int) -> None:
    for i in range(count):
        await queue.put(b"%d" % i * 20)
        if i % 10 == 0:
            await asyncio.sleep(0)


async def consume(queue: "asyncio.Queue[bytes]", count: int) -> int:
    return sum([len(await queue.get()) for _ in range(count)])


async def main(count: int) -> int:
    queues = [asyncio.Queue(10) for _ in range(20)]  # type: list[asyncio.Queue[bytes]]
    producers = [asyncio.create_task(produce(queue, count)) for queue in queues]
    sizes = await asyncio.gather(*(consume(queue, count) for queue in queues))
    await asyncio.gather(*producers)
    return sum(sizes)


total = sum(len(text) for _ in range(turns(22)) for text in tree(14))
last_statement(total + asyncio.run(main(turns(6500))))
