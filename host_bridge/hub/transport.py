"""What carries the link: bytes to and from a port, without ever holding up the event loop.

pyserial blocks, and on Windows nothing else works for serial ports: each open port has a reader and a writer thread.
They are daemon threads, outside of any pool: a driver that hangs in a system call must hold up neither a close nor the
end of the process. On Linux direct.py does without them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec
import serial

from host_bridge.hub import ports
from host_bridge.hub.worker import in_thread, stuck

log = logging.getLogger(__name__)

WRITE_QUEUE_LIMIT_BYTES = 64 * 1024
WRITE_CHUNK_BYTES = 1024
READ_CHUNK_BYTES = 4096
UNREAD_LIMIT_BYTES = 256 * 1024  # the reader thread waits when the loop is this far behind
READ_TIMEOUT_MS = (
    50  # how often the reader looks up; a driver that doesn't wake it for a vanished port is found out by then
)
WRITE_TIMEOUT_MS = 2000  # the link's own patience with a silent peer; after it the port counts as broken
OPEN_DEADLINE_MS = 3000
CLOSE_DEADLINE_MS = 1000
DRAIN_POLL_MS = 5
DRAIN_LIMIT_MS = 200  # an orderly close lets this much time to the last bytes

PortErrorCode = Literal[
    "port_missing", "permission_denied", "port_busy", "port_vanished", "open_timeout", "io_error", "closed"
]


class TransportError(Exception):
    """A port can't be opened or used any more; ``code`` says which of the ways it was."""

    def __init__(self, code: PortErrorCode, detail: str, remedy: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code: PortErrorCode = code
        self.detail = detail
        self.remedy = remedy


class TransportFull(Exception):
    """The write queue has no room for these bytes; none of them was taken."""


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """DTR and RTS while the port is open. Both on is what a Pico's CDC and an ESP32's auto-program circuit run with."""

    dtr: bool = True
    rts: bool = True


class LineStep(msgspec.Struct, frozen=True):
    """One step of a pulse on DTR and RTS."""

    dtr: bool
    rts: bool
    hold_ms: int


# RTS alone pulls EN low on the auto-program circuit of ESP32 boards (esptool's hard reset); DTR stays off so that GPIO0
# stays high and the board starts its program. A board without that circuit takes no notice.
RESET_PULSE: tuple[LineStep, ...] = (LineStep(False, True, 100), LineStep(False, False, 50))


class Receiver(Protocol):
    """Who gets what comes from a transport; called in the event loop."""

    def data_received(self, data: bytes) -> None: ...

    def drained(self) -> None:
        """All that was written has gone to the driver."""

    def lost(self, error: TransportError) -> None:
        """The port is gone; nothing follows."""


class Transport(Protocol):
    """One port, opened once."""

    @property
    def port(self) -> str: ...

    @property
    def queued_bytes(self) -> int: ...

    async def open(self, receiver: Receiver) -> None:
        """Open the port. Raise :class:`TransportError`."""

    def write(self, data: bytes) -> None:
        """Queue ``data`` without waiting. Raise :class:`TransportFull`; :class:`TransportError` when not open."""

    async def pulse(self, steps: tuple[LineStep, ...] = RESET_PULSE) -> None:
        """Move DTR and RTS through ``steps`` and back to what they were. Raise :class:`TransportError`."""

    async def close(self, *, drain: bool = False) -> None:
        """Close within a bound, whatever the driver does; with ``drain`` the queue is given a moment to empty."""


class TransportLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a transport; the defaults are for counters, shorter ones for tests."""

    write_queue_bytes: int = WRITE_QUEUE_LIMIT_BYTES
    read_timeout_ms: int = READ_TIMEOUT_MS
    write_timeout_ms: int = WRITE_TIMEOUT_MS
    open_deadline_ms: int = OPEN_DEADLINE_MS
    close_deadline_ms: int = CLOSE_DEADLINE_MS
    drain_limit_ms: int = DRAIN_LIMIT_MS


class SerialTransport:
    """A serial port, or anything else that pyserial opens by a URL."""

    def __init__(
        self,
        port: str,
        *,
        baud: int = 115200,
        lines: Lines | None = None,
        limits: TransportLimits | None = None,
        open_port: Callable[..., Any] = serial.serial_for_url,
    ) -> None:
        self._port = port
        self._baud = baud
        self._lines = lines or Lines()
        self._limits = limits or TransportLimits()
        self._open_port = open_port
        self._serial: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._receiver: Receiver | None = None
        self._changed = threading.Condition()  # guards everything below
        self._outgoing = bytearray()
        self._writing_bytes = 0  # taken by the writer, not yet by the driver
        self._incoming = bytearray()
        self._delivery_due = False
        self._error: TransportError | None = None
        self._closing = False
        self._orderly = False
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> str:
        return self._port

    @property
    def queued_bytes(self) -> int:
        """Bytes that the driver hasn't taken yet."""
        with self._changed:
            return len(self._outgoing) + self._writing_bytes

    async def open(self, receiver: Receiver) -> None:
        """Open the port in a worker thread. Raise :class:`TransportError`; ``open_timeout`` if the driver hangs."""
        if self._loop is not None:
            raise RuntimeError("a transport is opened once; make a new one")
        self._loop = asyncio.get_running_loop()
        self._receiver = receiver
        if stuck.holds(self._port):
            raise TransportError("open_timeout", f"{self._port}: the driver still hangs in an earlier call", _REPLUG)
        deadline_ms = self._limits.open_deadline_ms
        try:
            port = await in_thread(self._open, deadline_ms, f"open {self._port}", self._port, too_late=_close_quietly)
        except TimeoutError:
            detail = f"{self._port} did not open within {deadline_ms} ms"
            raise TransportError("open_timeout", detail, _REPLUG) from None
        if self._closing:  # closed while it was opening
            await in_thread(port.close, self._limits.close_deadline_ms, f"close {self._port}", self._port)
            raise TransportError("closed", f"{self._port} was closed while opening")
        self._serial = port
        self._begin()

    def write(self, data: bytes) -> None:
        """Queue ``data`` without waiting. Raise :class:`TransportFull`; :class:`TransportError` when not open."""
        with self._changed:
            self._check_room(len(data))
            self._outgoing += data
            self._changed.notify_all()

    async def pulse(self, steps: tuple[LineStep, ...] = RESET_PULSE) -> None:
        """Move DTR and RTS through ``steps`` and back to what they were. Raise :class:`TransportError`."""
        if self._serial is None or self._closing:
            raise TransportError("closed", f"{self._port} is not open")
        deadline_ms = self._limits.open_deadline_ms + sum(step.hold_ms for step in steps)
        try:
            await in_thread(lambda: self._pulse(steps), deadline_ms, f"pulse {self._port}", self._port)
        except TimeoutError:
            raise TransportError("io_error", f"{self._port}: setting DTR/RTS took over {deadline_ms} ms") from None

    async def close(self, *, drain: bool = False) -> None:
        """Close within ``close_deadline_ms``; a driver that hangs longer is left behind in its thread."""
        with self._changed:
            if self._closing:
                return
            self._orderly = drain and self._error is None and self._serial is not None
        if self._orderly:
            with contextlib.suppress(TimeoutError):  # the machine stood still meanwhile: late is late
                await self._drained_or_late()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._halt()
        if self._serial is None:
            return
        deadline_ms = self._limits.close_deadline_ms
        try:
            await in_thread(self._close, deadline_ms, f"close {self._port}", self._port)
        except TimeoutError:
            log.warning("%s did not close within %d ms; its driver hangs", self._port, deadline_ms)
        except TransportError as error:
            log.debug("closing %s: %s", self._port, error)

    def _begin(self) -> None:
        """The port is open: start to carry bytes."""
        for work, name in ((self._read_loop, "read"), (self._write_loop, "write")):
            thread = threading.Thread(target=work, name=f"{name} {self._port}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _halt(self) -> None:
        """The port is about to be closed."""

    def _check_room(self, more_bytes: int) -> None:
        """Raise what keeps so many bytes from being queued."""
        if self._error is not None:
            raise self._error
        if self._serial is None or self._closing:
            raise TransportError("closed", f"{self._port} is not open")
        queued = len(self._outgoing) + self._writing_bytes
        if queued + more_bytes > self._limits.write_queue_bytes:
            raise TransportFull(f"{queued} of {self._limits.write_queue_bytes} bytes queued, {more_bytes} more asked")

    # -- in the worker threads ---------------------------------------------------------------------------------------

    def _open(self) -> Any:
        try:
            port = self._open_port(
                self._port,
                do_not_open=True,
                baudrate=self._baud,
                timeout=self._limits.read_timeout_ms / 1000,
                write_timeout=self._limits.write_timeout_ms / 1000,
                exclusive=True if _can_lock(self._port) else None,
            )
            port.dtr = self._lines.dtr
            port.rts = self._lines.rts
            port.open()
        except Exception as error:  # pyserial's, the system's, or a URL handler's own
            raise open_error(self._port, error) from error
        if self._port.startswith("socket://"):
            _send_at_once(port)
        return port

    def _pulse(self, steps: tuple[LineStep, ...]) -> None:
        pause = threading.Event()
        try:
            for step in (*steps, LineStep(self._lines.dtr, self._lines.rts, 0)):
                self._serial.dtr = step.dtr
                self._serial.rts = step.rts
                pause.wait(step.hold_ms / 1000)
        except _PORT_ERRORS as error:
            if find_errno(error) in (errno.EINVAL, errno.ENOTTY):  # a pseudo-terminal has no such lines
                return
            raise lost_error(self._port, error) from error

    def _read_loop(self) -> None:
        while not self._closing:
            error: BaseException | None = None
            data = bytearray()
            try:
                data += self._serial.read(max(1, min(self._serial.in_waiting, READ_CHUNK_BYTES)))
                # some URL handlers say "1" for "something": take what is there, to wake the loop once for it
                while data and len(data) < READ_CHUNK_BYTES and (more := self._serial.in_waiting):
                    data += self._serial.read(min(more, READ_CHUNK_BYTES))
            except (
                Exception
            ) as caught:  # whatever a driver or URL handler raises, the port is over and must be reported
                error = caught
            if data:
                self._take_in(data)
            if error is not None:
                self._lose(lost_error(self._port, error))
                return

    def _take_in(self, data: bytearray) -> None:
        with self._changed:
            while len(self._incoming) > UNREAD_LIMIT_BYTES and not self._closing:
                self._changed.wait()
            self._incoming += data
            if self._delivery_due:
                return
            self._delivery_due = True
        self._tell(self._deliver)

    def _write_loop(self) -> None:
        while True:
            with self._changed:
                while not self._outgoing and not self._closing and self._error is None:
                    self._changed.wait()
                if self._closing or self._error is not None:
                    return
                chunk = bytes(self._outgoing[:WRITE_CHUNK_BYTES])
                del self._outgoing[:WRITE_CHUNK_BYTES]
                self._writing_bytes = len(chunk)
            try:
                self._serial.write(chunk)
            except Exception as error:  # as in the reader
                self._lose(lost_error(self._port, error))
                return
            with self._changed:
                self._writing_bytes = 0
                drained = not self._outgoing
                self._changed.notify_all()
            if drained:
                self._tell(self._drained)

    def _lose(self, error: TransportError) -> None:
        with self._changed:
            if self._closing or self._error is not None:
                return
            self._error = error
            self._changed.notify_all()
        self._tell(lambda: self._lost(error))

    def _close(self) -> None:
        for name in ("cancel_read", "cancel_write"):
            cancel = getattr(self._serial, name, None)
            if cancel is not None:
                with contextlib.suppress(
                    OSError, TypeError, ValueError, AttributeError
                ):  # it failed or is closed already
                    cancel()
        patience_s = self._limits.close_deadline_ms / 1000 / 4
        for thread in self._threads:
            thread.join(patience_s)
        # A closing tty waits up to 30 s for bytes that a stalled peer doesn't take, unless they are thrown away first.
        with contextlib.suppress(*_PORT_ERRORS):
            if not (self._orderly and self._driver_emptied()):
                self._serial.reset_output_buffer()
        try:
            self._serial.close()
        except _PORT_ERRORS as error:
            raise lost_error(self._port, error) from error
        finally:
            for thread in self._threads:
                if thread.is_alive():
                    stuck.add(self._port, thread)

    def _driver_emptied(self) -> bool:
        """Give the driver a moment to send what it has taken; False if it has not by then."""
        pause, until = threading.Event(), time.monotonic() + self._limits.drain_limit_ms / 1000
        while self._serial.out_waiting:
            if time.monotonic() > until:
                return False
            pause.wait(DRAIN_POLL_MS / 1000)
        return True

    def _tell(self, callback: Callable[[], None]) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has ended; nobody is left to be told
            self._loop.call_soon_threadsafe(callback)

    # -- in the event loop -------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        with self._changed:
            data = bytes(self._incoming)
            self._incoming.clear()
            self._delivery_due = False
            self._changed.notify_all()
            closing = self._closing
        if data and not closing and self._receiver is not None:
            self._receiver.data_received(data)

    def _drained(self) -> None:
        if not self._closing and self._receiver is not None:
            self._receiver.drained()

    def _lost(self, error: TransportError) -> None:
        if not self._closing and self._receiver is not None:
            self._receiver.lost(error)

    async def _drained_or_late(self) -> None:
        def wait() -> None:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._error is not None or not (self._outgoing or self._writing_bytes),
                    timeout=self._limits.drain_limit_ms / 1000,
                )

        await in_thread(wait, self._limits.drain_limit_ms * 2, f"drain {self._port}", self._port)


def open_error(port: str, error: BaseException) -> TransportError:
    """Return what an exception while opening ``port`` means, with the remedy."""
    code = _open_code(error)
    detail = f"{port}: {_message(error)}"
    if code == "permission_denied":
        return TransportError(code, detail, ports.permission_remedy(port))
    if code == "port_busy":
        users = ports.port_users(port)
        holder = f" (in use by {', '.join(users)})" if users else ""
        return TransportError(code, detail + holder, ports.busy_remedy(port, users))
    if code == "port_missing":
        return TransportError(code, detail, "Plug the hub in, or name its port; `counterhub ports` lists them.")
    return TransportError(code, detail)


def lost_error(port: str, error: BaseException) -> TransportError:
    """Return what an exception on the open ``port`` means."""
    if isinstance(error, serial.SerialTimeoutException):
        return TransportError("io_error", f"{port} takes no more bytes", _REPLUG)
    number = find_errno(error)
    # Without a number: pyserial's own "device disconnected", a port without a handle, or Windows, where each failure of
    # an open port is its end.
    vanished = number in _VANISHED if number is not None else isinstance(error, _PORT_ERRORS)
    code: PortErrorCode = "port_vanished" if vanished else "io_error"
    return TransportError(code, f"{port}: {_message(error)}", _REPLUG)


def find_errno(error: BaseException | None) -> int | None:
    """Return the errno at the root of ``error``; pyserial often keeps it only in the exception's context."""
    for _ in range(5):
        if error is None:
            return None
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        if isinstance(error, _TERMIOS_ERRORS) and error.args and isinstance(error.args[0], int):
            return error.args[0]
        error = error.__cause__ or error.__context__
    return None


_REPLUG = "Unplug the hub and plug it in again."
_MISSING = frozenset(
    (
        *(errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO, errno.ENOTDIR),
        *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL),
    )
)
_BUSY = frozenset((errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK))
_VANISHED = frozenset(
    (
        *(errno.EIO, errno.ENXIO, errno.ENODEV, errno.ENOENT, errno.EBADF),
        *(errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH),
        *(errno.EACCES, errno.EPERM),  # Windows says "access denied" on a port whose device is gone
    )
)


def _termios_errors() -> tuple[type[Exception], ...]:
    try:
        import termios
    except ImportError:  # Windows
        return ()
    return (termios.error,)


_TERMIOS_ERRORS: tuple[type[Exception], ...] = _termios_errors()
# TypeError, ValueError, AttributeError: what pyserial raises on a port that is closed under its hands
_PORT_ERRORS: tuple[type[Exception], ...] = (OSError, TypeError, ValueError, AttributeError, *_TERMIOS_ERRORS)


def _open_code(error: BaseException) -> PortErrorCode:
    text = str(error)
    number = find_errno(error)
    if isinstance(error.__context__, socket.gaierror):
        return "port_missing"
    if isinstance(error.__context__, TimeoutError) or number == errno.ETIMEDOUT:
        return "open_timeout"
    if os.name == "nt" or number is None:  # pyserial on Windows keeps the system's error only as text
        if "FileNotFoundError" in text:
            return "port_missing"
        if "PermissionError" in text:  # there a port that another program has open
            return "port_busy"
    if number in _MISSING:
        return "port_missing"
    if number in _BUSY:
        return "port_busy"
    return "permission_denied" if number in (errno.EACCES, errno.EPERM) else "io_error"


def _message(error: BaseException) -> str:
    """The system's words; pyserial wraps them in two layers that repeat the port."""
    number = find_errno(error)
    text = os.strerror(number) if number is not None else str(error) or type(error).__name__
    return "the device disconnected" if "readiness to read but returned no data" in text else text


def _can_lock(port: str) -> bool:
    """An exclusive lock is for local ports; on Windows ports are exclusive anyway, and pyserial's URLs can't be."""
    return os.name == "posix" and not ports.is_url(port)


def _send_at_once(port: Any) -> None:
    """Switch Nagle's algorithm off: it would hold small frames back for the peer's delayed acknowledgement."""
    handle = socket.socket(fileno=port.fileno())
    try:
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    finally:
        handle.detach()  # the port goes on owning it


def _close_quietly(port: Any) -> None:
    with contextlib.suppress(OSError):
        port.close()
