"""A bridge with one hub and nothing to do."""

from __future__ import annotations

import asyncio

from tests.benchmarks.bench import Bench, Rig
from tests.benchmarks.figures import Figure

CPU_GOAL_PERCENT = 0.5
RESIDENT_GOAL_MB = 70.0
STEP_S = 0.5


async def idle(bench: Bench) -> list[Figure]:
    """In a bridge of its own, so that nothing before it counts."""
    rig = Rig(bench.directory / "idle")
    await rig.start()
    try:
        steps = bench.pick(2, 40)
        await asyncio.sleep(bench.pick(0, 1))  # the start is over
        before = rig.bridge.costs()
        with bench.progress("an idle bridge", steps) as advance:
            for _ in range(steps):
                await asyncio.sleep(STEP_S)
                advance()
        after = rig.bridge.costs()
    finally:
        await rig.stop()
    return [
        Figure(
            name="processor, idle",
            value=after.share_since(before) * 100,
            unit="%",
            goal=CPU_GOAL_PERCENT,
            note=f"of one core, over {steps * STEP_S:.0f} s, one hub and one till's WebSocket",
        ),
        Figure(name="memory, idle", value=after.resident_bytes / 1e6, unit="MB", goal=RESIDENT_GOAL_MB),
    ]
