"""Asks a running hub for MicroPython's prompt: no button, no plug. The hub restarts into it.

Only a hub whose link is its console does so; whoever holds its cable could press the button as well.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, Final

from hublink.link import BRIDGE, Link
from hublink.profile import PROFILES

GREETING_WAIT_S: Final = 1.5  # the hub calls ten times a second
OBEY_WAIT_S: Final = 0.5  # for the frame to arrive and the hub to restart; then its port goes away, or falls silent
READ_TIMEOUT_S: Final = 0.02
READ_BYTES: Final = 512
WHY: Final = b"flash"
_TICKS_MASK: Final = 0x3FFFFFFF


def ask_for_prompt(port: str) -> bool:
    """True if a hub's program was heard on the port and was asked; what it did then, the prompt tells.

    A port that can't be opened is False: opening it for the prompt says why.
    """
    import serial

    try:
        source = serial.serial_for_url(port, timeout=READ_TIMEOUT_S, write_timeout=1, exclusive=True)
    except (OSError, ValueError):
        return False
    new: Any = Link
    asked = _Asking(new(BRIDGE, PROFILES["usb"], session=secrets.randbelow(0xFFFF) + 1, trace_frames=0))
    try:
        asked.carry(source, GREETING_WAIT_S)
        if asked.sent:
            asked.carry(source, OBEY_WAIT_S)
    except OSError:  # the port goes away when the hub restarts
        return asked.sent
    finally:
        _close(source)
    return asked.sent


class _Asking:
    """A session that says one thing."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self.sent = False

    def carry(self, port: Any, span_s: float) -> None:
        """Carry the link's bytes for so long, or until it is asked. Raises OSError."""
        was_sent = self.sent
        until = time.monotonic() + span_s
        if not was_sent:
            self._link.start(_now_ms())
        while time.monotonic() < until and self.sent == was_sent:
            data = port.read(min(max(1, port.in_waiting), READ_BYTES))
            now = _now_ms()
            if data:
                self._link.receive(data, now)
            self._link.handle_timer(now)
            while (event := self._link.next_event()) is not None:
                if event[0] == "up":
                    self.sent = bool(self._link.send("prompt", WHY))
            while frame := self._link.data_to_send(now):
                port.write(frame)


def _close(port: Any) -> None:
    try:
        port.close()
    except OSError:  # gone already
        return


def _now_ms() -> int:
    return int(time.monotonic() * 1000) & _TICKS_MASK
