"""Blocking calls in threads of their own, with a deadline.

Not the loop's executor: its threads are few and are joined when the process ends, and a serial driver that hangs would
take them all and then hold up the exit. These are daemon threads; one that hangs is left behind and remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class StuckThreads:
    """Threads left behind in a hanging driver, by port: while one lives, no further one is spent on its port."""

    def __init__(self) -> None:
        self._threads: dict[str, list[threading.Thread]] = {}
        self._lock = threading.Lock()

    def add(self, port: str, thread: threading.Thread) -> None:
        with self._lock:
            self._threads.setdefault(port, []).append(thread)

    def holds(self, port: str) -> bool:
        with self._lock:
            alive = [thread for thread in self._threads.pop(port, []) if thread.is_alive()]
            if alive:
                self._threads[port] = alive
            return bool(alive)


stuck = StuckThreads()


async def in_thread(
    work: Callable[[], T],
    deadline_ms: int,
    name: str,
    port: str,
    *,
    too_late: Callable[[T], None] | None = None,
) -> T:
    """Run ``work`` in a thread. Raise TimeoutError after ``deadline_ms``; its late result goes to ``too_late``.

    ``port`` is what it works on: :meth:`StuckThreads.holds` is true for it while a thread left behind is alive.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handover = threading.Lock()
    outcome: list[T | BaseException] = []
    abandoned = False

    def run() -> None:
        try:
            result: T | BaseException = work()
        except BaseException as error:  # handed over to who waits
            result = error
        with handover:
            outcome.append(result)
            late = abandoned
        if late:
            if too_late is not None and not isinstance(result, BaseException):
                too_late(result)
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(ended.set)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    interruption: BaseException | None = None
    try:
        async with asyncio.timeout(deadline_ms / 1000):
            await ended.wait()
    except (TimeoutError, asyncio.CancelledError) as error:
        interruption = error
    with handover:
        abandoned = not outcome
    if abandoned:
        stuck.add(port, thread)
    elif isinstance(interruption, asyncio.CancelledError):
        if too_late is not None and not isinstance(outcome[0], BaseException):
            too_late(outcome[0])
    else:  # it ended, perhaps in the very moment of the deadline
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]
    assert interruption is not None
    raise interruption
