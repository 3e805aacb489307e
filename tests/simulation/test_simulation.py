"""Two peers, a virtual clock and a wire that does everything wrong: every promise is kept, whatever the seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation import run as runner
from tests.simulation.run import replay, run_many
from tests.simulation.scenario import RECOVERY_MS, Scenario, run
from tests.simulation.world import DAMAGES, BrokenPromise, World

SEEDS = 10_000
TWO_PATH_SEEDS = 600
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.simulation


@pytest.mark.slow
def test_every_promise_is_kept_in_ten_thousand_days_at_the_counter() -> None:
    report = run_many(range(SEEDS), os.cpu_count() or 1)
    told = [f"{error}\n    replay: python -m tests.simulation --replay {seed}" for seed, error in report.broken[:10]]
    assert not report.broken, f"{len(report.broken)} of {SEEDS} seeds broke a promise:\n" + "\n".join(told)
    assert report.recovery_ms < RECOVERY_MS
    happened = report.happened
    # A simulation in which nothing goes wrong would prove nothing.
    for what in (*DAMAGES, "loses power", "killed", "jam", "cable pulled", "step", "printer pauses", "link down"):
        assert happened[what] > 100, f"{what} happened {happened[what]} times only"
    for what in ("job printed", "job unconfirmed", "opens", "kick refused", "ring full", "printer loses power"):
        assert happened[what] > 50, f"{what} happened {happened[what]} times only"


@pytest.mark.slow
def test_every_promise_is_kept_over_two_paths_one_of_which_may_stay_dead() -> None:
    report = run_many(range(TWO_PATH_SEEDS), os.cpu_count() or 1, two_paths=True)
    told = [
        f"{error}\n    python -m tests.simulation --two-paths --replay {seed}" for seed, error in report.broken[:10]
    ]
    assert not report.broken, f"{len(report.broken)} of {TWO_PATH_SEEDS} seeds broke a promise:\n" + "\n".join(told)
    assert report.recovery_ms < RECOVERY_MS
    for what in (
        *DAMAGES,
        "loses power",
        "killed",
        "cable pulled",
        "path changed",
        "stays dead",
        "job printed",
        "opens",
    ):
        assert report.happened[what] > 20, f"{what} happened {report.happened[what]} times only"


def test_a_seed_always_tells_the_same_story() -> None:
    stories: list[list[str]] = [[], []]
    for story in stories:
        assert replay(7, story.append) == 0
    assert stories[0] == stories[1]
    assert len(stories[0]) > 20


def test_a_broken_promise_is_told_with_the_seed_and_ends_the_command_with_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lose_a_scan(self: Scenario) -> bool:
        return False

    monkeypatch.setattr(Scenario, "_all_is_well", lose_a_scan)
    told: list[str] = []
    assert replay(3, told.append) == 1
    assert "BROKEN" in told[-2]
    assert told[-1].startswith("seed 3 breaks a promise")
    report = runner.run_batch(range(3, 5))
    assert [seed for seed, _ in report.broken] == [3, 4]
    assert "ms after the last trouble" in report.broken[0][1]


def test_two_peers_that_chatter_without_end_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.world.EVENTS_LIMIT", 50)
    with pytest.raises(BrokenPromise, match="without end"):
        run(1)


def test_things_happen_in_the_order_of_their_time() -> None:
    world = World(0)
    seen: list[int] = []
    for at in (30, 10, 20, 10):
        world.after(at, seen.append, at)
    world.run(25, lambda: False)
    assert seen == [10, 10, 20]
    assert world.happened == Counter()


def test_the_command_replays_a_seed_with_what_happened_in_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--replay", "11"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "boots: boot0001" in done.stdout
    assert "frame: HELLO" in done.stdout
    assert "keeps all promises" in done.stdout
