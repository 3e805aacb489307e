"""The chip process: runs firmware files unchanged on a simulated `machine`. `python -m host_bridge.virtual.chip FLASH`

Standard input and output are the edge of wires.py; standard error is the simulation's own log.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any, Final

from host_bridge.virtual import asyncio_sim, interrupts, machine_sim, micropython_sim
from host_bridge.virtual import edge as edge_module
from host_bridge.virtual.edge import Edge, TextStream
from host_bridge.virtual.interrupts import use_short_switch_interval

HANG_RETRY_S: Final = 0.002
MACHINE_FILES: Final = frozenset(str(module.__file__) for module in (edge_module, machine_sim, interrupts))


def take_pipes() -> tuple[int, int]:
    """Keep the edge's streams for the edge alone: firmware prints to TEXT, reads no stdin."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(0, os.O_BINARY)
        msvcrt.setmode(1, os.O_BINARY)
    read_fd, write_fd = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return read_fd, write_fd


class Hang:
    """Stops the main thread where it is, as an endless loop in the program would; interrupts go on."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._go = threading.Event()
        self._go.set()
        signal.signal(signal.SIGINT, self._stop)

    def set(self, active: bool) -> None:
        if active:
            self._go.clear()
            self._interrupt()
        else:
            self._go.set()

    def _interrupt(self) -> None:
        _thread.interrupt_main()
        loop = asyncio_sim.the_loop_if_running()
        if loop is not None:  # wake a loop that waits: the signal handler runs when it does
            loop.call_soon_threadsafe(lambda: None)

    def _stop(self, signum: int, frame: types.FrameType | None) -> None:
        if _inside_machine(frame):
            self._edge.interrupts.call_at(time.monotonic() + HANG_RETRY_S, self._retry)
            return
        while not self._go.wait(60):
            pass

    def _retry(self) -> None:
        if not self._go.is_set():
            self._interrupt()


def _inside_machine(frame: types.FrameType | None) -> bool:
    """True where the simulation's own locks may be held: a program hangs in its own code, not in the chip's."""
    while frame is not None:
        if frame.f_code.co_filename in MACHINE_FILES:
            return True
        frame = frame.f_back
    return False


def run_file(path: Path, scope: dict[str, Any]) -> None:
    """Run boot.py or main.py in the scope they share."""
    code = compile(path.read_bytes(), path.name, "exec")
    exec(code, scope)


def run_firmware(edge: Edge) -> None:
    """boot.py, then main.py; whatever ends them leaves a silent REPL with interrupts going on."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    for name in ("boot.py", "main.py"):
        path = Path(name)
        if not path.exists():
            continue
        try:
            run_file(path, scope)
        except SystemExit as stop:
            if name == "main.py" and stop.code is None:
                machine_sim.soft_reset()  # sys.exit() in main.py is a soft reset on MicroPython
            edge.print_error(stop)
        except BaseException as error:  # a chip survives whatever its program raises
            edge.print_error(error)


def main(flash: str) -> None:
    use_short_switch_interval()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    edge = Edge(*take_pipes())
    edge.wait_for_boot()
    hang = Hang(edge)
    os.chdir(flash)
    sys.path[0:0] = [os.getcwd()]
    sys.argv = [""]
    sys.modules["machine"] = machine_sim.install(edge)
    micropython_sim.install(edge)
    edge.on_hang = hang.set
    edge.listen()
    sys.modules["asyncio"] = asyncio_sim.facade()
    sys.stdout = TextStream(edge)
    run_firmware(edge)
    while True:
        threading.Event().wait(60)


if __name__ == "__main__":
    main(sys.argv[1])
