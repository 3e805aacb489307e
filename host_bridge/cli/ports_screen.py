"""`counterhub ports`: the serial ports of this machine, which of them may be a hub, and what is in the way."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Styled

from host_bridge.cli.client import Client
from host_bridge.cli.outcome import CommandError
from host_bridge.cli.screen import mark
from host_bridge.cli.words import Words
from host_bridge.flash.errors import FlashError
from host_bridge.flash.greeting import wait_for_greeting
from host_bridge.hub import ports as system
from host_bridge.hub.plugged import PluggedPort, with_hub

BRIDGE_DEADLINE_S = 2.0  # the bridge's word is welcome, and not waited for
THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
GREETING_TIMEOUT_S = 2.0  # a hub without a session greets ten times a second


async def find(url: str, words: Words, *, ask: bool) -> list[PluggedPort]:
    """What is plugged in, with what a running bridge knows. `ask`: and what hubs say of themselves. Raises OSError."""
    found, known = await asyncio.gather(asyncio.to_thread(system.list_ports), _known(url, words))
    plugged = [known.get(port.device) or with_hub(port) for port in found]
    if ask:
        plugged = await asyncio.gather(*map(_ask, plugged))
    return list(plugged)


async def _known(url: str, words: Words) -> dict[str, PluggedPort]:
    """What this machine's bridge says, by port; nothing if there is none. Raises CommandError for a wrong address."""
    client = Client(url, words, deadline_s=BRIDGE_DEADLINE_S)
    if urlsplit(client.url).hostname not in THIS_MACHINE:
        return {}
    try:
        async with client:
            return {port.device: port for port in await client.ports()}
    except CommandError:  # this command is for when nothing runs yet
        return {}


async def _ask(port: PluggedPort) -> PluggedPort:
    """Listen for a hub that nobody serves. Nothing is sent, so that whatever is plugged in there is not disturbed."""
    if not port.looks_like_hub or port.problem is not None or port.served_as is not None:
        return port
    try:
        hello = await asyncio.to_thread(wait_for_greeting, port.device, GREETING_TIMEOUT_S)
    except FlashError:  # silence
        return port
    if "hub_id" not in hello:  # of a version that this program doesn't know
        return port
    return with_hub(port, hub_id=hello["hub_id"].hex(), hub_name=hello["name"])


def render(ports: list[PluggedPort], words: Words) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for key in ("device", "hub", "id", "usb", "serial", "what"):
        table.add_column(words(f"ports.{key}"), no_wrap=key in ("device", "hub", "id", "usb"), overflow="fold")
    for port in ports:
        serial = port.serial_number or "–"
        table.add_row(port.device, _hub(port, words), port.hub_id or "–", usb_id(port), serial, port.description or "–")
    problems = [_problem(port, words) for port in ports if port.problem and port.served_as is None]
    unused = [_unused(port, words) for port in ports if port.hub_id is not None and port.served_as is None]
    return Group(table, *problems, *unused)


def _hub(port: PluggedPort, words: Words) -> Styled:
    if port.served_as is not None:
        return mark("ok", words("ports.served", name=port.served_as))
    if port.hub_id is not None:
        return mark("notice", words("ports.unused"))
    return mark("ok", words("ports.likely")) if port.looks_like_hub else Styled(words("ports.no"), "dim")


def _unused(port: PluggedPort, words: Words) -> Styled:
    return mark("notice", words("ports.unused.what", port=port.device, id=port.hub_id, name=port.hub_name or "–"))


def usb_id(port: PluggedPort) -> str:
    """`2e8a:0005`, as lsusb and the Device Manager write it."""
    if port.vid is None or port.pid is None:
        return "–"
    return f"{port.vid:04x}:{port.pid:04x}"


def _problem(port: PluggedPort, words: Words) -> Styled:
    sign = mark("warning", f"{port.device}: {port.problem_detail or port.problem}")
    if not port.remedy:
        return sign
    return Styled.assemble(sign, "\n  ", (words("remedy"), "bold"), port.remedy)
