"""Raw TCP 9100: a network receipt printer, as every till knows it.

Theory of operation. Each connection has one task that reads it and a :class:`JobCollector` that sorts the bytes. What a
printer would answer in real time is answered here; drawer kicks go their own way at once; the rest becomes jobs. A job
belongs to the bridge when ``printing.submit`` has returned, and not a moment earlier: until then, whatever goes wrong,
the client gets a reset and not silence. While no job can be taken the port is closed, because clients retry on a
refused connection and lose what is swallowed.

Sockets are read directly, not through asyncio streams: a stream throws away what it has read when a client that has
closed already answers one of our writes with a reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections import Counter
from typing import Final

from host_bridge.escpos import status
from host_bridge.events import DrawerEvent, LinkEvent, Overflow, PrinterEvent
from host_bridge.interfaces.raw_client import Client, RawLimits, reset
from host_bridge.interfaces.raw_jobs import KickRequest
from host_bridge.interfaces.services import Refused, ServedHub

log = logging.getLogger(__name__)

WARNINGS_A_KIND: Final = 20  # then the rest of the kind goes to the debug log: a port scan must not fill the disk
KICK_DEADLINE_MS: Final = 10_000  # above every time to live; a kick that hangs longer is given up, not repeated
REOPEN_AFTER_MS: Final = 1_000  # when the port could not be opened again
EVICT_LOOK_MS: Final = 50  # while all places are taken: how often it is looked for a client that has become idle


class RawInterface:
    """The listening port. ``start``, ``stop``, ``address``, and counts in ``statistics``."""

    def __init__(self, hub: ServedHub, host: str, port: int, *, limits: RawLimits | None = None) -> None:
        self.hub = hub
        self.limits = limits or RawLimits()
        self.statistics: Counter[str] = Counter()
        self.turn = asyncio.Lock()  # held by the client whose bytes are being sorted
        self._host = host
        self._port = port
        self._family = socket.AF_INET
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[tuple[socket.socket, object]] | None = None
        self._clients: dict[Client, asyncio.Task[None]] = {}
        self._kicks: set[asyncio.Task[None]] = set()
        self._service: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()  # whether jobs can be taken, or a place is free

    async def start(self) -> None:
        """Open the port. Raises OSError if it can't be had."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        self._family, self._host = family, str(address[0])
        self._listener = self._open()
        self._port = self._listener.getsockname()[1]
        self.hub.printing.watch_accepting(self._changed.set)
        self._service = [loop.create_task(self._listen()), loop.create_task(self._watch_status())]

    async def stop(self) -> None:
        """Close the port; hand over the jobs that are whole, reset the clients whose job is not."""
        for task in self._service:
            task.cancel()
        await asyncio.gather(*self._service, return_exceptions=True)
        await self._close_listener(admit=True)
        for client in self._clients:
            client.stop()
        tasks = {*self._clients.values(), *self._kicks}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.limits.stop_ms / 1000)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    @property
    def address(self) -> tuple[str, int]:
        return self._host, self._port

    @property
    def connections(self) -> int:
        return len(self._clients)

    # --- asked by the clients

    def printer_status(self) -> status.PrinterStatus | None:
        """What the printer says, or None while nobody can know."""
        asb = self.hub.printing.status_bytes()
        return None if asb is None else status.from_asb(asb)

    def asb(self) -> bytes:
        """The four bytes for a client: an offline printer's while nobody can know."""
        return self.hub.printing.status_bytes() or status.to_asb(status.UNREACHABLE)

    def buffered_bytes(self) -> int:
        return sum(client.size_bytes for client in self._clients)

    def limit_lingering(self) -> None:
        """A client has shut its writing side: it holds no place any more, but such clients are not without limit."""
        lingering = [client for client in self._clients if client.lingering]
        if len(lingering) > self.limits.max_lingering:
            lingering[0].evict()
        self._changed.set()

    def kick(self, request: KickRequest) -> None:
        """Open the drawer in a task of its own, so that it never waits behind a job."""
        if len(self._kicks) >= self.limits.max_kicks:
            self.warn("kick_dropped", f"{len(self._kicks)} kicks are under way; the request for one more was dropped")
            return
        task = asyncio.get_running_loop().create_task(self._kick(request))
        self._kicks.add(task)
        task.add_done_callback(self._kicks.discard)

    def warn(self, kind: str, message: str) -> None:
        """Count and log what a technician may want to know, without letting a hostile client write the log full."""
        self.statistics[kind] += 1
        level = logging.WARNING if self.statistics[kind] <= WARNINGS_A_KIND else logging.DEBUG
        log.log(level, "raw port: %s", message)

    # --- the port

    def _open(self) -> socket.socket:
        listener = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            if sys.platform != "win32":  # there it would let two programs share the port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(self.limits.backlog)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            raise OSError(
                error.errno,
                f"the raw printer port can't listen on {self._host}:{self._port} ({error.strerror or error}). "
                "Choose another address with --raw HOST:PORT or raw.listen.",
            ) from error
        return listener

    async def _close_listener(self, *, admit: bool) -> None:
        """Refuse new connections. ``admit``: take those that the system has accepted already."""
        accepting, self._accepting = self._accepting, None
        listener, self._listener = self._listener, None
        if accepting is not None:
            accepting.cancel()
            found = (await asyncio.gather(accepting, return_exceptions=True))[0]
            if isinstance(found, tuple):
                self._admit(*found) if admit else reset(found[0])
        if listener is None:
            return
        if admit:
            with contextlib.suppress(OSError):  # BlockingIOError: that was the last one
                while self._has_place():
                    self._admit(*listener.accept())
        listener.close()

    async def _listen(self) -> None:
        while True:
            try:
                await self._serve()
            except Exception:
                log.exception("raw port: at %s:%d", self._host, self._port)
                await asyncio.sleep(REOPEN_AFTER_MS / 1000)

    async def _serve(self) -> None:
        """Take connections while jobs can be taken and there is room; keep the port closed otherwise."""
        loop = asyncio.get_running_loop()
        full_since: float | None = None
        while True:
            self._changed.clear()
            refused = self.hub.printing.accepting()
            if refused is not None:
                await self._refuse(refused)
                await self._changed.wait()
            elif not self._has_room():
                full_since = full_since or loop.time()
                await self._wait_for_room(loop.time() - full_since)
            elif self._listener is None and not self._reopen():
                await asyncio.sleep(REOPEN_AFTER_MS / 1000)
            else:
                full_since = None
                await self._accept()

    async def _refuse(self, refused: Refused) -> None:
        if self._listener is not None:
            log.warning("raw port: closed while jobs can't be taken: %s (%s)", refused.detail, refused.code)
            await self._close_listener(admit=False)
        for client in self._clients:
            client.refuse(refused)

    def _has_place(self) -> bool:
        return sum(not client.lingering for client in self._clients) < self.limits.max_connections

    def _has_room(self) -> bool:
        """Whether one more client can be taken; the oldest idle one gives way."""
        if self._has_place():
            return True
        idle_ms, oldest = max(((client.idle_ms(), client) for client in self._clients), key=lambda pair: pair[0])
        if idle_ms >= self.limits.evict_after_ms:
            oldest.evict()
        return False

    async def _wait_for_room(self, full_s: float) -> None:
        """New clients wait in the system's queue for a moment; after that the port is closed to them."""
        if full_s >= self.limits.full_ms / 1000 and self._listener is not None:
            self.warn("full", f"{len(self._clients)} clients at once, all busy: new connections are refused")
            await self._close_listener(admit=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVICT_LOOK_MS / 1000):
                await self._changed.wait()

    def _reopen(self) -> bool:
        try:
            self._listener = self._open()
        except OSError as error:
            self.warn("port_busy", f"could not open {self._host}:{self._port} again: {error}; another program has it?")
            return False
        log.info("raw port: open again at %s:%d", self._host, self._port)
        return True

    async def _accept(self) -> None:
        """Wait for a connection, or for a change; the pending accept is kept, so that no client falls between."""
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        if self._accepting is None:
            self._accepting = loop.create_task(loop.sock_accept(self._listener))
        changed = loop.create_task(self._changed.wait())
        try:
            await asyncio.wait({self._accepting, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        if not self._accepting.done():
            return
        accepting, self._accepting = self._accepting, None
        error = accepting.exception()
        if error is None:
            self._admit(*accepting.result())
        elif isinstance(error, OSError):
            self.warn("accept_failed", f"could not take a connection: {error}")
            await asyncio.sleep(REOPEN_AFTER_MS / 1000)
        else:
            raise error

    def _admit(self, connection: socket.socket, peer: object) -> None:
        self.statistics["connections"] += 1
        connection.setblocking(False)
        client = Client(self, connection, _name(peer))
        task = asyncio.get_running_loop().create_task(client.run())
        self._clients[client] = task
        task.add_done_callback(lambda _: self._leave(client))

    def _leave(self, client: Client) -> None:
        self._clients.pop(client, None)
        self._changed.set()

    # --- devices

    async def _kick(self, request: KickRequest) -> None:
        self.statistics["kicks"] += 1
        try:
            async with asyncio.timeout(KICK_DEADLINE_MS / 1000):
                kick = await self.hub.drawers.kick(source="raw", drawer=request.drawer, on_ms=request.on_ms)
        except Refused as refused:
            self.warn("kick_refused", f"kick of drawer {request.drawer} refused: {refused.detail} ({refused.code})")
        except TimeoutError:
            self.warn("kick_late", f"kick of drawer {request.drawer} had no end after {KICK_DEADLINE_MS} ms")
        except Exception:
            log.exception("raw port: kick of drawer %d", request.drawer)
        else:
            log.debug("raw port: kick %d is %s", kick.kick_id, kick.state.value)

    async def _watch_status(self) -> None:
        """Tell the clients that asked for Automatic Status Back about each change."""
        subscription = self.hub.events.subscribe()
        known: bytes | None = None
        try:
            while True:
                try:
                    event = await subscription.next()
                    if not isinstance(event, PrinterEvent | DrawerEvent | LinkEvent):
                        continue
                except Overflow:
                    subscription = self.hub.events.subscribe()
                asb = self.asb()
                if asb != known:
                    known = asb
                    for client in self._clients:
                        client.status_changed()
        finally:
            subscription.close()


def _name(peer: object) -> str:
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)
