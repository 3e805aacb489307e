"""What the process around an emulated Pico is told at its start."""

from __future__ import annotations

from typing import Any

import msgspec

from host_bridge.virtual.server import Start


class EmulatorStart(msgspec.Struct, frozen=True):
    """What `python -m host_bridge.emulator` reads from its standard input."""

    start: Start
    image: str
    board: dict[str, Any]
    speed: float = 1.0
