"""What size costs: a longer job, a longer journal. Flat or linear is well; the plots lie in the output folder."""

from __future__ import annotations

import asyncio
import hashlib
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
COMMITS = 50
ROOM = JournalLimits(max_bytes=1 << 36, max_age_days=3650, min_free_bytes=0)
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
    commits = bench.pick(5, COMMITS)
    place = MEMORY if MEMORY.is_dir() and bench.scale != "full" else bench.directory
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=place))
    journals: list[Journal] = []
    opens: list[float] = []
    try:
        with bench.progress("journals of 0 to 100,000 jobs", len(sizes) + commits) as advance:
            for size in sizes:
                path = directory / f"journal-{size}.sqlite3"
                await asyncio.to_thread(_fill, path, size)
                started = time.perf_counter()
                journals.append(await Journal.open(path, ROOM))
                opens.append(time.perf_counter() - started)
                advance()
            adds, lists = await _take_turns(journals, commits, advance)
    finally:
        for journal in journals:
            await journal.close()
        shutil.rmtree(directory)
    curves = {
        "opened": opens,
        "job of 1 kB added, median": [median(times) for times in adds],
        "newest 50 listed, median": [median(times) for times in lists],
    }
    write_plot(
        bench.out / "bench-journal-size.svg",
        "A journal that grows",
        "jobs in the journal (leftmost: none)",
        "seconds",
        [Line(name, list(zip(map(float, sizes), times, strict=True))) for name, times in curves.items()],
    )
    figures = [
        Figure(name=f"journal of {_count(sizes[at])}: {name}", value=times[at] * 1000, unit="ms")
        for name, times in curves.items()
        for at in (0, -1)
    ]
    growth = median(adds[-1]) / median(adds[0])
    return [*figures, Figure(name="job added, longest journal against none", value=growth, unit="×", goal=GROWN)]


async def _take_turns(
    journals: list[Journal], commits: int, advance: Advance
) -> tuple[list[list[float]], list[list[float]]]:
    """Seconds of each adding and of each listing, by journal."""
    adds: list[list[float]] = [[] for _ in journals]
    lists: list[list[float]] = [[] for _ in journals]
    for number in range(commits):
        data = receipt(NEW_JOB_BYTES, seed=number) + number.to_bytes(4, "big")
        for at in range(len(journals))[:: 1 if number % 2 else -1]:
            journal = journals[at]
            started = time.perf_counter()
            await journal.add_job(data, "bench")
            added = time.perf_counter()
            await journal.jobs(50)
            adds[at].append(added - started)
            lists[at].append(time.perf_counter() - added)
        advance()
    return adds, lists


def _fill(path: Path, jobs: int) -> None:
    """An empty journal, then its jobs in one go, as they lie after years of printing."""

    async def create() -> None:
        await (await Journal.open(path, ROOM)).close()

    asyncio.run(create())
    connection = sqlite3.connect(path)
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
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _count(number: int) -> str:
    """1000 as "1 k"."""
    for unit, letter in ((1_000_000, " M"), (1_000, " k")):
        if number >= unit:
            return f"{number // unit}{letter}"
    return str(number)
