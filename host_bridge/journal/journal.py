"""The journal: everything promised to a till is committed here before it is acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from host_bridge.journal import pruning
from host_bridge.journal.errors import JournalFailed, JournalFull, JournalInUse
from host_bridge.journal.limits import JournalLimits
from host_bridge.journal.pruning import Pruned
from host_bridge.journal.records import Job, JobState, JournalEvent, Kick, KickState, Scan, ScanState
from host_bridge.journal.room import DiskRoom
from host_bridge.journal.schema import MIGRATIONS, Migration, Opened, open_database
from host_bridge.journal.store import QueueSize, Store
from host_bridge.journal.worker import CommitWorker

log = logging.getLogger(__name__)

DUPLICATE_WITHIN_S = 30.0  # the same receipt again so soon is most likely a retry


class Journal:
    """asyncio's face of the journal. Each method has committed when it returns.

    Any method raises JournalFull or JournalFailed (JournalTimeout: it may or may not have taken effect). A call whose
    task is cancelled may or may not take effect, except that a job whose adding was cancelled will not be printed.
    """

    def __init__(self, worker: CommitWorker, room: DiskRoom) -> None:
        self._worker = worker
        self._room = room
        self._room_watchers: list[Callable[[], None]] = []
        self.opened = Opened(created=False)

    @classmethod
    async def open(
        cls,
        path: Path,
        limits: JournalLimits | None = None,
        clock: Callable[[], float] = time.time,
        *,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> Journal:
        """Open or begin the journal's file; `opened` tells how it was found. A damaged one is an event too.

        Raises JournalInUse, SchemaTooNew, NotAJournal, JournalFull or JournalFailed.
        """
        limits = limits or JournalLimits()
        room = DiskRoom(path, limits.min_free_bytes)
        lock = FileLock(path.with_name(path.name + ".lock"), thread_local=False)
        journal = cls(CommitWorker(path), room)

        def open_store() -> Store:
            _take_lock(path, lock)
            try:
                connection, journal.opened = open_database(path, clock=clock, migrations=migrations)
                room.look()
            except BaseException:
                lock.release()
                raise
            return Store(connection, limits, clock, room)

        def finish(store: Store) -> None:
            try:
                store.connection.close()
            finally:
                lock.release()

        loop = asyncio.get_running_loop()
        room.on_change = lambda: _call_soon(loop, journal._tell_room)
        await journal._worker.start(open_store, finish)
        if journal.opened.moved_aside is not None:
            detail = {"moved_to": str(journal.opened.moved_aside), "damage": journal.opened.damage}
            log.error("%s was damaged (%s): moved to %s, a new one begun", path, detail["damage"], detail["moved_to"])
            try:
                with contextlib.suppress(JournalFull):  # the bridge must start, and `opened` says it as well
                    await journal.add_event("journal_damaged", detail)
            except BaseException:
                await journal.close()
                raise
        return journal

    async def close(self) -> None:
        """Finish what is queued and let go of the file. Further calls raise JournalFailed."""
        await self._worker.close()

    def accepting(self) -> JournalFull | None:
        """None if there is room for new jobs, as of a second ago; otherwise why not."""
        return self._room.refusal

    def watch_room(self, tell: Callable[[], None]) -> None:
        """Call `tell` in the event loop whenever `accepting` begins or ceases to be None."""
        self._room_watchers.append(tell)

    def _tell_room(self) -> None:
        for tell in self._room_watchers:
            tell()

    # Jobs

    async def add_job(self, data: bytes, source: str, idempotency_key: str | None = None) -> tuple[Job, bool]:
        """Keep a new job. With a key that is known for the same bytes: (the earlier job, True).

        Raises IdempotencyMismatch, JournalFull.
        """
        job_id = secrets.token_hex(8)
        return await self._worker.call(
            lambda store: store.add_job(job_id, data, source, idempotency_key),
            size_bytes=len(data),
            undo=lambda store: store.abandon_job(job_id, "abandoned"),
        )

    async def job_of_key(self, idempotency_key: str, data: bytes) -> Job | None:
        """The job that was added with this key: the answer to a retry, also when no new job can be taken.

        Raises IdempotencyMismatch.
        """
        return await self._worker.call(lambda store: store.job_of_key(idempotency_key, data))

    async def recent_duplicate(
        self, sha256: str, within_s: float = DUPLICATE_WITHIN_S, excluding: str | None = None
    ) -> Job | None:
        """The newest job with these bytes that was printed, may have been, or will be."""
        return await self._worker.call(lambda store: store.recent_duplicate(sha256, within_s, excluding))

    async def job(self, job_id: str) -> Job | None:
        return await self._worker.call(lambda store: store.job(job_id))

    async def job_data(self, job_id: str) -> bytes | None:
        """The job's bytes; None if it is unknown or its bytes had to make room."""
        return await self._worker.call(lambda store: store.job_data(job_id))

    async def jobs(self, limit: int) -> list[Job]:
        """The newest first; at most store.MAX_ROWS."""
        return await self._worker.call(lambda store: store.jobs(limit))

    async def open_jobs(self) -> list[Job]:
        """Queued and sending, in the order of acceptance."""
        return await self._worker.call(lambda store: store.open_jobs())

    async def queued(self) -> QueueSize:
        """How many jobs are open, and their bytes."""
        return await self._worker.call(lambda store: store.queued())

    async def queued_count(self) -> int:
        return (await self.queued()).count

    async def queued_bytes(self) -> int:
        return (await self.queued()).bytes

    async def set_job(
        self,
        job_id: str,
        state: JobState,
        *,
        expected: Collection[JobState],
        reason: str | None = None,
        boot_id: str | None = None,
        sent_bytes: int | None = None,
        warning: str | None = None,
    ) -> Job:
        """Move the job on from one of the expected states, see store.JOB_TRANSITIONS. None keeps a field's value,
        but a reason does not outlive the state that it explains.

        Raises UnknownRecord, IllegalTransition.
        """
        return await self._worker.call(
            lambda store: store.set_job(job_id, state, expected, reason, boot_id, sent_bytes, warning), essential=True
        )

    # Scans

    async def add_scan(
        self,
        hub_id: str,
        boot_id: str,
        hub_sequence: int,
        raw: bytes,
        symbology: str | None,
        check_digit_ok: bool | None,
        repeat: bool,
        read_at: float,
    ) -> tuple[Scan, bool]:
        """Keep a scan and return (scan, True); one that the hub sent before: (the first, False)."""
        return await self._worker.call(
            lambda store: store.add_scan(
                hub_id, boot_id, hub_sequence, raw, symbology, check_digit_ok, repeat, read_at
            ),
            essential=True,
        )

    async def scans_after(self, sequence: int, limit: int) -> list[Scan]:
        """The oldest first; at most store.MAX_ROWS."""
        return await self._worker.call(lambda store: store.scans_after(sequence, limit))

    async def newest_scans(self, limit: int) -> list[Scan]:
        """The newest ones, the oldest of them first; at most store.MAX_ROWS."""
        return await self._worker.call(lambda store: store.newest_scans(limit))

    async def waiting_scans(self) -> list[Scan]:
        """The oldest first; at most store.MAX_ROWS."""
        return await self._worker.call(lambda store: store.waiting_scans())

    async def settle_scan(self, sequence: int, state: ScanState) -> bool:
        """False if the scan is unknown or settled already."""
        return await self._worker.call(lambda store: store.settle_scan(sequence, state), essential=True)

    async def expire_scans(self, older_than: float) -> list[Scan]:
        """Expire the waiting scans read before this time (seconds since the epoch), at most store.MAX_ROWS of them.

        One from the future expires too: the clock was set back since, and an old scan must not reach the next customer.
        """
        return await self._worker.call(lambda store: store.expire_scans(older_than), essential=True)

    # Kicks

    async def add_kick(self, source: str, drawer: int, idempotency_key: str | None = None) -> tuple[Kick, bool]:
        """Keep a request to open the drawer. With a key that is known for the same drawer: (the earlier kick, True).

        Raises IdempotencyMismatch.
        """
        return await self._worker.call(lambda store: store.add_kick(source, drawer, idempotency_key), essential=True)

    async def kick(self, kick_id: int) -> Kick | None:
        return await self._worker.call(lambda store: store.kick(kick_id))

    async def settle_kick(self, kick_id: int, state: KickState, reason: str | None = None) -> Kick:
        """Give a requested kick its final state. Raises UnknownRecord, IllegalTransition."""
        return await self._worker.call(lambda store: store.settle_kick(kick_id, state, reason), essential=True)

    async def abandon_open_kicks(self, reason: str) -> int:
        """At start: what a killed bridge left requested has failed, and is never replayed."""
        return await self._worker.call(lambda store: store.abandon_open_kicks(reason), essential=True)

    # Events

    async def add_event(self, kind: str, detail: Mapping[str, object]) -> JournalEvent:
        return await self._worker.call(lambda store: store.add_event(kind, detail))

    async def events(self, limit: int, after: int = 0) -> list[JournalEvent]:
        """The oldest first: those that follow event number `after`, or the newest ones if it is 0."""
        return await self._worker.call(lambda store: store.events(limit, after))

    # Care

    async def prune(self) -> Pruned:
        """Remove what is too old or too much, and give the room back to the file system. In chunks: others may work."""
        before = await self._worker.call(pruning.file_bytes)
        pruned = Pruned()
        for kind, step in pruning.STEPS:
            while count := await self._worker.call(step, essential=True):
                setattr(pruned, kind, getattr(pruned, kind) + count)
        left = None
        while (pages := await self._worker.call(pruning.free_pages, essential=True)) and (left is None or pages < left):
            left = pages
        await self._worker.call(pruning.checkpoint, alone=True)
        pruned.freed_bytes = max(0, before - await self._worker.call(pruning.file_bytes))
        return pruned


def _take_lock(path: Path, lock: FileLock) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise JournalInUse(Path(lock.lock_file)) from error
    except OSError as error:
        raise JournalFailed(f"can't write in {path.parent} ({error}): check that the bridge's user may") from error


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
        loop.call_soon_threadsafe(call)
