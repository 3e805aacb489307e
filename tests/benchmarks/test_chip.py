"""The long runs on an emulated chip: what they tell when they are stopped, or break off."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.progress import Progress

from tests.benchmarks import measure_chip
from tests.benchmarks.bench import Bench
from tests.benchmarks.figures import Figure
from tests.emulator import measure

SAMPLES = """
import sys, time
for done in (0, 100, 200):
    print('{"done":%d,"heap_bytes":%d,"cycles":%d,"free_bytes":120000}' % (done, 5000 + done // 2, done * 1000))
sys.stdout.flush()
"""
DEADLINE_S = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the measurements need pseudo-terminals")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One figure without a chip, and then the long runs."""

    async def laid(image: Path) -> bytes:
        return b""

    def measured(image: Path, flash: bytes) -> Iterator[Figure]:
        yield Figure(name="a printed byte", value=1, unit="cycles")

    monkeypatch.setenv("PICO_UF2", str(tmp_path / "image.uf2"))
    monkeypatch.setattr(measure, "laid", laid)
    monkeypatch.setattr(measure, "measure", measured)
    with Progress() as progress:
        yield Bench("full", tmp_path, tmp_path, progress)


def child(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(measure_chip, "COMMAND", ("-c", script))


@pytest.mark.parametrize("number", measure_chip.STOPS)
async def test_a_long_run_that_is_stopped_tells_what_it_has_measured(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    child(monkeypatch, SAMPLES + "time.sleep(600)")
    all_heard = asyncio.Event()
    heard = []
    say = measure_chip._say

    def listen(words: str) -> None:
        say(words)
        heard.append(words)
        if len(heard) == 6:
            all_heard.set()

    monkeypatch.setattr(measure_chip, "_say", listen)
    running = asyncio.create_task(measure_chip.on_the_chip(bench))
    await asyncio.wait_for(all_heard.wait(), DEADLINE_S)
    os.kill(os.getpid(), number)

    first, scans, printed = await asyncio.wait_for(running, DEADLINE_S)
    assert first.name == "a printed byte"
    assert (scans.name, scans.value, scans.met) == ("heap grown by 200 scans", 100, True)
    assert scans.note == "stopped after 200 of 10,000"
    assert (printed.name, printed.note) == ("heap grown by 200 bytes printed", "stopped after 200 of 1,000,000")


async def test_a_long_run_that_breaks_off_says_why_and_keeps_its_samples(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    child(monkeypatch, SAMPLES + "raise TimeoutError('no scan within 60000 ms')")
    _, scans, _ = await asyncio.wait_for(measure_chip.on_the_chip(bench), DEADLINE_S)
    assert scans.value == 100 and scans.note == "TimeoutError: no scan within 60000 ms after 200 of 10,000"


async def test_without_a_sample_the_measurement_has_failed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    child(monkeypatch, "raise TimeoutError('no up within 60000 ms')")
    with pytest.raises(RuntimeError, match="no up within"):
        await asyncio.wait_for(measure_chip.on_the_chip(bench), DEADLINE_S)
