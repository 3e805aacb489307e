"""A small campaign in each run; the large one is started by hand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.campaigns.kill_bridge import run

KILLS = 5
SEED = random.randrange(1 << 32)


@pytest.mark.virtual_hub
@pytest.mark.slow
def test_a_bridge_killed_under_load_loses_doubles_and_forgets_nothing(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    figures = run(KILLS, SEED, tmp_path)

    assert figures.ok, figures
    assert figures.kills == KILLS
    assert figures.acknowledged_jobs > 0
    assert figures.scans > 0
    assert figures.kicks > 0
