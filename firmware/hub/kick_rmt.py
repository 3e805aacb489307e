"""The drawers' pulses on an ESP32: the RMT, its pulse generator, times each whole.

A timer would not do there: its callback waits for the interpreter (ports/esp32/machine_timer.c: no hard ones).
"""

from machine import Pin
from micropython import const

_RMT_CLOCK_DIV = const(80)  # of 80 MHz: one unit is a microsecond
_RMT_UNITS_MAX = const(32_767)
_RMT_TAIL_UNITS = const(1000)


class RmtPulser:
    def __init__(self, pins):
        from esp32 import RMT  # here, for the tools that load every module

        self._channels = []
        for channel, number in enumerate(pins):
            pin = Pin(number, Pin.OUT, value=0)
            self._channels.append(RMT(channel, pin=pin, clock_div=_RMT_CLOCK_DIV, idle_level=False))

    def pulse(self, index, on_ms):
        whole, rest = divmod(on_ms * 1000, _RMT_UNITS_MAX)
        spans = [_RMT_UNITS_MAX] * whole + ([rest] if rest else [])
        self._channels[index].write_pulses(spans + [_RMT_TAIL_UNITS], [1] * len(spans) + [0])
