"""The heap in use stays what it was, however much is scanned and printed."""

from __future__ import annotations

import re

from tests.live_bridge import LiveBridge, Till, next_event
from tests.micropython.test_counter import power_cycle, receipt, scan

JOBS, JOB_BYTES = 2, 30_000
SCANS = 60
REPORTS = 6
GROWTH_BYTES_MAX = (
    4096  # what is under way at the moment of the look; 60 leaked scans or 250 leaked pieces of a receipt are more
)

# The hub with a task of the test's own beside it, which says on the simulation's log what lives on the heap.
MAIN = """
import asyncio, gc
from js import console
from hub import app

async def report():
    while True:
        gc.collect()  # on this build it happens when the interpreter comes to rest
        await asyncio.sleep_ms(20)
        console.error("<heap %d>" % gc.mem_alloc())
        await asyncio.sleep_ms(80)

asyncio.create_task(report())
app.make_hub().run()
"""


async def test_scans_and_receipts_leave_nothing_on_the_heap(till: Till, module_bridge: LiveBridge) -> None:
    hub = module_bridge.state_dir / "virtual-hub"
    (hub / "flash" / "main.py").write_text(MAIN)
    await power_cycle(till)
    await till.until(lambda state: state["link"]["status"] == "up" and not state["faults"])
    await work(till, jobs=1, scans=5)  # the first of each makes what is then kept
    before = await heap_bytes(till, module_bridge)

    await work(till, jobs=JOBS, scans=SCANS)

    assert await heap_bytes(till, module_bridge) <= before + GROWTH_BYTES_MAX


async def heap_bytes(till: Till, bridge: LiveBridge) -> int:
    """The least of the next reports: the others were taken with something under way."""
    log = bridge.state_dir / "virtual-hub" / "counter.log"

    def reports() -> list[int]:
        return [int(found) for found in re.findall(r"<heap (\d+)>", log.read_text(encoding="utf-8"))]

    seen = len(reports())
    await till.until(lambda state: len(reports()) >= seen + REPORTS)
    return min(reports()[seen:])


async def work(till: Till, jobs: int, scans: int) -> None:
    for number in range(jobs):
        job = await till.final(await till.print(receipt(number, JOB_BYTES)))
        assert job["state"] == "printed", job
    async with till.events() as socket:
        for number in range(scans):
            await scan(till, f"HEAP-{number}")
        for _ in range(scans):
            event = await next_event(socket, "scan")
            await socket.send_json({"type": "ack", "sequence": event["sequence"]})
