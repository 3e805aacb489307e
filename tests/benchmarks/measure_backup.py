"""How long a change of path takes, and what standing by costs."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from tests.benchmarks.bench import SEED, Bench
from tests.benchmarks.bridge_process import BridgeProcess, EventSocket, Stamped
from tests.benchmarks.figures import Figure, percentile, spread
from tests.hub.peers import Pty, TwoPathHub

PULLED_GOAL_MS = 300.0  # what a port that is back may take
SILENT_GOAL_MS = 2200.0  # what noticing a silent hub may take
GAP_GOAL_MS = 300.0
IDLE_GOAL_PERCENT = 0.5  # of the whole bridge, as without a backup path
SETTLED_S = 0.7
READY = ["in_use", "standby"]


async def backup_path(bench: Bench) -> list[Figure]:
    directory = bench.directory / "backup"
    directory.mkdir(parents=True, exist_ok=True)
    lines = Pty(directory / "usb"), Pty(directory / "uart")
    config = f"[hub]\nport = '{lines[0].path}'\nbackup_port = '{lines[1].path}'\n"
    bridge = BridgeProcess(directory, config, state_dir=directory / "state")
    with TwoPathHub(lines) as hub:
        try:
            bridge.start()
            events = EventSocket(bridge.http)
            await events.open()
            return await _Measurement(bench, bridge, hub, events).run()
        finally:
            await events.close()
            bridge.stop()
            for line in lines:
                line.vanish()


class _Measurement:
    def __init__(self, bench: Bench, bridge: BridgeProcess, hub: TwoPathHub, events: EventSocket) -> None:
        self._bench = bench
        self._bridge = bridge
        self._hub = hub
        self._events = events
        self._chance = random.Random(SEED)

    async def run(self) -> list[Figure]:
        pick = self._bench.pick
        pulls, silences, returns = pick(1, 12), pick(0, 3), pick(0, 2)
        pulled, silent, gaps = [], [], []
        await self._until(READY, "state")
        idle_percent = await self._idle(pick(1, 10))
        with self._bench.progress("paths changed", pulls + silences + returns) as advance:
            for _ in range(returns):  # first: each failure of the primary makes the next one wait longer
                gaps.append(await self._hand_back())
                advance()
            for number in range(pulls):
                pulled.append(await self._pull(number % 2))
                advance()
            for number in range(silences):
                silent.append(await self._fall_silent((pulls + number) % 2))
                advance()
        figures = [_figure("cable pulled → up on the other path, p99", pulled, PULLED_GOAL_MS)]
        if silent:
            figures.append(_figure("path silent → up on the other path, p99", silent, SILENT_GOAL_MS))
        if gaps:
            figures.append(_figure("hand back: down → up, the longest", gaps, GAP_GOAL_MS))
        note = "one hub on two paths, the second on standby"
        return [
            *figures,
            Figure(
                name="processor, idle, with a backup path",
                value=idle_percent,
                unit="%",
                goal=IDLE_GOAL_PERCENT,
                note=note,
            ),
        ]

    async def _idle(self, seconds: int) -> float:
        before = self._bridge.costs()
        await asyncio.sleep(seconds)
        return self._bridge.costs().share_since(before) * 100

    async def _pull(self, path: int) -> float:
        """Of the path in use; it is put back afterwards."""
        await self._settled()
        pulled_at = time.perf_counter()
        self._hub.lines[path].vanish()
        up = await self._until(["down", "in_use"] if path == 0 else ["in_use", "down"])
        self._hub.lines[path].plug_in()
        await self._until(["standby", "in_use"] if path == 0 else READY)
        return (up.at - pulled_at) * 1000

    async def _fall_silent(self, path: int) -> float:
        await self._settled()
        silent_at = time.perf_counter()
        self._hub.mute[path] = self._hub.deaf[path] = True
        up = await self._until(["down", "in_use"] if path == 0 else ["in_use", "down"])
        self._hub.mute[path] = self._hub.deaf[path] = False
        await self._until(["standby", "in_use"] if path == 0 else READY)
        return (up.at - silent_at) * 1000

    async def _hand_back(self) -> float:
        """Milliseconds without a session; the wait before it is by design."""
        await self._settled()
        self._hub.lines[0].vanish()
        await self._until(["down", "in_use"])
        self._hub.lines[0].plug_in()
        await self._until(["standby", "in_use"])
        down = await self._events.link("down", 60)
        up = await self._events.link("up", 60)
        return (up.at - down.at) * 1000

    async def _settled(self) -> None:
        await asyncio.sleep(SETTLED_S + self._chance.uniform(0, 0.5))
        self._events.forget()

    async def _until(self, wanted: list[str], kind: str = "link") -> Stamped:
        """The next word of the link that its paths are so."""
        while True:
            stamped = await self._events.next(kind, 60)
            link: dict[str, Any] = stamped.event["state"]["link"] if kind == "state" else stamped.event["link"]
            if link["status"] == "up" and [path["status"] for path in link["paths"]] == wanted:
                return stamped
            kind = "link"


def _figure(name: str, times: list[float], goal: float) -> Figure:
    note = f"{len(times)} times; median {percentile(times, 0.5):.0f} ms; the p99 of so few is the slowest"
    return Figure(name=name, value=percentile(times, 0.99), unit="ms", goal=goal, detail=spread(times), note=note)
