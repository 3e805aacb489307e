"""Timers and interrupt handlers of the simulated chip: they run although the program hangs.

On a chip a handler interrupts the program; here all handlers run one after another in one thread of their own, beside
the program. `mask` is the lock behind machine.disable_irq().
"""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

PENDING_LIMIT: Final = 64  # handlers waiting to run; more are lost, as on a chip whose scheduler queue is full


class Alarm:
    """A call due at a time; `cancel` takes it back."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], object]) -> None:
        self.due = due
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self.call = None


class Interrupts:
    """The thread that runs handlers and alarms. Waits without using the processor."""

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        self.mask = threading.RLock()
        self.lost = 0
        self._report = report
        self._wake = threading.Condition()
        self._pending: deque[Callable[[], object]] = deque()
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._order = itertools.count()
        self._thread = threading.Thread(target=self._run, name="interrupts", daemon=True)
        self._thread.start()

    def inside(self) -> bool:
        """True within a handler."""
        return threading.current_thread() is self._thread

    def request(self, handler: Callable[..., object], *arguments: Any) -> bool:
        """Run a handler as soon as possible. False if it was lost."""
        with self._wake:
            if len(self._pending) >= PENDING_LIMIT:
                self.lost += 1
                return False
            self._pending.append(lambda: handler(*arguments))
            self._wake.notify()
        return True

    def call_at(self, due: float, call: Callable[[], object]) -> Alarm:
        """Run `call` at a time of :func:`time.monotonic`."""
        alarm = Alarm(due, call)
        with self._wake:
            heapq.heappush(self._alarms, (due, next(self._order), alarm))
            self._wake.notify()
        return alarm

    def _run(self) -> None:
        while True:
            call = self._next()
            with self.mask:
                try:
                    call()
                except SystemExit:
                    raise
                except BaseException as error:  # a handler may raise anything; the chip prints it and goes on
                    self._report(error)

    def _next(self) -> Callable[[], object]:
        with self._wake:
            while True:
                while self._alarms and self._alarms[0][2].call is None:
                    heapq.heappop(self._alarms)
                if self._pending:
                    return self._pending.popleft()
                if not self._alarms:
                    self._wake.wait()
                    continue
                wait_s = self._alarms[0][0] - time.monotonic()
                if wait_s > 0:
                    self._wake.wait(wait_s)
                    continue
                call = heapq.heappop(self._alarms)[2].call
                if call is not None:
                    return call


def use_short_switch_interval() -> None:
    """A program that hangs in a loop gives the interpreter away after 0.5 ms instead of 5: alarms are on time."""
    sys.setswitchinterval(0.0005)
