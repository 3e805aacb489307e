"""The firmware's heap over a long run on an emulated chip: `python -m tests.emulator.long_run KIND IMAGE FLASH COUNT`.

After each part it tells on standard output, as a line of JSON, what the heap holds after a collection. It ends when
nobody reads that any more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from tests.benchmarks.bench import article
from tests.emulator.measure import JOB_BYTES, SCANNER, Rig

SAMPLES: Final = 40
WARM_SCANS, WARM_JOBS = 100, 2  # until the lists of the link's queues have grown to what they keep


class Sample(msgspec.Struct, frozen=True):
    """`done`: so many scans or bytes since the first sample; `cycles`: executed meanwhile."""

    done: int
    heap_bytes: int
    cycles: int
    free_bytes: int


class Scans:
    """Each another article, as fast as the chip takes them."""

    warm, part = WARM_SCANS, 1

    @staticmethod
    def step(rig: Rig, number: int) -> None:
        rig.pico.uarts[SCANNER].arrive(f"]E0{article(number)}\r".encode())
        rig.until("scan")


class Receipts:
    """At the pace of the printer's line."""

    warm, part = WARM_JOBS * JOB_BYTES, JOB_BYTES

    @staticmethod
    def step(rig: Rig, number: int) -> None:
        rig.print(JOB_BYTES, number)


KINDS: Final[dict[str, type[Scans | Receipts]]] = {"scans": Scans, "bytes": Receipts}


def long_run(rig: Rig, kind: type[Scans | Receipts], count: int) -> Iterator[Sample]:
    """A first sample after the warming up, then one after each part. Raises TimeoutError if the chip stops working."""
    rig.until("up")
    numbers = iter(range(1, kind.warm + count + 1))
    _do(rig, kind, kind.warm // kind.part, numbers)
    begun = rig.cycles
    yield _sample(rig, 0, begun)
    every = max(1, count // kind.part // SAMPLES)
    done = 0
    while done < count:
        steps = min(every, (count - done + kind.part - 1) // kind.part)
        _do(rig, kind, steps, numbers)
        done += steps * kind.part
        yield _sample(rig, done, begun)


def _do(rig: Rig, kind: type[Scans | Receipts], steps: int, numbers: Iterator[int]) -> None:
    step: Callable[[Rig, int], None] = kind.step
    for _ in range(steps):
        step(rig, next(numbers))
        rig.heard_at_ms.clear()


def _sample(rig: Rig, done: int, begun: int) -> Sample:
    free, used = rig.ask_heap()
    return Sample(done, used, rig.cycles - begun, free)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulator.long_run")
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("image", type=Path)
    parser.add_argument("flash", type=Path)
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    rig = Rig(given.image, given.flash.read_bytes())
    for sample in long_run(rig, KINDS[given.kind], given.count):
        sys.stdout.buffer.write(msgspec.json.encode(sample) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
