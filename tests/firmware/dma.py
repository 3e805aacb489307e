"""The DMA of the rp2 port, as far as it feeds a UART of the board in virtual time."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.firmware.board import Life, Line

# Data register and request of each UART's sender: RP2040's datasheet 2.2 and 2.5.3.1, RP2350's 2.2 and 12.6.4.1.
UART_REGISTERS = {(0x40034000, 20): 0, (0x40038000, 22): 1, (0x40070000, 28): 0, (0x40078000, 30): 1}


class Rp2040:
    """What `sys.implementation` says there."""

    _machine = "Raspberry Pi Pico with RP2040"


def rp2(life: Life) -> types.ModuleType:
    """The module that only that port has."""
    module: Any = types.ModuleType("rp2")
    module.DMA = type("DMA", (Channel,), {"life": life})
    return module


class Channel:
    """Knows the registers of UARTs, and nothing else. To close it stops nothing, as before MicroPython 1.27."""

    life: Life

    def __init__(self) -> None:
        self.read: Any = b""  # the first piece of memory that has not gone
        self.count = 0
        self.write = 0
        self.ctrl: tuple[tuple[str, int], ...] = ()
        self._line: Line | None = None
        self._handler: Callable[[Any], object] | None = None

    def pack_ctrl(self, **fields: int) -> tuple[tuple[str, int], ...]:
        return tuple(sorted(fields.items()))

    def irq(self, handler: Callable[[Any], object] | None, hard: bool = False) -> None:
        assert hard or not handler, "a soft one waits for the program"
        self._handler = handler

    def active(self, value: bool) -> None:
        if not value:
            self._stop()
            return
        assert self.ctrl[:2] == (("inc_write", 0), ("irq_quiet", 0)) and self.ctrl[2] == ("size", 0)
        assert self.count == len(self.read) > 0
        self._line = self.life.board.line(UART_REGISTERS[self.write, self.ctrl[3][1]])
        self._line.feed_by(self if self.life.alive else None)

    def _stop(self) -> None:
        assert self.ctrl == (("enable", 0),), "an RP2350 begins anew what is stopped (RP2350-E5)"
        if self._line:
            self._line.feed_by(None)
        if self._handler:  # an RP2040 may say that it is done (RP2040-E13)
            self._handler(self)

    def close(self) -> None:
        self._handler = None

    def take(self, limit: int) -> bytes:
        """What the UART has room for."""
        data = bytes(self.read[len(self.read) - self.count :][:limit])
        self.count -= len(data)
        return data

    def tell_end(self) -> None:
        """The interrupt, if all is taken."""
        if not self.count and self._handler and self.life.alive:
            self._handler(self)
