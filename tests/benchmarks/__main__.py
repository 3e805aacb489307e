"""Measurements of what limits a counter: `make bench`, or `make bench ARGS=journal` for one of them.

Each line says what was measured, on how much, and the median of several rounds. Compare only on the same machine.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from host_bridge.escpos.commands import CommandParser
from host_bridge.escpos.receipt import render_job
from host_bridge.journal import Journal
from hublink.frame import FrameReader, FrameWriter

ROUNDS = 5
PAYLOAD_BYTES = 128  # a frame under mixed load
FRAMES = 2_000
RASTER_ROWS = 2_000  # 576 dots wide: 25 cm of paper, 144 kB
JOBS = 100
SEED = 1


def median_s(work: Callable[[], object]) -> float:
    """The median time of several rounds, after one that warms up."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def rate(size_bytes: int, seconds: float) -> str:
    return f"{size_bytes / seconds / 1e6:8.1f} MB/s"


def link() -> Iterator[tuple[str, str]]:
    """Frames made and taken apart again, as on the host; a Pico is 50 to 100 times slower."""
    payloads = {"random bytes": random.Random(SEED).randbytes(PAYLOAD_BYTES), "a white raster": bytes(PAYLOAD_BYTES)}
    for name, payload in payloads.items():
        writer = FrameWriter(True)

        def make(writer: FrameWriter = writer, payload: bytes = payload) -> bytes:
            return b"".join(writer.frame(1, 0x41, 7, number, 0, payload) for number in range(FRAMES))

        stream = make()

        def take(stream: bytes = stream) -> None:
            seen: list[int] = []
            reader = FrameReader(True, lambda *frame: seen.append(frame[3]), lambda text: None, lambda name: None)
            reader.feed(stream, len(stream))
            assert len(seen) == FRAMES

        size_bytes = FRAMES * PAYLOAD_BYTES
        yield f"frames made, {name}", rate(size_bytes, median_s(make))
        yield f"frames taken apart, {name}", rate(size_bytes, median_s(take))


def escpos() -> Iterator[tuple[str, str]]:
    """Jobs read and drawn."""
    text = "".join(f"{number:3} Jasmine tea 茉莉花茶    2.50\n" for number in range(200)).encode("gb18030")
    text = b"\x1b@\x1c&" + text + b"\x1dV\x00"
    raster = b"\x1dv0\x00" + (72).to_bytes(2, "little") + RASTER_ROWS.to_bytes(2, "little")
    raster += random.Random(SEED).randbytes(72 * RASTER_ROWS) + b"\x1dV\x00"
    for name, job in {"200 lines of text": text, "a picture of 25 cm": raster}.items():
        yield f"commands read, {name}", rate(len(job), median_s(partial(read_commands, job)))
        yield f"receipt drawn, {name}", f"{median_s(partial(render_job, job)) * 1000:8.1f} ms"


def read_commands(job: bytes) -> None:
    parser = CommandParser()
    parser.feed(job)
    assert not parser.pending


def journal() -> Iterator[tuple[str, str]]:
    """How long a till waits until its job is committed, on this machine's disk."""

    async def commit_jobs(folder: Path) -> list[float]:
        opened = await Journal.open(folder / "journal.sqlite3")
        job = random.Random(SEED).randbytes(4_000)
        times = []
        for number in range(JOBS):
            started = time.perf_counter()
            await opened.add_job(job + number.to_bytes(2, "big"), "bench")
            times.append((time.perf_counter() - started) * 1000)
        await opened.close()
        return sorted(times)

    with tempfile.TemporaryDirectory() as folder:
        times = asyncio.run(commit_jobs(Path(folder)))
    yield "job of 4 kB committed, median", f"{statistics.median(times):8.2f} ms"
    yield "job of 4 kB committed, slowest of 100", f"{times[-1]:8.2f} ms"


MEASUREMENTS = {"link": link, "escpos": escpos, "journal": journal}


def main(arguments: list[str]) -> int:
    unknown = [name for name in arguments if name not in MEASUREMENTS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    for name in arguments or MEASUREMENTS:
        for words, result in MEASUREMENTS[name]():
            print(f"{words:45}{result}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
