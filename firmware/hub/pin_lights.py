"""Indicators on pins: a colour each, or one for all."""

from hublink.light import AMBER, OFF
from machine import Pin


class RgbLight:
    """Three pins, one a colour."""

    def __init__(self, wiring):
        self._on = wiring.get("active_level", 1)
        self._pins = [Pin(wiring[colour], Pin.OUT, value=1 - self._on) for colour in ("red", "green", "blue")]

    def show(self, colour):
        for pin, shift in zip(self._pins, (16, 8, 0)):
            pin.value(self._on if colour >> shift & 0xFF >= 0x80 else 1 - self._on)


class MonoLight:
    """One pin. Any colour is on, but a warning's amber is dark: it counts gaps in the steady light below it."""

    def __init__(self, wiring):
        self._on = wiring.get("active_level", 1)
        self._pin = Pin(self._name(wiring), Pin.OUT, value=1 - self._on)

    def _name(self, wiring):
        return wiring["pin"]

    def show(self, colour):
        self._pin.value(1 - self._on if colour in (OFF, AMBER) else self._on)


class OnboardLight(MonoLight):
    """The board's own LED, by the name that MicroPython gives it: on a Pico W it hangs on the radio chip."""

    def _name(self, wiring):
        return "LED"


class NoLight:
    def __init__(self, wiring):
        pass

    def show(self, colour):
        pass
