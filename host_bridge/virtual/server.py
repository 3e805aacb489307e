"""The counter process's control socket: JSON lines on loopback TCP, opened by the token in `control.json`.

A request is `{"id": 1, "command": "scan", "arguments": {...}}`; its answer `{"id": 1, "result": ...}` or
`{"id": 1, "error": {"code", "detail"}}`. Events come unasked: `{"event": "light", ...}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import secrets
import selectors
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from host_bridge.interfaces.services import Refused
from host_bridge.virtual.counter import Counter
from host_bridge.virtual.options import Options

CLIENTS_LIMIT: Final = 8
LINE_LIMIT_BYTES: Final = 256 * 1024
UNREAD_LIMIT_BYTES: Final = 64 * 1024 * 1024  # of a client that doesn't read: the largest receipts, then it is cut off
PICTURES_AT_ONCE: Final = 4
HELLO_DEADLINE_S: Final = 5.0
TOKEN_BYTES: Final = 32

log = logging.getLogger(__name__)


class Start(msgspec.Struct, frozen=True):
    """What the counter process reads from its standard input."""

    directory: str
    fingerprint: str  # of what it runs; a bridge with another one starts a new counter
    options: Options


class Control(msgspec.Struct, frozen=True):
    """`control.json`: how a bridge reaches the running counter process."""

    host: str
    port: int
    token: str
    pid: int
    fingerprint: str


class Request(msgspec.Struct, frozen=True):
    id: int
    command: str
    arguments: dict[str, Any] = {}


class Server:
    """Runs a counter until it is told to shut down, or nobody has been attached for a while."""

    def __init__(self, start: Start) -> None:
        self._directory = Path(start.directory)
        self._fingerprint = start.fingerprint
        self._options = start.options
        self._token = secrets.token_hex(TOKEN_BYTES)
        self._clients: set[asyncio.StreamWriter] = set()
        self._done = asyncio.Event()
        self._orphan_timer: asyncio.TimerHandle | None = None
        self._counter: Counter | None = None
        self._pictures: set[asyncio.Task[None]] = set()

    async def run(self, ready: Callable[[], None]) -> None:
        """`ready` is called once a bridge may attach."""
        self._counter = self._make_counter()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LINE_LIMIT_BYTES)
        control = self._directory / "control.json"
        try:
            await self._counter.start()
            host, port = server.sockets[0].getsockname()[:2]
            write_private(
                control, msgspec.json.encode(Control(host, port, self._token, os.getpid(), self._fingerprint))
            )
            self._watch_for_orphanhood()
            ready()
            await self._done.wait()
        finally:
            self._withdraw(control)
            server.close()
            await self._counter.stop()
            for client in tuple(self._clients):
                client.transport.abort()

    def _make_counter(self) -> Counter:
        return Counter(self._directory, self._options, self._publish)

    def _withdraw(self, control: Path) -> None:
        """Remove `control.json`, unless another counter has put its own there."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            if msgspec.json.decode(control.read_bytes(), type=Control).token == self._token:
                control.unlink()

    def _watch_for_orphanhood(self) -> None:
        if self._orphan_timer is not None:
            self._orphan_timer.cancel()
            self._orphan_timer = None
        if not self._clients:
            loop = asyncio.get_running_loop()
            self._orphan_timer = loop.call_later(self._options.orphan_timeout_s, self._orphaned)

    def _orphaned(self) -> None:
        log.warning("no bridge for %.0f s: the virtual counter ends", self._options.orphan_timeout_s)
        self._done.set()

    def _publish(self, event: dict[str, Any]) -> None:
        line = msgspec.json.encode(event) + b"\n"
        for client in tuple(self._clients):
            self._send(client, line)

    def _send(self, client: asyncio.StreamWriter, line: bytes) -> None:
        if client.transport.get_write_buffer_size() > UNREAD_LIMIT_BYTES:
            log.warning("an attached client does not read; it is cut off")
            client.transport.abort()
        elif not client.transport.is_closing():
            client.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._admit(reader, writer):
                self._clients.add(writer)
                self._watch_for_orphanhood()
                self._send(writer, msgspec.json.encode(self._hello()) + b"\n")
                await self._answer_all(reader, writer)
        except (ConnectionError, TimeoutError, ValueError) as error:  # ValueError: a line beyond the limit
            log.info("a client is gone: %s", repr(error))
        finally:
            self._clients.discard(writer)
            self._watch_for_orphanhood()
            writer.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = await asyncio.wait_for(reader.readline(), HELLO_DEADLINE_S)
        if len(self._clients) >= CLIENTS_LIMIT:
            log.warning("a client more than %d; refused", CLIENTS_LIMIT)
            return False
        try:
            token = msgspec.json.decode(line, type=dict[str, str]).get("token", "")
        except msgspec.DecodeError:
            token = ""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            log.warning("a client without the right token; refused")
            return False
        return True

    def _hello(self) -> dict[str, Any]:
        assert self._counter is not None
        counter = self._counter
        ports = {"address": counter.port.address, "backup_address": counter.backup_port.address}
        return {"event": "hello", **ports, "faults": counter.faults()}

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                request = msgspec.json.decode(line, type=Request)
            except msgspec.DecodeError as error:
                raise ValueError(f"not a request: {error}") from None
            if request.command == "receipt_png" and len(self._pictures) < PICTURES_AT_ONCE:
                picture = asyncio.create_task(self._reply(writer, request))  # drawing takes long; others don't wait
                self._pictures.add(picture)
                picture.add_done_callback(self._pictures.discard)
                continue
            await self._reply(writer, request)
            if request.command == "shutdown":
                await writer.drain()
                self._done.set()
                return

    async def _reply(self, writer: asyncio.StreamWriter, request: Request) -> None:
        self._send(writer, msgspec.json.encode(await self._answer(request)) + b"\n")

    async def _answer(self, request: Request) -> dict[str, Any]:
        try:
            result = await self._command(request.command, request.arguments)
        except Refused as refused:
            return {"id": request.id, "error": {"code": refused.code, "detail": refused.detail}}
        except (TypeError, KeyError, ValueError) as error:
            log.exception("command %s failed", request.command)
            return {"id": request.id, "error": {"code": "command_invalid", "detail": f"{request.command}: {error!r}"}}
        return {"id": request.id, "result": result}

    async def _command(self, command: str, arguments: dict[str, Any]) -> Any:
        counter = self._counter
        assert counter is not None
        commands: dict[str, Callable[..., Any]] = {
            "scan": counter.scan,
            "scanner_bytes": lambda data: counter.scanner_bytes(bytes.fromhex(data)),
            "set_fault": counter.set_fault,
            "faults": counter.faults,
            "close_drawer": counter.close_drawer,
            "set_button": counter.set_button,
            "receipts": counter.receipts,
            "receipt_png": counter.receipt_png,
            "receipt_bytes": counter.receipt_bytes,
            "drawer_state": counter.drawer_state,
            "lights": lambda: list(counter.led.history),
            "statistics": lambda: {**counter.statistics(), "wakeups": wakeups()},
            "shutdown": lambda: None,
        }
        if command not in commands:
            raise Refused("command_unknown", f"no command {command[:60]!r}; there are: {', '.join(commands)}")
        result = commands[command](**arguments)
        return await result if isinstance(result, Awaitable) else result


def write_private(path: Path, data: bytes) -> None:
    """Replace a file by one that only its owner reads."""
    fresh = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.replace(path)


class CountingSelector(selectors.DefaultSelector):
    """Counts how often the loop woke up: an idle counter must not."""

    wakeups = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout)
        CountingSelector.wakeups += 1
        return ready


def wakeups() -> int:
    return CountingSelector.wakeups
