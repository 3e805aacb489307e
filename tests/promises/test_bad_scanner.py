"""Bad input on the scanner's line: each kind shows its fault, the counter goes on, and the next scan arrives whole."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live_bridge import LiveBridge, Till, ask_counter, in_time, next_event

pytestmark = pytest.mark.virtual_hub
EAN = "4006381333931"
SCANS = "/api/v1/scans?after=0"
ENDS_ALL = b"\r"  # of what came before, where silence has not yet


async def line(bridge: LiveBridge, data: bytes) -> None:
    """Bytes on the scanner's line, at its baud rate."""
    await ask_counter(bridge, "scanner_bytes", data=data.hex())


async def sends_rubbish_and_then_a_scan(bridge: LiveBridge, till: Till) -> None:
    await line(bridge, bytes(range(256)) * 2)
    await till.until(lambda state: "scanner_garbled" in [fault["code"] for fault in state["faults"]])
    async with till.events() as socket:
        await line(bridge, ENDS_ALL + b"]E0" + EAN.encode() + b"\r")
        while (await next_event(socket, "scan"))["data"] != EAN:
            pass
    await till.until(lambda state: not state["faults"])


async def test_rubbish_is_named_and_the_next_scan_arrives(bridge: LiveBridge, till: Till) -> None:
    await sends_rubbish_and_then_a_scan(bridge, till)


async def test_more_than_any_barcode_holds_is_one_fault_and_no_scan(bridge: LiveBridge, till: Till) -> None:
    scanned: list[str] = []

    async def once() -> bool:
        """A machine that holds the line's simulation up for 0.4 s makes two of it, the second short enough."""
        before = len(scanned)
        # Of a scanner that ends its scans with a suffix a pause of 0.4 s is no end. Of one that doesn't 0.05 s are.
        await line(bridge, b"]E0" + EAN.encode() + b"\r")
        await till.until(lambda answer: len(answer["scans"]) > before, SCANS)
        await line(bridge, b"0123456789" * 720)
        job_id = await till.print(b"\x1b@goes on\n\x1dV\x42\x00")
        assert (await till.final(job_id))["state"] == "printed"
        await till.until(lambda state: [fault["code"] for fault in state["faults"]] == ["scanner_garbled"])
        await line(bridge, ENDS_ALL + b"]E4" + b"96385074\r")
        scanned[:] = await till.until(ends_with_the_last_one, SCANS)
        await till.until(lambda state: not state["faults"])
        return scanned[before:] == [EAN, "96385074"]

    def ends_with_the_last_one(answer: Any) -> Any:
        found = [scan["data"] for scan in answer["scans"]]
        return found if len(found) > len(scanned) + 1 and found[-1] == "96385074" else None

    await in_time(once)


async def test_a_plug_pulled_half_way_through_a_scan_leaves_nothing_of_it(bridge: LiveBridge, till: Till) -> None:
    await line(bridge, b"]E0" + EAN.encode() + b"\r")
    await till.until(lambda answer: answer["scans"], "/api/v1/scans?after=0")
    await line(bridge, b"]E040063")
    await till.fault("scanner_unplugged", True)
    await till.until(lambda state: state["faults"] and state["faults"][0]["code"] == "scanner_unplugged")
    await till.fault("scanner_unplugged", False)
    await till.until(lambda state: not state["faults"])
    async with till.events() as socket:
        await line(bridge, b"]E4" + b"96385074\r")
        while (event := await next_event(socket, "scan"))["data"] == EAN:
            pass
    assert (event["data"], event["sequence"]) == ("96385074", 2)
