"""What the measurements share: how much to measure, where, progress, and one bridge with a scripted hub."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.progress import Progress

from tests.benchmarks.bridge_process import BridgeProcess, EventSocket
from tests.benchmarks.scripted_hub import ScriptedHub

Scale = Literal["smoke", "normal", "full"]
UART_BAUD = 115_200
UART_BYTES_A_S = UART_BAUD / 10
RASTER_BYTES_A_ROW = 72  # 576 dots, 80 mm paper
RASTER_ROWS = 24
SEED = 1
MEMORY = Path("/dev/shm")  # Linux: a file system without a disk


class Advance:
    """Moves one line of the progress display."""

    def __init__(self, progress: Progress, words: str, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task(words, total=total)

    def __call__(self, step: float = 1, words: str | None = None) -> None:
        self._progress.update(self._task, advance=step, description=words)


class Bench:
    """`scale` says how much is measured; `pick(smoke, normal, full)` chooses by it."""

    def __init__(self, scale: Scale, directory: Path, out: Path, progress: Progress) -> None:
        self.scale = scale
        self.directory = directory
        self.out = out  # where pictures go
        self._progress = progress
        self._rigs: dict[tuple[bool, int], Rig] = {}

    def pick(self, smoke: int, normal: int, full: int | None = None) -> int:
        """How many, by scale."""
        chosen = {"smoke": smoke, "normal": normal, "full": normal if full is None else full}
        return chosen[self.scale]

    @contextmanager
    def progress(self, words: str, total: float) -> Iterator[Advance]:
        advance = Advance(self._progress, words, total)
        try:
            yield advance
        finally:
            self._progress.remove_task(advance._task)

    async def rig(self, *, in_memory: bool = False, baud: int = 0) -> Rig:
        """The bridge that several measurements use, up and ready; its journal on the disk, or where no disk is. With
        `baud` its hub is on a UART, else on a line as fast as it goes."""
        in_memory = in_memory and MEMORY.is_dir()
        key = in_memory, baud
        if key not in self._rigs:
            name = f"rig-{in_memory:d}-{baud}"
            state_dir = MEMORY / f"{self.directory.name}-{name}" if in_memory else None
            self._rigs[key] = rig = Rig(self.directory / name, state_dir=state_dir, baud=baud)
            await rig.start()
        return self._rigs[key]

    async def close(self) -> None:
        for rig in self._rigs.values():
            await rig.stop()


class Rig:
    """A bridge, its hub, and a till on the WebSocket."""

    def __init__(self, directory: Path, *, state_dir: Path | None = None, baud: int = 0) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = directory / "port"
        self._state_dir = state_dir
        self.bridge = BridgeProcess(
            directory,
            f"[hub]\nport = '{self.port}'\n",
            state_dir=state_dir or directory / "state",
            on_uart=bool(baud),
        )
        self.hub = ScriptedHub(self.port, baud=baud)
        self.events = EventSocket(("", 0))

    async def start(self) -> None:
        await self.hub.plug()
        self.bridge.start()
        self.events = EventSocket(self.bridge.http)
        await self.events.open()
        state = await self.events.next("state")
        if state.event["state"]["link"]["status"] != "up":
            await self.events.link("up")

    async def stop(self) -> None:
        await self.events.close()
        self.bridge.stop()
        self.hub.stop()
        if self._state_dir is not None:
            shutil.rmtree(self._state_dir, ignore_errors=True)


class PlainCommit:
    """What the disk itself takes: one row in a file like the journal's, committed with synchronous=FULL."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE rows (data BLOB)")

    def time_ms(self) -> float:
        started = time.perf_counter()
        self._connection.execute("BEGIN")
        self._connection.execute("INSERT INTO rows VALUES (?)", (b"]E04006381333931",))
        self._connection.execute("COMMIT")
        return (time.perf_counter() - started) * 1000

    def close(self) -> None:
        self._connection.close()


def receipt(size_bytes: int, seed: int = SEED) -> bytes:
    """A receipt of about so many bytes that ends in a cut: pictures of noise, the dearest for the link's coding."""
    chance = random.Random(seed)
    head = b"\x1b@"
    tail = b"\x1dV\x00"
    band = b"\x1dv0\x00" + RASTER_BYTES_A_ROW.to_bytes(2, "little") + RASTER_ROWS.to_bytes(2, "little")
    dots = RASTER_BYTES_A_ROW * RASTER_ROWS
    data = bytearray(head)
    while len(data) + len(band) + dots + len(tail) <= size_bytes:
        data += band + chance.randbytes(dots)
    line = b"Jasmine tea                          2.50\n"
    while len(data) + len(line) + len(tail) <= size_bytes:
        data += line
    return bytes(data + tail)


def article(number: int) -> str:
    """A number of 13 digits as an EAN-13 has, its check digit right."""
    digits = f"40{number % 10**10:010}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
