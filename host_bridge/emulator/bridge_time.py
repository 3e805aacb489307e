"""The emulated chip's time as the time of the bridge's event loop.

A busy chip lives slower than the world. So that no limit of the link, of a job or of a kick is judged by the speed of
this machine, the bridge counts in the chip's time; it reads the clock from a file that the chip's process writes. A
pause that ends too early by it is simply waited for again, which is what asyncio does with any timer.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import selectors
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

CLOCK_BYTES: Final = 8
SECONDS: Final = struct.Struct("<d")
STALL_S: Final = 5.0  # a chip's process that writes nothing for so long is gone: the world's time goes on
LOOK_AGAIN_S: Final = 0.25
LOOK_S: Final = 0.005  # how long to sleep, at least, before the chip's clock is looked at again


class ChipClock:
    """Another process's clock. Raises OSError or ValueError if the file is none."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.identity = os.fstat(file.fileno()).st_ino
            self._map = mmap.mmap(file.fileno(), CLOCK_BYTES, access=mmap.ACCESS_READ)

    def seconds(self) -> float:
        return float(SECONDS.unpack(self._map)[0])

    def close(self) -> None:
        self._map.close()


class FollowedClock:
    """Goes with the chip's clock, and by itself while there is none; never back, and never by leaps."""

    def __init__(self, path: Path, wall: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._wall = wall
        self._chip: ChipClock | None = None
        self._chip_s = 0.0
        self._now_s = self._seen_s = wall()
        self._moved_s = self._seen_s - STALL_S
        self._looked_s = self._seen_s - LOOK_AGAIN_S

    def seconds(self) -> float:
        wall_s = self._wall()
        if self._chip is not None and (chip_s := self._chip.seconds()) != self._chip_s:
            self._now_s += max(0.0, chip_s - self._chip_s)
            self._chip_s = chip_s
            self._moved_s = wall_s
        elif wall_s - self._moved_s >= STALL_S:
            self._now_s += max(0.0, wall_s - max(self._seen_s, self._moved_s + STALL_S))
            if wall_s - self._looked_s >= LOOK_AGAIN_S:
                self._looked_s = wall_s
                self._look_again()
        self._seen_s = wall_s
        return self._now_s

    def _look_again(self) -> None:
        """A chip that was started meanwhile writes a clock of its own."""
        try:
            if self._chip is not None and self._path.stat().st_ino == self._chip.identity:
                return
            fresh = ChipClock(self._path)
        except (OSError, ValueError):
            return
        if self._chip is not None:
            self._chip.close()
        self._chip, self._chip_s = fresh, fresh.seconds()


class BridgeLoop(asyncio.SelectorEventLoop):
    """`speed`: how many times faster than the world the chip may live while it has nothing to do."""

    def __init__(self, clock_file: Path, speed: float = 1.0) -> None:
        self._followed = FollowedClock(clock_file)
        super().__init__(_Selector(speed))

    def time(self) -> float:
        return self._followed.seconds()


class _Selector(selectors.DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The chip's time passes at most `speed` times as fast as the world's: nothing is due before."""
        if timeout is not None and timeout > 0:
            timeout = max(timeout / self._speed, LOOK_S)
        return super().select(timeout)
