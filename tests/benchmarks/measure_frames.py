"""Frames made and taken apart again, on the host: what random data costs, and what the worst data costs."""

from __future__ import annotations

import random
import time

from hublink.cobs import SENTINEL
from hublink.frame import PAYLOAD_BYTES_MAX, FrameReader, FrameWriter
from tests.benchmarks.bench import SEED, Bench
from tests.benchmarks.figures import Figure, median

FRAMES = 10  # so few that a moment without the processor spoils one round and not the median
WORST = 5.0  # no data may cost more than so many times the random kind


async def frames(bench: Bench) -> list[Figure]:
    payloads = {
        "random": random.Random(SEED).randbytes(PAYLOAD_BYTES_MAX),
        "zeros": bytes(PAYLOAD_BYTES_MAX),
        "all sentinel": bytes((SENTINEL,)) * PAYLOAD_BYTES_MAX,
    }
    rounds = bench.pick(5, 501)
    times: dict[str, list[float]] = {name: [] for name in payloads}
    with bench.progress("frames of 240 bytes", rounds) as advance:
        for _ in range(rounds):
            for name, payload in payloads.items():
                times[name].append(_round_trip_us(payload))
            advance()
    plain = median(times["random"])
    figures = [
        Figure(name=f"encode + decode, {name}", value=median(found), unit="µs", detail={"rounds": rounds})
        for name, found in times.items()
    ]
    worst = max(median(found) / plain for found in times.values())
    return [*figures, Figure(name="dearest against random", value=worst, unit="×", goal=WORST)]


def _round_trip_us(payload: bytes) -> float:
    """The mean of one frame, made, and taken apart in pieces as a port delivers them."""
    writer = FrameWriter(True)
    seen = 0

    def count(*frame: object) -> None:
        nonlocal seen
        seen += 1

    reader = FrameReader(True, count, lambda text: None, lambda name: None)
    started = time.perf_counter()
    for number in range(FRAMES):
        coded = writer.frame(2, 0x41, 7, number, 0, payload)
        reader.feed(coded, len(coded))
    took = time.perf_counter() - started
    if seen != FRAMES:
        raise RuntimeError(f"{FRAMES} frames made, {seen} taken apart")
    return took / FRAMES * 1e6
