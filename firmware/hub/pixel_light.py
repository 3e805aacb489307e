"""An indicator on one wire."""

from hublink.light import OFF
from machine import Pin
from micropython import const

_DIM = const(2)  # at full power it blinds: a quarter is plenty


class PixelLight:
    """A WS2812: one wire, any colour."""

    def __init__(self, wiring):
        from neopixel import NeoPixel  # here, for the tools that load every module

        self._pixel = NeoPixel(Pin(wiring["pin"], Pin.OUT), 1)
        self.show(OFF)

    def show(self, colour):
        self._pixel[0] = tuple((colour >> shift & 0xFF) >> _DIM for shift in (16, 8, 0))
        self._pixel.write()
