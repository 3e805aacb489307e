"""The link's socket on the till: a pseudo-terminal with a stable name, or TCP where the system has none.

When nobody reads, the hub's bytes wait in a small buffer for as long as MicroPython's USB stack waits (500 ms) and are
then thrown away until somebody reads again. When the hub doesn't read, the till's bytes stay with the till's driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

BUFFER_BYTES: Final = 4096
DEAF_AFTER_S: Final = 0.5  # MicroPython: a CDC write waits up to 500 ms for the host
READ_BYTES: Final = 4096

log = logging.getLogger(__name__)


class Port(Protocol):
    address: str  # what pyserial opens

    async def open(self) -> None: ...

    def close(self) -> None:
        """The cable is out: who has the port open notices at once."""

    def send(self, data: bytes) -> None: ...

    def room(self) -> int: ...

    def pause(self, paused: bool) -> None:
        """Stop or go on reading what the till writes."""

    def forget(self) -> None:
        """Close for ever and leave nothing behind."""


class Outbox:
    """Bytes on their way to a reader that may not read. `flush` writes some and returns how many."""

    def __init__(self, roomy: Callable[[], None]) -> None:
        self.dropped_bytes = 0
        self._roomy = roomy
        self._buffer = bytearray()
        self._deaf = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        return bool(self._buffer)

    def room(self) -> int:
        return BUFFER_BYTES if self._deaf else BUFFER_BYTES - len(self._buffer)

    def add(self, data: bytes) -> None:
        if self._deaf:
            self.dropped_bytes += len(data)
            return
        self._buffer += data[: BUFFER_BYTES - len(self._buffer)]

    def take(self, write: Callable[[memoryview], int]) -> None:
        """Offer the buffer to `write`; start or stop the patience of 500 ms."""
        was_full = len(self._buffer) >= BUFFER_BYTES
        count = 0
        if self._buffer:
            with memoryview(self._buffer) as view:
                count = write(view)
            del self._buffer[:count]
        if count or not self._buffer:
            self._deaf = False
            self._stop_timer()
        if self._buffer and self._timer is None and not self._deaf:
            self._timer = asyncio.get_running_loop().call_later(DEAF_AFTER_S, self._give_up)
        if was_full and count:
            self._roomy()

    def clear(self) -> None:
        self._buffer.clear()
        self._deaf = False
        self._stop_timer()
        self._roomy()

    def _give_up(self) -> None:
        """Nobody reads. One buffer stays, so that the descriptor tells when somebody does."""
        self._timer = None
        self._deaf = True
        self.dropped_bytes += len(self._buffer) - 1
        del self._buffer[1:]
        self._roomy()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class PtyPort:
    """A pseudo-terminal behind a symbolic link. Both ends are held open, so the till may open and close it at will."""

    def __init__(self, path: Path, received: Callable[[bytes], None], roomy: Callable[[], None]) -> None:
        self.address = str(path)
        self.outbox = Outbox(roomy)
        self._path = path
        self._received = received
        self._master = -1
        self._slave = -1
        self._paused = False
        self._reading = False
        self._writing = False

    async def open(self) -> None:
        import pty
        import tty

        if self._master >= 0:
            return
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        fresh = self._path.with_name(self._path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self._path)
        self._watch()

    def close(self) -> None:
        if self._master < 0:
            return
        with contextlib.suppress(OSError):
            if os.readlink(self._path) == os.ttyname(self._slave):  # not where another counter has taken the name over
                self._path.unlink()
        self._unwatch()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self.outbox.clear()

    forget = close

    def send(self, data: bytes) -> None:
        if self._master >= 0:
            self.outbox.add(data)
            self._flush()

    def room(self) -> int:
        return self.outbox.room() if self._master >= 0 else BUFFER_BYTES

    def pause(self, paused: bool) -> None:
        if paused != self._paused:
            self._paused = paused
            self._watch()

    def _watch(self) -> None:
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        if self._reading == self._paused:
            self._reading = not self._paused
            if self._reading:
                loop.add_reader(self._master, self._read)
            else:
                loop.remove_reader(self._master)
        if self._writing != self.outbox.waiting:
            self._writing = self.outbox.waiting
            if self._writing:
                loop.add_writer(self._master, self._flush)
            else:
                loop.remove_writer(self._master)

    def _unwatch(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        self._reading = self._writing = False

    def _read(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._received(data)

    def _flush(self) -> None:
        self.outbox.take(self._write)
        self._watch()

    def _write(self, view: memoryview) -> int:
        try:
            return os.write(self._master, view)
        except BlockingIOError:
            return 0


class TcpPort:
    """`socket://127.0.0.1:N`; one till at a time, the newest wins. The number stays the same over a pulled cable."""

    def __init__(self, received: Callable[[bytes], None], roomy: Callable[[], None]) -> None:
        self.address = ""
        self.outbox = Outbox(roomy)
        self._received = received
        self._number = 0
        self._server: asyncio.Server | None = None
        self._till: _Till | None = None
        self._paused = False

    async def open(self) -> None:
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._number))
        self._number = listener.getsockname()[1]
        self.address = f"socket://127.0.0.1:{self._number}"
        self._server = await loop.create_server(lambda: _Till(self), sock=listener)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._till is not None:
            self._till.abort()
            self._till = None
        self.outbox.clear()

    forget = close

    def send(self, data: bytes) -> None:
        if self._till is not None:
            self.outbox.add(data)
            self._flush()

    def room(self) -> int:
        return self.outbox.room() if self._till is not None else BUFFER_BYTES

    def pause(self, paused: bool) -> None:
        self._paused = paused
        if self._till is not None:
            self._till.pause(paused)

    def attached(self, till: _Till) -> None:
        if self._till is not None:
            self._till.abort()
            self._till = None
        self.outbox.clear()
        self._till = till
        till.pause(self._paused)

    def lost(self, till: _Till) -> None:
        if self._till is till:
            self._till = None
            self.outbox.clear()

    def arrived(self, till: _Till, data: bytes) -> None:
        if self._till is till:
            self._received(data)

    def _flush(self) -> None:
        if self._till is not None:
            self.outbox.take(self._till.write)

    def writable(self, till: _Till) -> None:
        if self._till is till:
            self._flush()


class _Till(asyncio.Protocol):
    """One TCP connection of a till."""

    def __init__(self, port: TcpPort) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port.attached(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._port.lost(self)

    def data_received(self, data: bytes) -> None:
        self._port.arrived(self, data)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._port.writable(self)

    def write(self, view: memoryview) -> int:
        if self._full or self._transport is None:
            return 0
        self._transport.write(bytes(view))
        return len(view)

    def pause(self, paused: bool) -> None:
        if self._transport is None or paused == self._paused:
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def make_port(
    path: Path, received: Callable[[bytes], None], roomy: Callable[[], None], *, tcp: bool
) -> PtyPort | TcpPort:
    """A pseudo-terminal at `path` where the system has one and TCP isn't asked for."""
    if tcp or sys.platform == "win32":
        return TcpPort(received, roomy)
    return PtyPort(path, received, roomy)
