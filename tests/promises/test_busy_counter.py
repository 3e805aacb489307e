"""All promises at once: a counter where several tills print, scan and kick while the printer has its troubles."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.live_bridge import LiveBridge, Till, next_event

pytestmark = pytest.mark.virtual_hub

RAW_CLIENTS, RAW_RECEIPTS = 6, 4
API_CLIENTS, API_RECEIPTS = 3, 4
SCANNING_TILLS, WATCHERS = 3, 3
SCANS = 40
KICKS = 6
TROUBLE_EVERY_RECEIPTS = 8
TROUBLES = ("paper_near_end", "cover_open", "paper_end")
RECEIPTS = RAW_CLIENTS * RAW_RECEIPTS + API_CLIENTS * API_RECEIPTS
RECEIPT_ROWS = 16
DEADLINE_S = 60.0  # a shared, slow machine; about 10 s on an idle one

Receipt = tuple[str, int]


def receipt(client: str, number: int) -> bytes:
    """A receipt that no other client and no other number has, with a picture, ended by a cut."""
    picture = random.Random(f"{client} {number}").randbytes(72 * RECEIPT_ROWS)
    header = b"\x1dv0\x00\x48\x00" + RECEIPT_ROWS.to_bytes(2, "little")
    return f"\x1b@{client} {number}\n".encode() + header + picture + b"\n\x1dV\x42\x00"


def errors(state: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in state["link"]["statistics"].items() if name.startswith("error_")}


async def print_raw(bridge: LiveBridge, client: str) -> None:
    """A till that keeps its connection to the network printer and sends receipt after receipt, in pieces."""
    _, writer = await asyncio.open_connection(bridge.raw_host, bridge.raw_port)
    for number in range(RAW_RECEIPTS):
        data = receipt(client, number)
        for start in range(0, len(data), 500):
            writer.write(data[start : start + 500])
            await writer.drain()
    writer.close()
    await writer.wait_closed()


async def print_by_api(till: Till, client: str) -> list[str]:
    return [await till.print(receipt(client, number)) for number in range(API_RECEIPTS)]


async def scan_all(till: Till) -> list[str]:
    codes = [f"BUSY-{number:03d}" for number in range(SCANS)]
    for code in codes:
        while True:
            status, answer = await till.post("/virtual/scan", json={"data": code, "symbology": "]C0"})
            if status == 202:
                break
            assert answer["code"] in ("scanner_busy", "scanner_held_off"), answer
            await asyncio.sleep(0.05)  # the scanner's own line is at its limit: a clerk is no faster
    return codes


async def take_scans(socket: aiohttp.ClientWebSocketResponse) -> tuple[list[str], list[int]]:
    """A till that acknowledges what it gets; what it saw, and which scans became its own."""
    seen: list[str] = []
    won: list[int] = []
    answers = 0
    while answers < SCANS:
        event = await socket.receive_json()
        if event["type"] == "scan":
            assert not event["redelivered"]
            seen.append(event["data"])
            await socket.send_json({"type": "ack", "sequence": event["sequence"]})
        elif event["type"] == "ack":
            answers += 1
            won += [event["sequence"]] if event["accepted"] else []
    return seen, won


async def watch_scans(socket: aiohttp.ClientWebSocketResponse) -> list[str]:
    return [(await next_event(socket, "scan", DEADLINE_S))["data"] for _ in range(SCANS)]


async def kick(till: Till) -> None:
    for _ in range(KICKS):
        status, answer = await till.post("/api/v1/drawer/open", json={"on_ms": 50})
        assert (status, answer["state"]) == (200, "opened")
        await till.until(lambda state: state["devices"]["drawer"]["status"] == "open")
        await till.post("/virtual/drawer/close")
        await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")


async def make_trouble(till: Till) -> None:
    """Each trouble once, spread over the time that the receipts take."""
    for number, fault in enumerate(TROUBLES, 1):
        await till.until(partial(at_least, number * TROUBLE_EVERY_RECEIPTS), "/virtual/receipts")
        for active in (True, False):
            await till.fault(fault, active)
            await till.until(partial(shows, fault, active))


def at_least(count: int, papers: Any) -> bool:
    return len(papers) >= count


def shows(fault: str, active: bool, state: Any) -> bool:
    return active == any(one["code"] == fault for one in state["faults"])


async def printed(till: Till) -> list[Receipt]:
    """Whose receipts came out, in the order in which they did; each must be exactly what its till sent."""
    wanted = {receipt(client, number): (client, number) for client, number in expected()}
    found = []
    for paper in await till.receipts():
        data = await till.get(f"/virtual/receipts/{paper['n']}.bin")
        assert data in wanted, f"receipt {paper['n']} is nobody's: {data[:40]!r}"
        found.append(wanted[data])
    return found


def expected() -> list[Receipt]:
    raw = [(f"raw-{client}", number) for client in range(RAW_CLIENTS) for number in range(RAW_RECEIPTS)]
    return raw + [(f"api-{client}", number) for client in range(API_CLIENTS) for number in range(API_RECEIPTS)]


def all_final(answer: Any) -> Any:
    jobs = answer["jobs"]
    return jobs if len(jobs) == RECEIPTS and all(job["state"] not in ("queued", "sending") for job in jobs) else None


async def test_everything_at_once_is_done_once_and_in_order(bridge: LiveBridge, till: Till) -> None:
    before = await till.link_up()
    async with AsyncExitStack() as open_sockets:
        await open_sockets.enter_async_context(asyncio.timeout(DEADLINE_S))
        sockets = [
            await open_sockets.enter_async_context(till.events("" if number < SCANNING_TILLS else "?observe=1"))
            for number in range(SCANNING_TILLS + WATCHERS)
        ]
        tills = asyncio.gather(*(take_scans(socket) for socket in sockets[:SCANNING_TILLS]))
        watchers = asyncio.gather(*(watch_scans(socket) for socket in sockets[SCANNING_TILLS:]))
        scanning = asyncio.create_task(scan_all(till))
        await asyncio.gather(
            kick(till),
            make_trouble(till),
            *(print_raw(bridge, f"raw-{number}") for number in range(RAW_CLIENTS)),
            *(print_by_api(till, f"api-{number}") for number in range(API_CLIENTS)),
        )
        codes, taken, watched = await scanning, await tills, await watchers
    jobs = await till.until(all_final, f"/api/v1/jobs?limit={RECEIPTS + 1}", DEADLINE_S)

    assert Counter(job["state"] for job in jobs) == {"printed": RECEIPTS}
    found = await printed(till)
    assert sorted(found) == sorted(expected()), "each once"
    for client in {client for client, _ in found}:
        numbers = [number for who, number in found if who == client]
        assert numbers == sorted(numbers), f"{client} got its receipts out of order"

    assert watched == [codes] * WATCHERS
    assert [seen for seen, _ in taken] == [codes] * SCANNING_TILLS
    assert sorted(sequence for _, won in taken for sequence in won) == list(range(1, SCANS + 1)), "each to one till"
    scans = (await till.get(f"/api/v1/scans?newest={SCANS + 1}"))["scans"]
    assert [(scan["data"], scan["state"]) for scan in scans] == [(code, "delivered") for code in codes]

    state = await till.until(lambda state: state if not state["faults"] else None)
    assert state["link"]["session"] == before["link"]["session"], "the link never went down"
    # A process that the host held up acknowledges late, and frames come again; but none was damaged or out of place.
    assert errors(state) == errors(before)
    assert state["hub"]["boots"] == before["hub"]["boots"]
