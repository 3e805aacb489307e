"""What the firmware costs on an RP2040: its own cycles and milliseconds, on an emulated Pico."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure, Missing
from tests.emulator import measure
from tests.emulator.conftest import NO_IMAGE

FIGURES = 10


async def on_the_chip(bench: Bench) -> list[Figure]:
    """Some minutes. Raises Missing without an image."""
    uf2 = measure.image()
    if uf2 is None:
        raise Missing(NO_IMAGE)
    figures: list[Figure] = []
    with bench.progress("emulated Pico", FIGURES) as advance:
        running = measure.measured(uf2)
        while (figure := await asyncio.to_thread(_next, running)) is not None:
            figures.append(figure)
            advance()
    return figures


def _next(running: Iterator[Figure]) -> Figure | None:
    return next(running, None)
