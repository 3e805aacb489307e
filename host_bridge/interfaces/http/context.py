"""What the request handlers share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from host_bridge.hub.plugged import PluggedPort
from host_bridge.interfaces.http.body import BodyReader
from host_bridge.interfaces.http.limits import HttpLimits
from host_bridge.interfaces.http.problem import Problem
from host_bridge.interfaces.http.workshop import PictureCache, Workshop
from host_bridge.interfaces.services import ServedHub

OFFERED_SCANS = 4_096  # a scan waits 10 s by default; nobody scans 400 a second
ANSWERED_KICKS = 1_024
API = "/api/v1"
HUBS = "hubs"


class RecentNumbers:
    """A set that forgets its oldest members."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._numbers: OrderedDict[int, None] = OrderedDict()

    def add(self, number: int) -> None:
        self._numbers[number] = None
        if len(self._numbers) > self._limit:
            self._numbers.popitem(last=False)

    def __contains__(self, number: int) -> bool:
        return number in self._numbers


class OpenStream(Protocol):
    async def stop(self) -> None: ...


@dataclass(kw_only=True)
class HubContext:
    """One hub, and what was told about it: numbers of scans and kicks count for one journal only."""

    hub: ServedHub
    offered: RecentNumbers = field(default_factory=lambda: RecentNumbers(OFFERED_SCANS))
    answered_kicks: RecentNumbers = field(default_factory=lambda: RecentNumbers(ANSWERED_KICKS))


@dataclass(kw_only=True)
class Context:
    hubs: Mapping[str, HubContext]  # by name
    ports: Callable[[], list[PluggedPort]]  # blocking
    limits: HttpLimits
    clock: Callable[[], float]  # seconds since the epoch
    bodies: BodyReader
    workshop: Workshop
    pictures: PictureCache
    lasting: set[Handler] = field(default_factory=set)  # whose answer may take for ever: WebSockets
    streams: set[OpenStream] = field(default_factory=set)
    stopping: bool = False


CONTEXT: web.AppKey[Context] = web.AppKey("context", Context)
_ASKED: web.RequestKey[HubContext] = web.RequestKey("asked", HubContext)
HUB = "hub"  # the part of the address that names one


def for_hub(handler: Handler) -> Handler:
    """The handler, once it is clear which hub is meant: before that not a byte of the request counts."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[_ASKED] = _find_hub(request)
        return await handler(request)

    return handle


def asked_hub(request: web.Request) -> HubContext:
    """The hub that the address names, or the only one."""
    return request[_ASKED]


def _find_hub(request: web.Request) -> HubContext:
    """Raises Problem: which one was meant is never guessed."""
    hubs = request.app[CONTEXT].hubs
    asked = request.match_info.get(HUB)
    if asked is None:
        if len(hubs) == 1:
            return next(iter(hubs.values()))
        names = list(hubs)
        detail = (
            f"This bridge serves several hubs: {', '.join(names)}. Say which, for example {_named(request, names[0])}."
        )
        raise Problem("hub_not_named", detail, hubs=names)
    if asked in hubs:
        return hubs[asked]
    wanted = asked.lower()
    for each in hubs.values():
        met = each.hub.state().hub
        if met is not None and met.id == wanted:
            return each
    detail = f"There is no hub {asked[:40]!r}, by name or by id. The names here: {', '.join(hubs)}."
    raise Problem("hub_unknown", detail, hubs=list(hubs))


def below(request: web.Request, otherwise: str = API) -> str:
    """Where the addresses in an answer begin: with the hub's name if the request had it."""
    return f"{API}/{HUBS}/{asked_hub(request).hub.name}" if HUB in request.match_info else otherwise


def _named(request: web.Request, name: str) -> str:
    return hub_path(request.path).replace(f"{{{HUB}}}", name)


def hub_path(path: str) -> str:
    """The address of a resource with a place for the hub: /api/v1/print is /api/v1/hubs/{hub}/print too."""
    return f"{API}/{HUBS}/{{{HUB}}}{path.removeprefix(API)}"


def json_answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )
