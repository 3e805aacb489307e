"""Promise 3: a kick happens within its time to live or never, and is never replayed."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.live_bridge import LiveBridge, Till, in_time

pytestmark = pytest.mark.virtual_hub


async def drawer(till: Till) -> str:
    return str((await till.state())["devices"]["drawer"]["status"])


async def test_the_drawer_opens_and_its_switch_says_so(till: Till) -> None:
    status, kick = await till.post("/api/v1/drawer/open")
    assert (status, kick["state"]) == (200, "opened")
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "open")
    await till.post("/virtual/drawer/close")
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")


async def test_with_the_cable_out_it_fails_in_time_and_the_drawer_stays_shut_when_the_cable_returns(till: Till) -> None:
    await till.fault("cable", True)
    await till.until(lambda state: state["link"]["status"] == "down")

    async def once() -> bool:
        begun = time.monotonic()
        status, problem = await till.post("/api/v1/drawer/open")
        assert status in (503, 504)
        assert problem["code"] == "link_down"
        return time.monotonic() - begun < 3.0

    await in_time(once)

    await till.fault("cable", False)
    await till.link_up()
    async with till.events("?observe=1") as socket:
        await till.post("/virtual/scan", json={"data": "after", "symbology": None})
        while True:  # everything that the new session brings stands before this scan
            event = await socket.receive_json(timeout=40)
            assert event["type"] != "drawer" or event["status"] != "open"
            if event["type"] == "scan":
                break
    assert await drawer(till) == "closed"


async def test_a_killed_bridge_never_repeats_a_kick(bridge: LiveBridge, till: Till) -> None:
    await till.fault("cable", True)
    await till.until(lambda state: state["link"]["status"] == "down")
    kicking = asyncio.create_task(till.post("/api/v1/drawer/open", json={"time_to_live_ms": 10_000}))
    await till.until(lambda state: True)
    bridge.kill()
    with pytest.raises(Exception, match=r".*"):
        await kicking
    bridge.start()
    await till.fault("cable", False)
    await till.link_up()
    await till.until(lambda state: state["devices"]["drawer"]["status"] in ("open", "closed"))
    assert await drawer(till) == "closed"


async def test_the_same_idempotency_key_kicks_once(till: Till) -> None:
    headers = {"Idempotency-Key": "kick-1"}
    first = await till.post("/api/v1/drawer/open", headers=headers)
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "open")
    await till.post("/virtual/drawer/close")
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")
    assert await till.post("/api/v1/drawer/open", headers=headers) == first
    assert await drawer(till) == "closed"


async def test_a_jammed_drawer_is_named(till: Till) -> None:
    await till.fault("drawer_stuck", True)
    status, problem = await till.post("/api/v1/drawer/open")
    assert (status, problem["code"]) == (409, "drawer_stuck")
    await till.until(lambda state: [fault for fault in state["faults"] if fault["code"] == "drawer_stuck"])
