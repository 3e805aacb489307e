"""The journal's one thread: it owns the connection and commits in groups.

While a commit waits for the disk, further calls queue up. They run in one transaction, each inside its own SAVEPOINT,
so that one that fails does not undo its neighbours, and share one commit. No caller hears anything before that commit.
When the transaction itself fails (the disk is full), each call gets a transaction of its own, and only those that must
not fail draw on the reserve.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar

from host_bridge.journal.errors import JournalError, JournalFailed, JournalFull, JournalTimeout
from host_bridge.journal.schema import explain, is_damage, mark_damaged
from host_bridge.journal.store import Store

MAX_QUEUE = 1024  # requests; a caller beyond waits for room
MAX_QUEUE_BYTES = 64 << 20  # of job data in those requests
MAX_GROUP = 256  # requests a transaction
MAX_GROUP_BYTES = 16 << 20  # of job data a transaction, so that the WAL stays near its limit
REQUEST_DEADLINE_MS = 30_000  # a disk that does not answer for so long is broken
CLOSE_DEADLINE_MS = 10_000
LOOK_INTERVAL_MS = 1000  # how old the figure of the free room may be

T = TypeVar("T")
log = logging.getLogger(__name__)


class Request(Generic[T]):
    """One operation on its way through the thread."""

    __slots__ = ("abandoned", "alone", "essential", "future", "operation", "size_bytes")

    def __init__(
        self,
        operation: Callable[[Store], T],
        future: asyncio.Future[T],
        *,
        essential: bool,
        alone: bool,
        size_bytes: int,
    ) -> None:
        self.operation = operation
        self.future = future
        self.essential = essential  # may draw on the reserve when the disk is full
        self.alone = alone  # runs outside of any transaction
        self.size_bytes = size_bytes
        self.abandoned = False  # nobody waits any more: skip it if it has not begun


Outcome = tuple[Request[Any], Any, BaseException | None]


class CommitWorker:
    """Runs operations on a Store in a thread and answers on the event loop, after the commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._requests: queue.SimpleQueue[Request[Any] | None] = queue.SimpleQueue()
        self._pending = 0
        self._pending_bytes = 0
        self._room = asyncio.Event()
        self._closing = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread: threading.Thread | None = None

    async def start(self, open_store: Callable[[], Store], finish: Callable[[Store], None]) -> None:
        """Open the store in the thread; what `open_store` raises is raised here. `finish` runs at the end."""
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(open_store, finish, opened), name="journal", daemon=True
        )
        self._thread.start()
        try:
            await asyncio.shield(opened)
        except asyncio.CancelledError:
            self._closing = True
            self._requests.put(None)  # so that the thread ends, and lets go of the lock, once it is open
            raise

    async def call(
        self,
        operation: Callable[[Store], T],
        *,
        essential: bool = False,
        alone: bool = False,
        size_bytes: int = 0,
        undo: Callable[[Store], None] | None = None,
    ) -> T:
        """Run the operation; it is committed when this returns.

        A caller that is cancelled or runs into the deadline leaves `undo` behind, which runs after the operation.
        """
        request: Request[T] | None = None
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_MS / 1000):
                while self._pending and (
                    self._pending >= MAX_QUEUE or self._pending_bytes + size_bytes > MAX_QUEUE_BYTES
                ):
                    self._room.clear()
                    await self._room.wait()
                request = self._enqueue(operation, essential=essential, alone=alone, size_bytes=size_bytes)
                return await request.future
        except (asyncio.CancelledError, TimeoutError) as error:
            if request is not None:
                request.abandoned = True
                if undo is not None and not self._closing:
                    self._enqueue(undo, essential=True, alone=False, size_bytes=0)
            if isinstance(error, TimeoutError):
                raise JournalTimeout(
                    f"the disk with {self._path} did not answer for {REQUEST_DEADLINE_MS} ms: check its health"
                ) from error
            raise

    async def close(self) -> None:
        """Finish what is queued, close the connection and end the thread."""
        if not self._closing:
            self._closing = True
            self._requests.put(None)
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_MS / 1000):
                await asyncio.shield(self._ended)
        except TimeoutError as error:
            raise JournalTimeout(f"{self._path} could not be closed in {CLOSE_DEADLINE_MS / 1000:.0f} s") from error

    def _enqueue(self, operation: Callable[[Store], T], *, essential: bool, alone: bool, size_bytes: int) -> Request[T]:
        if self._closing:
            raise JournalFailed("the journal is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        request = Request(operation, future, essential=essential, alone=alone, size_bytes=size_bytes)
        self._pending += 1
        self._pending_bytes += size_bytes
        self._requests.put(request)
        return request

    def _deliver(self, outcomes: list[Outcome]) -> None:
        """On the loop: answer the callers of one group."""
        for request, result, error in outcomes:
            self._pending -= 1
            self._pending_bytes -= request.size_bytes
            if request.future.done():
                continue
            if error is None:
                request.future.set_result(result)
            else:
                request.future.set_exception(error)
                request.future.exception()  # an undo has nobody who asks for it
        self._room.set()

    # In the thread

    def _run(
        self, open_store: Callable[[], Store], finish: Callable[[Store], None], opened: asyncio.Future[None]
    ) -> None:
        try:
            store = open_store()
        except BaseException as error:
            self._post(_settle, opened, error)
            self._post(_settle, self._ended, None)
            return
        self._post(_settle, opened, None)
        try:
            while self._serve(store):
                pass
        finally:
            try:
                finish(store)
            except Exception:
                log.exception("the journal could not be closed properly")
            self._post(_settle, self._ended, None)

    def _serve(self, store: Store) -> bool:
        """Run one group of requests; False when the journal is to be closed."""
        group, go_on = self._take()
        outcomes: list[Outcome] = []
        try:
            if not group or store.room.look_due(LOOK_INTERVAL_MS):
                store.room.look()
            for alone, requests in groupby(group, key=lambda request: request.alone):
                part = [request for request in requests if not request.abandoned]
                outcomes += [self._outside(store, request) for request in part] if alone else self._commit(store, part)
            answered = {id(outcome[0]) for outcome in outcomes}
            outcomes += [
                (request, None, JournalFailed("abandoned")) for request in group if id(request) not in answered
            ]
        except Exception as error:  # a mistake in the program: its callers must hear of it, and the thread must live
            log.exception("the journal's thread failed")
            _roll_back(store.connection)
            outcomes = [(request, None, JournalFailed(f"the journal failed: {error!r}")) for request in group]
        if outcomes:
            self._post(self._deliver, outcomes)
        return go_on

    def _take(self) -> tuple[list[Request[Any]], bool]:
        """Wait for a request, and take along those that queued up meanwhile."""
        group: list[Request[Any]] = []
        size_bytes = 0
        try:
            request = self._requests.get(timeout=LOOK_INTERVAL_MS / 1000)
            while True:
                if request is None:
                    return group, False
                group.append(request)
                size_bytes += request.size_bytes
                if len(group) >= MAX_GROUP or size_bytes >= MAX_GROUP_BYTES:
                    break
                request = self._requests.get_nowait()
        except queue.Empty:
            pass
        return group, True

    def _commit(self, store: Store, group: list[Request[Any]]) -> list[Outcome]:
        if not group:
            return []
        try:
            return self._together(store, group)
        except sqlite3.Error as error:
            if len(group) == 1 and not group[0].essential:
                return [(group[0], None, self._explain(store, error))]
            return [self._apart(store, request) for request in group]

    def _together(self, store: Store, group: list[Request[Any]]) -> list[Outcome]:
        """One transaction for all; raises SQLite's error with nothing kept if it can't be committed."""
        connection = store.connection
        connection.execute("BEGIN")
        try:
            if len(group) == 1:  # the usual case: the transaction itself is what a mistake undoes
                outcomes = [self._attempt(store, group[0])]
                connection.execute("COMMIT" if outcomes[0][2] is None else "ROLLBACK")
            else:
                outcomes = [self._attempt_among_others(store, request) for request in group]
                connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
        return outcomes

    def _attempt_among_others(self, store: Store, request: Request[Any]) -> Outcome:
        """One operation that, should it fail, leaves what the others did."""
        connection = store.connection
        connection.execute("SAVEPOINT request")
        outcome = self._attempt(store, request)
        if outcome[2] is not None:
            connection.execute("ROLLBACK TO request")
        connection.execute("RELEASE request")
        return outcome

    def _attempt(self, store: Store, request: Request[Any]) -> Outcome:
        """One operation inside the transaction. Its own mistakes stay its own; the disk's errors are raised."""
        try:
            result = request.operation(store)
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError) as error:
            return request, None, self._explain(store, error)
        except sqlite3.Error:
            raise
        except Exception as error:
            return request, None, error
        return request, result, None

    def _apart(self, store: Store, request: Request[Any]) -> Outcome:
        """A transaction of its own; an essential one may give up the reserve and use the WAL from its start."""
        try:
            return self._together(store, [request])[0]
        except sqlite3.Error as error:
            if not request.essential or is_damage(error):
                return request, None, self._explain(store, error)
        store.room.release()
        with contextlib.suppress(sqlite3.Error):
            store.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        try:
            return self._together(store, [request])[0]
        except sqlite3.Error as error:
            return request, None, self._explain(store, error)

    def _outside(self, store: Store, request: Request[Any]) -> Outcome:
        try:
            return request, request.operation(store), None
        except sqlite3.Error as error:
            return request, None, self._explain(store, error)
        except Exception as error:
            return request, None, error

    def _explain(self, store: Store, error: sqlite3.Error) -> JournalError:
        explained = explain(error, self._path)
        explained.__cause__ = error
        if isinstance(explained, JournalFull):
            store.room.refuse(explained)
        if is_damage(error):
            with contextlib.suppress(OSError):
                mark_damaged(self._path)
        return explained

    def _post(self, function: Callable[..., None], *arguments: object) -> None:
        # The loop is closed already if the program ended without closing the journal: nobody is left to hear it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _roll_back(connection: sqlite3.Connection) -> None:
    """Leave the transaction; SQLite may have done so itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
