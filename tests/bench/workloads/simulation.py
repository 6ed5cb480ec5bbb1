# SPDX-License-Identifier: MIT
"""Many objects of a few classes: a queueing network driven by events."""

import heapq
import random
from typing import List, Tuple

from ending import last_statement, turns


class Customer:
    def __init__(self, number: int, time: float) -> None:
        self.number = number
        self.arrived = time
        self.history: List[Tuple[str, float]] = []


class Station:
    __slots__ = ("busy", "name", "queue", "served")

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: List[Customer] = []
        self.busy = False
        self.served = 0


class Event:
    def __init__(self, time: float, station: Station, customer: Customer) -> None:
        self.time = time
        self.station = station
        self.customer = customer

    def __lt__(self, other: "Event") -> bool:
        return self.time < other.time


def simulate(count: int) -> float:
    dice = random.Random(1)
    stations = [Station(f"station {i}") for i in range(10)]
    events = [Event(dice.random() * count, stations[0], Customer(i, i)) for i in range(count)]
    heapq.heapify(events)
    time = 0.0
    while events:
        event = heapq.heappop(events)
        time = event.time
        event.station.served += 1
        event.customer.history.append((event.station.name, time))
        if dice.random() < 0.75:
            heapq.heappush(
                events, Event(time + dice.random(), dice.choice(stations), event.customer)
            )
    return round(time, 3)


last_statement(simulate(turns(45000)))
