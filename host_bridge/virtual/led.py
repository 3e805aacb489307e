"""The simulated RGB LED: what light it gave, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from host_bridge.virtual.line import Clock, Handle

SETTLE_MS: Final = 2  # three pins change one after another; an eye sees one change
HISTORY_LIMIT: Final = 1000
DARK: Final = "#000000"


class Led:
    """`changed(at_ms, colour)` on each change; `at_ms` counts from the counter's start."""

    def __init__(self, clock: Clock, pins: tuple[int, int, int], changed: Callable[[int, str], None]) -> None:
        self.colour = DARK
        self.history: deque[tuple[int, str]] = deque([(0, DARK)], maxlen=HISTORY_LIMIT)
        self._clock = clock
        self._pins = pins
        self._changed = changed
        self._start = clock.time()
        self._duty = [0, 0, 0]
        self._timer: Handle | None = None
        self._since = self._start

    def drive(self, pin: int, duty: int) -> None:
        """A pin's duty, 0 to 65535."""
        if pin not in self._pins:
            return
        self._duty[self._pins.index(pin)] = duty
        if self._timer is None:
            self._since = self._clock.time()
            self._timer = self._clock.call_at(self._since + SETTLE_MS / 1000, self._settle)

    def rest(self) -> None:
        """No pin is driven."""
        for pin in self._pins:
            self.drive(pin, 0)

    def _settle(self) -> None:
        self._timer = None
        colour = "#" + "".join(f"{duty * 255 // 65535:02x}" for duty in self._duty)
        if colour == self.colour:
            return
        self.colour = colour
        at_ms = round((self._since - self._start) * 1000)
        self.history.append((at_ms, colour))
        self._changed(at_ms, colour)
