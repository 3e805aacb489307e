"""`python -m tests.emulator.command_in_chip_time CLOCK ARGUMENTS…`: a command that waits by the chip's clock.

For commands without an event loop, whose waits are `time.monotonic` and `time.sleep`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main() -> None:
    from host_bridge.emulator.bridge_time import LOOK_S, FollowedClock

    clock_file, *arguments = sys.argv[1:]
    clock = FollowedClock(Path(clock_file))
    look = time.sleep

    def sleep(seconds: float) -> None:
        until = clock.seconds() + seconds
        while clock.seconds() < until:
            look(LOOK_S)

    time.monotonic = clock.seconds
    time.sleep = sleep  # type: ignore[assignment]
    from host_bridge.cli import main as counterhub

    sys.argv = ["counterhub", *arguments]
    counterhub()


if __name__ == "__main__":
    main()
