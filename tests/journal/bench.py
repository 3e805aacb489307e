"""What the journal's tests do again and again."""

from __future__ import annotations

import asyncio
import threading

from host_bridge.journal import JobState, Journal
from host_bridge.journal.store import Store

NOON = 1_700_000_000.0
QUEUED = {JobState.QUEUED}
SENDING = {JobState.SENDING}
OPEN = QUEUED | SENDING


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
