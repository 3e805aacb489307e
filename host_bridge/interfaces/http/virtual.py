"""The virtual counter's requests: hold up a barcode, take the receipts, break things on purpose."""

from __future__ import annotations

from aiohttp import web

from host_bridge.interfaces.http.body import MAX_INTEGER, query_integer
from host_bridge.interfaces.http.context import CONTEXT, asked_hub, below, json_answer
from host_bridge.interfaces.http.problem import Problem
from host_bridge.interfaces.http.shapes import Light, VirtualFault, VirtualScan, receipt_view
from host_bridge.interfaces.services import VirtualCounter


async def scan(request: web.Request) -> web.Response:
    counter = _counter(request)
    wish = await request.app[CONTEXT].bodies.read_json(request, VirtualScan)
    await counter.scan(wish.data, wish.symbology)
    return json_answer(wish, status=202)


async def light(request: web.Request) -> web.Response:
    counter = _counter(request)
    after_ms = query_integer(request, "after_ms", default=-1, least=0, most=MAX_INTEGER)
    lights = [Light(at_ms=at_ms, colour=colour) for at_ms, colour in await counter.lights() if at_ms > after_ms]
    return json_answer(lights)


async def receipts(request: web.Request) -> web.Response:
    base = below(request, "")
    return json_answer([receipt_view(receipt, base) for receipt in await _counter(request).receipts()])


async def receipt_png(request: web.Request) -> web.Response:
    number = _number(request)
    picture = await _counter(request).receipt_png(number)
    if picture is None:
        raise _unknown(number)
    return web.Response(body=picture, content_type="image/png")


async def receipt_bin(request: web.Request) -> web.Response:
    number = _number(request)
    data = await _counter(request).receipt_bytes(number)
    if data is None:
        raise _unknown(number)
    headers = {"Content-Disposition": f'attachment; filename="receipt-{number}.bin"'}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)


async def faults(request: web.Request) -> web.Response:
    known = _counter(request).faults()
    return json_answer([VirtualFault(fault=name, active=active) for name, active in known.items()])


async def set_fault(request: web.Request) -> web.Response:
    counter = _counter(request)
    wish = await request.app[CONTEXT].bodies.read_json(request, VirtualFault)
    await counter.set_fault(wish.fault, wish.active)
    return json_answer(wish)


async def close_drawer(request: web.Request) -> web.Response:
    await _counter(request).close_drawer()
    return web.Response(status=204)


def _counter(request: web.Request) -> VirtualCounter:
    counter = asked_hub(request).hub.virtual
    if counter is None:
        raise Problem(
            "not_virtual", "This bridge serves a real hub. The virtual counter is there after: counterhub run --virtual"
        )
    return counter


def _number(request: web.Request) -> int:
    number = int(request.match_info["n"][:20])  # the route lets digits through only
    if not 1 <= number <= MAX_INTEGER:
        raise _unknown(number)
    return number


def _unknown(number: int) -> Problem:
    return Problem("receipt_unknown", f"There is no receipt {number}; the first is 1 and the newest ones are kept.")
