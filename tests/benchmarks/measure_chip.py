"""What the firmware costs on an RP2040: its own cycles and milliseconds, on an emulated Pico."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.benchmarks.bench import Advance, Bench
from tests.benchmarks.figures import Figure, Missing
from tests.emulator import measure
from tests.emulator.conftest import NO_IMAGE
from tests.emulator.long_run import Sample

FIGURES = 10
SCANS, PRINTED_BYTES = 10_000, 1_000_000
SAMPLE_WITHIN_S = 900.0  # 250 scans or 25 kB; five times what a busy machine took
LAST_WORDS = 500
STOPS = (signal.SIGINT, signal.SIGTERM)
COMMAND = ("-m", "tests.emulator.long_run")


async def on_the_chip(bench: Bench) -> list[Figure]:
    """Some minutes; in full also the two long runs, side by side. Ctrl-C, or SIGTERM, ends it with what it has so far.

    Raises Missing without an image.
    """
    uf2 = measure.image()
    if uf2 is None:
        raise Missing(NO_IMAGE)
    figures: list[Figure] = []
    runs = [LongRun("scans", SCANS), LongRun("bytes", PRINTED_BYTES)] if bench.scale == "full" else []
    with _stoppable():
        with bench.progress("emulated Pico", FIGURES) as advance:
            flash = bench.directory / "flash.bin"
            await asyncio.to_thread(flash.write_bytes, await measure.laid(uf2))
            running = measure.measure(uf2, flash.read_bytes())
            while (figure := await asyncio.to_thread(_next, running)) is not None:
                figures.append(figure)
                advance()
        # Else the first one that ends by an error or by being stopped would leave the others' processes behind.
        for outcome in await asyncio.gather(*(run.watch(bench, uf2, flash) for run in runs), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
    return [*figures, *(figure for run in runs for figure in run.figures())]


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Until its end the signals that stop a program stop this only: in the background, too, where shells ignore one."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in STOPS:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    except asyncio.CancelledError:
        _say("stopped; these are the figures until now")
        task.uncancel()
    finally:
        for number in STOPS:
            loop.remove_signal_handler(number)


def _next(running: Iterator[Figure]) -> Figure | None:
    return next(running, None)


class LongRun:
    """One process around a chip that does the same thing for very long, and the samples of its heap."""

    def __init__(self, kind: str, count: int) -> None:
        self.samples: list[Sample] = []
        self._kind = kind
        self._count = count
        self._end = ""

    async def watch(self, bench: Bench, image: Path, flash: Path) -> None:
        """Until it is done, or broke off."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *COMMAND, self._kind, str(image), str(flash), str(self._count)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the one who watches
        )
        try:
            with bench.progress(f"{self._kind}: the chip starts", self._count) as advance:
                await self._read(process, advance)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    def figures(self) -> Iterator[Figure]:
        """How much the heap has grown, if there is something to compare."""
        if len(self.samples) < 2:
            return
        first, last = self.samples[0], self.samples[-1]
        early = f"{self._end or 'stopped'} after {last.done:,} of {self._count:,}" if last.done < self._count else ""
        yield Figure(
            name=f"heap grown by {last.done:,} {'bytes printed' if self._kind == 'bytes' else self._kind}",
            value=last.heap_bytes - first.heap_bytes,
            unit="bytes",
            goal=measure.FLAT_BYTES,
            note=early,
            detail={
                "first": first.heap_bytes,
                "last": last.heap_bytes,
                "largest": max(sample.heap_bytes for sample in self.samples),
                "least_free": min(sample.free_bytes for sample in self.samples),
                "samples": len(self.samples),
                "cycles": last.cycles,
            },
        )

    async def _read(self, process: asyncio.subprocess.Process, advance: Advance) -> None:
        assert process.stdout is not None and process.stderr is not None
        started = time.monotonic()
        try:
            while line := await asyncio.wait_for(process.stdout.readline(), SAMPLE_WITHIN_S):
                self.samples.append(msgspec.json.decode(line, type=Sample))
                if len(self.samples) == 1:
                    started = time.monotonic()
                words = self._words(time.monotonic() - started)
                advance(self.samples[-1].done - sum(sample.done for sample in self.samples[-2:-1]), words)
                _say(words)
        except TimeoutError:
            self._end = f"no word from the chip for {SAMPLE_WITHIN_S:g} s"
            return
        if await process.wait():
            self._end = (await process.stderr.read())[-LAST_WORDS:].decode(errors="replace").strip().split("\n")[-1]
            _say(f"{self._kind}: {self._end}")
            if not self.samples:
                raise RuntimeError(f"{self._kind}: {self._end}")

    def _words(self, seconds: float) -> str:
        first, last = self.samples[0], self.samples[-1]
        words = f"{last.done:,} of {self._count:,} {self._kind}, heap {last.heap_bytes:,} bytes"
        if not last.done:
            return words
        left_s = seconds / last.done * (self._count - last.done)
        rate = last.cycles / seconds / 1e6
        grown = last.heap_bytes - first.heap_bytes
        return f"{words} ({grown:+,}), {rate:.1f} M cycles/s, about {left_s / 60:.0f} min left"


def _say(words: str) -> None:
    """Where there is no moving picture."""
    if not sys.stderr.isatty():
        print(words, file=sys.stderr, flush=True)
