"""Work that takes a processor's time: composing and checking jobs, drawing receipts. In threads, and bounded."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from host_bridge.interfaces.http.limits import HttpLimits
from host_bridge.interfaces.http.problem import Problem

T = TypeVar("T")


class Workshop:
    """A few threads with a bounded line before them."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._executor = ThreadPoolExecutor(max_workers=limits.work_threads, thread_name_prefix="http-work")
        self._under_way = 0

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run `function` in a thread; raise Problem if the line is full or the work takes too long."""
        if self._under_way >= self._limits.work_waiting:
            raise Problem("busy", "Too many receipts are being drawn or composed. Ask again.")
        future = self._executor.submit(function, *arguments)
        self._under_way += 1
        wrapped = asyncio.wrap_future(future)
        # A thread can't be stopped: its place stays taken until it is through, whoever still waits for it.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: _call_if_open(loop, self._finished))
        deadline_s = self._limits.work_deadline_ms / 1000
        try:
            async with asyncio.timeout(deadline_s):
                return await wrapped
        except TimeoutError:
            raise Problem("busy", f"Composing or drawing took longer than {deadline_s:g} s.") from None

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _finished(self) -> None:
        self._under_way -= 1


class PictureCache:
    """The receipts drawn last, by the hash of their bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: str) -> bytes | None:
        picture = self._pictures.get(key)
        if picture is not None:
            self._pictures.move_to_end(key)
        return picture

    def put(self, key: str, picture: bytes) -> None:
        self.size_bytes -= len(self._pictures.pop(key, b""))
        self._pictures[key] = picture
        self.size_bytes += len(picture)
        while self.size_bytes > self._limit_bytes:
            _, oldest = self._pictures.popitem(last=False)
            self.size_bytes -= len(oldest)


def _call_if_open(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)
