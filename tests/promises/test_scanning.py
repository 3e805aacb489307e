"""Promise 1: a scan that the hub has read reaches the till once, in order, or is reported as expired."""

from __future__ import annotations

import asyncio

import pytest

from tests.live_bridge import LiveBridge, Till, in_time, next_event

pytestmark = pytest.mark.virtual_hub
EAN = "4006381333931"
# A bridge that a busy machine takes long to start must not find its scan expired.
PATIENT = pytest.mark.parametrize(
    "bridge", [pytest.param("[scanner]\nexpire_ms = 600000\n", id="patient")], indirect=True
)


async def scan(till: Till, data: str, symbology: str | None = "]E0") -> None:
    status, answer = await till.post("/virtual/scan", json={"data": data, "symbology": symbology})
    assert status < 300, answer


async def test_a_scan_arrives_with_data_symbology_and_sequence(till: Till) -> None:
    async with till.events() as socket:
        await scan(till, EAN)
        event = await next_event(socket, "scan")
    assert (event["data"], event["symbology"], event["check_digit_ok"]) == (EAN, "]E0", True)
    assert event["sequence"] == 1


@PATIENT
async def test_an_unacknowledged_scan_comes_again_and_an_acknowledged_one_does_not(till: Till) -> None:
    async with till.events() as socket:
        await scan(till, EAN)
        first = await next_event(socket, "scan")
        await scan(till, "96385074")
        second = await next_event(socket, "scan")
        await socket.send_json({"type": "ack", "sequence": first["sequence"]})
        assert (await next_event(socket, "ack"))["accepted"] is True
    async with till.events() as socket:
        again = await next_event(socket, "scan")
        assert (again["sequence"], again["redelivered"]) == (second["sequence"], True)
        await socket.send_json({"type": "ack", "sequence": again["sequence"]})
        await next_event(socket, "ack")
    async with till.events() as socket:
        await scan(till, "5901234123457")
        assert (await next_event(socket, "scan"))["data"] == "5901234123457"


async def test_scans_read_with_the_cable_out_arrive_in_order_once(till: Till) -> None:
    await till.fault("cable", True)
    await till.until(lambda state: state["link"]["status"] == "down")
    codes = [f"CODE-{number:03d}" for number in range(20)]
    for code in codes:
        await scan(till, code, "]C0")
    await till.fault("cable", False)
    scans = await till.until(
        lambda answer: answer["scans"] if len(answer["scans"]) >= 20 else None, "/api/v1/scans?after=0"
    )
    assert [entry["data"] for entry in scans] == codes


@PATIENT
async def test_a_scan_survives_a_killed_bridge(bridge: LiveBridge, till: Till) -> None:
    await scan(till, EAN)
    await till.until(lambda answer: answer["scans"], "/api/v1/scans?after=0")
    bridge.kill()
    bridge.start()
    async with till.events() as socket:
        event = await next_event(socket, "scan")
    assert (event["data"], event["sequence"]) == (EAN, 1)


async def test_a_scan_read_while_no_bridge_ran_is_delivered_when_it_is_back(bridge: LiveBridge, till: Till) -> None:
    await scan(till, EAN)
    await till.until(lambda answer: answer["scans"], "/api/v1/scans?after=0")
    await till.fault("cable", True)
    await scan(till, "96385074")
    bridge.kill()
    bridge.start()
    await till.fault("cable", False)
    scans = await till.until(
        lambda answer: answer["scans"] if len(answer["scans"]) >= 2 else None, "/api/v1/scans?after=0"
    )
    assert [entry["data"] for entry in scans] == [EAN, "96385074"]


async def test_an_expired_scan_is_reported_and_not_delivered(till: Till) -> None:
    async with till.events("?observe=1") as watcher:
        await scan(till, EAN)
        settled = await next_event(watcher, "scan_settled", deadline_s=40)
    assert settled["outcome"] == "expired"
    async with till.events() as socket:
        await scan(till, "96385074")
        assert (await next_event(socket, "scan"))["data"] == "96385074"


@PATIENT
async def test_two_tills_see_a_scan_and_the_first_acknowledgement_settles_it(till: Till) -> None:
    async with till.events() as one, till.events() as two:
        await scan(till, EAN)
        first, second = await asyncio.gather(next_event(one, "scan"), next_event(two, "scan"))
        assert first["sequence"] == second["sequence"]
        await one.send_json({"type": "ack", "sequence": first["sequence"]})
        assert (await next_event(two, "scan_settled"))["outcome"] == "delivered"
        await two.send_json({"type": "ack", "sequence": second["sequence"]})
        assert (await next_event(two, "ack"))["accepted"] is False


async def test_a_long_code_arrives_whole(till: Till) -> None:
    data = "".join(chr(ord("A") + index % 26) for index in range(4000))
    seen = 0

    async def once() -> bool:
        """A machine that holds the line's simulation up for 0.4 s cuts it in two."""
        nonlocal seen
        await scan(till, EAN)  # from here on the hub knows that this scanner sends a suffix, and lets a line stall
        await scan(till, data, "]Q1")
        scans = await till.until(
            lambda answer: answer["scans"] if len(answer["scans"]) > seen + 1 else None, "/api/v1/scans?after=0"
        )
        seen = len(scans)
        return (scans[-1]["data"], scans[-1]["symbology"]) == (data, "]Q1")

    await in_time(once)


async def test_a_gs1_code_arrives_with_its_application_identifiers(till: Till) -> None:
    data = "010950110153000310LOT7\x1d17260131"
    async with till.events() as socket:
        await scan(till, data, "]C1")
        event = await next_event(socket, "scan")
    assert (event["data"], event["symbology"], event["check_digit_ok"]) == (data, "]C1", True)
    assert event["gs1"]["ok"] is True
    found = {element["ai"]: element["value"] for element in event["gs1"]["elements"]}
    assert found == {"01": "09501101530003", "10": "LOT7", "17": "260131"}


async def test_a_till_switches_the_scanner_off_and_on_and_a_killed_bridge_leaves_it_on(
    bridge: LiveBridge, till: Till
) -> None:
    status, scanner = await till.post("/api/v1/scanner", json={"enabled": False, "for_ms": 60_000})
    assert (status, scanner["status"]) == (200, "off")
    async with asyncio.timeout(20):
        while (await till.post("/virtual/scan", json={"data": "late", "symbology": "]C0"}))[0] < 300:
            pass  # the hub's command was still on its way to the scanner
    status, scanner = await till.post("/api/v1/scanner", json={"enabled": True})
    assert (status, scanner["status"]) == (200, "ready")
    await scan_once_it_reads(till, EAN)

    await till.post("/api/v1/scanner", json={"enabled": False, "for_ms": 3_600_000})
    bridge.kill()
    bridge.start()
    await till.link_up()
    assert (await till.state())["devices"]["scanner"]["status"] == "ready"
    await scan_once_it_reads(till, "96385074")


async def scan_once_it_reads(till: Till, data: str) -> None:
    """The hub's command takes a moment on the line to the scanner."""
    async with asyncio.timeout(20):
        while (await till.post("/virtual/scan", json={"data": data, "symbology": None}))[0] >= 300:
            await asyncio.sleep(0.02)


async def test_a_full_hub_holds_the_scanner_off_and_lets_it_go_with_nothing_lost(till: Till) -> None:
    await till.fault("cable", True)
    await till.until(lambda state: state["link"]["status"] == "down")
    codes = []
    refused = 0
    for number in range(200):
        status, _ = await till.post("/virtual/scan", json={"data": f"CODE-{number:03d}", "symbology": "]C0"})
        if status < 300:
            codes.append(f"CODE-{number:03d}")
            await asyncio.sleep(0.02)  # a scan takes its time on the line
        else:
            refused += 1
            if refused > 3:
                break
    assert 50 <= len(codes) <= 64
    await till.fault("cable", False)
    scans = await till.until(
        lambda answer: answer["scans"] if len(answer["scans"]) >= len(codes) else None,
        "/api/v1/scans?after=0&limit=100",
    )
    assert [entry["data"] for entry in scans] == codes
    await till.until(lambda state: not state["faults"])
    await scan_once_it_reads(till, EAN)
