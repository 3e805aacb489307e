"""One HTTP port for several hubs: an address says which, and nothing is ever done to another one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, cast

import aiohttp
import msgspec
import pytest

from host_bridge.address import Address
from host_bridge.hub.plugged import PluggedPort
from host_bridge.interfaces.http import HttpInterface, HttpLimits
from host_bridge.interfaces.http.operations import every_operation
from host_bridge.interfaces.services import ServedHub
from tests.interfaces.http.conftest import FakeClock, FakeCounter, FakeHub, receive
from tests.interfaces.http.test_api import problem

NAMES = ["till-1", "till-2"]
SHORT = [
    (operation.method, re.sub(r"\{\w+\}", "1", operation.path)) for operation in every_operation() if operation.of_hub
]


class Shop(NamedTuple):
    one: FakeHub
    two: FakeHub
    client: aiohttp.ClientSession


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    clock = FakeClock()
    hubs = [FakeHub(clock, name, FakeCounter()) for name in NAMES]
    interface = HttpInterface(
        {hub.name: cast(ServedHub, hub) for hub in hubs},
        Address("127.0.0.1", 0),
        ports=lambda: [PluggedPort(device="/dev/ttyACM0", served_as="till-1")],
        web_dir=None,
        limits=HttpLimits(stop_deadline_ms=200, websockets=2),
        clock=clock,
    )
    await interface.start()
    async with aiohttp.ClientSession(interface.url, timeout=aiohttp.ClientTimeout(total=20)) as client:
        yield Shop(hubs[0], hubs[1], client)
    await interface.stop()


def nothing_happened(shop: Shop) -> bool:
    return all(not hub.drawers.kicks and not hub.printing.stored for hub in (shop.one, shop.two))


@pytest.mark.parametrize(("method", "path"), [each for each in SHORT if "/hubs/" not in each[1]])
async def test_an_address_without_a_hub_is_refused_with_the_names(shop: Shop, method: str, path: str) -> None:
    body = await problem(await shop.client.request(method, path), 400, "hub_not_named")
    assert body["hubs"] == NAMES
    assert "till-1, till-2" in body["detail"] and "/api/v1/hubs/till-1/" in body["detail"]
    assert nothing_happened(shop)


@pytest.mark.parametrize(("method", "path"), [each for each in SHORT if "/hubs/" in each[1]])
async def test_a_hub_that_is_not_there_is_answered_with_those_that_are(shop: Shop, method: str, path: str) -> None:
    body = await problem(await shop.client.request(method, path), 404, "hub_unknown")  # its name is "1"
    assert body["hubs"] == NAMES
    assert nothing_happened(shop)


@pytest.mark.parametrize("name", ["TILL-1", "till-1%2F", "..", "%00", "till-1%20", "e" * 3000])
async def test_a_name_is_taken_as_it_is_or_not_at_all(shop: Shop, name: str) -> None:
    answer = await shop.client.post(f"/api/v1/hubs/{name}/drawer/open")
    assert answer.status in (400, 404)
    assert nothing_happened(shop)


@pytest.mark.parametrize("address", ["/api/v1/hubs", "/api/v1/hubs/till-1/state", "/api/v1/hubs/till-1/drawer/open"])
async def test_a_foreign_page_gets_no_hub_either(shop: Shop, address: str) -> None:
    method = "POST" if address.endswith("open") else "GET"
    for headers, code in (
        ({"Host": "evil.example"}, "host_not_allowed"),
        ({"Origin": "https://evil.example"}, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "cross-site"}, "origin_not_allowed"),
    ):
        await problem(await shop.client.request(method, address, headers=headers), 403, code)
    assert nothing_happened(shop)


async def test_the_list_says_how_each_counter_is(shop: Shop) -> None:
    shop.two.link_status = "down"
    first, second = (await (await shop.client.get("/api/v1/hubs")).json())["hubs"]
    assert (first["name"], first["status"] in ("ready", "warning", "fault"), first["link"]) == ("till-1", True, "up")
    assert (second["name"], second["status"], second["link"]) == ("till-2", "fault", "down")
    assert (await shop.client.get(second["href"])).status == 200
    assert (await (await shop.client.get("/healthz")).json())["link"] == "down"


async def test_links_in_answers_stay_with_the_hub_and_keys_count_for_one(shop: Shop) -> None:
    request: dict[str, Any] = {"data": b"\x1b@x\n", "headers": {"Idempotency-Key": "order-1"}}
    request["headers"]["Content-Type"] = "application/octet-stream"
    for name, hub in zip(NAMES, (shop.one, shop.two), strict=True):
        answer = await shop.client.post(f"/api/v1/hubs/{name}/print", **request)
        assert answer.status == 202 and "Idempotency-Replayed" not in answer.headers
        assert answer.headers["Location"].startswith(f"/api/v1/hubs/{name}/jobs/")
        job = await (await shop.client.get(answer.headers["Location"])).json()
        assert job["links"]["cancel"].startswith(f"/api/v1/hubs/{name}/jobs/")
        assert len(hub.printing.stored) == 1
    receipts = await (await shop.client.get("/api/v1/hubs/till-2/virtual/receipts")).json()
    assert (await shop.client.get(receipts[0]["links"]["png"])).status == 200


async def test_the_same_kick_number_of_two_hubs_is_two_kicks(shop: Shop) -> None:
    headers = {"Idempotency-Key": "sale-1"}
    for name in NAMES:
        answer = await shop.client.post(f"/api/v1/hubs/{name}/drawer/open", headers=headers)
        assert answer.status == 200 and "Idempotency-Replayed" not in answer.headers
    answer = await shop.client.post("/api/v1/hubs/till-1/drawer/open", headers=headers)
    assert answer.headers["Idempotency-Replayed"] == "true"


async def test_a_socket_hears_its_hub_only_and_its_scans_are_not_taken_for_the_others(shop: Shop) -> None:
    async with (
        shop.client.ws_connect("/api/v1/hubs/till-1/events") as one,
        shop.client.ws_connect("/api/v1/hubs/till-2/events") as two,
    ):
        for socket in (one, two):
            assert (await receive(socket))["type"] == "state"
        shop.one.scans.add("4006381333931")
        shop.two.scans.add("6901234567892")
        first, second = await receive(one), await receive(two)
        assert (first["data"], second["data"]) == ("4006381333931", "6901234567892")
        assert first["sequence"] == second["sequence"] and not second["redelivered"]
        await one.send_json({"type": "ack", "sequence": first["sequence"]})
        assert [(await receive(one))["type"] for _ in range(2)]  # scan_settled and the answer
        assert [scan.data for scan in await shop.two.scans.waiting()] == ["6901234567892"]
        refused = await shop.client.get("/api/v1/hubs/till-1/events", headers=UPGRADE)
        await problem(refused, 503, "too_many_websockets")  # the limit is that of the port, not of a hub


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_the_ports_of_the_machine_are_told_with_who_is_served_there(shop: Shop) -> None:
    (port,) = (await (await shop.client.get("/api/v1/ports")).json())["ports"]
    assert (port["device"], port["served_as"], port["hub_id"]) == ("/dev/ttyACM0", "till-1", None)


async def test_an_only_hub_answers_under_both_addresses() -> None:
    hub = FakeHub(FakeClock(), "hub", FakeCounter())
    interface = HttpInterface({"hub": cast(ServedHub, hub)}, Address("127.0.0.1", 0), web_dir=None)
    await interface.start()
    try:
        async with aiohttp.ClientSession(interface.url) as client:
            short = await (await client.get("/api/v1/jobs")).json()
            assert short == await (await client.get("/api/v1/hubs/hub/jobs")).json()
            state = hub.state()
            assert state.hub is not None
            by_id = await client.get(f"/api/v1/hubs/{state.hub.id.upper()}/state")
            assert msgspec.json.decode(await by_id.read())["hub"]["id"] == state.hub.id
    finally:
        await interface.stop()
