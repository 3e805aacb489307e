"""What devices should never send, sent to the chip: each is named, nothing dies, and the next good thing is taken."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hublink.hello import FLAG_SAFE_MODE
from tests.emulator.conftest import IMAGE
from tests.emulator.measure import PRINTER, SCANNER

if TYPE_CHECKING:
    from tests.emulator.bench import Bench

SLICE_MS, SLICE_BYTES = 25, 96  # 38,400 baud
HEAP_FREE_MIN_BYTES = 100 * 1024  # the goal is 120 KB; the drills, compiled on the chip, take their part of it
HEAP_SLACK_BYTES = 512  # a list that was made larger once
GOOD = b"]E04006381333931\r"
SILENCE_WITHIN_MS = 4000
SILENCE_MS = 1000
ABSENT = """
import os
for name in ("board.json", "board.kept.json"):
    if name in os.listdir():
        os.remove(name)
"""
CORRUPT_WITH_A_COPY = """
with open("board.json") as file:
    text = file.read()
with open("board.kept.json", "w") as file:
    file.write(text)
with open("board.json", "w") as file:
    file.write(text[:100])
"""

pytestmark = pytest.mark.emulator


def test_a_scanner_that_sends_10_kb_without_an_end_is_named_and_the_next_scan_is_taken(bench: Bench) -> None:
    used = bench.heap_used()
    before = bench.resets
    for _ in range(10_240 // SLICE_BYTES + 1):
        bench.pico.uarts[SCANNER].arrive(b"7" * SLICE_BYTES)
        bench.run(SLICE_MS)
    bench.until_faults(lambda faults: "scanner_garbled" in faults)
    bench.run(SILENCE_MS)  # which ends it

    assert bench.scan(GOOD) < 1000
    bench.until_faults(lambda faults: "scanner_garbled" not in faults)
    assert bench.heap_used() <= used + HEAP_SLACK_BYTES
    assert bench.resets == before and not any(event[1] == "blame" for event in bench.events)


def test_a_printer_that_never_answers_is_named_and_is_well_when_it_does(bench: Bench) -> None:
    bench.until_faults(lambda faults: "printer_power" in faults, SILENCE_WITHIN_MS)

    bench.pico.uarts[PRINTER].arrive(b"\x12")  # to DLE EOT: all is well
    bench.until_faults(lambda faults: "printer_power" not in faults)


def test_a_printer_that_answers_rubbish_kills_nothing_and_prints_the_next_job(bench: Bench) -> None:
    used = bench.heap_used()
    noise = random.Random(7)
    for _ in range(20):
        bench.pico.uarts[PRINTER].arrive(noise.randbytes(100))
        bench.run(SLICE_MS)
    bench.pico.uarts[PRINTER].arrive(b"\x14\x00\x00\x0f")
    bench.run(SLICE_MS)

    assert bench.scan(GOOD) < 1000
    bench.print(1000, 1)
    assert bench.heap_used() <= used + HEAP_SLACK_BYTES
    assert "task_failed" not in bench.faults and not any(event[1] == "blame" for event in bench.events)


def test_the_heap_is_free_and_stays_flat_over_scans_and_a_receipt(bench: Bench) -> None:
    bench.print(2000, 1)
    bench.scan(GOOD)
    used = bench.heap_used()
    assert bench.heap[-1][0] >= HEAP_FREE_MIN_BYTES
    for _ in range(20):
        bench.scan(GOOD)
    bench.print(8000, 2)
    assert bench.heap_used() <= used + HEAP_SLACK_BYTES


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("damage", "sells"), [(ABSENT, False), (CORRUPT_WITH_A_COPY, True)])
async def test_without_a_readable_board_file_the_hub_is_reached_and_says_so_and_a_copy_does_for_it(
    laid: Path, tmp_path: Path, damage: str, sells: bool
) -> None:
    from tests.emulator.bench import Bench
    from tests.emulator.harness import at_the_prompt

    shutil.copy(laid, tmp_path)
    await at_the_prompt(tmp_path, Path(IMAGE), "exec", damage)
    hub = Bench(Path(IMAGE), (tmp_path / laid.name).read_bytes())

    assert not hub.hello()["flags"] & FLAG_SAFE_MODE
    hub.until_faults(lambda faults: "board_file" in faults)
    assert ("scanner" in hub.tasks) == sells
    assert hub.resets == 0
