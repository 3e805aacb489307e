"""The WebSocket: every scan once on each connection, acknowledged by one till; who misbehaves harms himself."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import msgspec
import pytest

from host_bridge.events import JobEvent, LightEvent, ScanEvent
from host_bridge.interfaces.http.examples import JOB, SERVER_MESSAGES
from host_bridge.journal.records import ScanState
from tests.interfaces.http.conftest import Running, Start, receive
from tests.interfaces.http.test_api import problem


async def ack(client: aiohttp.ClientWebSocketResponse, sequence: int) -> None:
    await client.send_json({"type": "ack", "sequence": sequence})


async def subscribed(running: Running, count: int) -> None:
    """Wait until so many streams have read the waiting scans."""
    while running.bridge.scans.waiting_asked < count:
        await asyncio.sleep(0)


async def closed(client: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    """Read on until the bridge closes; return the code and its reason."""
    async with asyncio.timeout(10):
        while True:
            message = await client.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return message.data, message.extra or ""
            if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                return client.close_code, ""


async def test_a_scan_arrives_whole_and_is_settled_by_its_acknowledgement(server: Running) -> None:
    async with await server.socket() as till:
        await subscribed(server, 1)
        server.bridge.scans.add("6901234567892")
        scan = await receive(till)
        assert scan == {
            "type": "scan",
            "sequence": 1,
            "data": "6901234567892",
            "data_hex": b"6901234567892".hex(),
            "symbology": "]E0",
            "check_digit_ok": True,
            "repeat": False,
            "read_at": "2025-06-30T04:00:00.000+00:00",
            "gs1": None,
            "redelivered": False,
        }
        await ack(till, 1)
        answers = {message["type"]: message for message in (await receive(till), await receive(till))}
        assert answers["ack"] == {"type": "ack", "sequence": 1, "accepted": True}
        assert answers["scan_settled"] == {"type": "scan_settled", "sequence": 1, "outcome": "delivered"}
        await ack(till, 1)
        assert await receive(till) == {"type": "ack", "sequence": 1, "accepted": False}


async def test_an_unacknowledged_scan_comes_again_after_a_reconnect(server: Running) -> None:
    async with await server.socket() as till:
        await subscribed(server, 1)
        server.bridge.scans.add("first")
        assert (await receive(till))["redelivered"] is False
    async with await server.socket() as till:
        again = await receive(till)
        assert (again["sequence"], again["redelivered"]) == (1, True)


async def test_an_acknowledged_or_expired_scan_does_not_come_again(server: Running) -> None:
    for data in ("acknowledged", "expired", "waiting"):
        server.bridge.scans.add(data)
    async with await server.socket() as till:
        assert [(await receive(till))["data"] for _ in range(3)] == ["acknowledged", "expired", "waiting"]
        await ack(till, 1)
        await receive(till)
    server.bridge.scans.settle(2, ScanState.EXPIRED)
    async with await server.socket() as till:
        assert (await receive(till))["data"] == "waiting"
        server.bridge.scans.add("new")
        assert (await receive(till))["data"] == "new"


async def test_a_scan_that_was_never_offered_is_no_redelivery(server: Running) -> None:
    server.bridge.scans.add("read while no till was there")
    async with await server.socket() as till:
        assert (await receive(till))["redelivered"] is False


async def test_a_watcher_gets_scans_but_does_not_count_as_an_offer(server: Running) -> None:
    async with await server.socket(observe=True) as page:
        await subscribed(server, 1)
        server.bridge.scans.add("x")
        assert (await receive(page))["data"] == "x"
        await ack(page, 1)
        assert (await receive(page))["code"] == "observer"
    async with await server.socket() as till:
        assert (await receive(till))["redelivered"] is False
    assert server.bridge.scans.stored[1].state is ScanState.WAITING


async def test_all_tills_get_a_scan_and_the_first_acknowledgement_settles_it(server: Running) -> None:
    async with await server.socket() as first, await server.socket() as second:
        await subscribed(server, 2)
        server.bridge.scans.add("x")
        assert (await receive(first))["redelivered"] is False
        assert (await receive(second))["redelivered"] is False
        await ack(second, 1)
        assert await receive(first) == {"type": "scan_settled", "sequence": 1, "outcome": "delivered"}
        await ack(first, 1)
        assert await receive(first) == {"type": "ack", "sequence": 1, "accepted": False}


async def test_a_scan_between_subscription_and_the_waiting_list_comes_once(server: Running) -> None:
    server.bridge.scans.add("before")

    def meanwhile() -> None:
        server.bridge.scans.add("journaled and published")
        server.bridge.scans.add("journaled only", publish=False)

    server.bridge.scans.before_waiting = meanwhile
    async with await server.socket() as till:
        await subscribed(server, 1)
        server.bridge.scans.publish(server.bridge.scans.stored[3])  # its event comes a little later
        server.bridge.scans.add("after")
        got = [await receive(till) for _ in range(4)]
        assert [scan["sequence"] for scan in got] == [1, 2, 3, 4]
        server.bridge.events.publish(LightEvent(colour="#ffffff", at_ms=1))
        assert (await receive(till))["type"] == "light"  # and nothing twice


async def test_a_scan_that_expired_on_the_way_is_not_offered(server: Running) -> None:
    async with await server.socket() as till:
        await subscribed(server, 1)
        scan = server.bridge.scans.add("old", publish=False)
        server.bridge.clock.now += 11
        server.bridge.scans.settle(1, ScanState.EXPIRED)
        server.bridge.scans.publish(scan)
        old_but_waiting = server.bridge.scans.add("kept by the hub while the link was down", publish=False)
        server.bridge.clock.now += 2
        server.bridge.scans.publish(old_but_waiting)
        assert (await receive(till))["type"] == "scan_settled"
        assert (await receive(till))["sequence"] == 2


async def test_every_kind_of_event_goes_out_as_its_struct(server: Running) -> None:
    async with await server.socket() as till:
        await subscribed(server, 1)
        for message in SERVER_MESSAGES:
            if type(message).__module__ == "host_bridge.events" and not isinstance(message, ScanEvent):
                server.bridge.events.publish(message)  # type: ignore[arg-type]
                assert await receive(till) == msgspec.to_builtins(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hello",
        "{}",
        '{"type":"ack"}',
        '{"type":"ack","sequence":"1"}',
        '{"type":"ack","sequence":0}',
        '{"type":"ack","sequence":-1}',
        '{"type":"ack","sequence":1e30}',
        '{"type":"ack","sequence":9223372036854775808}',
        '{"type":"ack","sequence":1,"also":2}',
        '{"type":"print","data":"x"}',
        "[" * 3000,
        "\u0000",
    ],
)
async def test_a_message_that_is_no_acknowledgement_is_answered_with_an_error(server: Running, message: str) -> None:
    async with await server.socket() as till:
        await till.send_str(message)
        answer = await receive(till)
        assert (answer["type"], answer["code"]) == ("error", "message_malformed")
        await ack(till, 5)
        assert await receive(till) == {"type": "ack", "sequence": 5, "accepted": False}


async def test_a_binary_message_is_answered_with_an_error(server: Running) -> None:
    async with await server.socket() as till:
        await till.send_bytes(b'{"type":"ack","sequence":1}')
        assert (await receive(till))["code"] == "message_malformed"


async def test_too_many_bad_messages_close_the_connection(start: Start) -> None:
    running = await start(limits={"bad_messages": 3})
    async with await running.socket() as till, await running.socket() as other:
        for _ in range(4):
            await till.send_str("x")
        code, reason = await closed(till)
        assert code == 1008
        assert "3" in reason
        await ack(other, 1)
        assert (await receive(other))["type"] == "ack"


async def test_a_message_that_is_too_long_closes_the_connection(server: Running) -> None:
    async with await server.socket() as till:
        await till.send_str("x" * 5000)
        assert (await closed(till))[0] == 1009


async def test_a_client_that_falls_behind_is_told_to_come_again(server: Running) -> None:
    async with await server.socket() as slow, await server.socket() as other:
        await subscribed(server, 2)
        for n in range(1001):  # at once: nobody had a chance to read
            server.bridge.events.publish(LightEvent(colour="#000000", at_ms=n))
        for client in (slow, other):
            code, reason = await closed(client)
            assert code == 1013
            assert "too slow" in reason


async def test_a_client_that_never_reads_is_cut_off_and_nobody_else_notices(start: Start) -> None:
    running = await start(limits={"send_deadline_ms": 100, "stalled_write_ms": 300})
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", running.port))
    stuck.sendall(
        b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with await running.socket() as till:
        await subscribed(running, 2)
        connections = running.interface._connections
        assert connections is not None
        big = JobEvent(job=msgspec.structs.replace(JOB, reason="x" * 60_000))
        async with asyncio.timeout(15):
            while len(connections.open) > 1:
                running.bridge.events.publish(big)
                assert (await receive(till))["type"] == "job"
        await ack(till, 1)
        assert (await receive(till))["type"] == "ack"
    stuck.close()


async def test_a_client_that_does_not_answer_pings_is_cut_off(start: Start) -> None:
    running = await start(limits={"heartbeat_ms": 100})
    async with await running.socket(autoping=False) as silent:
        async with asyncio.timeout(30):
            while (message := await silent.receive()).type is aiohttp.WSMsgType.PING:
                pass
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_more_websockets_than_allowed_are_refused_until_one_closes(start: Start) -> None:
    running = await start(limits={"websockets": 2})
    first, second = await running.socket(), await running.socket()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    answer = await running.client.get("/api/v1/events", headers=upgrade | {"Sec-WebSocket-Key": "A" * 22 + "=="})
    await problem(answer, 503, "too_many_websockets")
    await first.close()
    context = running.interface._context
    assert context is not None
    async with asyncio.timeout(30):
        while len(context.streams) > 1:
            await asyncio.sleep(0)
    await (await running.socket()).close()
    await second.close()


async def test_a_plain_request_is_told_to_upgrade(server: Running) -> None:
    await problem(await server.client.get("/api/v1/events"), 426, "upgrade_required")
    await problem(await server.client.get("/api/v1/events?observe=yes"), 400, "query_invalid")


async def test_a_handshake_with_an_unreadable_key_is_refused(server: Running) -> None:
    answer = await server.exchange(
        f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: é\r\n\r\n".encode()
        + b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 426 ") and b"upgrade_required" in answer


async def test_a_client_that_goes_without_a_word_leaves_nothing_behind(server: Running) -> None:
    till = await server.socket()
    response: Any = till._response
    response.connection.transport.abort()
    context = server.interface._context
    assert context is not None
    async with asyncio.timeout(30):
        while context.streams:
            server.bridge.events.publish(LightEvent(colour="#000000", at_ms=1))
            await asyncio.sleep(0)
    assert not server.bridge.events._subscriptions


async def test_a_failing_journal_closes_the_connection_and_says_so(
    server: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(sequence: int) -> bool:
        raise OSError("disk gone")

    async with await server.socket() as till:
        monkeypatch.setattr(server.bridge.scans, "acknowledge", fail)
        await ack(till, 1)
        assert (await closed(till))[0] == 1011
    assert "disk gone" in caplog.text


async def test_stopping_closes_every_connection_with_1001(start: Start) -> None:
    running = await start()
    async with await running.socket() as till, await running.socket(observe=True) as page:
        await subscribed(running, 2)
        stopping = asyncio.ensure_future(running.interface.stop())
        assert (await closed(till))[0] == 1001
        assert (await closed(page))[0] == 1001
        await asyncio.wait_for(stopping, 30)
