"""Wakes a task that waits: by an interrupt, and twice a second besides, in case one was lost.

Not by asyncio.ThreadSafeFlag: whenever the chip stirs, with every 16 bytes of a printing printer, asyncio asks it in
Python whether it is set. That costs an RP2040 240 cycles a printed byte for each. A ring is asked in C.
"""

import asyncio

import machine
import micropython
from micropython import const

from hub import timers

TICK_MS = const(500)
SETTLE_MS = const(50)  # a contact has stopped bouncing by then
_SET, _TICK = b"s", b"t"
_HARD, _SOFT = {"hard": True}, {}  # at once, before a fluttering contact fills the queue of callbacks; or in turn
_RING_BYTES = const(4)  # full, it is known well enough that there was something

_wakes = []
_timer = None


class Wake:
    """One task waits, anybody wakes it."""

    def __init__(self):
        self._ring = micropython.RingIO(_RING_BYTES)
        self._stream = asyncio.StreamReader(self._ring)
        self._read = bytearray(_RING_BYTES)
        self._restless = False
        self.ticked = True  # a tick was among what ended the last wait
        _wakes.append(self)
        _start_ticks()

    def set(self, _source=None):
        """Wake the task; also from within an interrupt: it allocates nothing."""
        self._ring.write(_SET)

    def tick(self):
        """Wake the task without a reason."""
        self._ring.write(_TICK)

    async def wait(self):
        """Until somebody sets it, or the next tick. After an interrupt no sooner than a contact needs to settle."""
        if self._restless:
            await asyncio.sleep_ms(SETTLE_MS)
        count = await self._stream.readinto(self._read)
        self.ticked = self._read.find(_TICK, 0, count) >= 0
        self._restless = not self.ticked


class Edge:
    """A pin whose next edge sets a wake: one, then none until it is armed again, however fast the pin goes on."""

    def __init__(self, pin, trigger, wake):
        self._pin = pin
        self._trigger = trigger
        self._wake = wake
        self._on_edge = self._happened
        self._how = _HARD

    def arm(self):
        """Before the pin is looked at: so an edge is either seen by that look, or wakes after it."""
        try:
            self._pin.irq(self._on_edge, self._trigger, **self._how)
        except TypeError:  # not on the esp32 port
            self._how = _SOFT
            self._pin.irq(self._on_edge, self._trigger)

    def _happened(self, pin):
        pin.irq(None)
        self._wake.set()


def _start_ticks():
    global _timer
    if _timer is None:
        _timer = timers.take()
        _timer.init(mode=machine.Timer.PERIODIC, period=TICK_MS, callback=_tick)


def _tick(_timer):
    for wake in _wakes:
        wake.tick()
