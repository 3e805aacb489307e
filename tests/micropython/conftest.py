"""The tier that runs on MicroPython itself: skipped only where Node is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import FAST_PRINTER
from tests.live_bridge import LiveBridge, Till, end_virtual_hub
from tests.micropython.vm import why_skipped

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_skipped()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.micropython)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _installed(interpreter: Path) -> None:
    """Nothing here runs without it."""


@pytest.fixture(scope="module")
def module_bridge(interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBridge]:
    """A bridge whose virtual hub is played by MicroPython; one for all tests of a module."""
    live = LiveBridge(tmp_path_factory.mktemp("micropython") / "state", FAST_PRINTER + 'engine = "micropython"\n')
    live.start()
    yield live
    try:
        live.stop()
    finally:
        end_virtual_hub(live.state_dir)


@pytest_asyncio.fixture
async def till(module_bridge: LiveBridge) -> AsyncIterator[Till]:
    """A till at a counter where all is well."""
    client = Till(module_bridge)
    await client.link_up()
    await client.until(lambda state: not _faults(state) and state["devices"]["printer"]["status"] == "ready")
    yield client
    await client.close()


def _faults(state: Any) -> set[str]:
    """Without the notice that stands for ten minutes after the test of a hung program."""
    return {fault["code"] for fault in state["faults"]} - {"hub_crashed"}
