"""Several hubs on one machine: each act lands on the hub that was named, and one's trouble is its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.conftest import FAST_PRINTER
from tests.live_bridge import LiveBridge, Till, end_virtual_hub, next_event

pytestmark = pytest.mark.virtual_hub


class Shop(NamedTuple):
    bridge: LiveBridge
    one: Till
    two: Till
    any: Till  # names no hub


@pytest.fixture(scope="module")
def two_hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBridge]:
    """One bridge for all tests here: each leaves it as it found it."""
    live = LiveBridge(tmp_path_factory.mktemp("several") / "state", FAST_PRINTER, hubs=2)
    live.start()
    yield live
    try:
        live.stop()
    finally:
        end_virtual_hub(live.state_dir)


@pytest_asyncio.fixture
async def shop(two_hubs: LiveBridge) -> AsyncIterator[Shop]:
    tills = Till(two_hubs, "hub1"), Till(two_hubs, "hub2"), Till(two_hubs)
    await asyncio.gather(tills[0].link_up(), tills[1].link_up())
    yield Shop(two_hubs, *tills)
    for till in tills:
        await till.close()


async def papers(till: Till) -> list[bytes]:
    """What is on the paper of that hub's printer."""
    return [await till.get(f"/virtual/receipts/{receipt['n']}.bin") for receipt in await till.receipts()]


async def drawer(till: Till) -> str:
    return str((await till.state())["devices"]["drawer"]["status"])


def receipt(words: str) -> bytes:
    return b"\x1b@" + words.encode() + b"\n\x1dV\x00"


async def test_each_job_lands_on_the_printer_of_its_hub(shop: Shop) -> None:
    jobs = [await shop.one.print(receipt("for one")), await shop.two.print(receipt("for two"))]
    assert (await shop.one.final(jobs[0]))["state"] == "printed"
    assert (await shop.two.final(jobs[1]))["state"] == "printed"
    assert (await papers(shop.one))[-1] == receipt("for one")
    assert (await papers(shop.two))[-1] == receipt("for two")
    status, answer = await shop.two.post(f"/api/v1/jobs/{jobs[0]}/cancel")
    assert (status, answer["code"]) == (404, "job_unknown")


async def test_an_answer_leads_to_the_hub_that_was_named(shop: Shop) -> None:
    body = {"data": receipt("linked"), "headers": {"Content-Type": "application/octet-stream"}}
    status, answer = await shop.two.post("/api/v1/print", **body)
    assert status == 202
    job = await shop.any.get(answer["links"]["self"])
    assert job["links"]["receipt"].startswith("/api/v1/hubs/hub2/jobs/")
    assert (await shop.any.get(job["links"]["receipt"])).startswith(b"\x89PNG")
    await shop.two.final(answer["job_id"])
    [*_, last] = await shop.two.receipts()
    assert await shop.any.get(last["links"]["bin"]) == receipt("linked")


async def test_a_hub_is_named_by_its_id_as_well(shop: Shop) -> None:
    known = (await shop.any.get("/api/v1/hubs"))["hubs"]
    assert [(hub["name"], hub["link"], hub["virtual"]) for hub in known] == [("hub1", "up", True), ("hub2", "up", True)]
    state = await shop.any.get(f"/api/v1/hubs/{known[1]['id']}/state")
    assert (state["hub"]["id"], state["hub"]["name"]) == (known[1]["id"], "hub2")


async def test_a_kick_opens_the_drawer_of_its_hub_only(shop: Shop) -> None:
    status, kick = await shop.two.post("/api/v1/drawer/open")
    assert (status, kick["state"]) == (200, "opened")
    await shop.two.until(lambda state: state["devices"]["drawer"]["status"] == "open")
    assert await drawer(shop.one) == "closed"
    await shop.two.post("/virtual/drawer/close")
    await shop.two.until(lambda state: state["devices"]["drawer"]["status"] == "closed")


async def test_which_drawer_is_never_guessed(shop: Shop) -> None:
    for path in ("/api/v1/drawer/open", "/api/v1/print", "/virtual/scan"):
        status, problem = await shop.any.post(path)
        assert (status, problem["code"], problem["hubs"]) == (400, "hub_not_named", ["hub1", "hub2"])
        assert "hub1, hub2" in problem["detail"]
    wrong = Till(shop.bridge, "hub3")
    status, problem = await wrong.post("/api/v1/drawer/open")
    assert (status, problem["code"], problem["hubs"]) == (404, "hub_unknown", ["hub1", "hub2"])
    await wrong.close()
    assert (await drawer(shop.one), await drawer(shop.two)) == ("closed", "closed")


async def test_scans_come_from_their_hub_only_and_are_settled_there(shop: Shop) -> None:
    async with shop.one.events() as at_one, shop.two.events() as at_two:
        await shop.one.post("/virtual/scan", json={"data": "4006381333931"})
        scan = await next_event(at_one, "scan")
        await shop.two.post("/virtual/scan", json={"data": "6901234567892"})
        other = await next_event(at_two, "scan")
        assert (scan["data"], other["data"]) == ("4006381333931", "6901234567892")
        await at_one.send_json({"type": "ack", "sequence": scan["sequence"]})
        assert (await next_event(at_one, "ack"))["accepted"]
        await at_two.send_json({"type": "ack", "sequence": other["sequence"]})
        assert (await next_event(at_two, "ack"))["accepted"]
    assert all(row["data"] == "4006381333931" for row in (await shop.one.get("/api/v1/scans"))["scans"])


async def test_each_raw_port_prints_on_its_own_printer(shop: Shop) -> None:
    for name, till in (("hub1", shop.one), ("hub2", shop.two)):
        before = len(await till.receipts())
        _, writer = await asyncio.open_connection(shop.bridge.raw_host, shop.bridge.raw_ports[name])
        writer.write(receipt(f"raw at {name}"))
        writer.close()
        await till.until(lambda found, before=before: len(found) > before, "/virtual/receipts")  # type: ignore[misc]
        assert (await papers(till))[-1] == receipt(f"raw at {name}")


async def test_one_unplugged_is_its_own_fault_and_the_other_goes_on(shop: Shop) -> None:
    await shop.one.fault("cable", True)
    await shop.one.until(lambda state: [fault["code"] for fault in state["faults"]] == ["port_missing"])
    job_id = await shop.two.print(receipt("goes on"))
    assert (await shop.two.final(job_id))["state"] == "printed"
    assert (await shop.two.state())["faults"] == []
    first, second = (await shop.any.get("/api/v1/hubs"))["hubs"]
    assert (first["status"], first["worst_fault"]["code"], second["status"]) == ("fault", "port_missing", "ready")
    await shop.one.fault("cable", False)
    await shop.one.link_up()


async def test_a_killed_bridge_catches_up_on_both(shop: Shop) -> None:
    jobs: list[str] = []
    tills = (shop.one, shop.two)
    before = [len(await till.receipts()) for till in tills]
    for till in tills:
        await till.fault("cover_open", True)
        await till.until(lambda state: state["devices"]["printer"]["cover_open"])
        jobs.append(await till.print(receipt("after the kill")))
    shop.bridge.kill()
    shop.bridge.start()
    for till, job_id, count in zip(tills, jobs, before, strict=True):
        await till.link_up()
        await till.fault("cover_open", False)
        assert (await till.final(job_id))["state"] in ("printed", "unconfirmed")
        assert len(await till.receipts()) == count + 1


def spoil(journal: Path) -> None:
    """Make it one that a newer program wrote."""
    connection = sqlite3.connect(journal)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


async def test_a_journal_that_can_not_be_used_is_that_hubs_fault_alone(shop: Shop) -> None:
    journal = shop.bridge.state_dir / "hubs" / "hub1" / "journal.sqlite3"
    shop.bridge.stop()
    spoil(journal)
    shop.bridge.start()
    await shop.two.link_up()
    job_id = await shop.two.print(receipt("beside it"))
    assert (await shop.two.final(job_id))["state"] == "printed"

    state: Any = await shop.one.state()
    assert [fault["code"] for fault in state["faults"]] == ["journal_failed"]
    assert state["link"]["reason"] == "journal_failed" and "newer" in state["link"]["detail"]
    status, problem = await shop.one.post("/api/v1/drawer/open")
    assert (status, problem["code"]) == (503, "journal_failed")

    journal.unlink()
    await shop.one.link_up()  # it was tried again, and began a new journal
    assert (await shop.one.state())["faults"] == []
