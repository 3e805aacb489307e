"""An event loop whose time passes only when nothing is left to do: an hour at a counter takes a moment."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import selectors
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

OUTSIDE_DEADLINE_S = 20.0  # what a thread may take before the test is called stuck


class _Selector(selectors.DefaultSelector):
    """Waits for threads as long as any is asked for something; else moves the clock instead of waiting."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.loop.outside:
            ready = super().select(OUTSIDE_DEADLINE_S)
            if not ready:
                raise RuntimeError(f"a thread did not answer within {OUTSIDE_DEADLINE_S:g} s")
            return ready
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        self.loop.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.now_s = 1000.0
        self.outside = 0  # requests that threads are busy with
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s

    def end(self) -> None:
        """Cancel what still runs, bury what a dead hub has left, and close."""
        left = [task for task in asyncio.all_tasks(self) if not getattr(task, "of_a_hub", False)]
        for task in left:
            task.cancel()
        if left:
            self.run_until_complete(asyncio.wait(left))
        for task in asyncio.all_tasks(self):
            coroutine: Any = task.get_coro()
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()  # never begun: else Python warns that nobody awaited it
        self.close()

    @contextlib.contextmanager
    def waiting_for_a_thread(self) -> Iterator[None]:
        self.outside += 1
        try:
            yield
        finally:
            self.outside -= 1


def the_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def run_in_virtual_time(main: Coroutine[Any, Any, Any]) -> Any:
    """Run to its end; what still runs then is cancelled, except what has no owner any more (a dead hub's tasks)."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.end()


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """For an async test."""

    @functools.wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        run_in_virtual_time(test(*arguments, **keywords))

    return run


async def seconds(span_s: float) -> None:
    """Let time pass."""
    await asyncio.sleep(span_s)


async def until(met: Callable[[], Any], deadline_s: float = 30.0, step_s: float = 0.005) -> Any:
    """Let time pass until `met` returns something true; that is returned."""
    end = the_loop().time() + deadline_s
    while True:
        found = met()
        if found:
            return found
        assert the_loop().time() < end, f"not within {deadline_s:g} s"
        await asyncio.sleep(step_s)
