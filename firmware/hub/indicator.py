"""The indicator: shows the worst fault, or that all is well, with or without a bridge."""

from micropython import const
import asyncio

from hublink.faults import worst
from hublink.light import (
    BLIP_MS,
    OFF,
    PATTERN_FAULT,
    PATTERN_READY,
    PATTERN_SAFE_MODE,
    PATTERN_STARTING,
    PATTERN_WAITING,
    WHITE,
    steps,
)

_SLICE_MS = const(100)  # a change of pattern shows at the latest after this


class Indicator:
    def __init__(self, light, uplink, faults, safe_mode=False):
        """`light.show(colour)`, see lights.py."""
        self._light = light
        self._uplink = uplink
        self._faults = faults
        self._safe_mode = safe_mode
        self._of_bridge = b""
        self._shown = None
        self._blips = 0
        self._change = asyncio.Event()
        self._pattern = (PATTERN_STARTING, 0)
        faults.listen(self._choose)
        uplink.on("show", self._on_show)
        uplink.attach(self)

    def link_up(self):
        self._shown = None
        self._choose()

    def link_down(self):
        self._of_bridge = b""
        self._choose()

    def link_writable(self, channel):
        self._tell()

    def blip(self):
        """A short flash: a scan was read, a job begins."""
        self._blips = 1
        self._change.set()

    def _on_show(self, numbers):
        self._of_bridge = numbers
        self._choose()

    def _choose(self):
        """Safe mode, then faults, then no bridge, then ready."""
        fault = worst(tuple(self._faults.active) + tuple(self._of_bridge))
        if self._safe_mode:
            pattern = (PATTERN_SAFE_MODE, 0)
        elif fault:
            pattern = (PATTERN_FAULT, fault)
        elif not self._uplink.is_up:
            pattern = (PATTERN_WAITING, 0)
        else:
            pattern = (PATTERN_READY, 0)
        if pattern != self._pattern:
            self._pattern = pattern
            self._change.set()
        self._tell()

    def _tell(self):
        if self._shown != self._pattern and self._uplink.send("shown", *self._pattern):
            self._shown = self._pattern

    async def run(self, task):
        """Task: play the pattern's steps; a steady one waits for a change."""
        self._choose()
        while True:
            pattern = self._pattern
            sequence = steps(*pattern)
            for colour, span_ms in sequence:
                task.work("light")
                self._light.show(colour)
                task.rest()
                if len(sequence) == 1 and not self._blips:
                    self._change.clear()
                    await self._change.wait()
                else:
                    await self._hold(span_ms)
                if self._blips:
                    await self._blip(task)
                if pattern != self._pattern:
                    break

    async def _hold(self, span_ms):
        """Wait a step's time, in slices, so that a change is not kept waiting."""
        self._change.clear()
        while span_ms > 0 and not self._change.is_set():
            await asyncio.sleep_ms(min(span_ms, _SLICE_MS))
            span_ms -= _SLICE_MS

    async def _blip(self, task):
        self._blips = 0
        for colour in (OFF, WHITE, OFF):
            task.work("blip")
            self._light.show(colour)
            task.rest()
            await asyncio.sleep_ms(BLIP_MS)
