"""On a full disk new jobs are refused early and what runs is finished."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from host_bridge.journal import Job, JobState, Journal, JournalFull, JournalLimits, KickState, room, worker
from host_bridge.journal.store import DAY_S
from tests.journal.bench import QUEUED, SENDING, Held, on_connection, scan


async def test_new_jobs_are_refused_early_and_running_ones_are_finished(tmp_path, clock, mocker):
    usage = mocker.patch("host_bridge.journal.room.shutil.disk_usage")
    usage.return_value.free = 1 << 30
    journal = await Journal.open(tmp_path / "journal.db", JournalLimits(min_free_bytes=64 << 20), clock)
    assert journal.accepting() is None
    running, _ = await journal.add_job(b"running", "raw")
    usage.return_value.free = (64 << 20) + 10
    await journal.add_job(b"0123456789", "raw")
    with pytest.raises(JournalFull, match=r"67108874 bytes left.*journal\.min_free_bytes.*make room"):
        await journal.add_job(b"01234567890", "raw")
    usage.return_value.free = 1000
    await journal._worker.call(lambda s: s.room.look())
    assert isinstance(journal.accepting(), JournalFull)
    await journal.set_job(running.job_id, JobState.SENDING, expected=QUEUED)
    await scan(journal, 1)
    await journal.add_kick("api", 1)
    usage.return_value.free = 1 << 30
    await journal._worker.call(lambda s: s.room.look())
    assert journal.accepting() is None
    await journal.close()


async def test_the_free_room_is_measured_when_nobody_asks_and_a_change_is_told(tmp_path, clock, mocker):
    mocker.patch.object(worker, "LOOK_INTERVAL_MS", 10)
    usage = mocker.patch("host_bridge.journal.room.shutil.disk_usage")
    usage.return_value.free = 1 << 30
    journal = await Journal.open(tmp_path / "journal.db", JournalLimits(), clock)
    told: asyncio.Queue[JournalFull | None] = asyncio.Queue()
    journal.watch_room(lambda: told.put_nowait(journal.accepting()))
    usage.return_value.free = 1000
    async with asyncio.timeout(10):
        assert isinstance(await told.get(), JournalFull)
    usage.return_value.free = 1 << 30
    async with asyncio.timeout(10):
        assert await told.get() is None
    await journal.close()
    assert told.empty()


async def test_when_pages_run_out_new_jobs_are_refused_and_states_still_change(journal):
    """SQLITE_FULL from inside SQLite itself."""
    running, _ = await journal.add_job(b"running", "raw")
    [(pages,)] = await on_connection(journal, "PRAGMA page_count")
    await on_connection(journal, f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalFull, match="full"):
        await journal.add_job(b"x" * 100_000, "raw")
    assert isinstance(journal.accepting(), JournalFull)
    assert await journal.open_jobs() == [running]
    sending = await journal.set_job(running.job_id, JobState.SENDING, expected=QUEUED)
    assert await journal.open_jobs() == [sending]
    await on_connection(journal, "PRAGMA max_page_count = 1000000")
    await journal.add_job(b"x" * 100_000, "raw")


async def test_a_full_disk_in_a_group_costs_only_those_that_need_the_room(journal):
    running, _ = await journal.add_job(b"running", "raw")
    [(pages,)] = await on_connection(journal, "PRAGMA page_count")
    held = Held(journal)
    await held.begun()
    group = asyncio.gather(
        on_connection(journal, f"PRAGMA max_page_count = {pages}"),
        journal.set_job(running.job_id, JobState.SENDING, expected=QUEUED),
        journal.add_job(b"x" * 100_000, "raw"),
        journal.set_job(running.job_id, JobState.PRINTED, expected=SENDING),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    await held.let_go()
    outcomes = await group
    assert [type(outcome).__name__ for outcome in outcomes] == ["list", "Job", "JournalFull", "Job"]
    assert (await journal.job(running.job_id)).state == JobState.PRINTED


def mounted(folder: Path) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], capture_output=True).returncode == 0
    )


async def test_on_a_really_full_disk_running_jobs_go_on_by_the_reserve(tmp_path, clock):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted(disk):
        pytest.skip("needs the right to mount a tmpfs")
    try:
        journal = await Journal.open(disk / "journal.db", JournalLimits(min_free_bytes=0), clock)
        reserve = disk / "journal.db.reserve"
        assert reserve.stat().st_size == room.RESERVE_BYTES
        accepted: list[Job] = []
        with pytest.raises(JournalFull, match="room"):
            while len(accepted) < 1000:
                accepted.append((await journal.add_job(bytes([len(accepted) % 256]) * 50_000, "raw"))[0])
        assert len(accepted) > 20
        fill(disk / "filler")
        # Everything that was accepted is printed, with scans and kicks in between, on a disk with no room at all.
        for number, job in enumerate(accepted):
            await journal.set_job(job.job_id, JobState.SENDING, expected=QUEUED)
            await scan(journal, number)
            kick, _ = await journal.add_kick("api", 1)
            await journal.settle_kick(kick.kick_id, KickState.OPENED)
            await journal.set_job(job.job_id, JobState.PRINTED, expected=SENDING)
        assert await journal.queued_count() == 0
        with pytest.raises(JournalFull):
            await journal.add_job(b"x" * 50_000, "raw")
        assert isinstance(journal.accepting(), JournalFull)
        await journal.close()
        journal = await Journal.open(disk / "journal.db", JournalLimits(min_free_bytes=0), clock)
        assert {job.state for job in await journal.jobs(1000)} == {JobState.PRINTED}
        assert await journal.job_data(accepted[5].job_id) == bytes([5]) * 50_000
        assert len(await journal.waiting_scans()) == len(accepted)
        (disk / "filler").unlink()
        clock.now += 31 * DAY_S
        assert (await journal.prune()).jobs == len(accepted)
        await journal._worker.call(lambda s: s.room.look())
        assert reserve.exists(), "laid in again"
        await journal.add_job(b"x" * 50_000, "raw")
        await journal.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\xff" * size)
            except OSError:
                continue
