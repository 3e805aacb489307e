"""What size costs: a longer job, a longer journal. Flat or linear is well; the plots lie in the output folder."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

from host_bridge.journal import Journal
from host_bridge.journal.limits import JournalLimits
from tests.benchmarks.bench import MEMORY, Advance, Bench, receipt
from tests.benchmarks.bridge_process import RawTill
from tests.benchmarks.figures import Figure, median
from tests.benchmarks.plot import Line, write_plot

JOB_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
JOURNAL_SIZES = (0, 1_000, 10_000, 100_000)
MILLION = 1_000_000
OLD_JOB_BYTES = 200
NEW_JOB_BYTES = 1_000
TURNS = 50
OPENINGS = 3
ROOM = JournalLimits(max_bytes=1 << 36, max_age_days=3650, min_free_bytes=0)
YOUNG = JournalLimits(max_bytes=1 << 36, max_age_days=30, min_free_bytes=0)
LATER_S = 40 * 86_400
BETWEEN_SCANS_S = 0.02
ROOM_OF_ALL_BYTES = 4 << 30  # that must be free where they are all kept in memory
# Linear at most: ten times the bytes, no more than ten times the time, with room for a noisy machine.
LINEAR = 1.5
# Each index of a long journal is a few pages deeper: a job costs a little more, and no more with each year.
GROWN = 2.0


async def job_sizes(bench: Bench) -> list[Figure]:
    """From connect to the proof of printing, as the raw port's client sees it; the hub prints at once."""
    rig = await bench.rig(in_memory=True)
    sizes = JOB_SIZES[: bench.pick(2, len(JOB_SIZES))]
    rounds = bench.pick(1, 3)
    points = []
    with bench.progress("jobs of 1 kB to 10 MB", len(sizes) * rounds) as advance:
        for size in sizes:
            times = []
            for number in range(rounds):
                data = receipt(size, seed=number)
                started = time.perf_counter()
                till = RawTill(rig.bridge.raw)
                await till.open()
                await till.send(data)
                await till.finish()
                times.append(time.perf_counter() - started)
                advance()
            points.append((float(size), median(times)))
    write_plot(
        bench.out / "bench-job-size.svg",
        "A job from the raw port to its proof",
        "bytes",
        "seconds",
        [Line("job", points)],
    )
    figures = [Figure(name=f"job of {_count(int(size))}B", value=took * 1000, unit="ms") for size, took in points]
    if len(points) > 2:
        (small, quick), (large, slow) = points[-2], points[-1]
        growth = (slow / quick) / (large / small)
        figures.append(
            Figure(
                name="time a byte, 10 MB against 1 MB", value=growth, unit="×", goal=LINEAR, note="1 would be linear"
            )
        )
    return figures


async def journal_sizes(bench: Bench) -> list[Figure]:
    """All journals are open at once and take turns, in memory where they fit: a disk's moods are no cost of size."""
    sizes = [*JOURNAL_SIZES[: bench.pick(2, len(JOURNAL_SIZES))], *([MILLION] if bench.scale == "full" else [])]
    turns = bench.pick(5, TURNS)
    fits = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_OF_ALL_BYTES
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=MEMORY if fits else bench.directory))
    paths = [directory / f"journal-{size}.sqlite3" for size in sizes]
    try:
        with bench.progress(f"journals of 0 to {_count(sizes[-1])} jobs", 2 * len(sizes) + turns) as advance:
            for size, path in zip(sizes, paths, strict=True):
                await asyncio.to_thread(_fill, path, size)
                advance()
            taken = await _take_turns(paths, turns, advance)
            pruned = []
            for path in paths:
                pruned.append(await _prune(path))
                advance()
    finally:
        shutil.rmtree(directory)
    curves = {name: [median(times) for times in by_journal] for name, by_journal in taken.items()}
    curves["all of it pruned"] = [seconds for seconds, _ in pruned]
    curves["longest wait of a scan meanwhile"] = [longest for _, longest in pruned]
    write_plot(
        bench.out / "bench-journal-size.svg",
        "A journal that grows",
        "jobs and scans in the journal (leftmost: none)",
        "seconds",
        [Line(name, list(zip(map(float, sizes), times, strict=True))) for name, times in curves.items()],
    )
    figures = [
        Figure(name=f"journal of {_count(sizes[at])}: {name}", value=times[at] * 1000, unit="ms")
        for name, times in curves.items()
        for at in (0, -1)
    ]
    adds = curves["job of 1 kB added"]
    growth = Figure(name="job added, longest journal against none", value=adds[-1] / adds[0], unit="×", goal=GROWN)
    if len(sizes) < 3:
        return [*figures, growth]
    times = curves["all of it pruned"]
    each = (times[-1] / times[-2]) / (sizes[-1] / sizes[-2])
    return [*figures, growth, Figure(name="pruning a job, longest journal against the next", value=each, unit="×")]


async def _take_turns(paths: list[Path], turns: int, advance: Advance) -> dict[str, list[list[float]]]:
    """Seconds of each call, by what was called and by journal."""
    taken: dict[str, list[list[float]]] = {
        name: [[] for _ in paths]
        for name in ("opened", "job of 1 kB added", "scan added", "newest 50 listed", "read at start")
    }
    for _ in range(OPENINGS):
        for at, path in enumerate(paths):
            began = time.perf_counter()
            journal = await Journal.open(path, ROOM)
            taken["opened"][at].append(time.perf_counter() - began)
            await journal.close()
    journals = [await Journal.open(path, ROOM) for path in paths]
    try:
        for number in range(turns):
            data = receipt(NEW_JOB_BYTES, seed=number) + number.to_bytes(4, "big")
            for at in range(len(journals))[:: 1 if number % 2 else -1]:
                journal = journals[at]
                calls = {
                    "job of 1 kB added": journal.add_job(data, "bench"),
                    "scan added": _add_scan(journal, number),
                    "newest 50 listed": journal.jobs(50),
                    "read at start": _read_as_at_start(journal),
                }
                for name, call in calls.items():
                    began = time.perf_counter()
                    await call
                    taken[name][at].append(time.perf_counter() - began)
            advance()
    finally:
        for journal in journals:
            await journal.close()
    return taken


async def _add_scan(journal: Journal, number: int) -> None:
    await journal.add_scan("hub", "bench", number, b"4006381333931", "]E0", True, False, time.time())


async def _read_as_at_start(journal: Journal) -> None:
    """What a bridge asks before it lets tills in."""
    await journal.open_jobs()
    await journal.waiting_scans()
    await journal.abandon_open_kicks("bench")


async def _prune(path: Path) -> tuple[float, float]:
    """Seconds that it takes to prune what is all too old, and the longest that a scan waited meanwhile."""
    journal = await Journal.open(path, YOUNG, clock=lambda: time.time() + LATER_S)
    waits = [0.0]

    async def scans() -> None:
        for number in itertools.count(1_000_000):
            began = time.perf_counter()
            await _add_scan(journal, number)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(BETWEEN_SCANS_S)

    scanning = asyncio.create_task(scans())
    try:
        began = time.perf_counter()
        await journal.prune()
        took = time.perf_counter() - began
    finally:
        scanning.cancel()
        await asyncio.wait((scanning,))
        await journal.close()
    return took, max(waits)


def _fill(path: Path, jobs: int) -> None:
    """An empty journal, then its jobs in one go, as they lie after years of printing."""

    async def create() -> None:
        await (await Journal.open(path, ROOM)).close()

    asyncio.run(create())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")  # nobody waits for these
    connection.execute("PRAGMA cache_size = -262144")
    now = time.time()
    data = b"Jasmine tea 2.50\n" * (OLD_JOB_BYTES // 17)
    with connection:
        connection.executemany(
            "INSERT INTO jobs (number, job_id, state, source, size_bytes, sha256, created_at, updated_at)"
            " VALUES (?, ?, 'printed', 'raw', ?, ?, ?, ?)",
            (
                (n, f"{n:016x}", len(data), hashlib.sha256(n.to_bytes(8, "big")).hexdigest(), now - 3600, now - 3600)
                for n in range(1, jobs + 1)
            ),
        )
        connection.executemany(
            "INSERT INTO job_data (number, data) VALUES (?, ?)", ((n, data) for n in range(1, jobs + 1))
        )
        connection.executemany(
            "INSERT INTO scans (hub_id, boot_id, hub_sequence, raw, symbology, check_digit_ok, repeat, read_at, state)"
            " VALUES ('hub', 'old', ?, ?, ']E0', 1, 0, ?, 'delivered')",
            ((n, b"4006381333931", now - 3600) for n in range(1, jobs + 1)),
        )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _count(number: int) -> str:
    """1000 as "1 k"."""
    for unit, letter in ((1_000_000, " M"), (1_000, " k")):
        if number >= unit:
            return f"{number // unit}{letter}"
    return str(number)
