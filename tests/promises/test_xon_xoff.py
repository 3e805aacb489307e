"""A receipt under XON/XOFF, with both engines: no byte lost, while scans and a kick go on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.live_bridge import LiveBridge, Till, end_virtual_hub, next_event
from tests.promises.test_printing import receipt, under_way

pytestmark = pytest.mark.virtual_hub

OUT_S = 3.5  # the printer's 4 KB are full after 2.6 s, at 8 bytes in 5 ms
PRINTER = """
[virtual]
engine = "{engine}"
print_speed_mm_per_s = 1000
printer_flow = "xon_xoff"
"""


@pytest.mark.parametrize("engine", ["cpython", "micropython"], indirect=True)
async def test_no_byte_is_lost_while_everything_else_goes_on(tmp_path: Path, engine: str) -> None:
    bridge = LiveBridge(tmp_path / "state", PRINTER.format(engine=engine))
    bridge.start()
    till = Till(bridge)
    try:
        await till.link_up()
        job = await till.print(receipt(1, 6000))
        await under_way(till, job, 0.1)
        await till.fault("paper_end", True)
        begun = time.monotonic()
        async with till.events("?observe=1") as events:
            for number in range(5):
                await till.post("/virtual/scan", json={"data": f"scan {number}", "symbology": "]C0"})
                assert (await next_event(events, "scan"))["data"] == f"scan {number}"
                await asyncio.sleep(0.1)  # a cashier's pace
        await asyncio.sleep(max(0.0, begun + OUT_S - time.monotonic()))  # so long the paper is out
        await till.fault("paper_end", False)
        status, kick = await till.post("/api/v1/drawer/open")
        assert (status, kick["state"]) == (200, "opened")
        assert (await till.final(job))["state"] == "printed"
        assert await till.get("/virtual/receipts/1.bin") == receipt(1, 6000)
    finally:
        await till.close()
        bridge.stop()
        end_virtual_hub(bridge.state_dir)
