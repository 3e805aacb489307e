"""Time that a test moves by hand."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any


class Call:
    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.run: Callable[[], Any] | None = lambda: callback(*args)

    def cancel(self) -> None:
        self.run = None


class ManualClock:
    """As much of an event loop as the simulation asks of its clock."""

    def __init__(self) -> None:
        self.wakeups = 0
        self._now = 1000.0
        self._calls: list[tuple[float, int, Call]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Call:
        call = Call(callback, args)
        heapq.heappush(self._calls, (when, next(self._order), call))
        return call

    def advance(self, seconds: float) -> None:
        """Move on, running what falls due in its order and at its time."""
        end = self._now + seconds
        while self._calls and self._calls[0][0] <= end:
            when, _, call = heapq.heappop(self._calls)
            self._now = max(self._now, when)
            if call.run is not None:
                self.wakeups += 1
                call.run()
        self._now = end

    def stand_still(self, seconds: float) -> None:
        """The machine does nothing at all for so long; what fell due meanwhile is late."""
        self._now += seconds
        self.advance(0)

    @property
    def pending(self) -> int:
        return sum(call.run is not None for _, _, call in self._calls)
