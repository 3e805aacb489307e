"""What tells that the printer has lost its power, be it for a moment: its lines.

`sense`, a pin of the board file, sees the printer's power. A printer wired without a level adapter pulls the line to
the hub low when its power goes: a break. (An RS-232 adapter shows an idle line there, and tells nothing.)
"""

from hub.wake import Edge, Wake
from machine import UART, Pin


class PowerLines:
    def __init__(self, port, uart):
        """`port`: the board file's `printer` section."""
        self._uart = uart
        self._wake = Wake()
        self.lost = False  # the power went away, and nobody has acted on it yet
        self._sense = self._edge = None
        self._on_level = port.get("sense_on_level", 1)
        if "sense" in port:
            pull, edge = (Pin.PULL_DOWN, Pin.IRQ_FALLING) if self._on_level else (Pin.PULL_UP, Pin.IRQ_RISING)
            self._sense = Pin(port["sense"], Pin.IN, pull)
            self._edge = Edge(self._sense, edge, self)
        self.arm()
        self.watch_line()

    def watch_line(self):
        """Have the chip tell of a break; again after each set-up of the UART."""
        if hasattr(UART, "IRQ_BREAK"):  # not on every port
            self._uart.irq(self.set, UART.IRQ_BREAK)

    def take_loss(self):
        """Whether the power went away since this was last asked."""
        lost, self.lost = self.lost, False
        return lost

    @property
    def is_off(self):
        """The printer has no power now, as far as a pin tells."""
        return self._sense is not None and self._sense.value() != self._on_level

    def arm(self):
        """Before a look: what happens after that look ends the next `wait`."""
        if self._edge:
            self._edge.arm()

    async def wait(self):
        """Until the power goes away, or the next tick; whether it was the tick."""
        await self._wake.wait()
        return self._wake.ticked

    def set(self, _source=None):
        """The power went away: an interrupt says so."""
        self.lost = True
        self._wake.set()
