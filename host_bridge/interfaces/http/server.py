"""The HTTP port: puts the parts together, listens, and stops."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from host_bridge.address import Address
from host_bridge.hub.plugged import PluggedPort
from host_bridge.interfaces.http import access, page, problem, static
from host_bridge.interfaces.http.body import BodyReader
from host_bridge.interfaces.http.connection import Connection, Connections
from host_bridge.interfaces.http.context import CONTEXT, Context, HubContext, for_hub
from host_bridge.interfaces.http.limits import HttpLimits
from host_bridge.interfaces.http.operations import every_operation
from host_bridge.interfaces.http.problem import Problem
from host_bridge.interfaces.http.workshop import PictureCache, Workshop
from host_bridge.interfaces.services import Refused, ServedHub

log = logging.getLogger(__name__)

WEB_DIR = Path(__file__).resolve().parents[2] / "web"
DEFAULT_LISTEN = Address("127.0.0.1", 9180)


class HttpInterface:
    """The native API, the WebSocket, the page and the virtual counter on one port, for all hubs.

    Port 0 in `listen` takes a free one. `ports` asks the system what is plugged in; it is called in a thread.
    Raises ValueError for an entry of `allowed_hosts` or `allowed_origins` that can't be meant.
    """

    def __init__(
        self,
        hubs: Mapping[str, ServedHub],
        listen: Address = DEFAULT_LISTEN,
        *,
        ports: Callable[[], list[PluggedPort]] = list,
        web_dir: Path | None = WEB_DIR,
        limits: HttpLimits | None = None,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._listen = listen
        self._web_dir = web_dir
        self._limits = limits or HttpLimits()
        self._hubs = hubs
        self._ports = ports
        self._clock = clock
        self._access = access.Access(
            listen_host=listen.host, allowed_hosts=allowed_hosts, allowed_origins=allowed_origins
        )
        self._context: Context | None = None
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._connections: Connections | None = None
        self._address: Address | None = None

    @property
    def address(self) -> Address:
        """Where it listens: the real port when 0 was asked. Raises RuntimeError before `start`."""
        if self._address is None:
            raise RuntimeError("the HTTP interface has not been started")
        return self._address

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def start(self) -> None:
        """Listen. Raises OSError naming the address if it can't be had."""
        if self._server is not None:
            raise RuntimeError("the HTTP interface is started already")
        self._context = Context(
            ports=self._ports,
            hubs={name: HubContext(hub=hub) for name, hub in self._hubs.items()},
            limits=self._limits,
            clock=self._clock,
            bodies=BodyReader(self._limits),
            workshop=Workshop(self._limits),
            pictures=PictureCache(self._limits.receipt_cache_bytes),
        )
        try:
            self._runner = web.AppRunner(
                self._application(self._context), shutdown_timeout=self._limits.stop_deadline_ms / 1000
            )
            await self._runner.setup()
            assert self._runner.server is not None
            self._connections = Connections(self._runner.server, self._limits)
            self._server = await self._create_server(self._connections)
        except BaseException:
            await self.stop()
            raise
        name = self._server.sockets[0].getsockname()
        self._address = Address(str(name[0]), int(name[1]))
        log.info("HTTP at %s", self.url)

    async def stop(self) -> None:
        """Stop listening, close WebSockets with 1001, let requests under way finish within the stop deadline."""
        if self._context is not None:
            self._context.stopping = True
        if self._server is not None:
            self._server.close()
        if self._context is not None:
            await asyncio.gather(*(stream.stop() for stream in tuple(self._context.streams)), return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._connections is not None:
            self._connections.abort_all()
        if self._context is not None:
            self._context.workshop.close()
        self._server = self._runner = self._connections = self._context = None

    async def _create_server(self, connections: Connections) -> asyncio.Server:
        listen = self._listen
        try:
            return await asyncio.get_running_loop().create_server(
                connections, listen.host, listen.port, backlog=self._limits.backlog
            )
        except OSError as error:
            raise OSError(
                error.errno,
                f"HTTP can't listen on {listen} ({error.strerror or error}). Is another bridge running? "
                "Choose another address with --http HOST:PORT or http.listen.",
            ) from error

    def _application(self, context: Context) -> web.Application:
        # Outermost first: an answer in the right form, then who may ask.
        app = web.Application(middlewares=[answer_problems, access.middleware(self._access)])
        app[CONTEXT] = context
        app.on_response_prepare.extend((rewrite_foreign_error, access.add_headers))
        for operation in every_operation():
            methods = ("GET", "HEAD") if operation.method == "GET" and not operation.websocket else (operation.method,)
            handler = for_hub(operation.handler) if operation.of_hub else operation.handler
            if operation.websocket:
                context.lasting.add(handler)
            for method in methods:
                app.router.add_route(method, operation.route, handler, expect_handler=continue_expected)
        page.add_routes(app.router)
        if self._web_dir is not None:
            static.add_routes(app.router, self._web_dir)
        return app


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever goes wrong as a problem, and let nothing take for ever."""
    context = request.app[CONTEXT]
    if isinstance(request.protocol, Connection):
        request.protocol.request_arrived()
    deadline_s = None if request.match_info.handler in context.lasting else context.limits.request_deadline_ms / 1000
    try:
        async with asyncio.timeout(deadline_s):
            return await handler(request)
    except Problem as found:
        return found.response()
    except Refused as refusal:
        return problem.from_refusal(refusal).response()
    except web.HTTPException as error:
        return problem.from_http(error, request).response()
    except TimeoutError:
        log.error("%s %s was not answered in time", request.method, request.path)
        detail = "It is not known whether it was done: send it again with the same Idempotency-Key."
        return Problem("service_timeout", detail).response()
    except ConnectionError:
        raise  # the client went; there is nobody to answer
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return problem.internal().response()
    finally:
        context.bodies.release(request)


async def rewrite_foreign_error(request: web.Request, answer: web.StreamResponse) -> None:
    """Signal handler: aiohttp refuses an unknown `Expect` at an unknown address by itself, as plain text."""
    if isinstance(answer, web.HTTPException) and answer.status >= 400:
        found = problem.from_http(answer, request)
        answer.content_type = problem.CONTENT_TYPE
        answer.charset = None
        answer.body = found.encode()


async def continue_expected(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect`: send the body, or that this is not known."""
    expect = request.headers.get("Expect", "")
    if expect.lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
        return None
    return Problem("expectation_unknown", f"Expected 100-continue, got {expect[:50]!r}.").response()
