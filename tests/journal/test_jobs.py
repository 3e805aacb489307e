"""A job is kept with its bytes, goes forward only, and is never added twice by one key."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from host_bridge.journal import IdempotencyMismatch, IllegalTransition, JobState, UnknownRecord
from host_bridge.journal.store import JOB_TRANSITIONS, MAX_ROWS
from tests.journal.bench import NOON, OPEN, QUEUED, SENDING


async def test_a_job_is_kept_with_its_bytes_and_who_sent_it(journal):
    data = bytes(range(256)) * 100
    job, replayed = await journal.add_job(data, "raw")
    assert not replayed
    assert (job.state, job.source, job.size_bytes, job.created_at) == (JobState.QUEUED, "raw", len(data), NOON)
    assert job.sha256 == hashlib.sha256(data).hexdigest()
    assert len(bytes.fromhex(job.job_id)) == 8
    assert await journal.job(job.job_id) == job
    assert await journal.job_data(job.job_id) == data


async def test_an_unknown_job_is_none_and_can_not_be_changed(journal):
    assert await journal.job("feedfeedfeedfeed") is None
    assert await journal.job_data("") is None
    with pytest.raises(UnknownRecord, match="feedfeed"):
        await journal.set_job("feedfeedfeedfeed", JobState.SENDING, expected=QUEUED)


async def test_a_known_key_with_the_same_bytes_gives_the_earlier_job_in_its_present_state(journal):
    job, _ = await journal.add_job(b"receipt", "api", "order 1")
    done = await journal.set_job(job.job_id, JobState.CANCELLED, expected=QUEUED)
    assert await journal.add_job(b"receipt", "api", "order 1") == (done, True)
    other, replayed = await journal.add_job(b"receipt", "api", "order 2")
    assert not replayed and other.job_id != job.job_id
    assert len(await journal.jobs(10)) == 2


@pytest.mark.parametrize("key", ["", "x" * 100_000, "钱箱", "\udcff\x00'\";--"])
async def test_a_key_may_be_any_text(journal, key):
    job, _ = await journal.add_job(b"receipt", "api", key)
    assert await journal.add_job(b"receipt", "api", key) == (job, True)


async def test_a_key_used_for_something_else_is_refused_and_nothing_is_added(journal):
    await journal.add_job(b"receipt", "api", "order 1")
    with pytest.raises(IdempotencyMismatch, match=r"other content.*new key"):
        await journal.add_job(b"another", "api", "order 1")
    with pytest.raises(IdempotencyMismatch, match="a print request"):
        await journal.add_kick("api", 1, "order 1")
    assert len(await journal.jobs(10)) == 1
    assert await journal.kick(1) is None


async def test_jobs_are_listed_newest_first_and_open_ones_in_the_order_of_acceptance_whatever_the_clock_does(
    journal, clock
):
    added = []
    for jump in (0, -90_000, 5, -NOON, +NOON, 3600):
        clock.now += jump
        job, _ = await journal.add_job(b"%d" % jump, "raw")
        added.append(job)
    assert await journal.open_jobs() == added
    assert await journal.jobs(100) == added[::-1]
    assert await journal.jobs(2) == added[:-3:-1]
    assert (await journal.queued_count(), await journal.queued_bytes()) == (6, sum(job.size_bytes for job in added))
    cancelled = added.pop(2)
    await journal.set_job(cancelled.job_id, JobState.CANCELLED, expected=QUEUED)
    sending = await journal.set_job(added[1].job_id, JobState.SENDING, expected=QUEUED)
    assert await journal.open_jobs() == [added[0], sending, *added[2:]]
    assert await journal.queued_count() == 5


@pytest.mark.parametrize("limit", [0, -1, -(1 << 70), 1 << 70])
async def test_a_list_is_bounded_whatever_limit_is_asked_for(journal, limit):
    await asyncio.gather(*(journal.add_event("test", {"n": n}) for n in range(MAX_ROWS + 5)))
    await journal.add_job(b"x", "raw")
    most = MAX_ROWS if limit > 0 else 0
    assert len(await journal.events(limit)) == most
    assert len(await journal.jobs(limit)) == min(most, 1)
    assert len(await journal.scans_after(limit, limit)) == 0


@pytest.mark.parametrize("before", list(JobState))
@pytest.mark.parametrize("after", list(JobState))
async def test_a_job_only_goes_forward_and_a_final_state_never_changes(journal, before, after):
    job, _ = await journal.add_job(b"receipt", "raw")
    if before in (JobState.PRINTED, JobState.UNCONFIRMED):
        await journal.set_job(job.job_id, JobState.SENDING, expected=QUEUED)
    if before != JobState.QUEUED:
        job = await journal.set_job(job.job_id, before, expected=OPEN)
    if after in JOB_TRANSITIONS[before]:
        assert (await journal.set_job(job.job_id, after, expected={before})).state == after
    else:
        with pytest.raises(IllegalTransition, match=f"is {before} and can't become {after}") as caught:
            await journal.set_job(job.job_id, after, expected=set(JobState))
        assert caught.value.current == job
        assert await journal.job(job.job_id) == job
    assert (JOB_TRANSITIONS[before] == frozenset()) == before.final
    assert JobState.QUEUED not in JOB_TRANSITIONS[JobState.SENDING], "it might be printed twice"


async def test_a_change_is_refused_when_the_job_is_not_where_the_caller_thinks(journal):
    job, _ = await journal.add_job(b"receipt", "raw")
    with pytest.raises(IllegalTransition, match="expected it to be sending"):
        await journal.set_job(job.job_id, JobState.FAILED, expected=SENDING)
    assert (await journal.job(job.job_id)).state == JobState.QUEUED


async def test_of_two_who_change_a_job_at_the_same_time_one_wins_and_the_other_hears_of_it(journal):
    job, _ = await journal.add_job(b"receipt", "raw")
    outcomes = await asyncio.gather(
        journal.set_job(job.job_id, JobState.SENDING, expected=QUEUED),
        journal.set_job(job.job_id, JobState.CANCELLED, expected=QUEUED),
        return_exceptions=True,
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["Job", "IllegalTransition"]
    assert (await journal.job(job.job_id)).state == JobState.SENDING


async def test_a_reason_does_not_outlive_its_state_and_the_other_fields_stay(journal, clock):
    job, _ = await journal.add_job(b"receipt", "raw")
    await journal.set_job(job.job_id, JobState.QUEUED, expected=QUEUED, reason="paper_end", warning="seen before")
    noted = await journal.set_job(job.job_id, JobState.QUEUED, expected=QUEUED)
    assert noted.reason == "paper_end"
    clock.now += 5
    sending = await journal.set_job(job.job_id, JobState.SENDING, expected=QUEUED, boot_id="b7")
    assert (sending.reason, sending.boot_id, sending.warning) == (None, "b7", "seen before")
    assert (sending.created_at, sending.updated_at) == (NOON, NOON + 5)
    await journal.set_job(job.job_id, JobState.SENDING, expected=SENDING, sent_bytes=7)
    final = await journal.set_job(job.job_id, JobState.UNCONFIRMED, expected=SENDING, reason="hub_restarted")
    assert (final.sent_bytes, final.boot_id, final.reason) == (7, "b7", "hub_restarted")
    assert await journal.job(job.job_id) == final


@pytest.mark.parametrize("sent_bytes", [-1, 8])
async def test_more_bytes_than_the_job_has_can_not_have_been_sent(journal, sent_bytes):
    job, _ = await journal.add_job(b"receipt", "raw")
    with pytest.raises(ValueError, match="7 bytes"):
        await journal.set_job(job.job_id, JobState.SENDING, expected=QUEUED, sent_bytes=sent_bytes)
    assert await journal.job(job.job_id) == job


async def test_the_same_bytes_again_within_the_time_are_a_duplicate(journal, clock):
    first, _ = await journal.add_job(b"receipt", "api")
    assert await journal.recent_duplicate(first.sha256, 30, excluding=first.job_id) is None
    clock.now += 20
    second, _ = await journal.add_job(b"receipt", "api")
    assert await journal.recent_duplicate(first.sha256, 30, excluding=second.job_id) == first
    assert await journal.recent_duplicate(first.sha256) == second
    assert await journal.recent_duplicate("00" * 32) is None
    clock.now += 31
    assert await journal.recent_duplicate(first.sha256) is None


async def test_a_job_that_did_not_print_is_no_duplicate(journal):
    job, _ = await journal.add_job(b"receipt", "api")
    await journal.set_job(job.job_id, JobState.FAILED, expected=QUEUED, reason="printer_power")
    assert await journal.recent_duplicate(job.sha256) is None
