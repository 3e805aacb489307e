"""Keeping the journal small: what may go, oldest first, in chunks that let other requests pass in between.

Open jobs, waiting scans, requested kicks and idempotency keys younger than a day are never removed.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

import msgspec

from host_bridge.journal.store import DAY_S, FINAL, KEY_LIFE_S, Store

CHUNK_ROWS = 200
CHUNK_BYTES = 4 << 20
CHUNK_MS = 10  # jobs lie scattered over their indexes: 500 of a long journal took a quarter of a second
CHUNK_PAGES = 1000  # given back to the file system at a time
KEPT_SCANS = 1000  # a hub that resends from its ring of 64 must meet them again
EVENTS_PART = 8  # of the file is what events may take, so that they never cost a job its bytes
EVENT_BYTES = 256  # an event takes less than half of this with its index, a task's traceback four times as much
SPARE_PART = 16  # prune to one sixteenth below the limit, so that new jobs need not make room for themselves


class Pruned(msgspec.Struct, kw_only=True):
    """How much was removed."""

    keys: int = 0
    jobs: int = 0
    scans: int = 0
    kicks: int = 0
    events: int = 0
    freed_bytes: int = 0


def _old_keys(store: Store) -> int:
    return _delete(store, "idempotency_keys", "key", "created_at < ?", store.clock() - KEY_LIFE_S)


def _old_jobs(store: Store) -> int:
    """Jobs of one chunk, limited by their bytes as well."""
    rows = store.connection.execute(
        f"SELECT number, size_bytes FROM jobs WHERE {FINAL} AND created_at < ? ORDER BY created_at LIMIT ?",
        (_horizon(store), CHUNK_ROWS),
    ).fetchall()
    count = size_bytes = 0
    end = _chunk_end()
    for row in rows:
        store.connection.execute("DELETE FROM jobs WHERE number = ?", row[:1])
        count += 1
        size_bytes += row[1]
        if size_bytes >= CHUNK_BYTES or time.monotonic() >= end:
            break
    return count


def _old_scans(store: Store) -> int:
    return _delete(store, "scans", "sequence", "state <> 'waiting' AND read_at < ?", _horizon(store))


def _old_kicks(store: Store) -> int:
    return _delete(store, "kicks", "kick_id", "state <> 'requested' AND created_at < ?", _horizon(store))


def _old_events(store: Store) -> int:
    return _delete(store, "events", "event_id", "at < ?", _horizon(store))


def _surplus_traces(store: Store) -> int:
    return store.drop_surplus_traces()


def _surplus_events(store: Store) -> int:
    kept = min(store.limits.max_events, store.limits.max_bytes // EVENTS_PART // EVENT_BYTES)
    row = store.connection.execute(
        "SELECT event_id FROM events ORDER BY event_id DESC LIMIT 1 OFFSET ?", (kept,)
    ).fetchone()
    return 0 if row is None else _delete(store, "events", "event_id", "event_id <= ?", row[0])


def _large_jobs(store: Store) -> int:
    """While the file is too large: the oldest jobs that have their bytes yet."""
    count = freed = 0
    end = _chunk_end()
    while count < CHUNK_ROWS and freed < CHUNK_BYTES and _too_large(store):
        size_bytes = store.drop_oldest_job()
        if size_bytes < 0:
            break
        count += 1
        freed += size_bytes
        if time.monotonic() >= end:
            break
    return count


def _surplus_jobs(store: Store) -> int:
    """While the file is still too large: records of jobs whose bytes went before."""
    if not _too_large(store):
        return 0
    condition = (
        f"{FINAL} AND NOT EXISTS (SELECT 1 FROM job_data d WHERE d.number = jobs.number)"
        " AND NOT EXISTS (SELECT 1 FROM idempotency_keys k WHERE k.job_number = jobs.number AND k.created_at > ?)"
    )
    return _delete(store, "jobs", "number", condition, store.clock() - KEY_LIFE_S)


def _surplus_scans(store: Store) -> int:
    if not _too_large(store):
        return 0
    row = store.connection.execute(
        "SELECT sequence FROM scans ORDER BY sequence DESC LIMIT 1 OFFSET ?", (KEPT_SCANS,)
    ).fetchone()
    return 0 if row is None else _delete(store, "scans", "sequence", "state <> 'waiting' AND sequence <= ?", row[0])


def _large_events(store: Store) -> int:
    return _delete(store, "events", "event_id", "event_id > ?", 0) if _too_large(store) else 0


# One after the other, each until it finds nothing more: first what is too old, then what is too much.
STEPS: tuple[tuple[str, Callable[[Store], int]], ...] = (
    ("keys", _old_keys),
    ("jobs", _old_jobs),
    ("scans", _old_scans),
    ("kicks", _old_kicks),
    ("events", _old_events),
    ("events", _surplus_traces),
    ("events", _surplus_events),
    ("jobs", _large_jobs),
    ("scans", _surplus_scans),
    ("events", _large_events),
    ("jobs", _surplus_jobs),
)


def free_pages(store: Store) -> int:
    """Move a chunk of free pages to the end of the file and cut it; return how many are left to do."""
    end = _chunk_end()
    left = _free_page_count(store)
    for _ in range(min(CHUNK_PAGES, left)):
        # The statement does one page a step, and Python takes one step of a statement that has no rows.
        store.connection.execute("PRAGMA incremental_vacuum(1)")
        if time.monotonic() >= end:
            break
    return _free_page_count(store)


def checkpoint(store: Store) -> None:
    """Copy the WAL into the file and empty it; outside of a transaction."""
    try:
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        # On a full disk the file can't grow; the WAL keeps everything until it can.
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise


def file_bytes(store: Store) -> int:
    pages, size = (store.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)


def _free_page_count(store: Store) -> int:
    return int(store.connection.execute("PRAGMA freelist_count").fetchone()[0])


def _chunk_end() -> float:
    """When a chunk that begins now has to make way for others, on `time.monotonic`."""
    return time.monotonic() + CHUNK_MS / 1000


def _too_large(store: Store) -> bool:
    return store.used_bytes() > store.limits.max_bytes - store.limits.max_bytes // SPARE_PART


def _horizon(store: Store) -> float:
    return store.clock() - store.limits.max_age_days * DAY_S


def _delete(store: Store, table: str, key: str, condition: str, value: float) -> int:
    statement = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {condition} LIMIT {CHUNK_ROWS})"
    return store.connection.execute(statement, (value,)).rowcount
