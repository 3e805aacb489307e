"""A bridge that stays away for days: `python -m tests.campaigns.absent_bridge --days 3`.

The hub's own firmware on the virtual clock, with scans until its ring is full and long after, its clock coming round on
the way (2**30 ms, twelve days and a half). Then a bridge comes: everything that was kept is delivered, the drawer
opens, and nothing has grown or been reset. Each day takes some minutes; with `--skip` the quiet hours are left out, and
a week takes a second.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import types
from collections import Counter as Counts
from pathlib import Path
from typing import Any

import msgspec

from host_bridge.interfaces.services import Refused
from tests.bridge.counter import Counter
from tests.firmware.board import PWRON_RESET, TICKS_MASK
from tests.firmware.virtual_time import run_in_virtual_time, seconds, the_loop, until

HOUR_S = 3600
DAY_S = 24 * HOUR_S
RING_SCANS = 64
BEFORE_WRAP_S = 5 * HOUR_S  # the clock comes round so long after the start
BETWEEN_SCANS_S = 600
AWAKE_S = 1.5  # of each quiet spell with `--skip`: each task comes round more than once
GROWN_OBJECTS_MAX = 200  # a timer more or less, a list that was not full yet; a leak makes thousands


class Figures(msgspec.Struct, kw_only=True):
    days: float
    scans_read: int = 0
    scans_delivered: int = 0
    scans_taken_for_new: int = 0  # of those that lay for hours
    resets: int = 0
    grown_objects: int = 0
    kicks_refused: int = 0
    opened_after: bool = False
    link_up_s: float = 0.0

    @property
    def ok(self) -> bool:
        return (
            self.scans_delivered == min(self.scans_read, RING_SCANS)
            and not self.scans_taken_for_new
            and not self.resets
            and self.grown_objects <= GROWN_OBJECTS_MAX
            and self.opened_after
        )


class Absence:
    """`skip`: between the scans the clock jumps, while the hub is at rest, and the hub runs for some seconds only."""

    def __init__(self, folder: Path, days: float, *, skip: bool, before_wrap_s: float = BEFORE_WRAP_S) -> None:
        self._counter = Counter(folder)
        self._skip = skip
        self._left_s = days * DAY_S
        self.figures = Figures(days=days)
        start_ms = int(the_loop().time() * 1000)
        self._counter.board.ticks_offset = (TICKS_MASK + 1 - int(before_wrap_s * 1000) - start_ms) & TICKS_MASK

    async def run(self) -> Figures:
        counter, figures = self._counter, self.figures
        counter.board.start(PWRON_RESET)
        await counter.start_bridge()
        await until(lambda: counter.is_up)
        counter.cable = False
        await until(lambda: not counter.is_up)
        await self._kick_is_refused()
        await counter.kill_bridge()
        await self._read_scans()
        await self._settle()
        before = _objects()
        while self._left_s > 0:
            await self._pass(2 * HOUR_S)
            if figures.scans_read % RING_SCANS == 0 or self._skip:
                await self._scan()  # more than the ring takes: nothing may come of it
        await self._settle()
        figures.grown_objects = sum(_objects().values()) - sum(before.values())
        figures.resets = len(counter.board.resets) - 1
        await self.bridge_comes(RING_SCANS)
        figures.scans_taken_for_new = len(await counter.journal.waiting_scans())
        await self._kick_opens()
        await counter.kill_bridge()
        return figures

    async def _read_scans(self) -> None:
        """Until the ring is full."""
        for _ in range(RING_SCANS):
            await self._scan()
            await self._pass(BETWEEN_SCANS_S)

    async def _scan(self) -> None:
        self.figures.scans_read += 1
        await self._counter.scan(b"CODE-%06d" % self.figures.scans_read)

    async def _pass(self, span_s: float) -> None:
        self._left_s -= span_s
        if self._skip:
            await seconds(AWAKE_S)
            await self._jump(span_s - AWAKE_S)
            self._counter.clock.offset_s += span_s - AWAKE_S
        else:
            await seconds(span_s)
        del self._counter.board.line(0).sent[:]

    async def _jump(self, span_s: float) -> None:
        """The hub's clock goes on while no task is at work: it slept so long, and its supervisor need not wonder."""
        life: Any = self._counter.board.life
        supervisor = life.hub.supervisor
        await until(lambda: all(task.step is None for task in supervisor._tasks), step_s=0.0007)
        self._counter.board.ticks_offset += int(span_s * 1000)
        supervisor._loop_seen_at = life.ticks_ms()

    async def _settle(self) -> None:
        await seconds(AWAKE_S)
        self._counter.board.edges.clear()  # the harness remembers each blink
        for line in self._counter.board.lines.values():
            del line.sent[:]

    async def _kick_is_refused(self) -> None:
        try:
            kick = await self._counter.devices.drawers.kick(source="days", drawer=1, on_ms=100, time_to_live_ms=2000)
        except Refused:
            self.figures.kicks_refused += 1
        else:
            self.figures.kicks_refused += kick.state != "opened"

    async def bridge_comes(self, scans: int) -> None:
        """It gets so many scans, in order."""
        counter, figures = self._counter, self.figures
        counter.cable = True
        began = the_loop().time()
        await counter.start_bridge()
        await until(lambda: counter.is_up)
        figures.link_up_s = the_loop().time() - began
        await until(lambda: counter.devices.scans.scans >= scans, 30)
        await seconds(AWAKE_S)
        kept = [scan.data for scan in await counter.journal.scans_after(0, 1000)]
        assert kept == [f"CODE-{number:06d}" for number in range(1, scans + 1)], kept
        figures.scans_delivered = len(kept)

    async def _kick_opens(self) -> None:
        counter = self._counter
        counter.board.edges.clear()
        drawers = counter.devices.drawers
        kick = asyncio.create_task(drawers.kick(source="days", drawer=1, on_ms=100, time_to_live_ms=2000))
        await until(counter.pulses, 5)
        await kick
        self.figures.opened_after = len(counter.pulses()) in (1, 2)  # the switch stays as it is: once more, to be sure


def _objects() -> Counts[str]:
    """What lives, by type, without what the interpreter makes on its way."""
    gc.collect()
    return Counts(
        type(thing).__name__
        for thing in gc.get_objects()
        if not isinstance(thing, types.FrameType | types.CodeType | types.TracebackType)
    )


def run(days: float, folder: Path, *, skip: bool, before_wrap_s: float = BEFORE_WRAP_S) -> Figures:
    async def main() -> Figures:
        return await Absence(folder, days, skip=skip, before_wrap_s=before_wrap_s).run()

    figures: Figures = run_in_virtual_time(main())
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--days", type=float, default=3)
    parser.add_argument("--skip", action="store_true", help="leave out what is quiet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="counterhub-days-") as folder:
        figures = run(options.days, Path(folder), skip=options.skip)
    for name, value in msgspec.structs.asdict(figures).items():
        print(f"{name:16} {value}")
    print("every promise held" if figures.ok else "PROMISES BROKEN")
    return 0 if figures.ok else 1


if __name__ == "__main__":
    sys.exit(main())
