"""Two paths to the hub, with the firmware on MicroPython itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import FAST_PRINTER
from tests.live_bridge import LiveBridge, Till, end_virtual_hub
from tests.micropython.test_counter import printed, receipt, scan

BOTH = FAST_PRINTER + 'engine = "micropython"\nbackup_path = true\n'


@pytest.fixture
def bridge(interpreter: Path, tmp_path: Path) -> Iterator[LiveBridge]:
    live = LiveBridge(tmp_path / "state", BOTH)
    live.start()
    yield live
    try:
        live.stop()
    finally:
        end_virtual_hub(live.state_dir)


@pytest_asyncio.fixture
async def till(bridge: LiveBridge) -> AsyncIterator[Till]:
    client = Till(bridge)
    await client.link_up()
    yield client
    await client.close()


async def on_path(till: Till, wanted: list[str]) -> None:
    await till.until(lambda state: [path["status"] for path in state["link"]["paths"]] == wanted)


async def test_a_receipt_goes_on_over_the_backup_and_again_over_the_primary(till: Till) -> None:
    await on_path(till, ["in_use", "standby"])
    first = await till.print(receipt(1))
    await till.until(lambda job: job["state"] == "sending", f"/api/v1/jobs/{first}")
    await till.fault("cable", True)
    await on_path(till, ["down", "in_use"])
    for number in range(3):
        await scan(till, f"BACKUP-{number}", "]C0")
    assert await printed(till, first) == receipt(1)

    await till.fault("cable", False)
    await on_path(till, ["standby", "in_use"])
    second = await till.print(receipt(2))
    await till.until(lambda job: job["state"] == "sending", f"/api/v1/jobs/{second}")
    await till.fault("backup_cable", True)
    await on_path(till, ["in_use", "down"])
    assert await printed(till, second) == receipt(2)
    assert len(await till.receipts()) == 2
    scans = (await till.get("/api/v1/scans?after=0"))["scans"]
    assert [entry["data"] for entry in scans] == [f"BACKUP-{number}" for number in range(3)]
