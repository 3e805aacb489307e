"""Emulated time as the time of an event loop: while the loop waits, the chip executes.

So everything at the chip's edge (wires, mechanics, the watchdog's bite) happens at the chip's own moment, however fast
this machine emulates. Other processes take part by reading the clock from a file
(see bridge_time.py).
"""

from __future__ import annotations

import asyncio
import mmap
import selectors
import time
from pathlib import Path
from typing import Final

from host_bridge.emulator.bridge_time import CLOCK_BYTES, SECONDS
from host_bridge.emulator.pico import EmulatedPico

SLICE_NS: Final = 5e6  # at most so long between two looks at the outside
BEHIND_NS: Final = 50e6  # a chip that was busy does not catch up with the time it lost
_TICK: Final = 1e-9  # the emulator counts in fractions of nanoseconds; timers due within one are due


class ChipLoop(asyncio.SelectorEventLoop):
    """`speed`: how many times faster than the world an idle chip may live; a busy one is slower by itself."""

    def __init__(self, pico: EmulatedPico, clock_file: Path, speed: float) -> None:
        self._pico = pico
        super().__init__(_ChipSelector(pico, clock_file, speed))
        self._clock_resolution = _TICK

    def time(self) -> float:
        """The chip's clock, in seconds."""
        return self._pico.nanoseconds / 1e9


class _ChipSelector(selectors.DefaultSelector):
    def __init__(self, pico: EmulatedPico, clock_file: Path, speed: float) -> None:
        super().__init__()
        self._pico = pico
        self._speed = speed
        self._clock = _ClockWriter(clock_file)
        self._anchor_wall, self._anchor_chip = time.monotonic_ns(), pico.nanoseconds

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for the outside, or for `timeout` seconds of the chip's time."""
        ready = super().select(0)
        until = float("inf") if timeout is None else self._pico.nanoseconds + max(timeout, 0.0) * 1e9
        while not ready:
            left_ns = until - self._pico.nanoseconds
            if left_ns <= 0:
                break
            self._pico.run(min(left_ns, SLICE_NS))
            self._clock.write(self._pico.nanoseconds / 1e9)
            ready = super().select(self._ahead_s())
            if self._pico.stopped:
                break  # a wire or pin moved: there may be new timers
        return ready

    def close(self) -> None:
        super().close()
        self._clock.close()

    def _ahead_s(self) -> float:
        """How long to wait for the world."""
        due_ns = self._anchor_chip + (time.monotonic_ns() - self._anchor_wall) * self._speed
        ahead_ns = self._pico.nanoseconds - due_ns
        if ahead_ns < -BEHIND_NS:
            self._anchor_wall, self._anchor_chip = time.monotonic_ns(), self._pico.nanoseconds
        return max(0.0, ahead_ns / 1e9 / self._speed)


class _ClockWriter:
    def __init__(self, path: Path) -> None:
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(bytes(CLOCK_BYTES))
        with fresh.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), CLOCK_BYTES)
        fresh.replace(path)  # whoever still looks at an earlier chip's clock keeps that one

    def write(self, seconds: float) -> None:
        self._map[:] = SECONDS.pack(seconds)

    def close(self) -> None:
        self._map.close()
