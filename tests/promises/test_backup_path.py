"""With a second path between till and hub a pulled or silent one costs nothing: no byte, no scan, no kick."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from host_bridge.hub.backup import PathLimits
from tests.conftest import FAST_PRINTER
from tests.live_bridge import LiveBridge, Till, end_virtual_hub, in_time, next_event
from tests.promises.test_faults import NAMED_WITHIN_S, named
from tests.promises.test_printing import SEED, receipt, under_way
from tests.promises.test_scanning import scan

pytestmark = pytest.mark.virtual_hub

CHANGES = 6
SCANS_LISTED = 500  # the most that one answer has
TAKEN_OVER_WITHIN_S = 2.5
HAND_BACK_WITHIN_S = 12.0  # heard for 5 s, then a quiet second
CABLES = ("cable", "backup_cable")


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[LiveBridge]:
    live = LiveBridge(tmp_path / "state", FAST_PRINTER + "backup_path = true\n")
    live.start()
    yield live
    try:
        live.stop()
    finally:
        end_virtual_hub(live.state_dir)


@pytest.fixture
async def till(bridge: LiveBridge) -> AsyncIterator[Till]:
    """A till whose link is up on the primary path, with the backup known to be good."""
    client = Till(bridge)
    await on_path(client, ["in_use", "standby"])
    yield client
    await client.close()


def paths(state: Any) -> list[str]:
    return [path["status"] for path in state["link"]["paths"]]


async def on_path(till: Till, wanted: list[str], deadline_s: float = 20.0) -> Any:
    return await till.until(lambda state: state if paths(state) == wanted else None, deadline_s=deadline_s)


async def pull_the_one_in_use(till: Till, number: int) -> None:
    """Turn about; the one pulled before is put back first and heard again."""
    now, before = CABLES[number % 2], CABLES[(number + 1) % 2]
    if number:
        await till.fault(before, False)
        await on_path(till, ["in_use", "standby"] if now == "cable" else ["standby", "in_use"])
    await till.fault(now, True)


async def test_receipts_go_on_over_the_other_path_and_are_printed_once(till: Till) -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    for number in range(CHANGES):
        job_id = await till.print(receipt(number))
        await under_way(till, job_id, rng.uniform(0, 0.3))
        await pull_the_one_in_use(till, number)

        assert (await till.final(job_id))["state"] == "printed"
        assert await till.get(f"/virtual/receipts/{number + 1}.bin") == receipt(number)
    assert len(await till.receipts()) == CHANGES


async def test_scans_arrive_in_order_and_none_twice(till: Till) -> None:
    codes = [f"CODE-{number:03d}" for number in range(5 * CHANGES)]
    for number in range(CHANGES):
        for code in codes[5 * number : 5 * number + 3]:
            await scan(till, code, "]C0")
        await pull_the_one_in_use(till, number)
        for code in codes[5 * number + 3 : 5 * number + 5]:
            await scan(till, code, "]C0")
    scans = await till.until(
        lambda answer: answer["scans"] if len(answer["scans"]) >= len(codes) else None, "/api/v1/scans?after=0"
    )
    assert [entry["data"] for entry in scans] == codes


async def test_it_is_named_while_it_lasts_the_drawer_opens_and_the_primary_is_handed_back_to(till: Till) -> None:
    codes: list[str] = []

    async def once() -> bool:
        begun = time.monotonic()
        await till.fault("cable", True)
        await till.until(lambda state: named(state, "on_backup_path", "fault:on_backup_path"))
        named_s = time.monotonic() - begun
        status, kick = await till.post("/api/v1/drawer/open")
        assert (status, kick["state"]) == (200, "opened")

        begun = time.monotonic()
        await till.fault("cable", False)
        await on_path(till, ["in_use", "standby"], 60)
        back_s = time.monotonic() - begun
        await till.until(lambda state: not state["faults"] and state["indicator"]["pattern"] == "ready")
        await till.post("/virtual/scan", json={"data": "after", "symbology": None})
        codes.clear()
        while True:  # everything until this scan
            event = await socket.receive_json(timeout=40)
            if event["type"] == "fault" and event["active"]:
                codes.append(event["fault"]["code"])
            if event["type"] == "scan":
                break
        return named_s < NAMED_WITHIN_S and back_s < HAND_BACK_WITHIN_S

    async with till.events("?observe=1") as socket:
        await in_time(once)
    assert codes == ["on_backup_path"], "a change of path is no other fault, not even for a moment"


async def test_a_silent_primary_is_taken_over_and_a_receipt_under_way_goes_on(till: Till) -> None:
    numbers = itertools.count(1)

    async def once() -> bool:
        number = next(numbers)
        if number > 1:
            await till.fault("link_silent", False)
            await on_path(till, ["in_use", "standby"], 60)
        job_id = await till.print(receipt(number))
        await under_way(till, job_id, 0.1)
        begun = time.monotonic()
        await till.fault("link_silent", True)
        await till.until(lambda state: named(state, "on_backup_path", None))
        took_s = time.monotonic() - begun
        assert (await till.final(job_id))["state"] == "printed"
        assert await till.get(f"/virtual/receipts/{number}.bin") == receipt(number)
        return took_s < TAKEN_OVER_WITHIN_S

    await in_time(once)


async def test_a_dead_backup_is_named_before_it_is_needed(till: Till) -> None:
    await till.fault("backup_cable", True)
    await till.until(lambda state: named(state, "backup_path_down", "fault:backup_path_down"))
    assert (await till.state())["link"]["status"] == "up"
    await till.fault("backup_cable", False)
    await till.until(lambda state: not state["faults"])


async def test_with_both_out_all_waits_and_goes_on_over_whichever_returns(till: Till) -> None:
    first = await till.print(receipt(1))
    await under_way(till, first, 0.1)
    for cable in CABLES:
        await till.fault(cable, True)
    await till.until(lambda state: named(state, "port_missing", "waiting"))
    second = await till.print(receipt(2, 2000))
    await scan(till, "BETWEEN", "]C0")
    await till.fault("backup_cable", False)

    assert [(await till.final(job))["state"] for job in (first, second)] == ["printed"] * 2
    assert [await till.get(f"/virtual/receipts/{n}.bin") for n in (1, 2)] == [receipt(1), receipt(2, 2000)]
    async with till.events() as socket:
        assert (await next_event(socket, "scan"))["data"] == "BETWEEN"


async def test_a_flapping_primary_costs_no_byte(till: Till) -> None:
    jobs = [await till.print(receipt(number)) for number in range(4)]
    for _ in range(12):
        for out in (True, False):
            await till.fault("cable", out)
            back_at = time.monotonic()
            await asyncio.sleep(0.05)  # not waiting for anything: so fast is the loose contact
    assert [(await till.final(job))["state"] for job in jobs] == ["printed"] * 4
    assert [await till.get(f"/virtual/receipts/{n + 1}.bin") for n in range(4)] == [receipt(n) for n in range(4)]
    status = paths(await till.state())
    if time.monotonic() - back_at < PathLimits().steady_ms / 1000:  # else this machine took its time over the receipts
        assert status[1] == "in_use", "a primary that has just flapped is not trusted yet"


async def test_a_hand_back_in_the_middle_of_a_receipt_and_of_scans_costs_nothing(tmp_path: Path) -> None:
    live = LiveBridge(
        tmp_path / "state", FAST_PRINTER + "backup_path = true\n", module="tests.promises.trusting_bridge"
    )
    live.start()
    till = Till(live)
    codes: list[str] = []

    async def scan_until_on(wanted: list[str]) -> None:
        while paths(await till.state()) != wanted:
            if len(codes) < SCANS_LISTED:
                codes.append(f"CODE-{len(codes):03d}")
                await scan(till, codes[-1], "]C0")
            await asyncio.sleep(0.02)  # not waiting for anything: so fast are the scans

    try:
        async with asyncio.timeout(200):
            await on_path(till, ["in_use", "standby"])
            job_id = await till.print(receipt(1, 200_000))
            await under_way(till, job_id, 0.1)
            await till.fault("cable", True)
            await scan_until_on(["down", "in_use"])
            await till.fault("cable", False)
            await scan_until_on(["in_use", "standby"])
            assert (await till.final(job_id))["state"] == "printed"
            assert await till.get("/virtual/receipts/1.bin") == receipt(1, 200_000)
            assert len(await till.receipts()) == 1
            scans = await till.until(
                lambda answer: answer["scans"] if len(answer["scans"]) >= len(codes) else None,
                f"/api/v1/scans?after=0&limit={SCANS_LISTED}",
            )
            assert [entry["data"] for entry in scans] == codes
    finally:
        await till.close()
        live.stop()
        end_virtual_hub(live.state_dir)


async def test_a_killed_bridge_finds_the_hub_again_on_the_path_that_is_there(bridge: LiveBridge, till: Till) -> None:
    job_id = await till.print(receipt(1))
    await under_way(till, job_id, 0.1)
    await till.fault("cable", True)
    await on_path(till, ["down", "in_use"])
    bridge.kill()
    bridge.start()

    assert (await till.final(job_id))["state"] == "printed"
    assert await till.get("/virtual/receipts/1.bin") == receipt(1)
    assert len(await till.receipts()) == 1
