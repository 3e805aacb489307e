"""A journal on a clock of the test's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from host_bridge.journal import Journal, JournalLimits
from tests.journal.bench import NOON


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def journal(tmp_path: Path, clock: Clock) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path / "journal.db", JournalLimits(min_free_bytes=0), clock)
    yield opened
    await opened.close()
