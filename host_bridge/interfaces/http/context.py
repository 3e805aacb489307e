"""What the request handlers share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from aiohttp import web

from host_bridge.interfaces.http.body import BodyReader
from host_bridge.interfaces.http.limits import HttpLimits
from host_bridge.interfaces.http.workshop import PictureCache, Workshop
from host_bridge.interfaces.services import Bridge, VirtualCounter

OFFERED_SCANS = 4_096  # a scan waits 10 s by default; nobody scans 400 a second
ANSWERED_KICKS = 1_024


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
class Context:
    bridge: Bridge
    virtual: VirtualCounter | None
    limits: HttpLimits
    clock: Callable[[], float]  # seconds since the epoch
    bodies: BodyReader
    workshop: Workshop
    pictures: PictureCache
    streams: set[OpenStream] = field(default_factory=set)
    offered: RecentNumbers = field(default_factory=lambda: RecentNumbers(OFFERED_SCANS))
    answered_kicks: RecentNumbers = field(default_factory=lambda: RecentNumbers(ANSWERED_KICKS))
    stopping: bool = False


CONTEXT: web.AppKey[Context] = web.AppKey("context", Context)


def json_answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )
