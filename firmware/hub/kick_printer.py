"""The drawers on the printer's kick port: DLE DC4, in real time, where it can't fall into a picture.

What `hub.drawer` drives, as kick_pins.KickPins is. The printer times the pulse; the switch stands in its status.
"""

from micropython import const

_ON_MS_STEP = const(100)  # DLE DC4 counts so


class KickPrinter:
    least_on_ms = _ON_MS_STEP
    lead_ms = 60  # a kick that the printer has not taken within 40 ms is taken back

    def __init__(self, wiring, printer):
        """`wiring`: the board file's `drawer` section."""
        self.drawers = wiring.get("drawers", 1)
        self._has_switch = wiring.get("has_switch", True)
        self._closed_level = wiring.get("switch_closed_level", 1)
        self._printer = printer

    def listen(self, wake):
        """Set `wake` when the switch changes."""
        self._printer.on_drawer = wake.set

    def arm(self):
        pass

    def is_open(self):
        """What the switch said last; None where there is no switch, or the printer does not tell."""
        high = self._printer.drawer_high if self._has_switch else None
        return None if high is None else int(high) != self._closed_level

    @property
    def taken(self):
        """Whether the printer got the last kick; False: it was taken back."""
        return self._printer.kick_taken

    def pulse(self, drawer, on_ms):
        """Begin a pulse for drawer 1 or 2. False: not now, ask again; None: the printer is off."""
        if self._printer.is_silent:
            return None
        return self._printer.kick(bytes((0x10, 0x14, 1, drawer - 1, max(1, on_ms // _ON_MS_STEP))))
