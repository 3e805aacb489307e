"""What the journal promises to those who call it."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from host_bridge.journal import (
    IdempotencyMismatch,
    IllegalTransition,
    Job,
    JobState,
    Journal,
    JournalFailed,
    JournalFull,
    JournalLimits,
    JournalTimeout,
    KickState,
    ScanState,
    UnknownRecord,
    room,
    store,
    worker,
)
from host_bridge.journal.store import DAY_S, JOB_TRANSITIONS, MAX_ROWS, Store

NOON = 1_700_000_000.0
QUEUED = {JobState.QUEUED}
SENDING = {JobState.SENDING}
OPEN = QUEUED | SENDING


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def journal(tmp_path: Path, clock: Clock) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path / "journal.db", JournalLimits(min_free_bytes=0), clock)
    yield opened
    await opened.close()


async def print_job(journal: Journal, data: bytes, key: str | None = None) -> str:
    job, _ = await journal.add_job(data, "raw", key)
    await journal.set_job(job.job_id, JobState.SENDING, expected=QUEUED)
    await journal.set_job(job.job_id, JobState.PRINTED, expected=SENDING, sent_bytes=len(data))
    return job.job_id


async def scan(journal: Journal, hub_sequence: int, *, raw: bytes = b"4006381333931", read_at: float = NOON):
    return await journal.add_scan("hub", "boot", hub_sequence, raw, "]E0", True, False, read_at)


class Held:
    """The journal's thread, held up inside an operation until it is let go."""

    def __init__(self, journal: Journal) -> None:
        self._begun = threading.Event()
        self._go = threading.Event()
        self._task = asyncio.ensure_future(journal._worker.call(self._hold))

    def _hold(self, _store: Store) -> None:
        self._begun.set()
        assert self._go.wait(20)

    async def begun(self) -> None:
        await asyncio.to_thread(self._begun.wait, 20)

    async def let_go(self) -> None:
        self._go.set()
        await self._task


async def on_connection(journal: Journal, statement: str, *values: object) -> list[tuple]:
    return await journal._worker.call(lambda s: s.connection.execute(statement, values).fetchall())


def commits_of(journal: Journal, mocker) -> list[int]:
    """Sizes of the groups that are committed from now on."""
    sizes: list[int] = []
    together = journal._worker._together

    def counted(s: Store, group: list):
        sizes.append(len(group))
        return together(s, group)

    mocker.patch.object(journal._worker, "_together", counted)
    return sizes


# Jobs


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


# Scans


async def test_a_scan_that_the_hub_repeats_is_kept_once(journal):
    first, new = await scan(journal, 12)
    assert new and (first.sequence, first.state, first.data) == (1, ScanState.WAITING, "4006381333931")
    assert await scan(journal, 12, raw=b"other") == (first, False)
    for hub_id, boot_id in (("hub", "boot 2"), ("hub 2", "boot")):
        other, new = await journal.add_scan(hub_id, boot_id, 12, b"1", None, None, True, NOON)
        assert new and (other.repeat, other.symbology, other.check_digit_ok) == (True, None, None)
    assert [s.sequence for s in await journal.scans_after(0, 10)] == [1, 2, 3], "a repeated scan takes no number"


@pytest.mark.parametrize(
    ("raw", "text"), [("茶".encode(), "茶"), (b"\xa3\xff", "£ÿ"), (b"", ""), (b"01\x1d\x0010", "01\x1d\x0010")]
)
async def test_the_exact_bytes_of_a_scan_are_kept_beside_its_text(journal, raw, text):
    kept, _ = await scan(journal, 1, raw=raw)
    assert (kept.raw, kept.data) == (raw, text)
    assert await journal.scans_after(0, 1) == [kept]


async def test_the_newest_scans_are_listed_oldest_first_whatever_their_state(journal):
    assert await journal.newest_scans(5) == []
    for number in range(4):
        await scan(journal, number)
    await journal.settle_scan(3, ScanState.DELIVERED)
    found = await journal.newest_scans(2)
    assert [(s.sequence, s.state) for s in found] == [(3, "delivered"), (4, "waiting")]
    assert len(await journal.newest_scans(10**30)) == 4


async def test_a_scan_is_settled_once(journal):
    for number in range(3):
        await scan(journal, number)
    assert await journal.settle_scan(2, ScanState.DELIVERED)
    assert not await journal.settle_scan(2, ScanState.EXPIRED)
    assert not await journal.settle_scan(99, ScanState.DELIVERED)
    assert [s.sequence for s in await journal.waiting_scans()] == [1, 3]
    assert [(s.sequence, s.state) for s in await journal.scans_after(1, 10)] == [(2, "delivered"), (3, "waiting")]
    with pytest.raises(ValueError, match="settled"):
        await journal.settle_scan(1, ScanState.WAITING)


async def test_old_scans_expire_and_so_does_one_from_before_the_clock_was_set_back(journal):
    await scan(journal, 1, read_at=NOON - 11)
    await scan(journal, 2, read_at=NOON - 9)
    await scan(journal, 3, read_at=NOON + 3600)
    await scan(journal, 4, read_at=NOON - 60)
    await journal.settle_scan(4, ScanState.DELIVERED)
    expired = await journal.expire_scans(NOON - 10)
    assert [(s.sequence, s.state) for s in expired] == [(1, "expired"), (3, "expired")]
    assert await journal.expire_scans(NOON - 10) == []
    assert [s.sequence for s in await journal.waiting_scans()] == [2]
    assert [s.state for s in await journal.scans_after(0, 10)] == ["expired", "waiting", "expired", "delivered"]


# Kicks


async def test_a_kick_is_settled_once(journal, clock):
    kick, replayed = await journal.add_kick("api", 2)
    assert not replayed and (kick.kick_id, kick.drawer, kick.state) == (1, 2, KickState.REQUESTED)
    clock.now += 1
    settled = await journal.settle_kick(1, KickState.FAILED, "link_down")
    assert (settled.state, settled.reason, settled.updated_at) == (KickState.FAILED, "link_down", NOON + 1)
    with pytest.raises(IllegalTransition, match="is failed and can't become opened") as caught:
        await journal.settle_kick(1, KickState.OPENED)
    assert caught.value.current == settled == await journal.kick(1)
    with pytest.raises(UnknownRecord):
        await journal.settle_kick(2, KickState.OPENED)
    assert await journal.kick(1 << 80) is None


async def test_a_known_key_does_not_kick_again(journal):
    kick, _ = await journal.add_kick("api", 1, "sale 1")
    await journal.settle_kick(kick.kick_id, KickState.OPENED)
    again, replayed = await journal.add_kick("api", 1, "sale 1")
    assert (again.kick_id, again.state, replayed) == (kick.kick_id, KickState.OPENED, True)
    with pytest.raises(IdempotencyMismatch):
        await journal.add_kick("api", 2, "sale 1")
    with pytest.raises(IdempotencyMismatch, match="a kick request"):
        await journal.add_job(b"receipt", "api", "sale 1")


async def test_what_a_killed_bridge_left_requested_has_failed(journal):
    for _ in range(3):
        await journal.add_kick("api", 1)
    await journal.settle_kick(2, KickState.OPENED)
    assert await journal.abandon_open_kicks("bridge_restarted") == 2
    assert await journal.abandon_open_kicks("bridge_restarted") == 0
    kicks = [await journal.kick(number) for number in (1, 2, 3)]
    assert [(k.state, k.reason) for k in kicks] == [
        ("failed", "bridge_restarted"),
        ("opened", None),
        ("failed", "bridge_restarted"),
    ]


# Events


async def test_events_are_the_newest_ones_or_those_after_a_number_oldest_first(journal):
    for number in range(1, 6):
        await journal.add_event("link_down", {"n": number, "text": "掉线", "nested": [1, None]})
    assert [e.event_id for e in await journal.events(2)] == [4, 5]
    assert [e.event_id for e in await journal.events(2, after=2)] == [3, 4]
    assert await journal.events(2, after=5) == []
    assert (await journal.events(1))[0].detail == {"n": 5, "text": "掉线", "nested": [1, None]}


async def test_a_huge_event_is_cut_and_says_so(journal):
    event = await journal.add_event("trace", {"frames": "茶" * 1_000_000})
    assert event.detail["truncated"] == 3_000_000 + len('{"frames":""}')
    [kept] = await journal.events(1)
    assert kept == event and len(str(kept.detail)) < store.MAX_DETAIL_BYTES


async def test_what_json_does_not_know_is_kept_as_text(journal, tmp_path):
    event = await journal.add_event("odd", {"path": tmp_path, "error": ValueError("no")})
    assert event.detail == {"path": str(tmp_path), "error": "no"}


# Commits


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


# Size and age


async def test_old_things_are_pruned_but_nothing_that_is_open(journal, clock):
    old_open, _ = await journal.add_job(b"open", "raw")
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
    assert [job.job_id for job in await journal.jobs(10)] == [young, old_open.job_id]
    assert await journal.job_data(old_open.job_id) == b"open"
    assert await journal.job_data(old_final) is None
    assert [s.sequence for s in await journal.scans_after(0, 10)] == [3]
    assert (await journal.kick(1), (await journal.kick(2)).state) == (None, KickState.REQUESTED)
    assert [event.kind for event in await journal.events(10)] == ["young"]
    assert await on_connection(journal, "SELECT count(*) FROM job_data") == [(2,)]


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
    journal = await Journal.open(path, JournalLimits(max_bytes=300_000, min_free_bytes=0), clock)
    await asyncio.gather(*(scan(journal, number) for number in range(3000)))
    await asyncio.gather(*(journal.settle_scan(number, ScanState.DELIVERED) for number in range(1, 2990)))
    await asyncio.gather(*(journal.add_event("noise", {"n": n}) for n in range(3000)))
    pruned = await journal.prune()
    assert pruned.scans == 2000, "the newest stay, a hub may send them again"
    assert path.stat().st_size <= 300_000
    assert len(await journal.waiting_scans()) == 11
    await journal.close()


async def test_events_are_bounded_by_their_number(tmp_path, clock):
    journal = await Journal.open(tmp_path / "journal.db", JournalLimits(max_events=100, min_free_bytes=0), clock)
    await asyncio.gather(*(journal.add_event("noise", {"n": n}) for n in range(1234)))
    assert (await journal.prune()).events == 1134
    assert [event.event_id for event in await journal.events(1000)] == list(range(1135, 1235))
    await journal.close()


async def test_a_journal_filled_by_open_jobs_refuses_new_ones_and_finishes_the_open_ones(tmp_path, clock):
    journal = await Journal.open(tmp_path / "journal.db", JournalLimits(max_bytes=1_000_000, min_free_bytes=0), clock)
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


# Room on the disk


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


async def test_the_free_room_is_measured_when_nobody_asks(tmp_path, clock, mocker):
    mocker.patch.object(worker, "LOOK_INTERVAL_MS", 10)
    usage = mocker.patch("host_bridge.journal.room.shutil.disk_usage")
    usage.return_value.free = 1 << 30
    journal = await Journal.open(tmp_path / "journal.db", JournalLimits(), clock)
    usage.return_value.free = 1000
    async with asyncio.timeout(10):
        while journal.accepting() is None:
            await asyncio.sleep(0.001)
    usage.return_value.free = 1 << 30
    async with asyncio.timeout(10):
        while journal.accepting() is not None:
            await asyncio.sleep(0.001)
    await journal.close()


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
    import subprocess

    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], capture_output=True).returncode == 0
    )


async def test_on_a_really_full_disk_running_jobs_go_on_by_the_reserve(tmp_path, clock):
    import subprocess

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
