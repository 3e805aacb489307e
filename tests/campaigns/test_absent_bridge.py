"""Days without a bridge, without their quiet hours; the whole of them: `python -m tests.campaigns.absent_bridge`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.absent_bridge import Absence, run
from tests.firmware.virtual_time import run_in_virtual_time, seconds

HALF_ROUND_S = (1 << 29) / 1000  # of the hub's clock: a span longer than this looks like one into the past


@pytest.mark.parametrize(
    ("days", "before_wrap_s"),
    [
        (3, 5 * 3600),  # the clock comes round while scans are read
        (7, HALF_ROUND_S),  # what lies in the ring is older than half a round
        (13, 3600),  # and than a whole one
    ],
)
def test_a_bridge_absent_for_days_resets_nothing_grows_nothing_and_loses_nothing(
    tmp_path: Path, days: float, before_wrap_s: float
) -> None:
    figures = run(days, tmp_path, skip=True, before_wrap_s=before_wrap_s)
    assert figures.ok, figures
    assert figures.scans_read > figures.scans_delivered == 64
    assert figures.kicks_refused == 1
    assert figures.link_up_s < 1


def test_the_hub_notices_nothing_of_its_clock_coming_round(tmp_path: Path) -> None:
    """Not skipped: each millisecond around the moment."""

    async def main() -> None:
        absence = Absence(tmp_path, 1, skip=False, before_wrap_s=60)
        board = absence._counter.board
        hub = board.start()
        await seconds(58)
        assert board.life and board.life.ticks_ms() > (1 << 30) - 5000
        await absence._scan()
        await seconds(4)
        assert board.life.ticks_ms() < 5000
        await absence._scan()
        assert [scan[0] for scan in hub.scanner._ring] == [1, 2]
        await absence.bridge_comes(2)
        await absence._counter.kill_bridge()
        assert len(board.resets) == 1

    run_in_virtual_time(main())
