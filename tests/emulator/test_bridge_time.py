"""The bridge's time beside an emulated chip: the chip's, and the world's while there is no chip."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from host_bridge.emulator.bridge_time import LOOK_AGAIN_S, SECONDS, STALL_S, BridgeLoop, FollowedClock


class World:
    """A wall clock and a chip's clock file."""

    def __init__(self, folder: Path) -> None:
        self.wall_s = 1000.0
        self.path = folder / "chip_clock"

    def chip(self, seconds: float) -> None:
        if not self.path.exists():
            self.path.write_bytes(SECONDS.pack(seconds))
        with self.path.open("r+b") as file:
            file.write(SECONDS.pack(seconds))

    def followed(self) -> FollowedClock:
        return FollowedClock(self.path, lambda: self.wall_s)


def test_without_a_chip_the_worlds_time_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    clock = world.followed()
    before = clock.seconds()
    world.wall_s += 3
    assert clock.seconds() - before == 3


def test_with_a_chip_its_time_counts_however_slow_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.chip(7.0)
    clock = world.followed()
    before = clock.seconds()
    for step in range(1, 11):
        world.wall_s += 1
        world.chip(7.0 + step / 100)
        clock.seconds()
    assert round(clock.seconds() - before, 6) == 0.1


def test_a_chip_that_is_gone_stops_nothing_for_long(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.chip(7.0)
    clock = world.followed()
    clock.seconds()
    world.chip(7.1)
    before = clock.seconds()
    world.wall_s += STALL_S
    assert clock.seconds() == before
    world.wall_s += 2
    assert clock.seconds() == before + 2


def test_a_chip_that_is_started_again_is_followed_without_a_leap(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.chip(7.0)
    clock = world.followed()
    clock.seconds()
    fresh = tmp_path / "fresh"
    fresh.write_bytes(SECONDS.pack(500.0))
    fresh.replace(world.path)
    world.wall_s += STALL_S + LOOK_AGAIN_S
    before = clock.seconds()
    world.wall_s += 1
    world.chip(500.25)
    assert clock.seconds() == before + 0.25


@given(st.lists(st.tuples(st.floats(0, 20), st.none() | st.floats(-5, 5)), max_size=40))
def test_it_never_goes_back_nor_faster_than_both_clocks(steps: list[tuple[float, float | None]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        chip_s = 10.0
        world.chip(chip_s)
        clock = world.followed()
        before = clock.seconds()
        for wall_s, moved_s in steps:
            world.wall_s += wall_s
            if moved_s is not None:
                chip_s += moved_s
                world.chip(chip_s)
            now = clock.seconds()
            assert 0 <= now - before <= max(wall_s, moved_s or 0.0) + 1e-6
            before = now


def test_a_loop_in_the_chips_time_wakes_when_the_chip_is_there(tmp_path: Path) -> None:
    path = tmp_path / "chip_clock"
    path.write_bytes(SECONDS.pack(0.0))
    loop = BridgeLoop(path)
    ticks = iter(range(1, 1000))

    def tick() -> None:
        """The chip: 10 ms of its time whenever it is asked."""
        with path.open("r+b") as file:
            file.write(SECONDS.pack(next(ticks) / 100))

    async def sleeper() -> float:
        started = loop.time()
        pause = asyncio.ensure_future(asyncio.sleep(0.2))
        while not pause.done():
            await asyncio.to_thread(tick)
        return loop.time() - started

    try:
        assert 0.2 <= loop.run_until_complete(sleeper()) < 0.5
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
