"""A line of 115200 baud: how much of it receipts get, and how long a scan waits beside them."""

from __future__ import annotations

import asyncio
import random
import time

from tests.benchmarks.bench import SEED, UART_BAUD, UART_BYTES_A_S, Bench, Rig, article, receipt
from tests.benchmarks.bridge_process import RawTill, fetch_json
from tests.benchmarks.figures import Figure, percentile, spread
from tests.live_bridge import LiveBridge, Till, end_virtual_hub

SHARE_GOAL = 0.94
ADDED_UART_GOAL_MS = 15.0
ADDED_USB_GOAL_MS = 2.0
FAST_PRINTER_BYTES_A_S = 100_000  # three times what 80 mm paper takes at 300 mm/s
UART_JOB_BYTES, USB_JOB_BYTES = 20_000, 150_000
FILL_S = 0.3  # until the line is full
DRAWS = 400
FAST_PRINTER = f"[virtual]\nbaud_rate = {UART_BAUD}\nprinter_baud_rate = 1000000\nprint_speed_mm_per_s = 10000\n"


async def line_share(bench: Bench) -> list[Figure]:
    """Two sizes of job: what the longer one takes more is the line's time for the bytes that it has more."""
    scripted, statistics = await _share_scripted(bench)
    figures = [
        Figure(
            name="receipt bytes on a 115200 baud line",
            value=scripted,
            unit="share",
            goal=SHARE_GOAL,
            at_least=True,
            note="the bridge against a scripted hub, between two moments inside one long job",
        ),
        Figure(
            name="the same, by the link's own statistics",
            value=statistics,
            unit="share",
            goal=SHARE_GOAL,
            at_least=True,
            note="receipt bytes of all bytes that the bridge sent meanwhile; what is left is idle line",
        ),
    ]
    if bench.scale != "smoke":
        virtual = await _share_virtual(bench)
        figures.append(
            Figure(
                name="the same, with the real firmware (virtual hub)",
                value=virtual,
                unit="share",
                goal=SHARE_GOAL,
                at_least=True,
                note="from the times of two jobs of different length, so that proof and commit do not count",
            )
        )
    return figures


async def _share_scripted(bench: Bench) -> tuple[float, float]:
    rig = await bench.rig(baud=UART_BAUD)
    hub = rig.hub
    size_bytes = bench.pick(8_000, 100_000)
    skip_bytes = size_bytes // 10  # until the line is full
    marks: list[tuple[float, int, int]] = []

    hub.forget_counts()
    try:
        with bench.progress("bulk print at 115200 baud", size_bytes) as advance:

            def on_data(count: int) -> None:
                advance(count)
                if hub.job_bytes >= skip_bytes and count == 240:  # the last, shorter frame says nothing
                    marks.append((time.perf_counter(), hub.job_bytes, hub.line_bytes))

            hub.on_data = on_data
            till = RawTill(rig.bridge.raw)
            await till.open()
            await till.send(receipt(size_bytes))
            await till.finish()
    finally:
        hub.on_data = lambda count: None
    (began, first, line_first), (ended, last, line_last) = marks[0], marks[-1]
    return (last - first) / ((ended - began) * UART_BYTES_A_S), (last - first) / (line_last - line_first)


async def _share_virtual(bench: Bench) -> float:
    sizes = (24_000, 168_000)
    live = LiveBridge(bench.directory / "virtual", FAST_PRINTER)
    live.start()
    till = Till(live)
    try:
        await till.link_up()
        await till.until(lambda state: state["devices"]["printer"]["status"] == "ready")
        times = []
        with bench.progress("bulk print through the real firmware", sum(sizes)) as advance:
            for size_bytes in sizes:
                async with till.events() as socket:
                    started = ended = 0.0
                    job_id = await till.print(receipt(size_bytes))
                    while not ended:
                        event = await socket.receive_json()
                        if event["type"] == "job" and event["job"]["job_id"] == job_id:
                            state = event["job"]["state"]
                            if state == "sending":
                                started = time.perf_counter()
                            elif state in ("printed", "unconfirmed", "failed"):
                                ended = time.perf_counter()
                                if state != "printed":
                                    raise RuntimeError(f"the job is {state}: {event['job']['reason']}")
                times.append(ended - started)
                advance(size_bytes)
    finally:
        await till.close()
        live.stop()
        end_virtual_hub(live.state_dir)
    lengths = [len(receipt(size)) for size in sizes]
    return (lengths[1] - lengths[0]) / ((times[1] - times[0]) * UART_BYTES_A_S)


async def scan_beside_print(bench: Bench) -> list[Figure]:
    """Scans at random moments, on an idle link and while receipts print; the scan's own way is the same."""
    figures = []
    for in_memory in (True, False):
        where = "journal in memory" if in_memory else "journal on the disk"
        for speed, baud, printer_bytes_per_s, goal in (
            ("115200 baud", UART_BAUD, 0, ADDED_UART_GOAL_MS),
            ("USB speed", 0, FAST_PRINTER_BYTES_A_S, ADDED_USB_GOAL_MS),
        ):
            rig = await bench.rig(in_memory=in_memory, baud=baud)
            idle, busy = await _beside(bench, rig, f"{speed}, {where}", baud, printer_bytes_per_s)
            low, high = _added_between(idle, busy)
            figures.append(
                Figure(
                    name=f"p99, {speed}, {where}",
                    value=percentile(busy, 0.99) - percentile(idle, 0.99),
                    unit="ms",
                    goal=goal,
                    note=f"between {low:.2f} and {high:.2f} ms in nine of ten draws from the same scans; "
                    f"{_shown(idle, 'idle')}, {_shown(busy, 'printing')} ms",
                    detail={f"idle_{key}": value for key, value in spread(idle).items()}
                    | {f"printing_{key}": value for key, value in spread(busy).items()},
                )
            )
    return figures


def _added_between(idle: list[float], busy: list[float]) -> tuple[float, float]:
    """Where the difference would lie had other scans of the same kind been measured (bootstrap): each of the two
    percentiles is the word of five scans in five hundred."""
    chance = random.Random(SEED)
    found = sorted(
        percentile(chance.choices(busy, k=len(busy)), 0.99) - percentile(chance.choices(idle, k=len(idle)), 0.99)
        for _ in range(DRAWS)
    )
    return percentile(found, 0.05), percentile(found, 0.95)


def _shown(times: list[float], words: str) -> str:
    parts = (f"{name} {percentile(times, share):.2f}" for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)))
    return " ".join((words, *parts, f"max {max(times):.2f}"))


async def _beside(
    bench: Bench, rig: Rig, words: str, baud: int, printer_bytes_per_s: int
) -> tuple[list[float], list[float]]:
    """In turns, so that a neighbour who comes or goes is in both."""
    rounds, count = bench.pick(1, 4), bench.pick(3, 125)
    idle: list[float] = []
    busy: list[float] = []
    rig.hub.set_printer_speed(printer_bytes_per_s)
    try:
        with bench.progress(f"scans beside a print, {words}", 2 * rounds * count) as advance:
            for _ in range(rounds):
                idle += await time_scans(rig, count, advance)
                printing = asyncio.create_task(_keep_printing(rig, baud))
                try:
                    await asyncio.sleep(FILL_S)
                    busy += await time_scans(rig, count, advance)
                finally:
                    printing.cancel()
                    await asyncio.wait((printing,))
                await _queue_empty(rig)
    finally:
        rig.hub.set_printer_speed(0)
    return idle, busy


async def _keep_printing(rig: Rig, baud: int) -> None:
    """Receipts of one and a half to two seconds, one after the other."""
    data = receipt(UART_JOB_BYTES if baud else USB_JOB_BYTES)
    while True:
        till = RawTill(rig.bridge.raw)
        await till.open()
        await till.send(data)
        await till.finish()


async def _queue_empty(rig: Rig) -> None:
    async with asyncio.timeout(60):
        while (await fetch_json(rig.bridge.http, "/api/v1/state"))["devices"]["printer"]["queued_jobs"]:
            await asyncio.sleep(0.05)


async def time_scans(rig: Rig, count: int, advance: object, before: object = None) -> list[float]:
    """Milliseconds from a scan's first byte on the port to its event at the WebSocket client, each acknowledged."""
    chance = random.Random(SEED)
    times = []
    rig.events.forget()
    for number in range(count):
        if callable(before):
            before()
        await asyncio.sleep(chance.uniform(0.012, 0.030))
        sent_at = rig.hub.scan(article(number))
        arrived = await rig.events.next("scan")
        times.append((arrived.at - sent_at) * 1000)
        rig.events.acknowledge(arrived.event["sequence"])
        if callable(advance):
            advance()
    return times
