"""What is left of the journal after a kill, a power cut or a limit, whenever it comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from host_bridge.journal import (
    IdempotencyMismatch,
    IllegalTransition,
    Job,
    JobState,
    Journal,
    JournalLimits,
    Kick,
    KickState,
    Scan,
    ScanState,
)
from host_bridge.journal.store import JOB_TRANSITIONS

ROOT = Path(__file__).resolve().parents[2]
CLERK = Path(__file__).with_name("clerk.py")
LIMITS = JournalLimits(min_free_bytes=0)
FILES = ("journal.db", "journal.db-wal")

contents = st.sampled_from([b"", b"a", b"bb", b"c" * 9000])
keys = st.sampled_from([None, "1", "2", "3"])
states = st.sampled_from(list(JobState))


def image(source: Path, target: Path) -> None:
    """What a kill at this moment would leave: no commit is under way, and nothing is closed."""
    target.mkdir()
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


class JournalAgainstModel(RuleBasedStateMachine):
    """Any calls in any order, with kills and closes in between, leave the same as plain lists and dictionaries do."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.base = Path(tempfile.mkdtemp(prefix="journal-"))
        self.lives = 0
        self.now = 1000.0
        self.jobs: list[Job] = []
        self.data: dict[str, bytes] = {}
        self.scans: list[Scan] = []
        self.kicks: list[Kick] = []
        self.keys: dict[str, tuple[str, object, str | int]] = {}
        self.events: list[tuple[str, int]] = []

    @property
    def folder(self) -> Path:
        return self.base / str(self.lives)

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def open(self) -> None:
        self.journal = self.run(self._open())

    async def _open(self) -> Journal:
        return await Journal.open(self.folder / "journal.db", LIMITS, lambda: self.now)

    @initialize()
    def begin(self) -> None:
        self.open()

    def teardown(self) -> None:
        self.run(self.journal.close())
        self.runner.close()
        shutil.rmtree(self.base)

    @rule(seconds=st.floats(-1000, 1000))
    def the_clock_jumps(self, seconds: float) -> None:
        self.now = max(0.0, self.now + seconds)

    @rule(data=contents, key=keys)
    def add_job(self, data: bytes, key: str | None) -> None:
        known = self.keys.get(key) if key is not None else None
        try:
            job, replayed = self.run(self.journal.add_job(data, "raw", key))
        except IdempotencyMismatch:
            assert known is not None and known[:2] != ("job", data)
            return
        if known is not None:
            assert replayed and known[:2] == ("job", data) and job.job_id == known[2]
            return
        assert not replayed and job.state == JobState.QUEUED
        self.jobs.append(job)
        self.data[job.job_id] = data
        if key is not None:
            self.keys[key] = ("job", data, job.job_id)

    @rule(many=st.lists(contents, min_size=2, max_size=8))
    def add_jobs_at_once(self, many: list[bytes]) -> None:
        async def together() -> list[tuple[Job, bool]]:
            return await asyncio.gather(*(self.journal.add_job(data, "api") for data in many))

        for (job, _), data in zip(self.run(together()), many, strict=True):
            self.jobs.append(job)
            self.data[job.job_id] = data

    @precondition(lambda self: self.jobs)
    @rule(choice=st.integers(0, 1000), state=states, expected=st.sets(states), reason=st.sampled_from([None, "why"]))
    def set_job(self, choice: int, state: JobState, expected: set[JobState], reason: str | None) -> None:
        index = choice % len(self.jobs)
        before = self.jobs[index]
        legal = before.state in expected and state in JOB_TRANSITIONS[before.state]
        try:
            after = self.run(self.journal.set_job(before.job_id, state, expected=expected, reason=reason))
        except IllegalTransition:
            assert not legal
            return
        assert legal
        kept = before.reason if before.state == state and reason is None else reason
        self.jobs[index] = msgspec.structs.replace(before, state=state, reason=kept, updated_at=self.now)
        assert after == self.jobs[index]

    @rule(boot=st.sampled_from("ab"), number=st.integers(0, 5), age=st.floats(0, 20))
    def add_scan(self, boot: str, number: int, age: float) -> None:
        scan, new = self.run(self.journal.add_scan("hub", boot, number, b"123", None, None, False, self.now - age))
        known = [s for s in self.scans if (s.boot_id, s.hub_sequence) == (boot, number)]
        assert new == (not known)
        if known:
            assert scan == known[0]
        else:
            assert scan.sequence == len(self.scans) + 1
            self.scans.append(scan)

    @rule(sequence=st.integers(0, 12), state=st.sampled_from([ScanState.DELIVERED, ScanState.EXPIRED]))
    def settle_scan(self, sequence: int, state: ScanState) -> None:
        waiting = 0 < sequence <= len(self.scans) and self.scans[sequence - 1].state == ScanState.WAITING
        assert self.run(self.journal.settle_scan(sequence, state)) == waiting
        if waiting:
            self.scans[sequence - 1] = msgspec.structs.replace(self.scans[sequence - 1], state=state)

    @rule()
    def expire_scans(self) -> None:
        expired = self.run(self.journal.expire_scans(self.now - 10))
        for scan in expired:
            before = self.scans[scan.sequence - 1]
            assert before.state == ScanState.WAITING
            assert before.read_at < self.now - 10 or before.read_at > self.now
            self.scans[scan.sequence - 1] = scan
        assert not [s for s in self.scans if s.state == ScanState.WAITING and s.read_at < self.now - 10]

    @rule(drawer=st.sampled_from([1, 2]), key=keys)
    def add_kick(self, drawer: int, key: str | None) -> None:
        known = self.keys.get(key) if key is not None else None
        try:
            kick, replayed = self.run(self.journal.add_kick("api", drawer, key))
        except IdempotencyMismatch:
            assert known is not None and known[:2] != ("kick", drawer)
            return
        assert replayed == (known is not None)
        if known is not None:
            assert kick == self.kicks[int(known[2]) - 1]
            return
        assert kick.kick_id == len(self.kicks) + 1
        self.kicks.append(kick)
        if key is not None:
            self.keys[key] = ("kick", drawer, kick.kick_id)

    @precondition(lambda self: self.kicks)
    @rule(choice=st.integers(0, 1000), state=st.sampled_from(list(KickState)))
    def settle_kick(self, choice: int, state: KickState) -> None:
        index = choice % len(self.kicks)
        try:
            kick = self.run(self.journal.settle_kick(index + 1, state, "why"))
        except IllegalTransition:
            assert self.kicks[index].state != KickState.REQUESTED or state == KickState.REQUESTED
            return
        assert self.kicks[index].state == KickState.REQUESTED and kick.state == state
        self.kicks[index] = kick

    @rule(number=st.integers())
    def add_event(self, number: int) -> None:
        self.run(self.journal.add_event("test", {"n": str(number)}))
        self.events.append(("test", number))

    @rule()
    def prune(self) -> None:
        """Nothing here is old enough, and the journal is small."""
        pruned = self.run(self.journal.prune())
        assert (pruned.jobs, pruned.scans, pruned.kicks, pruned.events, pruned.keys) == (0, 0, 0, 0, 0)

    @rule()
    def killed_and_started_again(self) -> None:
        before, old = self.journal, self.folder
        self.lives += 1
        image(old, self.folder)
        self.run(before.close())
        self.open()
        assert self.journal.opened.moved_aside is None
        opened = [kick for kick in self.kicks if kick.state == KickState.REQUESTED]
        assert self.run(self.journal.abandon_open_kicks("bridge_restarted")) == len(opened)
        for kick in opened:
            self.kicks[kick.kick_id - 1] = msgspec.structs.replace(
                kick, state=KickState.FAILED, reason="bridge_restarted", updated_at=self.now
            )

    @rule()
    def stopped_and_started_again(self) -> None:
        self.run(self.journal.close())
        self.open()

    @invariant()
    def nothing_is_lost_added_or_out_of_order(self) -> None:
        if not hasattr(self, "journal"):
            return
        self.run(self._compare())

    async def _compare(self) -> None:
        journal = self.journal
        jobs, open_jobs, queued, scans, waiting, events = await asyncio.gather(
            journal.jobs(1000),
            journal.open_jobs(),
            journal.queued(),
            journal.scans_after(0, 1000),
            journal.waiting_scans(),
            journal.events(1000),
        )
        assert jobs == self.jobs[::-1]
        assert open_jobs == [job for job in self.jobs if not job.state.final]
        assert (queued.count, queued.bytes) == (len(open_jobs), sum(job.size_bytes for job in open_jobs))
        assert scans == self.scans
        assert waiting == [scan for scan in self.scans if scan.state == ScanState.WAITING]
        assert [(event.kind, int(str(event.detail["n"]))) for event in events] == self.events
        for kick in self.kicks[-3:]:
            assert await journal.kick(kick.kick_id) == kick
        for job in self.jobs[-3:]:
            assert await journal.job_data(job.job_id) == self.data[job.job_id]


TestJournalAgainstModel = JournalAgainstModel.TestCase
TestJournalAgainstModel.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def clerk(path: Path, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(CLERK), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, **options)


@pytest.mark.parametrize("acknowledgements", [1, 7, 250, 1111])
async def test_everything_acknowledged_before_kill_9_is_there_after(tmp_path, acknowledgements):
    path = tmp_path / "journal.db"
    process = clerk(path)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(acknowledgements)]
    process.kill()
    lines += process.stdout.readlines()  # what it had said already when it was killed
    process.wait()
    process.stdout.close()
    journal = await Journal.open(path, LIMITS)  # and the killed one's lock is no obstacle
    assert journal.opened.moved_aside is None and not journal.opened.created
    sent = set()
    for words in (line.split() for line in lines if line.endswith("\n")):
        if words[0] == "job":
            job = await journal.job(words[1])
            data = await journal.job_data(words[1])
            assert job is not None and job.sha256 == words[2] and data is not None and len(data) == job.size_bytes
        elif words[0] == "sending":
            sent.add(words[1])
        elif words[0] == "scan":
            [scan] = await journal.scans_after(int(words[1]) - 1, 1)
            assert (scan.sequence, scan.boot_id, scan.hub_sequence) == (int(words[1]), f"boot{words[2]}", int(words[3]))
        else:
            kick = await journal.kick(int(words[1]))
            assert kick is not None and kick.state == KickState.REQUESTED
    for job in await journal.open_jobs():
        assert job.state == JobState.SENDING or job.job_id not in sent
    await journal.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_wal_cut_anywhere_by_a_power_cut_gives_an_earlier_state_whole(tmp_path):
    """A disk that lost the end of the WAL: the jobs are a beginning of those added, each with its bytes and its key."""
    original = tmp_path / "original"
    journal = await Journal.open(original / "journal.db", LIMITS)
    added = []
    for number in range(12):
        data = bytes([number]) * (700 * number)
        added.append(((await journal.add_job(data, "raw", f"key {number}"))[0], data))
    image(original, tmp_path / "image")
    await journal.close()
    wal = (tmp_path / "image" / "journal.db-wal").read_bytes()
    seen = set()
    for cut in [*range(0, len(wal), 7919), len(wal) - 1, len(wal)]:
        life = tmp_path / f"cut{cut}"
        life.mkdir()
        shutil.copyfile(tmp_path / "image" / "journal.db", life / "journal.db")
        (life / "journal.db-wal").write_bytes(wal[:cut])
        journal = await Journal.open(life / "journal.db", LIMITS)
        assert journal.opened.moved_aside is None
        jobs = await journal.open_jobs()
        assert jobs == [job for job, _ in added[: len(jobs)]]
        for number, (job, data) in enumerate(added[: len(jobs)]):
            assert await journal.job_data(job.job_id) == data
            assert await journal.add_job(data, "raw", f"key {number}") == (job, True)
        seen.add(len(jobs))
        await journal.close()
    assert {0, len(added)} <= seen and len(seen) > 5


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits on Windows")
async def test_a_file_size_limit_refuses_jobs_and_loses_none_that_was_accepted(tmp_path):
    """The disk's quota, as the system enforces it: writes fail in the middle."""
    program = """
import asyncio, resource, sys
from pathlib import Path
from host_bridge.journal import *
async def main():
    journal = await Journal.open(Path(sys.argv[1]), JournalLimits(min_free_bytes=0))
    running, _ = await journal.add_job(b"running", "raw")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    accepted = 1
    try:
        while accepted < 1000:
            await journal.add_job(bytes(30_000), "raw")
            accepted += 1
    except (JournalFull, JournalFailed) as error:
        print(type(error).__name__, flush=True)
    await journal.set_job(running.job_id, JobState.SENDING, expected={JobState.QUEUED})
    await journal.set_job(running.job_id, JobState.PRINTED, expected={JobState.SENDING})
    print(accepted, await journal.queued_count(), flush=True)
    import os
    os._exit(0)
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "journal.db")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    error, accepted, queued = done.stdout.split()
    assert error in ("JournalFull", "JournalFailed") and int(accepted) > 5 and int(queued) == int(accepted) - 1
    journal = await Journal.open(tmp_path / "journal.db", LIMITS)
    assert journal.opened.moved_aside is None
    assert await journal.queued_count() == int(queued)
    await journal.close()
