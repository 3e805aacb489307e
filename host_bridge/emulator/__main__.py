"""The counter process around an emulated Pico: `python -m host_bridge.emulator`, with an EmulatorStart on its stdin."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import msgspec

from host_bridge.emulator.chip_time import ChipLoop
from host_bridge.emulator.counter import EmulatedServer
from host_bridge.emulator.pico import FLASH_BYTES, EmulatedPico
from host_bridge.emulator.start import CLOCK_FILE, FLASH_FILE, EmulatorStart
from host_bridge.virtual.__main__ import log_to, say_ready


def main() -> None:
    serve(msgspec.json.decode(sys.stdin.buffer.read(), type=EmulatorStart))


def serve(wanted: EmulatorStart) -> None:
    """Until the bridge says so, or none has come for too long."""
    directory = Path(wanted.start.directory)
    log_to(directory / "counter.log")
    try:
        pico = EmulatedPico(Path(wanted.image))
        flash = directory / FLASH_FILE
        if flash.exists():
            pico.write_flash(flash.read_bytes()[:FLASH_BYTES])
        loop = ChipLoop(pico, directory / CLOCK_FILE, wanted.speed)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(EmulatedServer(wanted.start, pico, wanted.board).run(say_ready))
    except Exception:
        logging.getLogger(__name__).exception("the emulated counter failed")
        raise


if __name__ == "__main__":
    main()
