"""What a technician meets on the chip itself: the prompt, by button and by Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import serial

from tests.emulator.conftest import IMAGE
from tests.live_bridge import Till

if TYPE_CHECKING:
    from tests.emulator.harness import EmulatedHub

PATIENCE_S = 200.0
PROMPTS = 2

pytestmark = [pytest.mark.emulator, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bench(laid: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmulatedHub]:
    """A chip of its own, with nobody on its port."""
    from tests.emulator.harness import EmulatedHub

    directory = tmp_path_factory.mktemp("bench")
    await asyncio.to_thread(shutil.copy, laid, directory / "flash.bin")
    hub = EmulatedHub(directory, Path(IMAGE), speed=4)
    await hub.start()
    yield hub
    await hub.stop()


def press_ctrl_c(port: str) -> None:
    """Again and again, as people do, until the prompt is there; the port goes away while the chip starts."""
    seen = b""
    end = time.monotonic() + PATIENCE_S
    while b">>> " not in seen:
        assert time.monotonic() < end, seen
        with contextlib.suppress(serial.SerialException), serial.Serial(port, timeout=0.1) as console:
            while b">>> " not in seen and time.monotonic() < end:
                console.write(b"\x03")
                seen += console.read(1000)


async def test_the_button_held_at_the_start_gives_the_prompt(bench: EmulatedHub) -> None:
    await bench.ask("set_button", pressed=True)
    await bench.press_reset()
    await bench.pass_s(2)  # later than Ctrl-C would do

    assert await bench.mpremote("exec", "print(6 * 7)") == "42\n"

    await bench.ask("set_button", pressed=False)


async def test_ctrl_c_in_the_first_second_gives_the_prompt_however_often_and_then_the_hub_starts(
    bench: EmulatedHub,
) -> None:
    from tests.emulator.harness import ChipTimeBridge, eventually

    await bench.press_reset()
    for boot in range(1, PROMPTS + 1):
        await asyncio.to_thread(press_ctrl_c, bench.port)
        asked = "from hub import survival; print(survival.boots())"
        assert await bench.mpremote("resume", "exec", asked) == f"{boot}\n"  # else it would start the interpreter anew
        await bench.mpremote("resume", "exec", "--no-follow", "from hub import survival; survival.reset('asked')")
        await bench.pass_s(0.1)
        await eventually(lambda: os.path.exists(bench.port))

    bridge = ChipTimeBridge(bench.directory / "bridge", bench)
    await asyncio.to_thread(bridge.start)
    till = Till(bridge)
    try:
        hub = await till.until(lambda state: state["hub"], deadline_s=PATIENCE_S)
        assert (hub["safe_mode"], hub["boots"], hub["reset_cause"]) == (False, PROMPTS + 1, "software")
        assert hub["crumb"].startswith("reset:asked")
    finally:
        await till.close()
        await asyncio.to_thread(bridge.stop)
