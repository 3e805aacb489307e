"""The process around an emulated Pico, ending with its parent: an EmulatorStart as a line on its standard input."""

from __future__ import annotations

import sys

import msgspec

from host_bridge.emulator.__main__ import serve
from host_bridge.emulator.start import EmulatorStart
from tests.emulator import tied

if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.stdin.buffer.readline(), type=EmulatorStart)
    tied.to_parent()
    serve(wanted)
