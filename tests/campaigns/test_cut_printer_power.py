"""A few cuts in each run, for each thing that may show them; the large campaign is started by hand."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.campaigns.cut_printer_power import campaign

CUTS = 3
SEED = random.randrange(1 << 32)


@pytest.mark.virtual_hub
@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "signs"), [("cpython", ("memory",)), ("micropython", ("line",))], indirect=["engine"]
)
def test_no_receipt_is_called_printed_that_a_moment_without_power_cut(
    tmp_path: Path, engine: str, signs: tuple[str, ...]
) -> None:
    print(f"seed {SEED}")
    figures = asyncio.run(campaign(tmp_path, cuts=CUTS, signs=signs, seed=SEED, engine=engine))

    assert figures.ok, figures
    assert figures.cuts == CUTS
