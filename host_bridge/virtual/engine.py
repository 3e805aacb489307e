"""What plays the chip: a process that speaks the edge protocol of wires.py on its standard streams.

Two engines do: CPython with a simulated `machine` (chip.py), and MicroPython itself as WebAssembly (micropython_vm/).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from host_bridge.virtual import wires
from host_bridge.virtual.edge import Boot
from host_bridge.virtual.micropython_vm import installation
from host_bridge.virtual.options import Engine

READ_BYTES: Final = 65536
INBOX_LIMIT_BYTES: Final = 64 * 1024  # unread by the chip process; a chip so far behind hears nothing more
KILL_DEADLINE_S: Final = 5.0
BURY_AFTER_S: Final = 1.0
LOG_LINE_LIMIT_BYTES: Final = 2000

log = logging.getLogger(__name__)


def package_environment() -> dict[str, str]:
    """The environment in which `python -m host_bridge...` finds this very package."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONSAFEPATH": "1"}


def chip_command(engine: Engine, flash: Path) -> list[str]:
    """What to run as the chip process. Raises installation.EngineMissing."""
    if engine == "micropython":
        return installation.command(flash)
    return [sys.executable, "-X", "utf8", "-m", "host_bridge.virtual.chip", str(flash)]


class ChipProcess:
    """One life of the chip, from BOOT to its end. Used once."""

    def __init__(
        self,
        receive: Callable[[wires.Frame], None],
        ended: Callable[[ChipProcess], None],
        engine: Engine = "cpython",
    ) -> None:
        self.dropped_bytes = 0
        self._engine = engine
        self._receive = receive
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._killed = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self, flash: Path, cause: int, boot: Boot) -> None:
        """Give it power. Raises OSError or installation.EngineMissing if the process can't be started."""
        environment = package_environment()
        environment["PYTHONPYCACHEPREFIX"] = str(flash.parent / "pycache")  # the flash holds the firmware's files only
        environment["PYTHONIOENCODING"] = "utf-8"
        self._process = await asyncio.create_subprocess_exec(
            *chip_command(self._engine, flash),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            limit=LOG_LINE_LIMIT_BYTES,
        )
        if self._killed:
            self._kill_process()
        self._write(wires.encode(wires.BOOT, cause, msgspec.json.encode(boot)))
        self._tasks = [asyncio.create_task(self._read_frames()), asyncio.create_task(self._read_log())]

    def send(self, kind: int, number: int = 0, payload: bytes = b"") -> None:
        """Lost if the chip is off, or too far behind to hear anything."""
        if self._process is None or self._killed:
            return
        self._write(wires.encode(kind, number, payload))

    def silence(self) -> None:
        """It is in reset: whatever it still says doesn't count. `kill` follows."""
        self._killed = True

    async def kill(self) -> None:
        """Take its power; returns when it is gone."""
        self._killed = True
        if self._process is None:
            return
        self._kill_process()
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait_for(self._process.wait(), KILL_DEADLINE_S)
        except TimeoutError:
            log.error("the chip process %s did not end within %.0f s", self.pid, KILL_DEADLINE_S)

    def _kill_process(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _write(self, frame: bytes) -> None:
        assert self._process is not None
        pipe = self._process.stdin
        assert pipe is not None
        if pipe.transport.get_write_buffer_size() > INBOX_LIMIT_BYTES:
            self.dropped_bytes += len(frame)
            return
        with contextlib.suppress(ConnectionError, RuntimeError):  # it ended a moment ago; `ended` will tell
            pipe.write(frame)

    async def _read_frames(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        decoder = wires.Decoder(wires.FROM_CHIP)
        try:
            while data := await self._process.stdout.read(READ_BYTES):
                for frame in decoder.feed(data):
                    if not self._killed:
                        self._receive(frame)
        except wires.WireError as error:
            log.error("the chip process spoke nonsense: %s", error)
        if not self._killed:
            await self._bury()
            self._ended(self)

    async def _bury(self) -> None:
        """Its streams ended before it was told to: let it end by itself, or by force."""
        assert self._process is not None
        try:
            await asyncio.wait_for(self._process.wait(), BURY_AFTER_S)
        except TimeoutError:
            self._kill_process()

    async def _read_log(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # longer than the limit
                continue
            if not line:
                return
            log.warning("chip: %s", line.decode("utf-8", "replace").rstrip())
