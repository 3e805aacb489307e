"""What every test gets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from host_bridge.virtual.micropython_vm import installation
from tests.live_bridge import LiveBridge, Till, end_virtual_hub

# Eight times the speed of a real printer's line, so that a 40 KB receipt takes half a second.
FAST_PRINTER = """
[virtual]
printer_baud_rate = 921600
print_speed_mm_per_s = 1000
"""

# A shared, slow machine is no failure: no deadline for one example. A failure prints how to replay exactly it.
settings.register_profile(
    "counterhub", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
# What judges a commit: the same examples for everybody, each time (decision 70). A desk draws new ones.
settings.register_profile("reproducible", parent=settings.get_profile("counterhub"), derandomize=True)
settings.register_profile("thorough", parent=settings.get_profile("counterhub"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "counterhub"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, so that no process is left alone with one at the end."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = 0 if item.get_closest_marker("slow") else 1 if item.get_closest_marker("virtual_hub") else 2
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """MicroPython's WebAssembly build, installed if it isn't there yet."""
    return installation.install()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """What plays the hub, by the parameter of that name; MicroPython is there then."""
    if request.param == "micropython":
        request.getfixturevalue("interpreter")
    return str(request.param)


@pytest.fixture
def bridge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveBridge]:
    """A bridge of this test's own, to be killed and started again; its parameter is more of its configuration."""
    live = LiveBridge(tmp_path / "state", FAST_PRINTER + getattr(request, "param", ""))
    live.start()
    yield live
    try:
        live.stop()
    finally:
        end_virtual_hub(live.state_dir)


@pytest.fixture(scope="session")
def live_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBridge]:
    """One bridge for all tests that leave it as they found it."""
    live = LiveBridge(tmp_path_factory.mktemp("live"))
    live.start()
    yield live
    live.stop()


@pytest_asyncio.fixture
async def till(bridge: LiveBridge) -> AsyncIterator[Till]:
    """A till at `bridge`, whose link is up."""
    client = Till(bridge)
    await client.link_up()
    yield client
    await client.close()
