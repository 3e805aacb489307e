"""The link to a hub as its settings want it: over one path, or over two."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from host_bridge.config import Hub
from host_bridge.events import LinkEvent
from host_bridge.hub.backup import BackedUpLink
from host_bridge.hub.choice import HubChoice
from host_bridge.hub.connection import TraceFrame
from host_bridge.hub.manners import host_of
from host_bridge.hub.reconnect import STDIN_UNIT_BYTES, HubLink, HubLinkOptions, Recovery

DTR_RTS_AT_ATTEMPT = 3

ServedLink = HubLink | BackedUpLink


def make_link(
    hub: Hub,
    port: str,
    backup_port: str | None,
    *,
    choice: HubChoice,
    is_console: bool = False,
    publish: Callable[[LinkEvent], None],
    keep_trace: Callable[[str, list[TraceFrame]], None],
) -> ServedLink:
    """`port` and `backup_port` are the settings', or a virtual hub's in their place. `is_console`: the port is
    MicroPython's console, though it looks like no USB."""
    recovery = Recovery(pulse_at=DTR_RTS_AT_ATTEMPT if "dtr_rts" in hub.recover else None)
    host = None if hub.board is None else host_of(hub.board)
    options = HubLinkOptions(baud=hub.baud_rate, recovery=recovery, host=host)
    if is_console:
        options = msgspec.structs.replace(options, profile="usb", unit_bytes=STDIN_UNIT_BYTES)
    if backup_port is None:
        return HubLink(port, options=options, publish=publish, keep_trace=keep_trace, choice=choice)
    return BackedUpLink(
        port,
        backup_port,
        options=options,
        backup_options=HubLinkOptions(baud=hub.backup_baud_rate, recovery=recovery),
        publish=publish,
        keep_trace=keep_trace,
        choice=choice,
    )
