"""`python -m tests.emulator.bridge_in_chip_time CLOCK SPEED ARGUMENTS…`: the command line in the chip's time."""

from __future__ import annotations

import asyncio
import runpy
import sys
from pathlib import Path

from host_bridge.emulator.bridge_time import BridgeLoop
from host_bridge.hub import ports


class _Policy(asyncio.DefaultEventLoopPolicy):
    def __init__(self, clock_file: Path, speed: float) -> None:
        super().__init__()
        self._chip = (clock_file, speed)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return BridgeLoop(*self._chip)


def _as_usb(port: str, comports: object = None) -> str:
    """The pseudo-terminal stands for a USB CDC port."""
    return "USB CDC"


def main() -> None:
    clock_file, speed, *arguments = sys.argv[1:]
    asyncio.set_event_loop_policy(_Policy(Path(clock_file), float(speed)))
    ports.transport_name = _as_usb
    sys.argv = ["counterhub", *arguments]
    runpy.run_module("host_bridge", run_name="__main__")


if __name__ == "__main__":
    main()
