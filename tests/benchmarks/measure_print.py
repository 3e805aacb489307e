"""Receipts from the raw port to the serial port: as fast as it goes, and at the pace of a fast printer."""

from __future__ import annotations

import time

from tests.benchmarks.bench import Bench, Rig, receipt
from tests.benchmarks.bridge_process import Costs, RawTill
from tests.benchmarks.figures import Figure, median

RATE_GOAL_MB_S = 1.2  # what USB full speed carries
CPU_GOAL_PERCENT = 5.0
STEADY_BYTES_A_S = 100_000
JOB_BYTES = 200_000


async def printing(bench: Bench) -> list[Figure]:
    rig = await bench.rig()
    jobs = bench.pick(1, 20)
    rates, busy = [], []
    rounds = bench.pick(1, 3)
    with bench.progress("receipts as fast as they go", rounds) as advance:
        for number in range(rounds):
            rate, cpu = await _bulk(rig, receipt(JOB_BYTES, seed=number), jobs)
            rates.append(rate)
            busy.append(cpu)
            advance()
    steady = await _steady(bench, rig)
    return [
        Figure(
            name="receipts, raw port to serial port",
            value=median(rates),
            unit="MB/s",
            goal=RATE_GOAL_MB_S,
            at_least=True,
            note=f"{jobs} jobs of {JOB_BYTES // 1000} kB on one connection, from connect to the last byte, journal on; "
            f"{median(busy):.0f} % of a core",
            detail={"cpu_percent": median(busy), "slowest": min(rates), "fastest": max(rates)},
        ),
        Figure(
            name="processor at 100 kB/s",
            value=steady,
            unit="%",
            goal=CPU_GOAL_PERCENT,
            note="of one core; the printer takes the bytes evenly",
        ),
    ]


async def _bulk(rig: Rig, data: bytes, jobs: int) -> tuple[float, float]:
    """MB/s and per cent of a core."""
    rig.hub.forget_counts()
    before = rig.bridge.costs()
    started = time.perf_counter()
    till = RawTill(rig.bridge.raw)
    await till.open()
    for _ in range(jobs):
        await till.send(data)
    await till.finish()
    took = rig.hub.job_ended_at - started
    if rig.hub.job_bytes != jobs * len(data):
        raise RuntimeError(f"{jobs * len(data)} bytes sent, {rig.hub.job_bytes} arrived")
    return rig.hub.job_bytes / took / 1e6, rig.bridge.costs().share_since(before) * 100


async def _steady(bench: Bench, rig: Rig) -> float:
    seconds = bench.pick(1, 10)
    data = receipt(STEADY_BYTES_A_S // 2)
    marks: list[Costs] = []
    hub = rig.hub
    hub.forget_counts()
    hub.set_printer_speed(STEADY_BYTES_A_S)
    whole_bytes = 2 * seconds * len(data)
    try:
        with bench.progress("receipts at 100 kB/s", whole_bytes) as advance:

            def on_data(count: int) -> None:
                advance(count)
                if not marks:
                    marks.append(rig.bridge.costs())

            hub.on_data = on_data
            till = RawTill(rig.bridge.raw)
            await till.open()
            for _ in range(2 * seconds):
                await till.send(data)
            await till.finish()
            marks.append(rig.bridge.costs())
    finally:
        hub.on_data = lambda count: None
        hub.set_printer_speed(0)
    # By the bytes, not the seconds: a printer that waited for the bridge would make it look cheaper.
    return (marks[1].cpu_s - marks[0].cpu_s) / (whole_bytes / STEADY_BYTES_A_S) * 100
