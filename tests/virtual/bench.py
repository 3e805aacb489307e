"""A chip on the bench: tiny firmware, and every frame that it says."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable
from pathlib import Path

import msgspec

from host_bridge.virtual import wires
from host_bridge.virtual.edge import Boot
from host_bridge.virtual.engine import ChipProcess
from host_bridge.virtual.options import Engine

DEADLINE_S = 60.0  # generous: a loaded machine is no failure


class Bench:
    """Starts a chip with the given main.py and answers for the world as the test says."""

    def __init__(self, folder: Path, engine: Engine = "cpython") -> None:
        self.flash = folder / "flash"
        self.flash.mkdir()
        self.frames: list[wires.Frame] = []
        self.ended = asyncio.Event()
        self._news = asyncio.Event()
        self.chip = ChipProcess(self._receive, lambda chip: self.ended.set(), engine)
        self.acknowledge = True  # report written UART bytes as sent at once
        self._setups = dict.fromkeys(range(3), 0)

    async def start(
        self, main: str, *, boot_py: str = "", cause: int = wires.PWRON_RESET, boot: Boot | None = None
    ) -> None:
        (self.flash / "main.py").write_text(textwrap.dedent(main))
        if boot_py:
            (self.flash / "boot.py").write_text(textwrap.dedent(boot_py))
        await self.chip.start(self.flash, cause, boot or Boot())

    def rx(self, uart: int, data: bytes) -> None:
        self.chip.send(wires.UART_RX, uart, data)

    def sent(self, uart: int, count: int) -> None:
        self.chip.send(wires.UART_SENT, uart, wires.UART_COUNT.pack(count, self._setups[uart]))

    def pin(self, number: int, level: int) -> None:
        self.chip.send(wires.PIN_IN, number, bytes([level]))

    async def until(self, met: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not met():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {DEADLINE_S} s; the firmware printed: {self.printed()}") from None

    async def text(self, wanted: str) -> str:
        """Wait until the firmware printed `wanted`; returns all it printed."""
        await self.until(lambda: wanted in self.printed())
        return self.printed()

    def printed(self) -> str:
        return b"".join(frame.payload for frame in self.frames if frame.kind == wires.TEXT).decode()

    def written(self, uart: int) -> bytes:
        chosen = [frame for frame in self.frames if frame.kind == wires.UART_TX and frame.number == uart]
        return b"".join(frame.payload for frame in chosen)

    def of_kind(self, kind: int) -> list[wires.Frame]:
        return [frame for frame in self.frames if frame.kind == kind]

    def levels(self, pin: int) -> list[tuple[int, int]]:
        """(level, time in µs by the chip's clock) of each announcement of an output."""
        chosen = [frame for frame in self.of_kind(wires.PIN_OUT) if frame.number == pin]
        return [wires.PIN_OUT_FIELDS.unpack(frame.payload) for frame in chosen]

    def _receive(self, frame: wires.Frame) -> None:
        self.frames.append(frame)
        if frame.kind == wires.UART_CONFIG:
            self._setups[frame.number] = msgspec.json.decode(frame.payload)["setup"]
        if frame.kind == wires.UART_TX and self.acknowledge:
            self.sent(frame.number, len(frame.payload))
        self._news.set()
