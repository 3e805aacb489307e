"""Promise 3 with the drawer's cable in the printer: opened in time or never, and a receipt stays whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from host_bridge.escpos.commands import CommandParser
from tests.conftest import FAST_PRINTER
from tests.live_bridge import LiveBridge, Till, end_virtual_hub, in_time
from tests.promises.test_printing import receipt, under_way

pytestmark = pytest.mark.virtual_hub


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[LiveBridge]:
    live = LiveBridge(tmp_path / "state", FAST_PRINTER + 'drawer = "printer"\n')
    live.start()
    yield live
    live.stop()
    end_virtual_hub(live.state_dir)


@pytest_asyncio.fixture
async def till(bridge: LiveBridge) -> AsyncIterator[Till]:
    client = Till(bridge)
    await client.link_up()
    await client.until(lambda state: state["devices"]["drawer"]["status"] == "closed")
    yield client
    await client.close()


async def printed(till: Till) -> bytes:
    """The first receipt, without kicks where a command ends."""
    data = await till.get("/virtual/receipts/1.bin")
    return b"".join(each.data for each in CommandParser().feed(data) if each.name != "DLE DC4")


async def test_it_opens_in_real_time_also_during_a_receipt_and_says_why_when_it_can_not(till: Till) -> None:
    status, kick = await till.post("/api/v1/drawer/open")
    assert (status, kick["state"]) == (200, "opened")
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "open")
    await till.post("/virtual/drawer/close")
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")

    text = (
        b"\x1b@" + b"".join(b"%04d tea and something to eat with it\n" % line for line in range(400)) + b"\x1dV\x42\x00"
    )
    job = await till.print(text)
    await under_way(till, job, 0.02)
    status, kick = await till.post("/api/v1/drawer/open")
    assert (status, kick["state"]) == (200, "opened")  # so within its time to live
    assert (await till.final(job))["state"] == "printed"
    assert await printed(till) == text
    await till.post("/virtual/drawer/close")

    await till.fault("paper_end", True)
    await till.until(lambda state: state["devices"]["printer"]["paper"] == "end")
    await asyncio.sleep(0.6)  # not waiting for anything: the solenoid's rest
    status, kick = await till.post("/api/v1/drawer/open")
    assert (status, kick["state"]) == (200, "opened")
    await till.post("/virtual/drawer/close")
    await till.fault("paper_end", False)

    await till.fault("printer_power", True)
    await till.until(lambda state: [fault for fault in state["faults"] if fault["code"] == "printer_power"])

    async def once() -> bool:
        begun = time.monotonic()
        status, problem = await till.post("/api/v1/drawer/open")
        assert (status, problem["code"]) == (503, "printer_power")
        return time.monotonic() - begun < 1.0

    await in_time(once)


async def test_a_kick_in_a_picture_waits_for_its_end_or_never_happens_and_the_picture_is_whole(till: Till) -> None:
    picture = receipt(1, 40_000)
    job = await till.print(picture)
    await under_way(till, job, 0.05)
    kicks = []
    for time_to_live_ms in (100, 2000):
        kicks.append(await till.post("/api/v1/drawer/open", json={"time_to_live_ms": time_to_live_ms}))
    assert kicks[0][0] in (200, 504)
    assert kicks[1][0] == 200
    assert (await till.final(job))["state"] == "printed"
    assert await printed(till) == picture
