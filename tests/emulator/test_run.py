"""`counterhub run --emulated-pico UF2`: what a person gets, from the first start to Ctrl-C and worse."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.live_bridge import Till, next_event

if TYPE_CHECKING:
    from tests.emulator.harness import PersonsRun

PATIENCE_S = 200.0

pytestmark = [pytest.mark.emulator, pytest.mark.asyncio(loop_scope="session")]


@asynccontextmanager
async def at_the_counter(run: PersonsRun) -> AsyncIterator[Till]:
    """A till at the running bridge, whose hub is ready."""
    till = Till(run)
    try:
        await till.until(lambda state: state["devices"]["printer"]["status"] == "ready", deadline_s=PATIENCE_S)
        yield till
    finally:
        await till.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_first_run_says_what_it_does_and_goes_on_after_ctrl_c(first_run: PersonsRun) -> None:
    said = first_run.first_words

    interrupted, _, went_on = said.partition("Stopped. The same command goes on from here.")
    for words in (interrupted, went_on):
        assert "Compiling the firmware" in words and "Laying the firmware on it, by mpremote" in words
    assert "files laid" not in interrupted and "files laid" in went_on
    assert "An emulated chip is slow" in went_on


async def test_later_runs_find_the_firmware_laid_and_sell(first_run: PersonsRun) -> None:
    before = len(first_run.log())
    await asyncio.to_thread(first_run.start)
    async with at_the_counter(first_run) as till:
        assert "Laying" not in first_run.log()[before:]
        state = await till.state()
        assert (state["virtual"], state["emulated"], state["hub"]["board"]) == (True, True, "pico")
        async with till.events() as socket:
            await till.post("/virtual/scan", json={"data": "4006381333931", "symbology": "EAN13"})
            assert (await next_event(socket, "scan", PATIENCE_S))["data"] == "4006381333931"
        job = await till.final(await till.print(b"tea 2.50\n\x1dV\x42\x00"), PATIENCE_S)
        assert job["state"] == "printed" and len(await till.receipts()) == 1
        await till.fault("cable", True)
        await till.until(lambda state: state["link"]["status"] == "down", deadline_s=PATIENCE_S)
        await till.fault("cable", False)
        await till.until(lambda state: state["link"]["status"] == "up", deadline_s=PATIENCE_S)

        code, words = await asyncio.to_thread(first_run.refusal)
        assert code == 1 and "another counterhub run uses the emulated Pico" in words
        assert (await till.state())["link"]["status"] == "up"  # which the refused one did not disturb
    chip = first_run.chip_process()
    assert await asyncio.to_thread(first_run.stop) == 0
    assert first_run.chip_process() is None
    assert chip is not None and not alive(chip)


async def test_a_killed_run_hurts_nothing_and_the_next_one_takes_the_living_chip_over(first_run: PersonsRun) -> None:
    from tests.emulator.harness import eventually

    await asyncio.to_thread(first_run.start)
    async with at_the_counter(first_run) as till:
        life = (await till.state())["hub"]["boot_id"]
    chip = first_run.chip_process()
    await asyncio.to_thread(first_run.stop, signal.SIGKILL)
    assert chip is not None and alive(chip)

    await asyncio.to_thread(first_run.start)
    async with at_the_counter(first_run) as till:
        assert (await till.state())["hub"]["boot_id"] == life
    assert await asyncio.to_thread(first_run.stop) == 0
    await eventually(lambda: not alive(chip))


async def test_what_is_laid_already_is_not_laid_again_when_its_mark_is_lost(first_run: PersonsRun) -> None:
    (first_run.flash.parent / "laid").unlink()
    before = len(first_run.log())
    await asyncio.to_thread(first_run.start)
    assert await asyncio.to_thread(first_run.stop) == 0
    assert "0 files laid" in first_run.log()[before:]
