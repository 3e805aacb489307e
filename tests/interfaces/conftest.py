"""The raw port in front of a bridge that keeps in memory what was asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from host_bridge.interfaces.raw import RawInterface
from host_bridge.interfaces.raw_client import RawLimits
from host_bridge.interfaces.services import ServedHub
from tests.interfaces.fake_bridge import FakeBridge
from tests.interfaces.raw_till import PATIENT, Start
from tests.live_bridge import lone_port


@pytest.fixture
def bridge() -> FakeBridge:
    return FakeBridge()


@pytest.fixture
async def start(bridge: FakeBridge) -> AsyncIterator[Start]:
    started: list[RawInterface] = []

    async def begin(limits: RawLimits = PATIENT) -> RawInterface:
        raw = RawInterface(cast(ServedHub, bridge), "127.0.0.1", lone_port(), limits=limits)
        await raw.start()
        started.append(raw)
        return raw

    yield begin
    for raw in started:
        async with asyncio.timeout(30):
            await raw.stop()
