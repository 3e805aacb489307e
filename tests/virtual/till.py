"""The till's end of the link, for tests: opens the hub's port and collects what comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

DEADLINE_S = 60.0


class Till:
    """Opens a pseudo-terminal's path or a `socket://` URL."""

    def __init__(self, address: str) -> None:
        self.received = bytearray()
        self.gone = asyncio.Event()
        self._news = asyncio.Event()
        if address.startswith("socket://"):
            host, _, port = address.removeprefix("socket://").partition(":")
            self._fd = socket.create_connection((host, int(port)), timeout=5).detach()
        else:
            self._fd = os.open(address, os.O_RDWR | os.O_NOCTTY)
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    async def write(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while data:
                try:
                    data = data[os.write(self._fd, data) :]
                except BlockingIOError:
                    await asyncio.sleep(0.001)

    def write_some(self, data: bytes) -> int:
        """Bytes that the port takes at once."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    async def until(self, wanted: bytes) -> bytes:
        """Wait until `wanted` came; returns everything."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while wanted not in self.received:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{wanted!r} did not come; got {bytes(self.received[-500:])!r}") from None
        return bytes(self.received)

    async def until_count(self, count: int) -> bytes:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while len(self.received) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{len(self.received)} bytes of {count} came") from None
        return bytes(self.received)

    def close(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.gone.set()
            self.close()
        self.received += data
        self._news.set()
