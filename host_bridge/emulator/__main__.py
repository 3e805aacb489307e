"""The counter process around an emulated Pico: `python -m host_bridge.emulator`, with an EmulatorStart on its stdin."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import msgspec

from host_bridge.emulator.chip_time import ChipLoop
from host_bridge.emulator.counter import EmulatedServer
from host_bridge.emulator.pico import EmulatedPico
from host_bridge.virtual.__main__ import log_to, say_ready
from host_bridge.virtual.server import Start


class EmulatorStart(msgspec.Struct, frozen=True):
    """What this process reads from its standard input."""

    start: Start
    image: str
    board: dict[str, Any]
    speed: float = 1.0


def main() -> None:
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=EmulatorStart)
    directory = Path(wanted.start.directory)
    log_to(directory / "counter.log")
    try:
        pico = EmulatedPico(Path(wanted.image))
        flash = directory / "flash.bin"
        if flash.exists():
            pico.write_flash(flash.read_bytes())
        loop = ChipLoop(pico, directory / "chip_clock", wanted.speed)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(EmulatedServer(wanted.start, pico, wanted.board).run(say_ready))
        flash.write_bytes(pico.flash())
    except Exception:
        logging.getLogger(__name__).exception("the emulated counter failed")
        raise


if __name__ == "__main__":
    main()
