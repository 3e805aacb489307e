"""Nobody hears of anything before its commit; calls share commits without undoing each other."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from host_bridge.journal import (
    JobState,
    Journal,
    JournalFailed,
    JournalLimits,
    JournalTimeout,
    store,
    worker,
)
from host_bridge.journal.store import Store
from tests.journal.bench import Held, commits_of


async def test_calls_that_queue_up_share_one_commit(journal, mocker):
    held = Held(journal)
    await held.begun()
    sizes = commits_of(journal, mocker)
    adding = [asyncio.ensure_future(journal.add_job(b"%d" % n, "raw")) for n in range(100)]
    await asyncio.sleep(0)
    await held.let_go()
    jobs = [job for job, _ in await asyncio.gather(*adding)]
    assert sizes == [100]
    assert await journal.open_jobs() == jobs


async def test_one_that_fails_in_a_group_does_not_undo_its_neighbours(journal, mocker):
    await journal.add_job(b"a", "api", "key")
    held = Held(journal)
    await held.begun()
    sizes = commits_of(journal, mocker)

    def half_done(s: Store) -> None:
        s.add_event("half", {})
        s.add_job("feedfeedfeedfeed", b"half", "raw", None)
        raise RuntimeError("broken")

    group = asyncio.gather(
        journal.add_job(b"b", "raw"),
        journal.add_job(b"c", "api", "key"),
        journal._worker.call(half_done),
        journal._worker.call(lambda s: s.connection.execute("INSERT INTO job_data VALUES (999, x'00')")),
        journal.add_job(b"d", "raw"),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    await held.let_go()
    outcomes = await group
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "tuple",
        "IdempotencyMismatch",
        "RuntimeError",
        "JournalFailed",
        "tuple",
    ]
    assert sizes == [5]
    assert [await journal.job_data(job.job_id) for job in await journal.open_jobs()] == [b"a", b"b", b"d"]
    assert await journal.events(10) == []


async def test_nobody_hears_of_a_group_before_its_commit(journal, tmp_path, mocker):
    """Seen from outside: a copy of the files at the moment of the answer holds the job."""
    held = Held(journal)
    await held.begun()
    adding = [asyncio.ensure_future(journal.add_job(b"%d" % n, "raw")) for n in range(20)]
    seen = []
    for number, task in enumerate(adding):
        task.add_done_callback(lambda done, n=number: seen.append((done.result()[0], copy(tmp_path, n))))
    await asyncio.sleep(0)
    await held.let_go()
    await asyncio.gather(*adding)
    await asyncio.sleep(0)
    assert len(seen) == 20
    for job, folder in seen[::7]:
        after = await Journal.open(folder / "journal.db", JournalLimits(min_free_bytes=0))
        assert await after.job(job.job_id) == job
        await after.close()


def copy(folder: Path, number: int) -> Path:
    """The files as a kill would leave them; call it while no commit is under way."""
    target = folder / f"copy{number}"
    target.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        if (folder / name).exists():
            (target / name).write_bytes((folder / name).read_bytes())
    return target


async def test_a_full_queue_makes_callers_wait_and_loses_nothing(journal, mocker):
    mocker.patch.object(worker, "MAX_QUEUE", 8)
    held = Held(journal)
    await held.begun()
    adding = [asyncio.ensure_future(journal.add_job(b"%d" % n, "raw")) for n in range(50)]
    await asyncio.sleep(0)
    assert journal._worker._pending == 8
    await held.let_go()
    await asyncio.gather(*adding)
    assert await journal.queued_count() == 50


async def test_job_bytes_in_the_queue_are_bounded_but_one_large_job_passes(journal, mocker):
    mocker.patch.object(worker, "MAX_QUEUE_BYTES", 1000)
    held = Held(journal)
    await held.begun()
    adding = [asyncio.ensure_future(journal.add_job(b"x" * 400, "raw")) for _ in range(10)]
    await asyncio.sleep(0)
    assert journal._worker._pending_bytes == 800
    await held.let_go()
    await asyncio.gather(*adding)
    await journal.add_job(b"x" * 5000, "raw")
    assert await journal.queued() == store.QueueSize(11, 9000)


async def test_a_job_whose_caller_went_away_is_not_printed_later(journal, mocker):
    held = Held(journal)
    await held.begun()
    adding = asyncio.ensure_future(journal.add_job(b"receipt", "api", "key"))
    await asyncio.sleep(0)
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    await held.let_go()
    assert await journal.open_jobs() == []
    _, replayed = await journal.add_job(b"receipt", "api", "key")
    assert not replayed, "the till's retry must print"


async def test_a_job_whose_caller_went_away_during_the_commit_has_failed_and_frees_its_key(journal, mocker):
    in_commit, go = threading.Event(), threading.Event()
    together = journal._worker._together

    def slow(s: Store, group: list):
        outcomes = together(s, group)
        in_commit.set()
        assert go.wait(20)
        return outcomes

    mocker.patch.object(journal._worker, "_together", slow)
    adding = asyncio.ensure_future(journal.add_job(b"receipt", "api", "key"))
    await asyncio.to_thread(in_commit.wait, 20)
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    go.set()
    assert await journal.open_jobs() == []
    [job] = await journal.jobs(1)
    assert (job.state, job.reason) == (JobState.FAILED, "abandoned")
    _, replayed = await journal.add_job(b"receipt", "api", "key")
    assert not replayed


async def test_a_disk_that_does_not_answer_is_an_error_after_the_deadline(journal, mocker):
    mocker.patch.object(worker, "REQUEST_DEADLINE_MS", 50)
    held = Held(journal)
    held._task.add_done_callback(lambda task: task.exception())
    await held.begun()
    with pytest.raises(JournalTimeout, match="did not answer for 50 ms"):
        await journal.add_job(b"receipt", "raw")
    held._go.set()
    mocker.patch.object(worker, "REQUEST_DEADLINE_MS", 20_000)
    assert await journal.open_jobs() == []


async def test_the_thread_survives_a_mistake_in_the_program(journal, mocker):
    mocker.patch.object(journal._worker, "_together", side_effect=RuntimeError("mistake"))
    with pytest.raises(JournalFailed, match="mistake"):
        await journal.add_job(b"receipt", "raw")
    mocker.stopall()
    await journal.add_job(b"receipt", "raw")


async def test_closing_finishes_what_is_queued_and_refuses_what_comes_after(tmp_path):
    journal = await Journal.open(tmp_path / "journal.db", JournalLimits(min_free_bytes=0))
    adding = [asyncio.ensure_future(journal.add_job(b"x", "raw")) for _ in range(10)]
    await asyncio.sleep(0)
    await journal.close()
    await journal.close()
    assert len(await asyncio.gather(*adding)) == 10
    with pytest.raises(JournalFailed, match="closed"):
        await journal.jobs(1)
    assert not (tmp_path / "journal.db-wal").exists(), "a clean end leaves everything in one file"
    journal = await Journal.open(tmp_path / "journal.db")
    assert await journal.queued_count() == 10
    await journal.close()


async def test_one_that_fails_alone_leaves_nothing(journal):
    def half_done(s: Store) -> None:
        s.add_event("half", {})
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await journal._worker.call(half_done)
    assert await journal.events(10) == []
    await journal.add_job(b"receipt", "raw")


async def test_nobody_hears_of_a_single_call_before_its_commit(journal, tmp_path):
    for number in range(3):
        job, _ = await journal.add_job(b"%d" % number, "raw")
        after = await Journal.open(copy(tmp_path, number) / "journal.db", JournalLimits(min_free_bytes=0))
        assert await after.job(job.job_id) == job
        await after.close()
