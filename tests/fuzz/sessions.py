"""A client's whole session with a network listener, without a network: a pair of sockets, and time that only jumps.

The input's first byte says how its rest is cut, how long the client pauses, and how it ends.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

from host_bridge.address import Address
from host_bridge.interfaces.http import HttpInterface, HttpLimits
from host_bridge.interfaces.raw import RawInterface
from host_bridge.interfaces.services import ServedHub
from tests.firmware.virtual_time import run_in_virtual_time, the_loop
from tests.interfaces.fake_bridge import FakeBridge
from tests.interfaces.http.conftest import FakeClock, FakeCounter, FakeHub

PAUSES_S = (0.0, 0.0, 0.0, 0.005, 0.05, 1.0, 5.0, 40.0)
SESSION_DEADLINE_S = 3600.0  # of the loop's time: each of a listener's limits is far below
LISTENING_S = 60.0  # a client that stays on the line: longer than silence is borne
ANSWER_BYTES_MAX = 8 << 20
_BROKEN = re.compile(rb"^HTTP/1\.[01] 500 ", re.MULTILINE)


class Errors(logging.Handler):
    """What is logged as an error while a session runs: a program that is only surprised says so there."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(logging.Formatter().format(record))


def raw_session(data: bytes) -> None:
    """The raw port: it ends, and what becomes a job is what was sent, in order."""
    _guarded(_raw(data))


def http_session(data: bytes) -> None:
    """The HTTP port: it ends, and nothing is answered with 500."""
    _guarded(_http(data))


def _guarded(session: Any) -> None:
    errors = Errors()
    logger = logging.getLogger()
    logger.addHandler(errors)
    try:
        run_in_virtual_time(session)
    finally:
        logger.removeHandler(errors)
    assert not errors.found, errors.found[0]


async def _raw(data: bytes) -> None:
    bridge = FakeBridge()
    interface = RawInterface(cast(ServedHub, bridge), "127.0.0.1", 0)
    with the_loop().waiting_for_a_thread():  # the one that looks addresses up
        await interface.start()
    try:

        async def accept(connection: socket.socket) -> None:
            interface._admit(connection, ("127.0.0.1", 1))

        await _client(accept, data)
        async with asyncio.timeout(SESSION_DEADLINE_S):
            while interface.connections:
                await asyncio.sleep(1)
        printed = b"".join(bridge.printing.submitted)
        rest = iter(data[1:])
        assert all(byte in rest for byte in printed), "a job has bytes that were not sent, or in another order"
    finally:
        await interface.stop()


async def _http(data: bytes) -> None:
    hub = FakeHub(FakeClock(), virtual=FakeCounter())
    hub.scans.add()
    interface = HttpInterface(
        {"hub": cast(ServedHub, hub)}, Address("127.0.0.1", 0), limits=HttpLimits(), clock=hub.clock
    )
    await interface.start()
    try:
        assert interface._context is not None and interface._connections is not None
        interface._context.workshop.run = _at_once  # type: ignore[method-assign]
        connections = interface._connections

        async def accept(connection: socket.socket) -> None:
            await asyncio.get_running_loop().connect_accepted_socket(connections, connection)

        answered = await _client(accept, data)
        assert not _BROKEN.search(answered), answered[-2000:]
        async with asyncio.timeout(SESSION_DEADLINE_S):
            while connections.open:
                await asyncio.sleep(1)
        assert interface._context.bodies.budget.used_bytes == 0, "bytes of bodies are still counted"
        assert not interface._context.streams
    finally:
        await interface.stop()


async def _at_once(function: Callable[..., Any], *arguments: object) -> Any:
    return function(*arguments)


async def _client(accept: Callable[[socket.socket], Awaitable[None]], data: bytes) -> bytes:
    """Send the input as its first byte says, read to the end; return what was answered."""
    style = data[0] if data else 0
    chance = random.Random(style)
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    answered = bytearray()
    reading: asyncio.Task[None] | None = None
    try:
        await accept(far)
        if style & 0x80 == 0:
            reading = asyncio.create_task(_read(near, answered))
        rest = data[1:]
        while rest:
            size = chance.choice((1, 5, 100, 10_000)) if style & 0x40 else len(rest)
            try:
                async with asyncio.timeout(SESSION_DEADLINE_S):
                    await asyncio.get_running_loop().sock_sendall(near, rest[:size])
            except (OSError, TimeoutError):
                break
            rest = rest[size:]
            await asyncio.sleep(chance.choice(PAUSES_S[: 1 + (style & 0x07)]))
        if style & 0x20:
            near.shutdown(socket.SHUT_WR)
        if style & 0x10 and reading is not None:
            await asyncio.wait((reading,), timeout=LISTENING_S)
        return bytes(answered)
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.wait((reading,))
        near.close()


async def _read(near: socket.socket, answered: bytearray) -> None:
    loop = asyncio.get_running_loop()
    try:
        while piece := await loop.sock_recv(near, 65536):
            answered += piece
            assert len(answered) < ANSWER_BYTES_MAX
    except OSError:
        pass
