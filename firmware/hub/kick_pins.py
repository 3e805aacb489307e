"""The drawers' solenoids on the hub's own pins. Hardware ends each pulse, so a hung program can't hold the current.

This is what `hub.drawer` drives; whatever else opens a drawer (a printer's kick port) has the same names: `drawers`,
`is_open()`, `listen(wake)`, `arm()` and `pulse(drawer, on_ms)`.
"""

import sys

import machine
from machine import Pin

from hub import timers
from hub.wake import Edge


class KickPins:
    least_on_ms = 0
    lead_ms = 0  # a pulse begins at once
    taken = True  # the last one

    def __init__(self, wiring):
        """`wiring`: the board file's `drawer` section."""
        self.drawers = len(wiring["kick"])
        if sys.platform == "esp32":
            from hub.kick_rmt import RmtPulser

            self._pulser = RmtPulser(wiring["kick"])
        else:
            self._pulser = _TimerPulser(wiring["kick"])
        self._switch = Pin(wiring["switch"], Pin.IN, Pin.PULL_UP) if "switch" in wiring else None
        self._closed_level = wiring.get("switch_closed_level", 1)
        self._edge = None

    def listen(self, wake):
        """Set `wake` when the switch changes after `arm`."""
        if self._switch is not None:
            self._edge = Edge(self._switch, Pin.IRQ_RISING | Pin.IRQ_FALLING, wake)

    def arm(self):
        """Before a look: what changes after that look sets the wake."""
        if self._edge is not None:
            self._edge.arm()

    def is_open(self):
        """What the switch says at this moment; None where there is no switch."""
        return None if self._switch is None else self._switch.value() != self._closed_level

    def pulse(self, drawer, on_ms):
        """Begin a pulse for drawer 1 or 2. False: not now, ask again."""
        self._pulser.pulse(drawer - 1, on_ms)
        return True


class _TimerPulser:
    """A timer's interrupt takes the current off."""

    def __init__(self, pins):
        self._pins = [Pin(number, Pin.OUT, value=0) for number in pins]
        self._timer = timers.take()
        self._energised = None

    def pulse(self, index, on_ms):
        self._energised = self._pins[index]
        # The end is set before the beginning: nothing can go wrong in between.
        _interrupt_once(self._timer, on_ms, self._end)
        self._energised.value(1)

    def _end(self, _timer):
        self._energised.value(0)


def _interrupt_once(timer, delay_ms, callback):
    """By a hard interrupt where the port has one: a soft one waits for other callbacks (seen: 300 ms instead of 50)."""
    try:
        timer.init(mode=machine.Timer.ONE_SHOT, period=delay_ms, callback=callback, hard=True)
    except (TypeError, ValueError):  # before MicroPython 1.26
        timer.init(mode=machine.Timer.ONE_SHOT, period=delay_ms, callback=callback)
