"""Counters for real till clients: the raw port alone, and the whole bridge with its virtual hub."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, cast

import pytest

from host_bridge.escpos.status import READY, PrinterStatus
from host_bridge.interfaces.raw import RawInterface
from host_bridge.interfaces.services import ServedHub
from tests import conftest as live
from tests.interfaces.fake_bridge import FakeBridge
from tests.live_bridge import LiveBridge

PATIENCE_S = 20
bridge = live.bridge  # that of the folder above is a fake


class Counter(Protocol):
    """What a test needs to know of the counter that a client talks to."""

    raw_host: str
    raw_port: int

    async def receipts(self, count: int) -> list[bytes]:
        """Wait until so many jobs of this test are on paper; their bytes, oldest first."""

    async def set_paper_end(self, active: bool) -> None: ...

    async def drawer_opened(self) -> None:
        """Wait until it is open."""


class PortCounter:
    """The raw port with a bridge in memory behind it."""

    def __init__(self, bridge: FakeBridge, raw: RawInterface) -> None:
        self._bridge = bridge
        self.raw_host, self.raw_port = raw.address

    async def receipts(self, count: int) -> list[bytes]:
        await self._bridge.printing.until(lambda: len(self._bridge.printing.submitted) >= count)
        return self._bridge.printing.submitted

    async def set_paper_end(self, active: bool) -> None:
        self._bridge.printing.set_status(PrinterStatus(online=False, paper_end=True) if active else READY)

    async def drawer_opened(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._bridge.drawers.kicked.wait()


class LiveCounter:
    """The whole bridge, asked over its API."""

    def __init__(self, http_url: str, raw_host: str, raw_port: int) -> None:
        self._http_url = http_url.rstrip("/")
        self.raw_host, self.raw_port = raw_host, raw_port
        self._seen = 0

    async def ready(self) -> None:
        """Wait until the printer answers; what happened before is no part of the test."""
        await _eventually(lambda: self._device("printer", "status", "ready"))
        self._seen = max((info["n"] for info in await self._ask("/virtual/receipts")), default=0)
        await self._post("/virtual/drawer/close", {})
        await _eventually(lambda: self._device("drawer", "status", "closed"))

    async def receipts(self, count: int) -> list[bytes]:
        async def enough() -> bool:
            return len(await self._numbers()) >= count

        await _eventually(enough)
        return [await asyncio.to_thread(self._get, f"/virtual/receipts/{n}.bin") for n in await self._numbers()]

    async def set_paper_end(self, active: bool) -> None:
        await self._post("/virtual/faults", {"fault": "paper_end", "active": active})
        await _eventually(lambda: self._device("printer", "paper", "end" if active else "ok"))

    async def drawer_opened(self) -> None:
        await _eventually(lambda: self._device("drawer", "status", "open"))

    async def _numbers(self) -> list[int]:
        return sorted(info["n"] for info in await self._ask("/virtual/receipts") if info["n"] > self._seen)

    async def _device(self, device: str, field: str, value: str) -> bool:
        return bool((await self._ask("/api/v1/state"))["devices"][device][field] == value)

    async def _ask(self, path: str) -> Any:
        return json.loads(await asyncio.to_thread(self._get, path))

    async def _post(self, path: str, body: dict[str, object]) -> None:
        request = urllib.request.Request(
            self._http_url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        (await asyncio.to_thread(urllib.request.urlopen, request, timeout=PATIENCE_S)).close()

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self._http_url + path, timeout=PATIENCE_S) as answer:
            return cast(bytes, answer.read())


async def _eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.fixture
async def port_counter() -> AsyncIterator[Counter]:
    bridge = FakeBridge()
    raw = RawInterface(cast(ServedHub, bridge), "127.0.0.1", 0)
    await raw.start()
    yield PortCounter(bridge, raw)
    await raw.stop()


@pytest.fixture
async def live_counter(live_bridge: LiveBridge) -> Counter:
    counter = LiveCounter(live_bridge.http_url, live_bridge.raw_host, live_bridge.raw_port)
    await counter.ready()
    return counter


@pytest.fixture(params=["port", "live"])
def counter(request: pytest.FixtureRequest) -> Counter:
    """Each test runs against the raw port alone and against the whole bridge."""
    return cast(Counter, request.getfixturevalue(f"{request.param}_counter"))
