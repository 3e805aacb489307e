"""The journal's statements: one method an operation, inside a transaction that the caller commits.

Blocking, for one thread. Numbers, not times, give the order: the till's clock may jump.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from host_bridge.journal.errors import IdempotencyMismatch, IllegalTransition, JournalFull, UnknownRecord
from host_bridge.journal.limits import JournalLimits
from host_bridge.journal.records import TRACE_KIND, Job, JobState, JournalEvent, Kick, KickState, Scan, ScanState
from host_bridge.journal.room import DiskRoom

MAX_ROWS = 1000  # the most that one list answers
MAX_DETAIL_BYTES = 256 << 10  # of one event; the trace of a lost link is the largest
KEPT_TRACES = 200  # 10 kB each, and a link with a loose plug fails once a second
TRACES_DROPPED = 50  # at a time
CLOCK_SLACK_S = 5.0  # a scan further in the future than this was read before the clock was set back: its age is unknown
DAY_S = 86_400.0
KEY_LIFE_S = DAY_S  # a till may retry for a day
MAKE_ROOM_MS = 50  # everybody waits while a job makes more room than it takes

# A job only goes forward. From `sending` on, the printer may have it: nothing leads back to `queued`, so that the
# bridge can't print it a second time, and only the printer's word leads to `printed`. The same state again is a note:
# a new reason, a new offset. The last four are final and never change.
JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.QUEUED, JobState.SENDING, JobState.FAILED, JobState.CANCELLED}),
    JobState.SENDING: frozenset({JobState.SENDING, JobState.PRINTED, JobState.UNCONFIRMED, JobState.FAILED}),
    JobState.PRINTED: frozenset(),
    JobState.UNCONFIRMED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

OPEN = "state IN ('queued', 'sending')"  # the words of the index `jobs_open`
FINAL = "state NOT IN ('queued', 'sending')"

_JOB = "job_id, state, source, size_bytes, sha256, created_at, updated_at, reason, boot_id, sent_bytes, warning"
_SCAN = "sequence, hub_id, boot_id, hub_sequence, raw, symbology, check_digit_ok, repeat, read_at, state"
_KICK = "kick_id, source, drawer, state, created_at, updated_at, reason"

Row = tuple[Any, ...]


class QueueSize(msgspec.Struct, frozen=True):
    """What waits or is under way to the printer."""

    count: int
    bytes: int


class Store:
    """One connection's operations."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        limits: JournalLimits,
        clock: Callable[[], float],
        room: DiskRoom,
    ) -> None:
        self.connection = connection
        self.limits = limits
        self.room = room
        self.clock = clock

    # Jobs

    def add_job(self, job_id: str, data: bytes, source: str, idempotency_key: str | None) -> tuple[Job, bool]:
        sha256 = hashlib.sha256(data).hexdigest()
        if idempotency_key is not None:
            number = self._known_key(idempotency_key, "print", sha256)
            if number is not None:
                return self._one_job("number = ?", number), True
        self._make_room(len(data))
        now = self.clock()
        number = self._insert(
            "INSERT INTO jobs (job_id, state, source, size_bytes, sha256, created_at, updated_at)"
            " VALUES (?,?,?,?,?,?,?)",
            (job_id, JobState.QUEUED, source, len(data), sha256, now, now),
        )
        self.connection.execute("INSERT INTO job_data (number, data) VALUES (?, ?)", (number, data))
        if idempotency_key is not None:
            self._remember_key(idempotency_key, "print", sha256, job_number=number)
        return self._one_job("number = ?", number), False

    def job_of_key(self, idempotency_key: str, data: bytes) -> Job | None:
        """The job that was added with this key. Raises IdempotencyMismatch if it had other bytes."""
        number = self._known_key(idempotency_key, "print", hashlib.sha256(data).hexdigest())
        return None if number is None else self._one_job("number = ?", number)

    def abandon_job(self, job_id: str, reason: str) -> None:
        """Undo the adding of a job that nobody was told about, unless it is under way already."""
        row = self.connection.execute(
            "SELECT number FROM jobs WHERE job_id = ? AND state = 'queued'", (job_id,)
        ).fetchone()
        if row is None:
            return
        self.connection.execute("DELETE FROM idempotency_keys WHERE job_number = ?", row)
        self.connection.execute(
            "UPDATE jobs SET state = 'failed', reason = ?, updated_at = ? WHERE number = ?",
            (reason, self.clock(), row[0]),
        )

    def job(self, job_id: str) -> Job | None:
        row = self.connection.execute(f"SELECT {_JOB} FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        return None if row is None else _job(row)

    def job_data(self, job_id: str) -> bytes | None:
        row = self.connection.execute(
            "SELECT data FROM job_data WHERE number = (SELECT number FROM jobs WHERE job_id = ?)", (job_id,)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def jobs(self, limit: int) -> list[Job]:
        rows = self.connection.execute(f"SELECT {_JOB} FROM jobs ORDER BY number DESC LIMIT ?", (_rows(limit),))
        return [_job(row) for row in rows]

    def open_jobs(self) -> list[Job]:
        return [_job(row) for row in self.connection.execute(f"SELECT {_JOB} FROM jobs WHERE {OPEN} ORDER BY number")]

    def queued(self) -> QueueSize:
        row = self.connection.execute(
            f"SELECT count(*), coalesce(sum(size_bytes), 0) FROM jobs WHERE {OPEN}"
        ).fetchone()
        return QueueSize(*row)

    def recent_duplicate(self, sha256: str, within_s: float, excluding: str | None) -> Job | None:
        now = self.clock()
        row = self.connection.execute(
            f"SELECT {_JOB} FROM jobs WHERE sha256 = ? AND created_at BETWEEN ? AND ? AND job_id IS NOT ?"
            " AND state NOT IN ('failed', 'cancelled') ORDER BY number DESC LIMIT 1",
            (sha256, now - within_s, now + within_s, excluding),
        ).fetchone()
        return None if row is None else _job(row)

    def set_job(
        self,
        job_id: str,
        state: JobState,
        expected: Collection[JobState],
        reason: str | None,
        boot_id: str | None,
        sent_bytes: int | None,
        warning: str | None,
    ) -> Job:
        job = self._one_job("job_id = ?", job_id)
        if job.state not in expected:
            raise IllegalTransition(job, state, expected)
        if state not in JOB_TRANSITIONS[job.state]:
            raise IllegalTransition(job, state)
        if sent_bytes is not None and not 0 <= sent_bytes <= job.size_bytes:
            raise ValueError(f"sent_bytes is {sent_bytes}, job {job_id} has {job.size_bytes} bytes")
        changed = msgspec.structs.replace(
            job,
            state=state,
            updated_at=self.clock(),
            # A reason belongs to the state that it explains.
            reason=job.reason if reason is None and state == job.state else reason,
            boot_id=job.boot_id if boot_id is None else boot_id,
            sent_bytes=job.sent_bytes if sent_bytes is None else sent_bytes,
            warning=job.warning if warning is None else warning,
        )
        self.connection.execute(
            "UPDATE jobs SET state = ?, updated_at = ?, reason = ?, boot_id = ?, sent_bytes = ?, warning = ?"
            " WHERE job_id = ?",
            (state, changed.updated_at, changed.reason, changed.boot_id, changed.sent_bytes, changed.warning, job_id),
        )
        return changed

    # Scans

    def add_scan(
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
        values = (
            hub_id,
            boot_id,
            hub_sequence,
            bytes(raw),
            symbology,
            check_digit_ok,
            repeat,
            read_at,
            ScanState.WAITING,
        )
        try:  # nearly each scan is new: to look first would only cost it time
            sequence = self._insert(
                "INSERT INTO scans"
                " (hub_id, boot_id, hub_sequence, raw, symbology, check_digit_ok, repeat, read_at, state)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                values,
            )
        except sqlite3.IntegrityError:
            known = self.connection.execute(
                f"SELECT {_SCAN} FROM scans WHERE hub_id = ? AND boot_id = ? AND hub_sequence = ?", values[:3]
            ).fetchone()
            if known is None:
                raise
            return _scan(known), False
        return _scan((sequence, *values)), True

    def scans_after(self, sequence: int, limit: int) -> list[Scan]:
        rows = self.connection.execute(
            f"SELECT {_SCAN} FROM scans WHERE sequence > ? ORDER BY sequence LIMIT ?", (_number(sequence), _rows(limit))
        )
        return [_scan(row) for row in rows]

    def newest_scans(self, limit: int) -> list[Scan]:
        rows = self.connection.execute(f"SELECT {_SCAN} FROM scans ORDER BY sequence DESC LIMIT ?", (_rows(limit),))
        return [_scan(row) for row in reversed(rows.fetchall())]

    def waiting_scans(self) -> list[Scan]:
        rows = self.connection.execute(
            f"SELECT {_SCAN} FROM scans WHERE state = 'waiting' ORDER BY sequence LIMIT ?", (MAX_ROWS,)
        )
        return [_scan(row) for row in rows]

    def settle_scan(self, sequence: int, state: ScanState) -> bool:
        if state == ScanState.WAITING:
            raise ValueError("a scan is settled as delivered or expired")
        done = self.connection.execute(
            "UPDATE scans SET state = ? WHERE sequence = ? AND state = 'waiting'", (state, _number(sequence))
        )
        return done.rowcount == 1

    def expire_scans(self, older_than: float) -> list[Scan]:
        rows = self.connection.execute(
            f"SELECT {_SCAN} FROM scans WHERE state = 'waiting' AND (read_at < ? OR read_at > ?)"
            " ORDER BY sequence LIMIT ?",
            (older_than, self.clock() + CLOCK_SLACK_S, MAX_ROWS),
        ).fetchall()
        self.connection.executemany("UPDATE scans SET state = 'expired' WHERE sequence = ?", [row[:1] for row in rows])
        return [_scan((*row[:-1], ScanState.EXPIRED)) for row in rows]

    # Kicks

    def add_kick(self, source: str, drawer: int, idempotency_key: str | None) -> tuple[Kick, bool]:
        content = f"drawer {drawer}"
        if idempotency_key is not None:
            known = self._known_key(idempotency_key, "kick", content)
            if known is not None:
                return self._one_kick(known), True
        now = self.clock()
        kick_id = self._insert(
            "INSERT INTO kicks (source, drawer, state, created_at, updated_at) VALUES (?,?,?,?,?)",
            (source, drawer, KickState.REQUESTED, now, now),
        )
        if idempotency_key is not None:
            self._remember_key(idempotency_key, "kick", content, kick_id=kick_id)
        return self._one_kick(kick_id), False

    def kick(self, kick_id: int) -> Kick | None:
        row = self.connection.execute(f"SELECT {_KICK} FROM kicks WHERE kick_id = ?", (_number(kick_id),)).fetchone()
        return None if row is None else _kick(row)

    def settle_kick(self, kick_id: int, state: KickState, reason: str | None) -> Kick:
        kick = self._one_kick(kick_id)
        if kick.state != KickState.REQUESTED or state == KickState.REQUESTED:
            raise IllegalTransition(kick, state)
        self.connection.execute(
            "UPDATE kicks SET state = ?, reason = ?, updated_at = ? WHERE kick_id = ?",
            (state, reason, self.clock(), kick_id),
        )
        return self._one_kick(kick_id)

    def abandon_open_kicks(self, reason: str) -> int:
        return self.connection.execute(
            "UPDATE kicks SET state = 'failed', reason = ?, updated_at = ? WHERE state = 'requested'",
            (reason, self.clock()),
        ).rowcount

    # Events

    def add_event(self, kind: str, detail: Mapping[str, object]) -> JournalEvent:
        at = self.clock()
        encoded = msgspec.json.encode(detail, enc_hook=str)
        if len(encoded) > MAX_DETAIL_BYTES:
            encoded = msgspec.json.encode(
                {"truncated": len(encoded), "begin": encoded[: MAX_DETAIL_BYTES // 2].decode(errors="replace")}
            )
        event_id = self._insert("INSERT INTO events (at, kind, detail) VALUES (?,?,?)", (at, kind, encoded))
        if kind == TRACE_KIND:
            self.drop_surplus_traces()
        return _event((event_id, at, kind, encoded))

    def drop_surplus_traces(self) -> int:
        """Remove some of the oldest traces beyond those kept; return how many. What else happened stays."""
        return self.connection.execute(
            "DELETE FROM events WHERE event_id IN (SELECT event_id FROM events WHERE kind = 'link_trace'"
            " ORDER BY event_id DESC LIMIT ? OFFSET ?)",
            (TRACES_DROPPED, KEPT_TRACES),
        ).rowcount

    def events(self, limit: int, after: int) -> list[JournalEvent]:
        if after > 0:
            query, values = "WHERE event_id > ? ORDER BY event_id", (_number(after), _rows(limit))
        else:
            query, values = "WHERE event_id > ? ORDER BY event_id DESC", (0, _rows(limit))
        rows = self.connection.execute(
            f"SELECT event_id, at, kind, detail FROM events {query} LIMIT ?", values
        ).fetchall()
        return [_event(row) for row in (rows if after > 0 else reversed(rows))]

    # Room

    def used_bytes(self) -> int:
        """Bytes of the file in use, without the free pages inside it."""
        pages, free, size = (int(self._pragma(name)) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def drop_oldest_job(self) -> int:
        """Remove the oldest final job that has its bytes yet; return how many, or -1 if there is none.

        While its idempotency key must live, the job's record stays, without the bytes.
        """
        row = self.connection.execute(
            "SELECT d.number, j.size_bytes FROM job_data d CROSS JOIN jobs j ON j.number = d.number"
            f" WHERE j.{FINAL} ORDER BY d.number LIMIT 1"
        ).fetchone()
        if row is None:
            return -1
        number, size_bytes = row
        self.connection.execute("DELETE FROM job_data WHERE number = ?", (number,))
        self.connection.execute(
            "DELETE FROM jobs WHERE number = ? AND NOT EXISTS"
            " (SELECT 1 FROM idempotency_keys k WHERE k.job_number = number AND k.created_at > ?)",
            (number, self.clock() - KEY_LIFE_S),
        )
        return int(size_bytes)

    def _make_room(self, size_bytes: int) -> None:
        """Leave the disk its room, and keep the file within its size between two prunings.

        A file far above its size, because the limit was lowered, is pruning's work: here a job makes room for itself.
        """
        self.room.require(size_bytes)
        found = used = self.used_bytes()
        end = time.monotonic() + MAKE_ROOM_MS / 1000
        while used + size_bytes > self.limits.max_bytes:
            if found - used >= size_bytes and time.monotonic() >= end:
                return
            if self.drop_oldest_job() < 0:
                raise JournalFull(
                    f"a job of {size_bytes} bytes does not fit: {used} of the journal's {self.limits.max_bytes} bytes "
                    "are in use and no finished job is left to make room: get the printer going, or raise "
                    "journal.max_bytes"
                )
            used = self.used_bytes()

    def _pragma(self, name: str) -> int:
        return int(self.connection.execute(f"PRAGMA {name}").fetchone()[0])

    # Inside

    def _insert(self, statement: str, values: Row) -> int:
        number = self.connection.execute(statement, values).lastrowid
        assert number is not None
        return number

    def _one_job(self, where: str, value: str | int) -> Job:
        row = self.connection.execute(f"SELECT {_JOB} FROM jobs WHERE {where}", (value,)).fetchone()
        if row is None:
            raise UnknownRecord(f"the journal has no job {value}")
        return _job(row)

    def _one_kick(self, kick_id: int) -> Kick:
        kick = self.kick(kick_id)
        if kick is None:
            raise UnknownRecord(f"the journal has no kick {kick_id}")
        return kick

    def _known_key(self, key: str, kind: str, content: str) -> int | None:
        """Return the number of the job or kick that the key belongs to."""
        row = self.connection.execute(
            "SELECT kind, content, coalesce(job_number, kick_id), created_at FROM idempotency_keys WHERE key = ?",
            (_digest(key),),
        ).fetchone()
        if row is None:
            return None
        if (row[0], row[1]) != (kind, content):
            earlier = "the same kind of request with other content" if row[0] == kind else f"a {row[0]} request"
            raise IdempotencyMismatch(
                f"this idempotency key was used before for {earlier}: make a new key for each new request"
            )
        return int(row[2])

    def _remember_key(
        self, key: str, kind: str, content: str, *, job_number: int | None = None, kick_id: int | None = None
    ) -> None:
        self.connection.execute(
            "INSERT INTO idempotency_keys (key, kind, content, job_number, kick_id, created_at) VALUES (?,?,?,?,?,?)",
            (_digest(key), kind, content, job_number, kick_id, self.clock()),
        )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _rows(limit: int) -> int:
    return max(0, min(limit, MAX_ROWS))


def _number(value: int) -> int:
    """Clamp to what SQLite's integers hold: a till may ask for any."""
    return max(-1, min(value, (1 << 63) - 1))


def _job(row: Row) -> Job:
    job_id, state, source, size_bytes, sha256, created_at, updated_at, reason, boot_id, sent_bytes, warning = row
    return Job(
        job_id=job_id,
        state=JobState(state),
        source=source,
        size_bytes=size_bytes,
        sha256=sha256,
        created_at=created_at,
        updated_at=updated_at,
        reason=reason,
        boot_id=boot_id,
        sent_bytes=sent_bytes,
        warning=warning,
    )


def _scan(row: Row) -> Scan:
    sequence, hub_id, boot_id, hub_sequence, raw, symbology, check_digit_ok, repeat, read_at, state = row
    return Scan(
        sequence=sequence,
        hub_id=hub_id,
        boot_id=boot_id,
        hub_sequence=hub_sequence,
        data=_text(raw),
        raw=raw,
        symbology=symbology,
        check_digit_ok=None if check_digit_ok is None else bool(check_digit_ok),
        repeat=bool(repeat),
        read_at=read_at,
        state=ScanState(state),
    )


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _kick(row: Row) -> Kick:
    kick_id, source, drawer, state, created_at, updated_at, reason = row
    return Kick(
        kick_id=kick_id,
        source=source,
        drawer=drawer,
        state=KickState(state),
        created_at=created_at,
        updated_at=updated_at,
        reason=reason,
    )


def _event(row: Row) -> JournalEvent:
    event_id, at, kind, detail = row
    return JournalEvent(event_id=event_id, at=at, kind=kind, detail=msgspec.json.decode(detail, type=dict[str, object]))
