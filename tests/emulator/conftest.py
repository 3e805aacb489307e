"""One flash for all of the tier: laid by the command that a person gives, once; then copied for each chip."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from filelock import AsyncFileLock, FileLock

from tests.live_bridge import Till

if TYPE_CHECKING:
    from tests.emulator.bench import Bench

IMAGE = os.environ.get("PICO_UF2", "")
NO_IMAGE = "PICO_UF2 names no image (get one at micropython.org/download/RPI_PICO)"
LAY_WITHIN_S = 900.0
IDLE_SPEED = 4.0  # of the world's, while the chip has nothing to do


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("emulator") is not None:
            item.add_marker(pytest.mark.skipif(not IMAGE, reason=NO_IMAGE))


if IMAGE:
    from tests.emulator.harness import ChipTimeBridge, EmulatedHub, PersonsRun, lay_drill

    @pytest.fixture(scope="session")
    def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder of all processes of one run."""
        base = tmp_path_factory.getbasetemp()
        return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    @pytest.fixture(scope="session")
    def first_run(shared: Path) -> PersonsRun:
        """`counterhub run --emulated-pico`, interrupted while it lays the firmware, given again, and stopped."""
        run = PersonsRun(shared / "emulated", Path(IMAGE))
        with FileLock(shared / "emulated.lock", timeout=LAY_WITHIN_S):
            if not run.done:
                run.interrupt_while_laying()
                run.start()
                run.stop()
                run.keep_words()
        return run

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def laid(first_run: PersonsRun, shared: Path) -> Path:
        """That flash, and on it the tests' drills beside the firmware, laid by mpremote."""
        folder, done = shared / "drilled", shared / "drilled" / "done"
        async with AsyncFileLock(shared / "drilled.lock", timeout=LAY_WITHIN_S):
            if not done.exists():
                folder.mkdir(exist_ok=True)
                await asyncio.to_thread(shutil.copy, first_run.kept_flash, folder / "flash.bin")
                await lay_drill(folder, Path(IMAGE))
                done.touch()
        return folder / "flash.bin"

    @pytest_asyncio.fixture(scope="module", loop_scope="session")  # idle, it still takes half a core
    async def pico(laid: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmulatedHub]:
        """Powered on, its program running."""
        directory = tmp_path_factory.mktemp("pico")
        await asyncio.to_thread(shutil.copy, laid, directory / "flash.bin")
        hub = EmulatedHub(directory, Path(IMAGE), IDLE_SPEED)
        await hub.start()
        yield hub
        await hub.stop()

    @pytest_asyncio.fixture(scope="module", loop_scope="session")
    async def bridge(pico: EmulatedHub, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChipTimeBridge]:
        bridge = ChipTimeBridge(tmp_path_factory.mktemp("bridge"), pico)
        await asyncio.to_thread(bridge.start)
        yield bridge
        await asyncio.to_thread(bridge.stop)

    @pytest_asyncio.fixture(scope="module", loop_scope="session")
    async def till(bridge: ChipTimeBridge) -> AsyncIterator[Till]:
        till = Till(bridge)
        yield till
        await till.close()

    @pytest.fixture(scope="session")
    def chip(laid: Path) -> Bench:
        """A chip in this process, with the drills in its flash and a session with the tests' end of the link."""
        from tests.emulator.bench import Bench

        return Bench(Path(IMAGE), laid.read_bytes())

    @pytest.fixture
    def bench(chip: Bench) -> Bench:
        """That chip, whatever a test before did to it: in a session, and its next start the first of five."""
        chip.ready()
        return chip
