"""A local serial port on Linux, read and written by the event loop itself.

pyserial opens the port so that its descriptor never blocks, and epoll tells when there is something to do: no thread
stands between the port and the link. That halves what a frame costs and leaves an idle port asleep. What may hang all
the same, opening, closing and the control lines, stays in threads as for every other port.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sys

import serial

from host_bridge.hub import ports
from host_bridge.hub.transport import READ_CHUNK_BYTES, SerialTransport, lost_error


def transport_class(port: str) -> type[SerialTransport]:
    """What carries a link on this port, on this system."""
    return DirectTransport if sys.platform == "linux" and not ports.is_url(port) else SerialTransport


class DirectTransport(SerialTransport):
    """See the module's text."""

    _fileno = -1
    _writing = False
    _stalled: asyncio.TimerHandle | None = None
    _emptied: asyncio.Event | None = None

    @property
    def queued_bytes(self) -> int:
        """Bytes that the driver hasn't taken yet."""
        return len(self._outgoing)

    def write(self, data: bytes) -> None:
        """Hand ``data`` to the driver, and queue what it doesn't take. Raises as SerialTransport does."""
        self._check_room(len(data))
        waiting = bool(self._outgoing)
        self._outgoing += data
        if not waiting:
            self._flush()

    def _begin(self) -> None:
        assert self._loop is not None
        self._fileno = self._serial.fileno()
        os.set_blocking(self._fileno, False)
        self._loop.add_reader(self._fileno, self._read)

    def _halt(self) -> None:
        """Look at the descriptor no more; the system may soon give its number to something else."""
        if self._fileno < 0:
            return
        assert self._loop is not None
        self._loop.remove_reader(self._fileno)
        self._loop.remove_writer(self._fileno)
        self._fileno = -1
        self._watch_stall(False)

    def _read(self) -> None:
        try:
            data = os.read(self._fileno, READ_CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(error)
            return
        if data:
            assert self._receiver is not None
            self._receiver.data_received(data)
        elif _hung_up(self._fileno):
            self._fail(OSError(errno.EIO, os.strerror(errno.EIO)))

    def _flush(self) -> None:
        """Give the driver what it takes; go on when it takes more."""
        assert self._loop is not None
        try:
            count = os.write(self._fileno, self._outgoing)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError as error:
            self._fail(error)
            return
        del self._outgoing[:count]
        waiting = bool(self._outgoing)
        if count or not waiting:
            self._watch_stall(False)
        if waiting:
            self._watch_stall(True)
        if waiting == self._writing:
            return
        self._writing = waiting
        if waiting:
            self._loop.add_writer(self._fileno, self._flush)
            return
        self._loop.remove_writer(self._fileno)
        if self._emptied is not None:
            self._emptied.set()
        self._drained()

    def _watch_stall(self, stalled: bool) -> None:
        """A driver that takes nothing for ``write_timeout_ms`` is broken."""
        if not stalled and self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        elif stalled and self._stalled is None:
            assert self._loop is not None
            timeout_s = self._limits.write_timeout_ms / 1000
            self._stalled = self._loop.call_later(timeout_s, self._fail, serial.SerialTimeoutException())

    def _fail(self, error: BaseException) -> None:
        self._halt()
        self._lose(lost_error(self._port, error))

    async def _drained_or_late(self) -> None:
        if not self._outgoing:
            return
        self._emptied = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.drain_limit_ms / 1000):
                await self._emptied.wait()


def _hung_up(fileno: int) -> bool:
    """Whether a port that was said to be readable, and had nothing, is at its end."""
    import select

    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))
