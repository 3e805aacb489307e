"""How soon trouble on the link shows, and how soon it is over."""

from __future__ import annotations

import asyncio
import random
import time

from tests.benchmarks.bench import SEED, Bench, Rig
from tests.benchmarks.bridge_process import EventSocket
from tests.benchmarks.figures import Figure, percentile, spread

UNPLUG_GOAL_MS = 100.0
SILENT_GOAL_MS = 2200.0
BACK_GOAL_MS = 300.0
SETTLED_S = 0.7  # the link is up, and between two signs of life at a random moment
SHORT_OUT_S = (0.1, 1.5)  # a plug that is put back at once: the hub still believes in its session
LONG_OUT_S = (2.2, 3.4)  # the hub has given its session up


async def recovery(bench: Bench) -> list[Figure]:
    rig = Rig(bench.directory / "recovery")
    await rig.start()
    chance = random.Random(SEED)
    unplugged: list[float] = []
    back: dict[str, list[float]] = {"short": [], "long": [], "restarted": []}
    rounds = bench.pick(1, 8)
    silences = bench.pick(0, 4)
    try:
        with bench.progress("cables pulled and put back", 3 * rounds + silences) as advance:
            for kind, out_s in (("short", SHORT_OUT_S), ("long", LONG_OUT_S), ("restarted", SHORT_OUT_S)):
                for _ in range(rounds):
                    down_ms, up_ms = await _pull(rig, chance, chance.uniform(*out_s), restart=kind == "restarted")
                    unplugged.append(down_ms)
                    back[kind].append(up_ms)
                    advance()
                if bench.scale == "smoke":
                    break
            silent = []
            for _ in range(silences):
                silent.append(await _fall_silent(rig, chance))
                advance()
    finally:
        await rig.stop()
    words = {
        "short": "port back → up, out below 1.5 s, p99",
        "long": "port back → up, out above 2 s, p99",
        "restarted": "port back → up, hub restarted, p99",
    }
    figures = [_figure("unplug noticed, p99", unplugged, UNPLUG_GOAL_MS)]
    if silent:
        figures.append(_figure("silent hub noticed, p99", silent, SILENT_GOAL_MS))
    return figures + [_figure(words[kind], times, BACK_GOAL_MS) for kind, times in back.items() if times]


def _figure(name: str, times: list[float], goal: float) -> Figure:
    note = f"{len(times)} times; median {percentile(times, 0.5):.0f} ms; the p99 of so few is the slowest"
    return Figure(name=name, value=percentile(times, 0.99), unit="ms", goal=goal, detail=spread(times), note=note)


async def _pull(rig: Rig, chance: random.Random, out_s: float, *, restart: bool) -> tuple[float, float]:
    """Milliseconds until a till knows that the link is down, and, with the port back, that it is up."""
    await asyncio.sleep(SETTLED_S + chance.uniform(0, 0.5))
    rig.events.forget()
    pulled_at = time.perf_counter()
    rig.hub.unplug()
    down_ms = await _until(rig.events, "down", pulled_at)
    await asyncio.sleep(out_s)
    if restart:
        rig.hub.boot()
    rig.events.forget()
    back_at = time.perf_counter()
    await rig.hub.plug()
    return down_ms, await _until(rig.events, "up", back_at)


async def _fall_silent(rig: Rig, chance: random.Random) -> float:
    """Milliseconds until a till knows that the link is down."""
    await asyncio.sleep(SETTLED_S + chance.uniform(0, 0.5))
    rig.events.forget()
    silent_at = time.perf_counter()
    rig.hub.silent = True
    noticed_ms = await _until(rig.events, "down", silent_at)
    rig.hub.speak()
    await rig.events.link("up")
    return noticed_ms


async def _until(events: EventSocket, status: str, since: float) -> float:
    return ((await events.link(status)).at - since) * 1000
