# SPDX-License-Identifier: MIT
"""The loop of process_tree: ticks, what is looked for between them, and the summary at the end."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Dict, Optional

from pymemtrace import _proc, _run
from pymemtrace._tree_model import Sample, Total, WriteSummaryConfig, total_of
from pymemtrace._tree_output import JsonWriter, TableWriter, as_json, counted, total_as_json

#: Looking for new processes takes at most this part of one core, in the long run.
_SHARE = 1 / 500
#: Seconds of processor time that are free for it at first and can be saved up again, for bursts of
#: processes.
_SAVED = 0.04
#: Seconds between two looks whether the root still runs, at least.
_ROOT_SECONDS = 0.1


@dataclasses.dataclass
class Options:
    """How a tree is watched.

    ``interval`` and ``poll_interval`` are the seconds between two ticks and between two looks for
    new processes (0: none). ``total`` asks for a line of sums at each tick. ``command`` is the
    root, if it was started here. ``waiter`` says when to stop; without one, KeyboardInterrupt does.
    """

    interval: float = 1.0
    omit_first: bool = False
    total: bool = False
    poll_interval: float = 0.03
    command: Optional[_run.Command] = None
    waiter: Optional[_run.Waiter] = None


class Watch:
    """Watches a tree and writes what it sees."""

    def __init__(
        self, tree: Any, config: WriteSummaryConfig, table: TableWriter, options: Options
    ) -> None:
        """`tree` is a ProcessTree."""
        if not options.interval > 0:
            raise ValueError(f"the interval must be above 0 seconds, not {options.interval}")
        self._tree = tree
        self._config = config
        self._table = table
        self._options = options
        self._new = _proc.NewProcesses()
        self._maybe_new = False
        self._credit = _SAVED  # seconds of looking
        self._credit_at = time.monotonic()
        self._next_root = 0.0
        self._total: Optional[Total] = None
        self._peak: Optional[Total] = None
        self._ticks = 0
        self._json: Optional[JsonWriter] = None

    def run(self) -> int:
        """Watch until the root ends; returns 0, or the signal that came before."""
        if self._config.json_file_path:
            self._json = JsonWriter(self._config.json_file_path)
        self._table.note("CMD: " + self._command_line())
        self._table.header()
        number = 0
        try:
            if self._options.waiter:
                number = self._watch(self._options.waiter)
            else:
                with _run.Waiter(signals=()) as waiter:
                    number = self._watch(waiter)
        except KeyboardInterrupt:
            number = 2
        finally:
            self._finish(number)
            self._new.close()
            self._close_json()
        return number

    def _command_line(self) -> str:
        try:
            return str(self._tree.get_cmdline(self._tree.proc))
        except Exception:  # whatever the system refuses, the line is only for the reader
            return str(self._tree.proc.pid)

    def _watch(self, waiter: _run.Waiter) -> int:
        start = time.monotonic()
        while self._runs():
            self._tick()
            self._ticks += 1
            now = time.monotonic()
            skipped = (now - start) // self._options.interval  # ticks that could not be kept
            number = self._wait(start + (skipped + 1) * self._options.interval, waiter)
            if number:
                return number
        return 0

    def _runs(self) -> bool:
        command = self._options.command
        return command.status() is None if command else bool(self._tree.runs())

    def _wait(self, due: float, waiter: _run.Waiter) -> int:
        """Look for new processes until a tick, a signal (returned) or the end of the root."""
        step = self._options.poll_interval or _ROOT_SECONDS
        while True:
            left = due - time.monotonic()
            if left <= 0:
                return 0
            number = waiter.wait(min(left, step))
            if number and self._options.command:
                self._options.command.forward(number)
            elif number:
                return number
            if self._root_has_ended():
                return 0
            if self._options.poll_interval:
                self._look()

    def _root_has_ended(self) -> bool:
        if self._options.command:
            return not self._runs()
        now = time.monotonic()
        if now < self._next_root:
            return False
        self._next_root = now + _ROOT_SECONDS
        return not self._runs()

    def _look(self) -> None:
        """Look for new processes, if there may be any, and at those that are new."""
        self._maybe_new = self._new.any() or self._maybe_new
        now = time.monotonic()
        self._credit = min(_SAVED, self._credit + (now - self._credit_at) * _SHARE)
        self._credit_at = now
        if self._credit <= 0:
            return
        start = time.thread_time()  # to wait for a processor costs nobody anything
        if self._maybe_new:
            self._maybe_new = False
            self._tree.find_new()
        elif self._tree.has_young():
            self._tree.look_at_young()
        self._credit -= time.thread_time() - start

    def _tick(self) -> None:
        self._new.any()  # what it tells from here on is new after this tick
        self._maybe_new = False
        self._tree.update_children()
        sample = self._tree.sample(self._config)
        if sample is None:
            return
        self._total = total_of(sample, self._total)
        if self._peak is None or self._total.values.get("RSS", 0) > self._peak.values.get("RSS", 0):
            self._peak = dataclasses.replace(self._total, deltas={})
        if self._ticks == 0 and self._options.omit_first:
            return
        self._table.sample(sample)
        self._write_json(self._record(sample))
        self._write_ended()
        if self._options.total:
            self._table.total(self._total)
        self._table.flush()

    def _write_json(self, record: Dict[str, Any], last: bool = False) -> None:
        """Write a record, or changes of the last one; without room, go on without the file."""
        if self._json:
            try:
                self._json.amend(record) if last else self._json.add(record)
            except OSError as error:
                path = self._config.json_file_path
                self._table.note(f"{path}: {error.strerror}; nothing more is written to it")
                self._close_json()

    def _close_json(self) -> None:
        if self._json:
            writer, self._json = self._json, None
            writer.close()

    def _record(self, sample: Sample) -> Dict[str, Any]:
        record = as_json(sample)
        children = record.pop("children")
        assert self._total
        return {
            **record,
            "total": total_as_json(self._total),
            **self._so_far(),
            "children": children,
        }

    def _so_far(self) -> Dict[str, Any]:
        """What of a JSON record changes when something is seen after its tick."""
        census = self._tree.census
        peak = total_as_json(self._peak) if self._peak else {}
        return {
            "peak": {**peak, "largest": census.largest},
            "ended": [dataclasses.asdict(process) for process in census.ended],
            "unseen": [dataclasses.asdict(group) for group in census.unseen],
        }

    def _write_ended(self) -> None:
        census = self._tree.census
        for process in census.ended:
            self._table.ended(process)
        for group in census.unseen:
            self._table.unseen(group)
        census.ended, census.unseen = [], []

    def _finish(self, number: int) -> None:
        """What was seen since the last tick, and the summary."""
        self._tree.update_children()
        self._write_json(self._so_far(), last=True)
        self._write_ended()
        if number:
            self._table.note("KeyboardInterrupt!" if number == 2 else f"Signal {number}.")
        elif not self._options.command:
            self._table.note(f"Parent process {self._tree.proc.pid} is not running.")
        self._summary()
        self._table.flush()

    def _summary(self) -> None:
        census = self._tree.census
        if self._peak:
            rss = self._peak.values.get("RSS", 0) / 1024**2
            self._table.peak(self._peak)
            self._table.note(
                f"Peak of the tree: {rss:,.1f} MB in {counted(self._peak.processes)}"
                f" at {self._peak.time:.1f} s"
            )
        if census.largest:
            size = census.largest_rss / 1024**2
            pid, name = census.largest["pid"], census.largest["name"]
            self._table.note(f'Largest process: {size:,.1f} MB, {pid} "{name}"')
        missed = f"; at least {census.missed_children} more" if census.missed_children else ""
        missed += " were not seen" if missed else ""
        self._table.note(
            f"Processes: {census.seen}, {census.short_lived} of them"
            f" lived and died between two ticks{missed}"
        )
