"""The raw port over real sockets: nothing lost, nothing swallowed, nothing mixed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from typing import cast

import pytest

from host_bridge.escpos.status import READY, to_asb
from host_bridge.interfaces.raw import RawInterface
from host_bridge.interfaces.raw_client import RawLimits
from host_bridge.interfaces.raw_jobs import JobCollector, Step
from host_bridge.interfaces.services import Refused, ServedHub
from tests.interfaces.fake_bridge import FakeBridge
from tests.interfaces.raw_till import CUT, IMPATIENT, JOB, Start, connect, eventually

# --- jobs


async def test_a_client_that_closes_straight_after_its_last_byte_loses_nothing(
    bridge: FakeBridge, start: Start
) -> None:
    raw = await start()
    big = b"\x1b@" + b"line of text\n" * 20_000
    till = await connect(raw)
    till.writer.write(big)
    await till.close()
    await bridge.printing.until(lambda: bridge.printing.submitted == [big])


async def test_a_client_that_resets_straight_after_its_last_byte_loses_nothing(
    bridge: FakeBridge, start: Start
) -> None:
    raw = await start()
    for n in range(1, 11):
        with socket.create_connection(raw.address) as till:
            till.sendall(b"\x10\x04\x01" + b"%d\n" % n + b"x" * 5000 + b"\n")
            till.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await bridge.printing.until(lambda n=n: len(bridge.printing.submitted) == n)  # type: ignore[misc]
        assert bridge.printing.submitted[-1] == b"%d\n" % n + b"x" * 5000 + b"\n"


async def test_bytes_that_come_one_at_a_time_make_the_same_job(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    job = b"\x1b@a\x1dv0\x00\x02\x00\x02\x00\x1bp\x00\x19" + CUT
    await till.send(*[job[i : i + 1] for i in range(len(job))])
    await bridge.printing.until(lambda: bridge.printing.submitted == [job])
    assert bridge.drawers.kicks == []
    await till.close()


async def test_an_open_connection_gives_a_job_for_each_cut(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    for n in range(1, 4):
        await till.send(JOB)
        await bridge.printing.until(lambda n=n: len(bridge.printing.submitted) == n)  # type: ignore[misc]
    await till.send(JOB + JOB + b"\x1b@")
    await bridge.printing.until(lambda: len(bridge.printing.submitted) == 5)
    assert bridge.printing.submitted == [JOB] * 4 + [JOB + b"\x1b@"]
    await till.close()


async def test_a_probe_and_an_enquiry_make_no_job(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    await (await connect(raw)).close()
    till = await connect(raw)
    await till.send(b"\x00" * 50 + b"\x1b=\x01\x1b@\x10\x04\x01")
    assert await till.read(1) == b"\x12"
    await till.close()
    await eventually(lambda: raw.connections == 0)
    assert bridge.printing.submitted == []


async def test_silence_ends_a_job_without_a_cut_at_a_command_boundary(bridge: FakeBridge, start: Start) -> None:
    raw = await start(IMPATIENT)
    till = await connect(raw)
    await till.send(b"\x1b@no cut\n")
    await bridge.printing.until(lambda: bridge.printing.submitted == [b"\x1b@no cut\n"])
    await till.send(b"more\n")
    await bridge.printing.until(lambda: bridge.printing.submitted[1:] == [b"more\n"])
    await till.close()


async def test_a_single_line_without_an_end_is_printed_too(bridge: FakeBridge, start: Start) -> None:
    raw = await start(IMPATIENT)
    till = await connect(raw)
    await till.send(b"Hello world")
    await bridge.printing.until(lambda: bridge.printing.submitted == [b"Hello world"])
    await till.close()


async def test_a_truncated_last_command_is_dropped_with_a_warning(
    bridge: FakeBridge, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    raw = await start()
    till = await connect(raw)
    await till.send(b"\x1b@whole\n\x1dv0\x00\x08\x00\x08\x00torn")
    await till.close()
    await bridge.printing.until(lambda: bridge.printing.submitted == [b"\x1b@whole\n"])
    assert "GS v 0 at byte 8 lacks 60 bytes" in caplog.text
    assert raw.statistics["truncated"] == 1


async def test_a_client_that_stays_silent_inside_a_command_is_given_up(bridge: FakeBridge, start: Start) -> None:
    raw = await start(IMPATIENT)
    till = await connect(raw)
    await till.send(b"\x1b@whole\n\x1dv0\x00\x08\x00\x08\x00torn")
    assert await till.ended()
    assert bridge.printing.submitted == [b"\x1b@whole\n"]


async def test_a_client_that_drips_for_ever_ends_at_the_limit(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(idle_flush_ms=60_000, collect_ms=100))
    till = await connect(raw)
    await till.send(b"\x1b@drip")

    async def drip() -> None:
        while not bridge.printing.submitted:
            await till.send(b".")
            await asyncio.sleep(0.01)

    async with asyncio.timeout(30):
        await drip()
    assert bridge.printing.submitted[0].startswith(b"\x1b@drip.")
    await till.close()


async def test_jobs_of_many_clients_at_once_are_never_mixed(bridge: FakeBridge, start: Start) -> None:
    raw = await start()

    async def print_one(n: int) -> None:
        till = await connect(raw)
        for line in range(20):
            await till.send(b"%04d:%02d\n" % (n, line))
        await till.close()

    await asyncio.gather(*(print_one(n) for n in range(200)))
    await bridge.printing.until(lambda: len(bridge.printing.submitted) == 200)
    expected = {b"".join(b"%04d:%02d\n" % (n, line) for line in range(20)) for n in range(200)}
    assert set(bridge.printing.submitted) == expected


# --- limits and refusals


async def test_a_job_beyond_the_limit_is_reset_and_nothing_of_it_printed(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(max_job_bytes=100_000))
    till = await connect(raw)
    with contextlib.suppress(ConnectionError):
        await till.send(*[b"line\n" * 2000] * 40)
    assert await till.ended()
    assert bridge.printing.submitted == []
    assert raw.statistics["job_too_large"] == 1
    other = await connect(raw)
    await other.send(JOB)
    await bridge.printing.until(lambda: bridge.printing.submitted == [JOB])
    await other.close()


async def test_a_command_that_announces_gigabytes_is_reset_at_the_limit(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(max_job_bytes=100_000))
    till = await connect(raw)
    with contextlib.suppress(ConnectionError):
        await till.send(b"\x1d8L\xff\xff\xff\xff", *[bytes(20_000)] * 40)
    assert await till.ended()
    assert bridge.printing.submitted == []


async def test_all_connections_together_have_a_limit(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(max_buffered_bytes=50_000))
    first = await connect(raw)
    await first.send(b"\x1b@" + b"a" * 30_000)
    await eventually(lambda: raw.buffered_bytes() > 30_000)
    second = await connect(raw)
    with contextlib.suppress(ConnectionError):
        await second.send(b"\x1b@" + b"b" * 30_000)
    assert await second.ended()
    await first.close()
    await bridge.printing.until(lambda: bridge.printing.submitted == [b"\x1b@" + b"a" * 30_000])


async def test_the_port_is_closed_while_jobs_cant_be_taken_and_opens_again(bridge: FakeBridge, start: Start) -> None:
    raw = await start(IMPATIENT)
    bridge.printing.refused = Refused("journal_full", "the disk is full; make room")

    async def refuses() -> bool:
        try:
            await (await connect(raw)).close()
        except ConnectionError:
            return True
        return False

    async def takes() -> bool:
        return not await refuses()

    await eventually(refuses)
    bridge.printing.refused = None
    await eventually(takes)
    till = await connect(raw)
    await till.send(JOB)
    await bridge.printing.until(lambda: bridge.printing.submitted == [JOB])
    await till.close()


async def test_a_client_in_the_middle_of_its_job_is_reset_when_jobs_cant_be_taken(
    bridge: FakeBridge, start: Start
) -> None:
    raw = await start(RawLimits(idle_flush_ms=60_000))
    till = await connect(raw)
    await till.send(b"\x1b@half a rec")
    await eventually(lambda: raw.buffered_bytes() > 0)
    bridge.printing.refused = Refused("journal_full", "the disk is full")
    with pytest.raises(ConnectionError):
        await till.read_to_end()
    assert bridge.printing.submitted == []


async def test_a_job_that_the_journal_refuses_ends_in_a_reset(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    bridge.printing.hold = asyncio.Event()
    till = await connect(raw)
    await till.send(JOB)
    await asyncio.sleep(0)
    bridge.printing.refused = Refused("queue_full", "500 jobs wait")
    bridge.printing.hold.set()
    assert await till.ended()
    assert raw.statistics["refused"] == 1


async def test_silent_clients_never_keep_a_till_out(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(max_connections=8, evict_after_ms=1))
    silent = [await connect(raw) for _ in range(8)]
    await eventually(lambda: raw.connections == 8)
    till = await connect(raw)
    await till.send(JOB)
    await bridge.printing.until(lambda: bridge.printing.submitted == [JOB])
    assert await silent[0].ended()
    assert raw.connections <= 8
    for client in [*silent, till]:
        await client.close()


async def test_when_all_places_are_busy_new_clients_are_refused_until_there_is_room(
    bridge: FakeBridge, start: Start
) -> None:
    raw = await start(RawLimits(max_connections=2, full_ms=50, idle_flush_ms=60_000))
    busy = [await connect(raw) for _ in range(2)]
    for till in busy:
        await till.send(b"\x1b@part")
    await eventually(lambda: raw.statistics["full"] > 0)
    with pytest.raises(ConnectionError):
        await connect(raw)
    await busy[0].close()

    async def served() -> bool:
        try:
            till = await connect(raw)
            await till.send(b"\x10\x04\x01")
            return await till.read(1) == b"\x12"
        except (ConnectionError, asyncio.IncompleteReadError):
            return False

    await eventually(served)
    await busy[1].close()
    await bridge.printing.until(lambda: len(bridge.printing.submitted) == 2)


async def test_closed_clients_that_wait_for_paper_hold_no_place(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(max_connections=2, max_lingering=3))
    bridge.printing.print_at_once = False
    for n in range(1, 11):
        till = await connect(raw)
        await till.send(JOB)
        await till.close()
        await bridge.printing.until(lambda n=n: len(bridge.printing.submitted) == n)  # type: ignore[misc]
    await eventually(lambda: raw.connections <= 3)


# --- kicks


async def test_a_kick_is_given_at_once_and_is_no_part_of_the_job(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    till = await connect(raw)
    await till.send(b"\x1b@rec\x1bp\x01\x32\x64eipt\n")
    async with asyncio.timeout(30):
        await bridge.drawers.kicked.wait()
    assert bridge.printing.submitted == [], "it does not wait for the job"
    await till.send(CUT)
    await bridge.printing.until(lambda: bridge.printing.submitted == [b"\x1b@receipt\n" + CUT])
    assert bridge.drawers.kicks == [(2, 100)]
    await till.close()


async def test_a_kick_goes_through_while_the_journal_is_slow(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    bridge.printing.hold = asyncio.Event()
    till = await connect(raw)
    await till.send(JOB + b"next\n\x10\x14\x01\x00\x01")
    async with asyncio.timeout(30):
        await bridge.drawers.kicked.wait()
    assert bridge.drawers.kicks == [(1, 100)]
    bridge.printing.hold.set()
    await till.close()


async def test_kicks_under_way_have_a_limit(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    bridge.drawers.hold = asyncio.Event()
    till = await connect(raw)
    await till.send(b"\x1bp\x00\x19\xfa" * 100 + b"\x10\x04\x01")
    assert await till.read(1) == b"\x12"
    assert len(bridge.drawers.kicks) == raw.limits.max_kicks
    assert raw.statistics["kick_dropped"] == 100 - raw.limits.max_kicks
    bridge.drawers.hold.set()
    await till.close()


async def test_a_refused_kick_harms_nothing(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    bridge.drawers.error = Refused("kick_invalid", "no such drawer")
    till = await connect(raw)
    await till.send(b"\x1bp\x00\x19\xfa" + JOB)
    await bridge.printing.until(lambda: bridge.printing.submitted == [JOB])
    await eventually(lambda: raw.statistics["kick_refused"] == 1)
    await till.close()


# --- hostile


@pytest.mark.parametrize(
    "pieces",
    [
        [b"POST / HTTP/1.1\r\nHost: 127.0.0.1:9100\r\nContent-Type: text/plain\r\n\r\n\x1bp\x00\x19\xfa" + JOB],
        [b"PO", b"ST / HT", b"TP/1.1\r\n\r\n", b"\x10\x14\x01\x00\x01" + JOB],
        [b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n"],
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)],
    ],
)
async def test_a_web_page_prints_nothing_and_opens_nothing(
    bridge: FakeBridge, start: Start, pieces: list[bytes]
) -> None:
    raw = await start()
    till = await connect(raw)
    with contextlib.suppress(ConnectionError):
        await till.send(*pieces)
    assert await till.ended()
    assert (bridge.printing.submitted, bridge.drawers.kicks) == ([], [])
    assert raw.statistics["web"] == 1


async def test_a_document_prints_nothing(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    for document in (b"%PDF-1.7\n\x1bp\x00\x19\xfa" + bytes(1000), b"\n<!DOCTYPE html><html></html>"):
        till = await connect(raw)
        await till.send(document)
        till.half_close()
        assert await till.ended()
    assert (bridge.printing.submitted, bridge.drawers.kicks) == ([], [])
    assert raw.statistics["document"] == 2


async def test_a_client_that_reads_no_answers_is_not_waited_for(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(write_ms=50))
    assert raw._listener is not None
    raw._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)  # else the system takes all answers for it
    count = 2000
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(raw.address)
        deaf.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(deaf, b"\x1dI\x43" * count + JOB)
        await bridge.printing.until(lambda: JOB in bridge.printing.submitted)
        till = await connect(raw)
        await till.send(JOB)
        await bridge.printing.until(lambda: bridge.printing.submitted == [JOB, JOB])
        answers = 0
        with contextlib.suppress(BlockingIOError):
            while data := deaf.recv(65_536):
                answers += data.count(b"\0")
        assert 0 < answers < count
        await till.close()


@pytest.mark.parametrize("flood", [b"\x10\x04\x01", b"\x1dr1", b"\n"])
async def test_clients_that_flood_the_port_leave_the_rest_of_the_bridge_its_turn(
    bridge: FakeBridge, start: Start, monkeypatch: pytest.MonkeyPatch, flood: bytes
) -> None:
    turns = 0
    acts: list[tuple[int, int]] = []  # in which turn of the loop, and how many bytes were sorted or sent

    async def rest_of_the_bridge() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def feed(collector: JobCollector, data: bytes) -> list[Step]:
        acts.append((turns, len(data)))
        return sort(collector, data)

    async def sendall(connection: socket.socket, data: bytes) -> None:
        acts.append((turns, len(data)))
        await send(connection, data)

    sort, send = JobCollector.feed, asyncio.get_running_loop().sock_sendall
    monkeypatch.setattr(JobCollector, "feed", feed)
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_sendall", sendall)
    raw = await start()
    rest = asyncio.create_task(rest_of_the_bridge())
    clients = [await connect(raw) for _ in range(3)]
    for client in clients:
        await client.send(flood * 10_000)
        client.half_close()
    await asyncio.gather(*(client.read_to_end() for client in clients))
    rest.cancel()
    in_one_turn = Counter(turn for turn, _ in acts)
    assert len(acts) > 3 * 10_000 * len(flood) / 4096
    assert max(size for _, size in acts) <= 4096
    assert max(in_one_turn.values()) <= 1 + len(clients)


async def test_a_failing_service_resets_one_client_and_leaves_the_port_open(
    bridge: FakeBridge, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    raw = await start()
    bridge.printing.asb = b"\xff\xff\xff\xff"
    till = await connect(raw)
    await till.send(b"\x10\x04\x01")
    assert await till.ended()
    assert "expected 4 ASB bytes" in caplog.text
    bridge.printing.asb = to_asb(READY)
    till = await connect(raw)
    await till.send(b"\x10\x04\x01")
    assert await till.read(1) == b"\x12"
    await till.close()


async def test_warnings_of_one_kind_do_not_fill_the_log(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    raw = await start()
    for _ in range(40):
        raw.warn("web", "a browser")
    assert caplog.text.count("a browser") == 20
    assert raw.statistics["web"] == 40


# --- stopping


async def test_stopping_keeps_whole_jobs_and_resets_half_ones(bridge: FakeBridge, start: Start) -> None:
    raw = await start(RawLimits(trailing_ms=1000, idle_flush_ms=60_000))
    whole, half, idle = [await connect(raw) for _ in range(3)]
    await whole.send(JOB)
    await half.send(b"\x1b@half")
    await eventually(lambda: raw.buffered_bytes() == len(JOB) + 6)
    async with asyncio.timeout(30):
        await raw.stop()
    assert bridge.printing.submitted == [JOB]
    with pytest.raises(ConnectionError):
        await half.read_to_end()
    assert await idle.ended()
    with pytest.raises(ConnectionRefusedError):
        await connect(raw)


async def test_a_job_that_was_sent_and_closed_as_the_bridge_stops_is_kept(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    with socket.create_connection(raw.address) as till:
        till.sendall(b"\x1b@last words\n")
    async with asyncio.timeout(30):
        await raw.stop()
    assert bridge.printing.submitted == [b"\x1b@last words\n"]


async def test_stopping_does_not_wait_for_paper(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    bridge.printing.print_at_once = False
    till = await connect(raw)
    await till.send(JOB + b"\x1dr\x01")
    till.half_close()
    await bridge.printing.until(lambda: len(bridge.printing.submitted) == 1)
    async with asyncio.timeout(30):
        await raw.stop()
    assert await till.ended()


async def test_a_port_in_use_is_reported_at_the_start(bridge: FakeBridge, start: Start) -> None:
    raw = await start()
    with pytest.raises(OSError, match=r"(?i)address already in use|10048"):
        await RawInterface(cast(ServedHub, bridge), *raw.address).start()
