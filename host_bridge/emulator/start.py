"""What the process around an emulated Pico is told at its start, and the files it shares with the bridge."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from host_bridge.virtual.server import Start

CLOCK_FILE: Final = "chip_clock"
FLASH_FILE: Final = "flash.bin"


class EmulatorStart(msgspec.Struct, frozen=True):
    """What `python -m host_bridge.emulator` reads from its standard input."""

    start: Start
    image: str
    board: dict[str, Any]
    speed: float = 1.0
