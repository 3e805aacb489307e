"""`python -m tests.emulator.bridge_in_chip_time CLOCK ARGUMENTS…`: the bridge's command line with the chip's clock.

The event loop's time is the emulated chip's. A pause that ends too early by it is simply waited for again, which is
what asyncio does with any timer.
"""

from __future__ import annotations

import asyncio
import runpy
import selectors
import sys
from pathlib import Path

from host_bridge.emulator.chip_time import ChipClock
from host_bridge.hub import ports

LOOK_S = 0.005  # how long to sleep, at most, before the chip's clock is looked at again


class _Selector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else min(timeout, LOOK_S))


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: ChipClock) -> None:
        self._chip_clock = clock
        super().__init__(_Selector())

    def time(self) -> float:
        return self._chip_clock.seconds()


class _Policy(asyncio.DefaultEventLoopPolicy):
    def __init__(self, clock: ChipClock) -> None:
        super().__init__()
        self._clock = clock

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _Loop(self._clock)


def _as_usb(port: str, comports: object = None) -> str:
    """The pseudo-terminal stands for a USB CDC port."""
    return "USB CDC"


def main() -> None:
    asyncio.set_event_loop_policy(_Policy(ChipClock(Path(sys.argv[1]))))
    ports.transport_name = _as_usb
    sys.argv = ["counterhub", *sys.argv[2:]]
    runpy.run_module("host_bridge", run_name="__main__")


if __name__ == "__main__":
    main()
