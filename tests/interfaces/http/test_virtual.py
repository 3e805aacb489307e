"""The virtual counter's requests, and that they are only there with a virtual hub."""

from __future__ import annotations

import pytest

from host_bridge.interfaces.http.operations import OPERATIONS
from tests.interfaces.http.conftest import PNG, Running, Start
from tests.interfaces.http.test_api import problem

VIRTUAL = [
    (operation.method, operation.path.replace("{n}", "1")) for operation in OPERATIONS if operation.tag == "virtual"
]


@pytest.mark.parametrize(("method", "path"), VIRTUAL)
async def test_with_a_real_hub_there_is_no_virtual_counter(start: Start, method: str, path: str) -> None:
    running = await start(virtual=False)
    body = await problem(await running.client.request(method, path), 404, "not_virtual")
    assert "--virtual" in body["detail"]


async def test_a_barcode_is_held_under_the_scanner(server: Running) -> None:
    assert server.counter is not None
    answer = await server.client.post("/virtual/scan", json={"data": "6901234567892", "symbology": "]E0"})
    assert answer.status == 202
    assert (await server.client.post("/virtual/scan", json={"data": "没有"})).status == 202
    assert server.counter.scanned == [("6901234567892", "]E0"), ("没有", None)]


@pytest.mark.parametrize("body", [{}, {"data": ""}, {"data": 5}, {"data": "x" * 4097}, {"data": "x", "other": 1}, []])
async def test_what_is_no_barcode_is_refused(server: Running, body: object) -> None:
    assert server.counter is not None
    await problem(await server.client.post("/virtual/scan", json=body), 422, "body_invalid")
    assert server.counter.scanned == []


async def test_an_empty_body_is_no_barcode(server: Running) -> None:
    headers = {"Content-Type": "application/json"}
    await problem(await server.client.post("/virtual/scan", data=b"", headers=headers), 400, "body_malformed")


async def test_an_unplugged_scanner_says_so(server: Running) -> None:
    assert server.counter is not None
    server.counter.active["cable"] = True
    await problem(await server.client.post("/virtual/scan", json={"data": "x"}), 409, "scanner_unplugged")


async def test_receipts_are_listed_with_their_links(server: Running) -> None:
    (receipt,) = await (await server.client.get("/virtual/receipts")).json()
    assert receipt["n"] == 1
    picture = await server.client.get(receipt["links"]["png"])
    assert (picture.content_type, await picture.read()) == ("image/png", PNG)
    data = await server.client.get(receipt["links"]["bin"])
    assert (data.content_type, await data.read()) == ("application/octet-stream", b"\x1b@hi\n")


@pytest.mark.parametrize("n", ["0", "2", "9" * 30])
async def test_an_unknown_receipt_is_a_404(server: Running, n: str) -> None:
    for kind in ("png", "bin"):
        await problem(await server.client.get(f"/virtual/receipts/{n}.{kind}"), 404, "receipt_unknown")


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "..%2f1", "١"])
async def test_a_receipt_that_is_no_number_is_a_404(server: Running, n: str) -> None:
    await problem(await server.client.get(f"/virtual/receipts/{n}.png"), 404, "not_found")


async def test_faults_are_injected_and_taken_away(server: Running) -> None:
    answer = await server.client.post("/virtual/faults", json={"fault": "cable", "active": True})
    assert await answer.json() == {"fault": "cable", "active": True}
    assert await (await server.client.get("/virtual/faults")).json() == [
        {"fault": "cable", "active": True},
        {"fault": "paper_end", "active": False},
    ]
    await server.client.post("/virtual/faults", json={"fault": "cable", "active": False})
    assert (await (await server.client.get("/virtual/faults")).json())[0]["active"] is False


async def test_an_unknown_fault_is_refused_with_the_known_ones(server: Running) -> None:
    answer = await server.client.post("/virtual/faults", json={"fault": "flood", "active": True})
    assert "paper_end" in (await problem(answer, 422, "fault_unknown"))["detail"]
    await problem(await server.client.post("/virtual/faults", json={"fault": "cable"}), 422, "body_invalid")
    wrong = await server.client.post("/virtual/faults", json={"fault": "cable", "active": "yes"})
    await problem(wrong, 422, "body_invalid")


async def test_the_drawer_is_pushed_shut(server: Running) -> None:
    assert server.counter is not None
    assert (await server.client.post("/virtual/drawer/close")).status == 204
    assert server.counter.closed == 1


async def test_the_light_over_time_is_told_whole_or_from_a_moment_on(server: Running) -> None:
    whole = await (await server.client.get("/virtual/light")).json()
    assert whole[:2] == [{"at_ms": 0, "colour": "#000000"}, {"at_ms": 250, "colour": "#00a651"}]
    rest = await (await server.client.get("/virtual/light?after_ms=250")).json()
    assert rest == [{"at_ms": 3150, "colour": "#000000"}]
    await problem(await server.client.get("/virtual/light?after_ms=-1"), 400, "query_invalid")
