"""The journal stays small, removes nothing that is open, and serves others meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from host_bridge.journal import Job, JobState, Journal, JournalFull, JournalLimits, KickState, ScanState, pruning, store
from host_bridge.journal.records import TRACE_KIND
from host_bridge.journal.store import DAY_S
from tests.journal.bench import NOON, QUEUED, SENDING, commits_of, on_connection, print_job, scan


async def test_old_things_are_pruned_but_nothing_that_is_open(journal, clock):
    old_open, _ = await journal.add_job(b"open", "raw")
    old_sending, _ = await journal.add_job(b"sending", "raw")
    await journal.set_job(old_sending.job_id, JobState.SENDING, expected=QUEUED)
    old_final = await print_job(journal, b"final", "key")
    for number in range(3):
        await scan(journal, number)
    await journal.settle_scan(1, ScanState.DELIVERED)
    await journal.settle_scan(2, ScanState.EXPIRED)
    await journal.add_kick("api", 1)
    await journal.add_kick("api", 1)
    await journal.settle_kick(1, KickState.OPENED)
    await journal.add_event("old", {})
    clock.now += 30 * DAY_S - 1
    assert (await journal.prune()).keys == 1
    assert await journal.job(old_final) is not None
    young = await print_job(journal, b"young")
    await journal.add_event("young", {})
    clock.now += 2
    pruned = await journal.prune()
    assert (pruned.jobs, pruned.scans, pruned.kicks, pruned.events) == (1, 2, 1, 1)
    assert [job.job_id for job in await journal.jobs(10)] == [young, old_sending.job_id, old_open.job_id]
    assert await journal.job_data(old_open.job_id) == b"open"
    assert await journal.job_data(old_final) is None
    assert [s.sequence for s in await journal.scans_after(0, 10)] == [3]
    assert (await journal.kick(1), (await journal.kick(2)).state) == (None, KickState.REQUESTED)
    assert [event.kind for event in await journal.events(10)] == ["young"]
    assert await on_connection(journal, "SELECT count(*) FROM job_data") == [(3,)]


async def test_a_key_lives_a_day_even_when_its_job_must_make_room(tmp_path, clock):
    limits = JournalLimits(max_bytes=400_000, min_free_bytes=0)
    journal = await Journal.open(tmp_path / "journal.db", limits, clock)
    job_id = await print_job(journal, b"x" * 100_000, "key")
    for number in range(10):
        await print_job(journal, bytes([number]) * 100_000)
    assert await journal.job_data(job_id) is None
    job, replayed = await journal.add_job(b"x" * 100_000, "raw", "key")
    assert (job.job_id, job.state, replayed) == (job_id, JobState.PRINTED, True)
    clock.now += DAY_S + 1
    await journal.prune()
    job, replayed = await journal.add_job(b"x" * 100_000, "raw", "key")
    assert not replayed
    await journal.close()


async def test_the_file_stays_within_its_size_and_the_oldest_finished_jobs_make_room(tmp_path, clock):
    limits = JournalLimits(max_bytes=2_000_000, min_free_bytes=0)
    path = tmp_path / "journal.db"
    journal = await Journal.open(path, limits, clock)
    first_open, _ = await journal.add_job(b"o" * 100_000, "raw")
    finished = [await print_job(journal, bytes([number]) * 100_000) for number in range(40)]
    kept = {job.job_id for job in await journal.jobs(100)}
    assert first_open.job_id in kept
    remaining = [job_id for job_id in finished if job_id in kept]
    assert remaining == finished[-len(remaining) :] and 10 < len(remaining) < 20
    assert await journal.job_data(first_open.job_id) == b"o" * 100_000
    await journal.prune()
    assert path.stat().st_size <= limits.max_bytes
    await journal.close()


async def test_a_file_that_grew_too_large_shrinks_on_the_disk(tmp_path, clock):
    path = tmp_path / "journal.db"
    journal = await Journal.open(path, JournalLimits(min_free_bytes=0), clock)
    for number in range(100):
        await print_job(journal, bytes([number]) * 100_000)
    newest = (await journal.jobs(1))[0].job_id
    await journal.close()
    before = path.stat().st_size
    journal = await Journal.open(path, JournalLimits(max_bytes=1_000_000, min_free_bytes=0), clock)
    pruned = await journal.prune()
    after = path.stat().st_size
    assert after <= 1_000_000 < before
    assert pruned.freed_bytes == before - after and pruned.jobs > 90
    assert (tmp_path / "journal.db-wal").stat().st_size == 0
    assert await journal.job_data(newest) is not None
    assert await on_connection(journal, "PRAGMA integrity_check") == [("ok",)]
    assert (await journal.prune()).jobs == 0
    await journal.close()


async def test_records_events_and_scans_make_room_too_when_bytes_of_jobs_are_not_the_reason(tmp_path, clock):
    path = tmp_path / "journal.db"
    journal = await Journal.open(path, JournalLimits(max_bytes=210_000, min_free_bytes=0), clock)
    await asyncio.gather(*(scan(journal, number) for number in range(3000)))
    await asyncio.gather(*(journal.settle_scan(number, ScanState.DELIVERED) for number in range(1, 2990)))
    await asyncio.gather(*(journal.add_event("noise", {"n": n}) for n in range(3000)))
    pruned = await journal.prune()
    assert pruned.scans == 2000, "the newest stay, a hub may send them again"
    assert path.stat().st_size <= 210_000
    assert len(await journal.waiting_scans()) == 11
    await journal.close()


async def test_events_are_bounded_by_their_number(tmp_path, clock):
    journal = await Journal.open(tmp_path / "journal.db", JournalLimits(max_events=100, min_free_bytes=0), clock)
    await asyncio.gather(*(journal.add_event("noise", {"n": n}) for n in range(1234)))
    assert (await journal.prune()).events == 1134
    assert [event.event_id for event in await journal.events(1000)] == list(range(1135, 1235))
    await journal.close()


async def test_a_flapping_links_traces_cost_no_job_its_bytes_and_no_other_event_its_place(tmp_path, clock):
    limits = JournalLimits(min_free_bytes=0, max_bytes=32 << 20)  # the smallest that the settings allow
    journal = await Journal.open(tmp_path / "journal.db", limits, clock)
    finished = [await print_job(journal, bytes([number]) * 250_000) for number in range(100)]
    before = await journal._worker.call(lambda s: s.used_bytes())
    frames = [(number, "out", "DATA", 65, 31_234, 54_321, 12_345, 748) for number in range(200)]
    for number in range(3):
        await journal.add_event("hub_started", {"n": number})
    for _ in range(12):  # an hour of a plug that is out and in again each second
        added = (journal.add_event(TRACE_KIND, {"reason": "silent", "frames": frames}) for _ in range(300))
        await asyncio.gather(*added)
    grown = await journal._worker.call(lambda s: s.used_bytes()) - before
    assert grown < limits.max_bytes / pruning.EVENTS_PART, "already while they come"
    await journal.prune()
    assert [await journal.job_data(job_id) is not None for job_id in finished] == [True] * 100
    kept = await journal.events(1000)
    assert [event.kind for event in kept] == ["hub_started"] * 3 + [TRACE_KIND] * store.KEPT_TRACES
    assert kept[-1].event_id == 3 + 12 * 300, "the newest"
    await journal.close()


async def test_events_give_way_before_jobs(tmp_path, clock):
    limits = JournalLimits(max_bytes=2_000_000, min_free_bytes=0)
    journal = await Journal.open(tmp_path / "journal.db", limits, clock)
    finished = [await print_job(journal, bytes([number]) * 50_000) for number in range(25)]
    await on_connection(
        journal,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)"
        " INSERT INTO events (at, kind, detail) SELECT ?, 'link_down', '{\"reason\": \"silent\"}' FROM n",
        NOON,
    )
    before = await journal._worker.call(lambda s: s.used_bytes())
    assert before > limits.max_bytes
    pruned = await journal.prune()
    assert (pruned.jobs, pruned.events) == (0, 20_000 - limits.max_bytes // pruning.EVENTS_PART // pruning.EVENT_BYTES)
    assert [await journal.job_data(job_id) is not None for job_id in finished] == [True] * 25
    await journal.close()


async def test_traces_that_an_older_program_left_are_removed(journal):
    many = store.KEPT_TRACES + 3 * store.TRACES_DROPPED
    await on_connection(
        journal,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)"
        " INSERT INTO events (at, kind, detail) SELECT ?, 'link_trace', '{}' FROM n",
        *(many, NOON),
    )
    assert (await journal.prune()).events == 3 * store.TRACES_DROPPED
    assert (await journal.events(1))[0].event_id == many


async def test_a_journal_filled_by_open_jobs_refuses_new_ones_and_finishes_the_open_ones(tmp_path, clock):
    journal = await Journal.open(tmp_path / "journal.db", JournalLimits(max_bytes=1_010_000, min_free_bytes=0), clock)
    accepted: list[Job] = []
    with pytest.raises(JournalFull, match=r"journal\.max_bytes"):
        while len(accepted) < 100:
            accepted.append((await journal.add_job(b"x" * 100_000, "raw"))[0])
    assert len(accepted) == 9
    await journal.set_job(accepted[0].job_id, JobState.SENDING, expected=QUEUED)
    await journal.set_job(accepted[0].job_id, JobState.PRINTED, expected=SENDING)
    await journal.add_job(b"x" * 100_000, "raw")
    assert await journal.job_data(accepted[0].job_id) is None
    await journal.close()


async def test_others_are_served_while_it_prunes(journal, clock):
    await asyncio.gather(*(journal.add_event("old", {"n": n}) for n in range(5000)))
    clock.now += 31 * DAY_S
    pruning = asyncio.ensure_future(journal.prune())
    served = 0
    while not pruning.done():
        await journal.add_job(b"x", "raw")
        served += 1
    assert served > 5
    assert (await pruning).events == 5000


async def test_what_is_asked_often_is_answered_from_an_index(journal):
    """A million jobs must not slow the counter down: nothing scans a table of its own size, nothing sorts."""
    statements: list[str] = []
    await journal._worker.call(lambda s: s.connection.set_trace_callback(statements.append))
    job, _ = await journal.add_job(b"x", "raw", "key")
    await journal.add_job(b"x", "raw", "key")
    await journal.recent_duplicate(job.sha256, excluding=job.job_id)
    await journal.job(job.job_id)
    await journal.job_data(job.job_id)
    await journal.jobs(10)
    await journal.open_jobs()
    await journal.queued()
    await journal.set_job(job.job_id, JobState.SENDING, expected=QUEUED)
    await journal.set_job(job.job_id, JobState.PRINTED, expected=SENDING)
    await scan(journal, 1)
    await scan(journal, 1)
    await journal.scans_after(0, 10)
    await journal.waiting_scans()
    await journal.expire_scans(NOON + 1)
    await journal.settle_scan(1, ScanState.DELIVERED)
    await journal.add_kick("api", 1)
    await journal.abandon_open_kicks("bridge_restarted")
    await journal.add_event("test", {})
    await journal.add_event(TRACE_KIND, {})
    await journal.events(10)
    await journal.events(10, after=1)
    await journal.prune()
    await journal._worker.call(lambda s: s.connection.set_trace_callback(None))
    explained = 0
    for statement in dict.fromkeys(statements):
        if not statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            continue
        for *_, step in await on_connection(journal, f"EXPLAIN QUERY PLAN {statement}"):
            explained += 1
            assert "TEMP B-TREE" not in step, (statement, step)
            # Reading along the order of a key or a partial index ends at LIMIT or is as short as what is open.
            if step.startswith("SCAN"):
                assert "LIMIT" in statement or "_open" in step or "_waiting" in step, (statement, step)
    assert explained > 30


async def test_lists_do_not_read_the_bytes_of_jobs(journal):
    statements: list[str] = []
    await journal._worker.call(lambda s: s.connection.set_trace_callback(statements.append))
    await journal.jobs(10)
    await journal.open_jobs()
    await journal.queued()
    assert statements and not any("job_data" in statement for statement in statements)


async def test_room_is_given_back_in_chunks_of_many_pages(journal, mocker):
    mocker.patch.object(pruning, "CHUNK_MS", 60_000)
    job_id = await print_job(journal, bytes(3 * pruning.CHUNK_PAGES * 4096))
    await on_connection(journal, "DELETE FROM jobs WHERE job_id = ?", job_id)
    [(before,)] = await on_connection(journal, "PRAGMA freelist_count")
    assert await journal._worker.call(pruning.free_pages) == before - pruning.CHUNK_PAGES


async def test_a_chunk_ends_when_its_time_is_over(journal, clock, mocker):
    mocker.patch.object(pruning, "CHUNK_MS", 0)
    for number in range(5):
        await print_job(journal, b"%d" % number)
    clock.now += 31 * DAY_S
    sizes = commits_of(journal, mocker)
    assert (await journal.prune()).jobs == 5
    assert len(sizes) > 5


async def test_after_the_limit_was_lowered_a_job_makes_room_for_itself_and_pruning_does_the_rest(
    tmp_path, clock, mocker
):
    mocker.patch.object(store, "MAKE_ROOM_MS", 0)
    path = tmp_path / "journal.db"
    journal = await Journal.open(path, JournalLimits(min_free_bytes=0), clock)
    for number in range(100):
        await print_job(journal, bytes([number]) * 20_000)
    await journal.close()
    journal = await Journal.open(path, JournalLimits(max_bytes=500_000, min_free_bytes=0), clock)
    await journal.add_job(b"x" * 100_000, "raw")
    left = len(await journal.jobs(1000))
    assert 90 < left < 97, "as much room as it takes, no more"
    await journal.prune()
    assert path.stat().st_size <= 500_000
    await journal.close()
