"""A till at the raw port, as the tests of it need one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine

from host_bridge.interfaces.raw import RawInterface
from host_bridge.interfaces.raw_client import RawLimits

CUT = b"\x1dVA\x03"
JOB = b"\x1b@receipt\n" + CUT
PATIENT = RawLimits(idle_flush_ms=60_000, stall_ms=60_000)  # only a cut or the end of the connection ends a job
IMPATIENT = RawLimits(idle_flush_ms=80, proof_flush_ms=20, stall_ms=80, evict_after_ms=1, full_ms=100, gap_ms=20)

Start = Callable[..., Coroutine[None, None, RawInterface]]


class Till:
    """A client on a real socket, with every wait bounded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a TCP segment of its own, as far as the system lets us say."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(30):
            return await self.reader.readexactly(size)

    async def read_to_end(self) -> bytes:
        async with asyncio.timeout(30):
            return await self.reader.read()

    async def ended(self) -> bool:
        """Wait until the other side has closed or reset the connection."""
        with contextlib.suppress(ConnectionError):
            assert await self.read_to_end() == b""
        return True

    def half_close(self) -> None:
        self.writer.write_eof()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def abort(self) -> None:
        """Close with RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def connect(raw: RawInterface) -> Till:
    async with asyncio.timeout(30):
        till = Till(*await asyncio.open_connection(*raw.address))
    till.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return till


async def eventually(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait for what no event announces: the state of sockets in the kernel, counts."""
    async with asyncio.timeout(30):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.005)
