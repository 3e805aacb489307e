"""One TCP connection: how many there may be, how long a client may keep silent or leave its answer unread."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from aiohttp import web

from host_bridge.interfaces.http.limits import HttpLimits
from host_bridge.interfaces.http.problem import CATALOGUE, CONTENT_TYPE, Problem

log = logging.getLogger(__name__)

LINGERING_S = 2.0  # a refused upload is read on for so long, so that the client sees the refusal and no reset


class Connections:
    """Makes and counts the connections of one listener: the protocol factory for `loop.create_server`."""

    def __init__(self, server: web.Server, limits: HttpLimits) -> None:
        self._server = server
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self.refused = 0

    def __call__(self) -> Connection:
        return Connection(self, self._server, self._loop, self._limits)

    def admit(self, connection: Connection) -> bool:
        if len(self.open) >= self._limits.connections:
            self.refused += 1
            return False
        self.open.add(connection)
        return True

    def abort_all(self) -> None:
        for connection in tuple(self.open):
            connection.abort()


class Connection(web.RequestHandler):
    """aiohttp's HTTP protocol with limits, and with errors in the API's own form."""

    __slots__ = ("_connections", "_header_timer", "_limits", "_own_transport", "_write_timer")

    def __init__(
        self, connections: Connections, server: web.Server, loop: asyncio.AbstractEventLoop, limits: HttpLimits
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle_deadline_ms / 1000,
            access_log=None,  # type: ignore[arg-type]
            max_line_size=limits.header_line_bytes,
            max_field_size=limits.header_line_bytes,
            max_headers=limits.header_fields,
            lingering_time=LINGERING_S,
            auto_decompress=False,  # a few bytes could unpack to gigabytes
        )
        self._connections = connections
        self._limits = limits
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._own_transport: asyncio.Transport | None = None

    def request_arrived(self) -> None:
        """The first request's header is complete."""
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def abort(self) -> None:
        if self._own_transport is not None:
            self._own_transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._own_transport = cast(asyncio.Transport, transport)
        if not self._connections.admit(self):
            self._refuse(
                Problem("too_many_connections", f"{self._limits.connections} connections are open. Close some, retry.")
            )
            return
        super().connection_made(transport)
        self._header_timer = asyncio.get_running_loop().call_later(
            self._limits.header_deadline_ms / 1000, self._header_late
        )

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.open.discard(self)
        for timer in (self._header_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._own_transport = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = asyncio.get_running_loop().call_later(self._limits.stalled_write_ms / 1000, self.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request: garbage, a header that is too long, a cut-off body."""
        self.request_arrived()
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun when the request turned out to be broken")
        if isinstance(exc, ConnectionError):  # it went in the middle of its body: nobody is there to be answered
            raise exc
        if status >= 500:
            log.error("request failed outside its handler", exc_info=exc)
            return Problem("internal", CATALOGUE["internal"].title, close=True).response()
        log.debug("not HTTP from %s: %s", request.remote, exc)
        reason = (message or "it can't be parsed").strip().splitlines()[0][:200]
        return Problem("malformed_request", f"Expected an HTTP/1.1 request; {reason}", close=True).response()

    def _header_late(self) -> None:
        self._header_timer = None
        seconds = self._limits.header_deadline_ms / 1000
        self._refuse(Problem("request_timeout", f"No complete request header came within {seconds:g} s."))

    def _refuse(self, problem: Problem) -> None:
        """Answer without a request, and close."""
        transport = self._own_transport
        if transport is None or transport.is_closing():
            return
        body = problem.encode()
        head = (
            f"HTTP/1.1 {problem.status} {problem.body.title}\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        transport.write(head.encode("ascii") + body)
        transport.close()
