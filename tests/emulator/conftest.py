"""One emulated Pico for all of the tier: laid with files once, by mpremote."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.live_bridge import Till

IMAGE = os.environ.get("PICO_UF2", "")
NO_IMAGE = "PICO_UF2 names no image (get one at micropython.org)"
# The drill: a scan of this code hangs the scanner's task, as a bug would.
HANGING_CODE = "HANG"
DRILL = f'''
import time
from hub import scanner
_keep = scanner.Scanner._keep
def _keep_or_hang(self, data, now):
    while b"{HANGING_CODE}" in data:
        time.sleep_ms(50)
    return _keep(self, data, now)
scanner.Scanner._keep = _keep_or_hang
'''


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("emulator") is not None:
            item.add_marker(pytest.mark.skipif(not IMAGE, reason=NO_IMAGE))


if IMAGE:
    from tests.emulator.harness import FIRMWARE, ChipTimeBridge, EmulatedHub

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The flash of a Pico that mpremote has laid the firmware on."""
        directory = tmp_path_factory.mktemp("laid")
        hub = EmulatedHub(directory, Path(IMAGE), speed=4)
        await hub.start()
        try:
            await hub.pass_s(1.5)  # the prompt is there
            await hub.deploy({"main.py": DRILL + (FIRMWARE / "main.py").read_text()})
            listing = await hub.mpremote("fs", "ls")
            assert all(name in listing for name in ("hub/", "hublink/", "boot.py", "main.py", "board.json")), listing
        finally:
            await hub.stop()
        return directory / "flash.bin"

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def pico(laid: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmulatedHub]:
        """Powered on, its program running."""
        directory = tmp_path_factory.mktemp("pico")
        await asyncio.to_thread(shutil.copy, laid, directory / "flash.bin")
        hub = EmulatedHub(directory, Path(IMAGE), speed=4)
        await hub.start()
        yield hub
        await hub.stop()

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def bridge(pico: EmulatedHub, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChipTimeBridge]:
        bridge = ChipTimeBridge(tmp_path_factory.mktemp("bridge"), pico)
        await asyncio.to_thread(bridge.start)
        yield bridge
        await asyncio.to_thread(bridge.stop)

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def till(bridge: ChipTimeBridge) -> AsyncIterator[Till]:
        till = Till(bridge)
        yield till
        await till.close()
