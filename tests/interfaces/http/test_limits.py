"""Hostile and unlucky clients: each meets a limit with a clear answer, and nobody else notices."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host_bridge.address import Address
from host_bridge.interfaces.http import HttpInterface, HttpLimits
from tests.interfaces.http.conftest import Running, Start, fake_hubs
from tests.interfaces.http.test_api import RAW, TEXT, problem

POST_PRINT = b"POST /api/v1/print HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nConnection: close\r\n"


async def works(running: Running) -> None:
    assert (await running.client.get("/healthz")).status == 200


async def test_a_body_that_announces_too_much_is_refused_before_it_is_read(start: Start) -> None:
    running = await start(limits={"print_body_bytes": 1000})
    answer = await running.exchange(POST_PRINT + b"Content-Length: 1001\r\n\r\n")
    assert b" 413 " in answer
    assert b"body_too_large" in answer


async def test_a_body_that_grows_too_large_is_refused(start: Start) -> None:
    running = await start(limits={"print_body_bytes": 1000})

    async def endless() -> object:
        for _ in range(300):
            yield b"x" * 100

    await problem(await running.client.post("/api/v1/print", data=endless(), headers=TEXT), 413, "body_too_large")
    assert running.bridge.printing.stored == {}
    assert (await running.client.post("/api/v1/print", data=b"x" * 1000, headers=TEXT)).status == 202


async def test_a_job_of_16_mib_is_taken(server: Running) -> None:
    band = b"\x1dv0\x00\x48\x00\xff\x00" + bytes(72 * 255)
    data = b"\x1b@" + band * ((16 * 1024 * 1024 - 2) // len(band))
    assert (await server.client.post("/api/v1/print", data=data, headers=RAW)).status == 202
    await problem(await server.client.post("/api/v1/print", data=data + band, headers=RAW), 413, "body_too_large")


async def test_json_bodies_are_small(server: Running) -> None:
    answer = await server.client.post(
        "/api/v1/drawer/open", data=b" " * 65_537, headers={"Content-Type": "application/json"}
    )
    await problem(answer, 413, "body_too_large")


async def test_large_bodies_of_all_clients_together_are_bounded(start: Start) -> None:
    running = await start(limits={"print_body_bytes": 1000, "bodies_under_way_bytes": 1500})
    _, holder = await running.raw(POST_PRINT + b"Content-Length: 1000\r\n\r\n" + b"x" * 900)
    context = running.interface._context
    assert context is not None
    async with asyncio.timeout(30):
        while context.bodies.budget.used_bytes < 900:
            await asyncio.sleep(0)
    await problem(await running.client.post("/api/v1/print", data=b"x" * 700, headers=TEXT), 503, "busy")
    holder.write(b"x" * 100)
    async with asyncio.timeout(30):
        while context.bodies.budget.used_bytes:
            await asyncio.sleep(0)
    assert (await running.client.post("/api/v1/print", data=b"x" * 700, headers=TEXT)).status == 202
    assert context.bodies.budget.used_bytes == 0
    holder.close()


async def test_a_body_that_drips_in_is_cut_off(start: Start) -> None:
    running = await start(limits={"body_deadline_ms": 100})
    reader, writer = await running.raw(POST_PRINT + b"Content-Length: 1000\r\n\r\nslow")
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b" 408 " in answer
    assert b"request_timeout" in answer
    writer.close()
    assert running.bridge.printing.stored == {}


async def test_a_header_that_drips_in_is_cut_off(start: Start) -> None:
    running = await start(limits={"header_deadline_ms": 100})
    for silent in (b"", b"GET /healthz HTTP/1.1\r\nHost: loc"):
        answer = await running.exchange(silent)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
    await works(running)


async def test_an_idle_connection_is_closed(start: Start) -> None:
    running = await start(limits={"idle_deadline_ms": 100})
    answer = await running.exchange(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_leaves_half_way_prints_nothing(server: Running) -> None:
    for ending in ("close", "reset"):
        _, writer = await server.raw(POST_PRINT + b"Content-Length: 1000\r\n\r\nhalf a rec")
        if ending == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
    connections = server.interface._connections
    assert connections is not None
    async with asyncio.timeout(30):
        while connections.open:
            await asyncio.sleep(0)
    await works(server)
    assert server.bridge.printing.stored == {}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
        b"\x1b@Receipt\n\x1dV\x00",  # a till that took this port for the printer's
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"POST /api/v1/print HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/print HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/v1/print HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    ],
)
async def test_what_is_no_request_is_answered_with_a_problem_and_closed(server: Running, garbage: bytes) -> None:
    answer = await server.exchange(garbage)
    assert b" 400 " in answer[:16], answer
    assert b"application/problem+json" in answer
    assert b"malformed_request" in answer
    await works(server)


async def test_a_broken_chunk_is_a_problem(server: Running) -> None:
    answer = await server.exchange(POST_PRINT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")
    assert b" 400 " in answer[:16], answer
    assert b"application/problem+json" in answer
    assert server.bridge.printing.stored == {}
    await works(server)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_leave_the_service_working(data: bytes) -> None:
    async def attempt() -> None:
        interface = HttpInterface(
            fake_hubs(),
            Address("127.0.0.1", 0),
            web_dir=None,
            limits=HttpLimits(stop_deadline_ms=100),
        )
        await interface.start()
        try:
            for prefix in (b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", interface.address.port)
                writer.write(prefix + data)
                writer.write_eof()
                try:
                    answer = await asyncio.wait_for(reader.read(), 30)
                except ConnectionResetError:
                    answer = b""
                assert answer == b"" or answer.startswith(b"HTTP/1."), answer
                writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", interface.address.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 200 ")
            writer.close()
        finally:
            await interface.stop()

    asyncio.run(attempt())


async def test_200_connections_at_once_all_work(server: Running) -> None:
    async def ask() -> bytes:
        return await server.exchange(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    answers = await asyncio.gather(*(ask() for _ in range(200)))
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)


async def test_200_silent_connections_leave_room_for_a_till(server: Running) -> None:
    silent = [await server.raw() for _ in range(200)]
    await works(server)
    assert (await server.client.post("/api/v1/print", data="x", headers=TEXT)).status == 202
    for _, writer in silent:
        writer.close()


async def test_connections_beyond_the_limit_are_answered_and_closed_at_once(start: Start) -> None:
    running = await start(limits={"connections": 5})
    held = [await running.raw() for _ in range(5)]
    connections = running.interface._connections
    assert connections is not None
    async with asyncio.timeout(30):
        while len(connections.open) < 5:
            await asyncio.sleep(0)
    for _ in range(3):
        answer = await running.exchange(b"")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"too_many_connections" in answer
    assert connections.refused == 3
    for _, writer in held:
        writer.close()
    async with asyncio.timeout(30):
        while connections.open:
            await asyncio.sleep(0)
    await works(running)


async def test_an_answer_that_is_never_read_ends_the_connection(start: Start) -> None:
    running = await start(limits={"stalled_write_ms": 100})
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", running.port))
    stuck.setblocking(False)
    connections = running.interface._connections
    assert connections is not None
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        try:
            while True:
                await loop.sock_sendall(stuck, b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        except ConnectionError:
            pass
        while connections.open:
            await asyncio.sleep(0.01)
    stuck.close()
    await works(running)


async def test_drawing_and_composing_wait_in_a_bounded_line(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = await start(limits={"work_waiting": 1, "work_threads": 1})
    context = running.interface._context
    assert context is not None
    gate, begun = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        gate.wait(10)

    holding = asyncio.ensure_future(context.workshop.run(hold))
    await asyncio.to_thread(begun.wait, 5)
    await problem(await running.client.post("/api/v1/print", data="x", headers=TEXT), 503, "busy")
    gate.set()
    await holding
    async with asyncio.timeout(30):
        while (await running.client.post("/api/v1/print", data="x", headers=TEXT)).status != 202:
            pass


async def test_work_that_takes_too_long_is_given_up_but_keeps_its_place(start: Start) -> None:
    running = await start(limits={"work_waiting": 1, "work_threads": 1, "work_deadline_ms": 50})
    context = running.interface._context
    assert context is not None
    gate = threading.Event()
    with pytest.raises(Exception, match="longer than"):
        await context.workshop.run(gate.wait, 10)
    await problem(await running.client.post("/api/v1/print", data="x", headers=TEXT), 503, "busy")
    gate.set()


async def test_a_request_that_takes_too_long_is_answered(start: Start) -> None:
    running = await start(limits={"request_deadline_ms": 100})
    running.bridge.printing.hold = asyncio.Event()
    answer = await running.client.post("/api/v1/print", data="x", headers=TEXT)
    body = await problem(answer, 504, "service_timeout")
    assert "Idempotency-Key" in body["detail"]


async def test_stopping_while_a_request_hangs_takes_no_longer_than_the_limit(start: Start) -> None:
    running = await start(limits={"stop_deadline_ms": 100})
    running.bridge.printing.hold = asyncio.Event()
    hanging = asyncio.ensure_future(running.client.post("/api/v1/print", data="x", headers=TEXT))
    await running.raw(b"GET /hea")
    context = running.interface._context
    assert context is not None
    async with asyncio.timeout(30):
        while not context.bodies.budget.used_bytes:
            await asyncio.sleep(0)
        await running.interface.stop()
    with pytest.raises(Exception):  # noqa: B017 - which client error it is does not matter
        await hanging


async def test_expectations(server: Running) -> None:
    answer = await server.exchange(POST_PRINT + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 ")
    for path in (b"/api/v1/print", b"/nothing"):
        request = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nExpect: a miracle\r\nConnection: close\r\n\r\n"
        answer = await server.exchange(request)
        assert b" 417 " in answer[:16]
        assert b"expectation_unknown" in answer, answer


async def test_every_wrong_method_is_a_problem_that_names_the_right_ones(server: Running) -> None:
    answer = await server.client.request("PATCH", "/virtual/faults")
    await problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    connect = await server.exchange(b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert connect[9:12] in (b"400", b"404", b"405")


async def test_a_port_in_use_is_named(server: Running) -> None:
    other = HttpInterface(fake_hubs(), server.interface.address, web_dir=None)
    with pytest.raises(OSError, match=rf"{server.port}.*another bridge"):
        await other.start()
    await other.stop()


async def test_stopping_twice_or_before_starting_is_harmless() -> None:
    interface = HttpInterface(fake_hubs(), Address("127.0.0.1", 0), web_dir=None)
    await interface.stop()
    with pytest.raises(RuntimeError):
        _ = interface.address
    await interface.start()
    with pytest.raises(RuntimeError):
        await interface.start()
    await interface.stop()
    await interface.stop()


async def test_a_client_that_goes_in_the_middle_of_its_body_is_no_error(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start()
    _, writer = await server.raw(
        f"POST /api/v1/drawer/open HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
        'Content-Length: 34\r\n\r\n{"drawer":1,'.encode()
    )
    assert server.interface._connections is not None
    async with asyncio.timeout(10):
        while not server.interface._connections.open:
            await asyncio.sleep(0.001)
        writer.transport.abort()
        while server.interface._connections.open:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not server.bridge.drawers.asked
