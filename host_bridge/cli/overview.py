"""`counterhub status` of a bridge with several hubs: a line for each, and what to do where something is wrong."""

from __future__ import annotations

import msgspec
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from host_bridge.cli import screen, status_screen
from host_bridge.cli.client import Client, HubRow
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.words import Words
from host_bridge.hub.plugged import PluggedPort
from host_bridge.hub.ports import ESPRESSIF_VENDOR, RASPBERRY_PI_VENDOR

BOARD_VENDORS = (RASPBERRY_PI_VENDOR, ESPRESSIF_VENDOR)
STATUS_MARKS = {"ready": "ok", "warning": "warning", "fault": "error"}


async def show(client: Client, words: Words, *, as_json: bool) -> ExitCode:
    """All hubs at a glance. FAILED if any of their counters can't sell."""
    hubs = await client.hubs()
    if as_json:
        screen.print_json({"hubs": msgspec.to_builtins(hubs)})
    else:
        screen.stdout().print(render(hubs, words))
        await show_unused(client, words)
    return ExitCode.FAILED if any(hub.status == "fault" for hub in hubs) else ExitCode.OK


async def show_unused(client: Client, words: Words) -> None:
    """Hubs that are plugged in and that nobody serves; nothing if the bridge knows nothing of its ports."""
    try:
        ports = await client.ports()
    except CommandError:  # an older bridge; the state has been shown, and that was the question
        return
    unused = [port for port in ports if is_unused_hub(port)]
    for port in unused:
        name = port.hub_id or port.serial_number or port.description
        screen.stdout().print(screen.mark("notice", words("hubs.unused", port=port.device, id=name)))


def is_unused_hub(port: PluggedPort) -> bool:
    """A board that greeted, or one of a maker of hubs; a USB-to-serial cable alone is no hub."""
    return port.served_as is None and (port.hub_id is not None or port.vid in BOARD_VENDORS)


def render(hubs: list[HubRow], words: Words) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for hub in hubs:
        worst = words.of(hub.worst_fault.title) if hub.worst_fault is not None else ""
        mark = screen.mark(STATUS_MARKS.get(hub.status, "unknown"), words(f"hubs.{hub.status}"))
        table.add_row(hub.name, mark, hub.id or "–", worst)
    panel = Panel(
        table,
        title=words("hubs.title", count=len(hubs)),
        title_align="left",
        subtitle=words("hubs.hint", name=hubs[0].name if hubs else "NAME"),
        subtitle_align="right",
        width=status_screen.WIDTH,
    )
    faults = [
        status_screen.fault_panel(hub.worst_fault, words, hub.name) for hub in hubs if hub.worst_fault is not None
    ]
    return Group(panel, *faults)
