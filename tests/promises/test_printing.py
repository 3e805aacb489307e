"""Promise 2: a job survives a pulled cable, a killed bridge and a dead hub; printed once, or said to be unknown."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.live_bridge import LiveBridge, Till

SEED = random.randrange(1 << 32)
RECEIPT_BYTES = 40_000
PULLS = 20
KILLS = 8

pytestmark = pytest.mark.virtual_hub


def receipt(number: int, size_bytes: int = RECEIPT_BYTES) -> bytes:
    """A receipt of exactly this size: its number, a picture that no other has, and a cut at its end."""
    head = b"\x1b@receipt %d\n" % number
    cut = b"\n\n\x1dV\x42\x00"
    rows = (size_bytes - len(head) - len(cut) - 8) // 72
    picture = b"\x1dv0\x00\x48\x00" + rows.to_bytes(2, "little") + random.Random(number).randbytes(rows * 72)
    filler = b"\n" * (size_bytes - len(head) - len(cut) - len(picture))
    return head + picture + filler + cut


async def under_way(till: Till, job_id: str, seconds: float) -> None:
    """Wait until the job's bytes go out, and a while longer."""
    await till.until(lambda job: job["state"] == "sending", f"/api/v1/jobs/{job_id}")
    await asyncio.sleep(seconds)  # not waiting for anything: this is how deep into the job the accident happens


@pytest.fixture
def rng() -> random.Random:
    print(f"seed {SEED}")
    return random.Random(SEED)


async def test_a_job_is_printed_only_once_the_printer_has_confirmed(till: Till) -> None:
    job_id = await till.print(receipt(1))
    await under_way(till, job_id, 0.05)
    await till.fault("cover_open", True)
    await till.until(lambda state: state["devices"]["printer"]["cover_open"])
    assert (await till.get(f"/api/v1/jobs/{job_id}"))["state"] == "sending"
    assert await till.receipts() == []

    await till.fault("cover_open", False)

    assert (await till.final(job_id))["state"] == "printed"
    assert await till.get("/virtual/receipts/1.bin") == receipt(1)


async def test_a_pulled_cable_neither_loses_nor_repeats_a_byte(till: Till, rng: random.Random) -> None:
    for number in range(1, PULLS + 1):
        job_id = await till.print(receipt(number))
        await under_way(till, job_id, rng.uniform(0, 0.4))
        await till.fault("cable", True)
        await till.until(lambda state: state["link"]["status"] == "down")
        await asyncio.sleep(rng.uniform(0, 0.3))  # how long the cable is out
        await till.fault("cable", False)

        assert (await till.final(job_id))["state"] == "printed"
        assert await till.get(f"/virtual/receipts/{number}.bin") == receipt(number)
    assert len(await till.receipts()) == PULLS


async def test_a_killed_bridge_prints_the_job_once(bridge: LiveBridge, till: Till, rng: random.Random) -> None:
    for number in range(1, KILLS + 1):
        job_id = await till.print(receipt(number))
        await asyncio.sleep(rng.uniform(0, 0.6))  # how deep into the job the bridge is killed
        bridge.kill()
        bridge.start()

        job = await till.final(job_id)

        assert (job["state"], job["reason"]) == ("printed", None)  # the hub lived on, so it is known
        assert await till.get(f"/virtual/receipts/{number}.bin") == receipt(number)
        assert len(await till.receipts()) == number


async def test_a_hub_that_lost_its_power_leaves_the_job_unconfirmed(till: Till, rng: random.Random) -> None:
    job_id = await till.print(receipt(1))
    await under_way(till, job_id, rng.uniform(0.05, 0.3))

    await till.fault("hub_power", True)
    await till.until(lambda state: state["link"]["status"] == "down")
    await till.fault("hub_power", False)

    job = await till.final(job_id)
    assert (job["state"], job["reason"]) == ("unconfirmed", "hub_restarted")


async def test_a_printer_that_lost_its_power_leaves_the_job_unconfirmed_and_prints_the_next(
    till: Till, rng: random.Random
) -> None:
    first = await till.print(receipt(1))
    second = await till.print(receipt(2))
    await under_way(till, first, rng.uniform(0.05, 0.2))

    await till.fault("printer_power", True)
    await till.until(lambda state: [fault for fault in state["faults"] if fault["code"] == "printer_power"])
    await till.fault("printer_power", False)

    job = await till.final(first)
    assert (job["state"], job["reason"]) == ("unconfirmed", "printer_power")
    assert (await till.final(second))["state"] == "printed"
    last = (await till.receipts())[-1]["n"]
    assert await till.get(f"/virtual/receipts/{last}.bin") == receipt(2)


async def test_a_receipt_goes_on_where_the_paper_ended(till: Till) -> None:
    job_id = await till.print(receipt(1))
    await under_way(till, job_id, 0.1)
    await till.fault("paper_end", True)
    await till.until(lambda state: state["devices"]["printer"]["paper"] == "end")
    assert (await till.get(f"/api/v1/jobs/{job_id}"))["state"] == "sending"

    await till.fault("paper_end", False)

    assert (await till.final(job_id))["state"] == "printed"
    assert await till.get("/virtual/receipts/1.bin") == receipt(1)


async def test_a_cancelled_job_never_prints_and_a_job_under_way_can_not_be_cancelled(till: Till) -> None:
    first = await till.print(receipt(1))
    await under_way(till, first, 0.05)
    await till.fault("paper_end", True)
    second, third = [await till.print(receipt(number, 3000)) for number in (2, 3)]

    status, problem = await till.post(f"/api/v1/jobs/{first}/cancel")
    assert (status, problem["code"]) == (409, "job_not_cancellable")
    status, job = await till.post(f"/api/v1/jobs/{second}/cancel")
    assert (status, job["state"]) == (200, "cancelled")

    await till.fault("paper_end", False)
    assert (await till.final(third))["state"] == "printed"
    assert [await till.get(f"/virtual/receipts/{n}.bin") for n in (1, 2)] == [receipt(1), receipt(3, 3000)]


async def test_a_job_that_waits_for_paper_can_be_cancelled(till: Till) -> None:
    await till.fault("paper_end", True)
    await till.until(lambda state: state["devices"]["printer"]["paper"] == "end")
    first, second = [await till.print(receipt(number, 3000)) for number in (1, 2)]
    status, job = await till.post(f"/api/v1/jobs/{first}/cancel")
    assert (status, job["state"]) == (200, "cancelled")

    await till.fault("paper_end", False)

    assert (await till.final(second))["state"] == "printed"
    assert [await till.get(f"/virtual/receipts/{n['n']}.bin") for n in await till.receipts()] == [receipt(2, 3000)]


async def test_jobs_taken_with_the_cable_out_print_in_order_when_it_returns(till: Till) -> None:
    await till.fault("cable", True)
    await till.until(lambda state: state["link"]["status"] == "down")
    jobs = [await till.print(receipt(number, 1500)) for number in range(1, 6)]

    await till.fault("cable", False)

    assert [(await till.final(job))["state"] for job in jobs] == ["printed"] * 5
    printed = [await till.get(f"/virtual/receipts/{n}.bin") for n in range(1, 6)]
    assert printed == [receipt(number, 1500) for number in range(1, 6)]


async def test_the_same_idempotency_key_prints_once(till: Till) -> None:
    first = await till.print(receipt(1, 1000), **{"Idempotency-Key": "sale-4711"})
    again = await till.print(receipt(1, 1000), **{"Idempotency-Key": "sale-4711"})

    assert again == first
    await till.final(first)
    assert len(await till.receipts()) == 1
