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
from host_bridge.hub.reset_line import ResetLine

DTR_RTS_AT_ATTEMPT = 3
RESET_LINE_AFTER_DTR_RTS = 5  # the two attempts between show whether toggling DTR/RTS has helped

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
    pulse_at = DTR_RTS_AT_ATTEMPT if "dtr_rts" in hub.recover else None
    reset_hub = None
    if "reset_line" in hub.recover and hub.reset_line is not None:
        line = ResetLine(hub.reset_line, active=hub.reset_line_active, pulse_ms=hub.reset_line_ms)
        line.check_soon()
        reset_hub = line.pull
    reset_at = None if reset_hub is None else DTR_RTS_AT_ATTEMPT if pulse_at is None else RESET_LINE_AFTER_DTR_RTS
    recovery = Recovery(pulse_at=pulse_at, reset_at=reset_at)
    host = None if hub.board is None else host_of(hub.board)
    options = HubLinkOptions(baud=hub.baud_rate, recovery=recovery, host=host)
    if is_console:
        options = msgspec.structs.replace(options, profile="usb", unit_bytes=STDIN_UNIT_BYTES)
    if backup_port is None:
        return HubLink(
            port, options=options, publish=publish, keep_trace=keep_trace, choice=choice, reset_hub=reset_hub
        )
    return BackedUpLink(
        port,
        backup_port,
        options=options,
        backup_options=HubLinkOptions(baud=hub.backup_baud_rate, recovery=recovery),
        publish=publish,
        keep_trace=keep_trace,
        choice=choice,
        reset_hub=reset_hub,
    )
