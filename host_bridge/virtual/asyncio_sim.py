"""What firmware gets for `import asyncio` in the virtual hub: MicroPython's API on CPython's event loop.

As on MicroPython there is one loop for the whole life of the chip, `TimeoutError` is no OSError, a task that dies of an
exception nobody waits for is reported at once, and streams are made of a UART. One difference: cancelling a task that
has not started yet never runs its first line.
"""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from host_bridge.virtual.machine_sim import UART, edge
from host_bridge.virtual.micropython_sim import RingIO

Loop = asyncio.AbstractEventLoop

_loop: Loop | None = None


def the_loop() -> Loop:
    global _loop
    if _loop is None:
        _loop = asyncio.SelectorEventLoop()  # not by the policy: it imports `asyncio`, which is the firmware's by then
        _loop.set_exception_handler(_print_context)
    return _loop


def the_loop_if_running() -> Loop | None:
    return _loop if _loop is not None and _loop.is_running() else None


def _print_context(loop: Loop, context: dict[str, Any]) -> None:
    """MicroPython's default: the message, the future, the traceback, on the REPL."""
    print(context.get("message", "Unhandled exception in event loop"), file=sys.stdout)
    if "future" in context or "task" in context:
        print("future:", context.get("future", context.get("task")), file=sys.stdout)
    error = context.get("exception")
    if error is not None:
        edge().print_error(error)


class TimeoutError(Exception):
    """Own class as on MicroPython, where it is no OSError."""


class Event(asyncio.Event):
    def set(self) -> None:
        """Raises RuntimeError in an interrupt handler: MicroPython forbids it too, but breaks silently."""
        if edge().interrupts.inside():
            raise RuntimeError("Event.set() in an interrupt handler: use asyncio.ThreadSafeFlag")
        super().set()


class ThreadSafeFlag:
    """One task waits; an interrupt handler sets. Waiting clears."""

    def __init__(self) -> None:
        self._set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        self._set = True
        if self._waiter is not None:
            the_loop().call_soon_threadsafe(self._wake)

    def clear(self) -> None:
        self._set = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        self._waiter = the_loop().create_future()
        try:
            if not self._set:  # after `_waiter` is in place, so that no set() falls between
                await self._waiter
            else:
                await asyncio.sleep(0)
        finally:
            self._waiter = None
        self._set = False


async def _wait_ready(stream: Any, writing: bool) -> None:
    """What MicroPython's I/O queue does: always yields once, then until the stream is ready."""
    if not isinstance(stream, (UART, RingIO)):
        raise OSError(22, f"stream is neither UART nor RingIO: {stream!r}")
    await asyncio.sleep(0)
    while not stream.sim_ready(writing):
        loop = the_loop()
        future = loop.create_future()

        def wake(future: asyncio.Future[None] = future) -> None:
            if not future.done():
                future.set_result(None)

        def changed(loop: Loop = loop, wake: Callable[[], None] = wake) -> None:
            loop.call_soon_threadsafe(wake)

        stream.sim_watch(changed)
        try:
            if not stream.sim_ready(writing):
                await future
        finally:
            stream.sim_unwatch(changed)


class Stream:
    """StreamReader and StreamWriter in one, as in MicroPython."""

    def __init__(self, s: Any, e: Any = None) -> None:
        self.s = s
        self.e = {} if e is None else e
        self.out_buf = b""

    def get_extra_info(self, v: str) -> Any:
        return self.e[v]

    def close(self) -> None:
        pass

    async def wait_closed(self) -> None:
        self.s.deinit()

    async def read(self, n: int = -1) -> bytes:
        """Up to n bytes, at least one; with n = -1 to the end of the stream, which a UART doesn't have."""
        r = b""
        while True:
            await _wait_ready(self.s, False)
            piece = self.s.read(n if n >= 0 else None)
            if piece is None:
                continue
            if n >= 0:
                return bytes(piece)
            r += piece

    async def readinto(self, buf: Any) -> int | None:
        await _wait_ready(self.s, False)
        count: int | None = self.s.readinto(buf)
        return count

    async def readexactly(self, n: int) -> bytes:
        r = b""
        while n:
            await _wait_ready(self.s, False)
            piece = self.s.read(n)
            if piece is not None:
                r += piece
                n -= len(piece)
        return r

    async def readline(self) -> bytes:
        line = b""
        while True:
            await _wait_ready(self.s, False)
            piece = self.s.readline()
            if piece:
                line += bytes(piece)
                if line.endswith(b"\n"):
                    return line

    def write(self, buf: Any) -> None:
        data = bytes(buf.encode() if isinstance(buf, str) else buf)
        if not self.out_buf:
            data = data[self.s.write(data) or 0 :]
        self.out_buf += data

    async def drain(self) -> None:
        if not self.out_buf:
            await asyncio.sleep(0)
            return
        pending = self.out_buf  # as MicroPython: a second drain at the same time repeats data
        done = 0
        while done < len(pending):
            await _wait_ready(self.s, True)
            done += self.s.write(pending[done:]) or 0
        self.out_buf = b""

    async def awrite(self, buf: Any, off: int = 0, sz: int = -1) -> None:
        if off or sz >= 0:
            buf = buf[off : len(buf) if sz < 0 else off + sz]
        self.write(buf)
        await self.drain()

    async def aclose(self) -> None:
        await self.wait_closed()


async def sleep_ms(t: float) -> None:
    await asyncio.sleep(max(t, 0) / 1000)


async def sleep(t: float) -> None:
    await asyncio.sleep(max(t, 0))


async def wait_for(aw: Awaitable[Any], timeout: float | None) -> Any:
    if timeout is None:
        return await aw
    try:
        async with asyncio.timeout(timeout) as scope:
            return await aw
    except BaseException:
        if scope.expired():
            raise TimeoutError from None
        raise


async def wait_for_ms(aw: Awaitable[Any], timeout: float | None) -> Any:
    return await wait_for(aw, None if timeout is None else timeout / 1000)


def create_task(coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    task = the_loop().create_task(coro)
    task.add_done_callback(_task_done)
    return task


def _task_done(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        the_loop().call_soon(_report_unretrieved, task)  # whoever waits for the task has then taken its exception


def _report_unretrieved(task: asyncio.Task[Any]) -> None:
    if getattr(task, "_log_traceback", False):
        error = task.exception()
        context = {"message": "Task exception wasn't retrieved", "exception": error, "future": task}
        the_loop().call_exception_handler(context)


def run(coro: Coroutine[Any, Any, Any]) -> Any:
    return the_loop().run_until_complete(the_loop().create_task(coro))


def current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task(the_loop())
    if task is None:
        raise RuntimeError("no running task")
    return task


def get_event_loop(runq_len: int = 0, waitq_len: int = 0) -> Loop:
    return the_loop()


def new_event_loop() -> Loop:
    global _loop
    _loop = None
    return the_loop()


def facade() -> types.ModuleType:
    """The module to put in the place of `asyncio` for firmware."""
    module = types.ModuleType("asyncio", "MicroPython's asyncio for Counterhub's virtual hub.")
    module.__path__ = list(asyncio.__path__)  # the standard library's own late imports of asyncio.* still work
    own = (
        *(Event, ThreadSafeFlag, Stream, TimeoutError, sleep, sleep_ms, wait_for, wait_for_ms, create_task, run),
        *(current_task, get_event_loop, new_event_loop),
    )
    for item in own:
        setattr(module, item.__name__, item)
    names = {
        "StreamReader": Stream,
        "StreamWriter": Stream,
        "Lock": asyncio.Lock,
        "gather": asyncio.gather,
        "CancelledError": asyncio.CancelledError,
        "Task": asyncio.Task,
        "Loop": Loop,
    }
    for name, value in names.items():
        setattr(module, name, value)
    return module
