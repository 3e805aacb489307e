"""What each further hub costs a bridge that has nothing to do: memory and processor, for 1 to 32 hubs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.benchmarks.bench import Bench
from tests.benchmarks.bridge_process import BridgeProcess, Costs, fetch_json
from tests.benchmarks.figures import Figure
from tests.benchmarks.plot import Line, write_plot
from tests.benchmarks.scripted_hub import ScriptedHub

COUNTS = (1, 2, 4, 8, 16, 32)
CPU_GOAL_PERCENT = 0.1
MEMORY_GOAL_MB = 1.0
# Linear at most: the second half of the hubs costs no more than the first, with room for a noisy machine.
LINEAR = 1.5
STEP_S = 0.5
UP_DEADLINE_S = 60.0


async def hub_counts(bench: Bench) -> list[Figure]:
    """The hubs are scripted and run in this process: only the bridge's own is counted."""
    counts = COUNTS[: bench.pick(2, len(COUNTS))]
    steps = bench.pick(1, 16)
    memory: list[tuple[float, float]] = []
    processor: list[tuple[float, float]] = []
    with bench.progress("bridges with 1 to 32 hubs", len(counts) * steps) as advance:
        for count in counts:
            shop = _Shop(bench.directory / f"hubs-{count}", count)
            await shop.start()
            try:
                await asyncio.sleep(bench.pick(0, 2))  # the start is over
                before = shop.bridge.costs()
                for _ in range(steps):
                    await asyncio.sleep(STEP_S)
                    advance()
                after = shop.bridge.costs()
            finally:
                await shop.stop()
            memory.append((float(count), after.resident_bytes / 1e6))
            processor.append((float(count), _percent(before, after)))
    write_plot(
        bench.out / "bench-hubs-memory.svg", "Memory of an idle bridge", "hubs", "MB", [Line("resident", memory)]
    )
    write_plot(
        bench.out / "bench-hubs-processor.svg",
        "Processor time of an idle bridge",
        "hubs",
        "% of one core",
        [Line("processor", processor)],
    )
    note = f"slope from {counts[0]} to {counts[-1]} hubs, each with its link up and its raw port open"
    figures = [
        Figure(name="memory, each further hub", value=_slope(memory), unit="MB", goal=MEMORY_GOAL_MB, note=note),
        Figure(
            name="processor, each further hub",
            value=_slope(processor),
            unit="%",
            goal=CPU_GOAL_PERCENT,
            note=f"of one core, idle, over {steps * STEP_S:.0f} s",
        ),
        Figure(name=f"memory, {counts[-1]} hubs", value=memory[-1][1], unit="MB"),
        Figure(name=f"processor, {counts[-1]} hubs", value=processor[-1][1], unit="%"),
    ]
    if len(counts) > 2:
        growth = _slope(memory[-2:]) / max(_slope(memory[:-1]), 0.01)
        figures.append(
            Figure(name="memory a hub, 16 to 32 against 1 to 16", value=growth, unit="×", goal=LINEAR, note="1: linear")
        )
    return figures


class _Shop:
    """A bridge with so many scripted hubs, all of them up."""

    def __init__(self, directory: Path, count: int) -> None:
        directory.mkdir(parents=True)
        self.hubs = {f"h{n}": ScriptedHub(directory / f"hub-{n}", hub_id=b"hub-%04d" % n) for n in range(count)}
        tables = [
            f"[hubs.{name}]\nport = '{hub.path}'\nraw_listen = '127.0.0.1:0'\n" for name, hub in self.hubs.items()
        ]
        config = "\n".join(tables)
        self.bridge = BridgeProcess(directory, config, state_dir=directory / "state", several=True)

    async def start(self) -> None:
        await asyncio.gather(*(hub.plug() for hub in self.hubs.values()))
        await asyncio.to_thread(self.bridge.start)
        deadline = time.monotonic() + UP_DEADLINE_S
        while not all(hub["link"] == "up" for hub in (await fetch_json(self.bridge.http, "/api/v1/hubs"))["hubs"]):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not all of {len(self.hubs)} hubs came up within {UP_DEADLINE_S:.0f} s")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        await asyncio.to_thread(self.bridge.stop)
        for hub in self.hubs.values():
            hub.stop()


def _percent(before: Costs, after: Costs) -> float:
    return after.share_since(before) * 100


def _slope(points: list[tuple[float, float]]) -> float:
    """Of the straight line with the least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
