"""The journal's file: its tables, its migrations, and how it is opened after a crash, an update or a damaged disk.

Each migration takes the file from version n - 1 to n; ``PRAGMA user_version`` holds the version. A published
migration is never edited: shops have files that went through it. Only SQL that SQLite 3.34 knows (RHEL 9).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from host_bridge.journal.errors import JournalFailed, JournalFull, NotAJournal, SchemaTooNew

BUSY_TIMEOUT_MS = 5000
WAL_LIMIT_BYTES = 8 << 20  # the WAL file is cut back to this after a checkpoint
MAX_DAMAGED_FILES = 3  # older damaged journals are deleted
MAX_NUMBER = (1 << 32) - 1  # what a kick's number has room for on the link; a damaged counter may say anything
FULL_CHECK_LIMIT_BYTES = 64 << 20  # a larger file's check at start leaves the bytes of old jobs out
CHECK_DEADLINE_MS = 2000  # and ends here, however much is left: a counter waits for it
CHECK_STEPS = 10_000  # of SQLite's machine between two looks at the clock, a fraction of a millisecond

Migration = tuple[str, ...]

MIGRATIONS: tuple[Migration, ...] = (
    # 1: jobs, scans, kicks, events
    (
        """CREATE TABLE jobs (
            number INTEGER PRIMARY KEY AUTOINCREMENT, -- order of acceptance; the clock may jump
            job_id TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'printed', 'unconfirmed', 'failed', 'cancelled')),
            source TEXT NOT NULL,
            size_bytes INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            reason TEXT,
            boot_id TEXT,
            sent_bytes INTEGER NOT NULL DEFAULT 0,
            warning TEXT
        )""",
        "CREATE INDEX jobs_open ON jobs (number, size_bytes) WHERE state IN ('queued', 'sending')",
        "CREATE INDEX jobs_final ON jobs (created_at) WHERE state NOT IN ('queued', 'sending')",
        "CREATE INDEX jobs_content ON jobs (sha256, number)",
        """CREATE TABLE job_data (
            number INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
            data BLOB NOT NULL
        )""",
        """CREATE TABLE kicks (
            kick_id INTEGER PRIMARY KEY AUTOINCREMENT,
            source TEXT NOT NULL,
            drawer INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('requested', 'opened', 'unverified', 'failed')),
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            reason TEXT
        )""",
        "CREATE INDEX kicks_open ON kicks (kick_id) WHERE state = 'requested'",
        "CREATE INDEX kicks_final ON kicks (created_at) WHERE state <> 'requested'",
        """CREATE TABLE idempotency_keys (
            key BLOB PRIMARY KEY, -- SHA-256 of what the till sent: any length, any bytes
            kind TEXT NOT NULL,
            content TEXT NOT NULL,
            job_number INTEGER REFERENCES jobs (number) ON DELETE CASCADE,
            kick_id INTEGER REFERENCES kicks (kick_id) ON DELETE CASCADE,
            created_at REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX idempotency_keys_job ON idempotency_keys (job_number) WHERE job_number IS NOT NULL",
        "CREATE INDEX idempotency_keys_kick ON idempotency_keys (kick_id) WHERE kick_id IS NOT NULL",
        "CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at)",
        """CREATE TABLE scans (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            hub_id TEXT NOT NULL,
            boot_id TEXT NOT NULL,
            hub_sequence INTEGER NOT NULL,
            raw BLOB NOT NULL,
            symbology TEXT,
            check_digit_ok INTEGER,
            repeat INTEGER NOT NULL,
            read_at REAL NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'expired')),
            UNIQUE (hub_id, boot_id, hub_sequence)
        )""",
        "CREATE INDEX scans_waiting ON scans (sequence) WHERE state = 'waiting'",
        "CREATE INDEX scans_settled ON scans (read_at) WHERE state <> 'waiting'",
        """CREATE TABLE events (
            event_id INTEGER PRIMARY KEY AUTOINCREMENT,
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            detail BLOB NOT NULL -- JSON
        )""",
        "CREATE INDEX events_age ON events (at)",
    ),
    # 2: traces, the largest events by far, are limited by a number of their own
    ("CREATE INDEX events_traces ON events (event_id) WHERE kind = 'link_trace'",),
)

SCHEMA_VERSION = len(MIGRATIONS)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """How the file was found. ``moved_aside`` names a damaged one that was replaced by a new, empty one."""

    created: bool
    migrated_from: int | None = None
    moved_aside: Path | None = None
    damage: str | None = None


def open_database(
    path: Path, *, clock: Callable[[], float], migrations: Sequence[Migration] = MIGRATIONS
) -> tuple[sqlite3.Connection, Opened]:
    """Open, check and migrate the file; a damaged one is moved aside, so that the bridge can start.

    Blocking. The caller holds the state directory's lock.
    Raises SchemaTooNew, NotAJournal, JournalFull or JournalFailed.
    """
    damage: str | None = None
    try:
        connection, found = _open_checked(path, migrations)
        created = found == 0
        return connection, Opened(created=created, migrated_from=None if created else _older(found, migrations))
    except sqlite3.Error as error:
        if not is_damage(error):
            raise explain(error, path) from error
        damage = str(error)
    highest = _highest_numbers(path)
    aside = move_aside(path, clock)
    try:
        connection, _ = _open_checked(path, migrations)
        _continue_numbers(connection, highest, int(clock()))
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return connection, Opened(created=True, moved_aside=aside, damage=damage)


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the schema to the newest version in one transaction; return the version found.

    Raises SchemaTooNew and NotAJournal, with the file untouched.
    """
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > len(migrations):
        raise SchemaTooNew(path, found, len(migrations))
    if found == len(migrations):
        return found
    if found == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise NotAJournal(f"{path} is a database of some other program: give the bridge its own --state-dir")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in migrations[found:]:
            for statement in statements:
                connection.execute(statement)
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise JournalFailed(f"{path}: the migration from version {found} leaves {broken[0]} without its parent")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return found


def mark_damaged(path: Path) -> None:
    """Have the next start check every page of the file: a page read since then was bad."""
    _marker(path).touch()


def move_aside(path: Path, clock: Callable[[], float]) -> Path:
    """Rename the file and its WAL, keep the newest few such pairs, and return the new name."""
    stamp = datetime.fromtimestamp(max(0.0, clock()), UTC).strftime("%Y%m%dT%H%M%SZ")
    count = 0
    while True:
        aside = path.with_name(f"{path.stem}.damaged-{stamp}-{count:02}{path.suffix}")
        if not aside.exists() and not _wal(aside).exists():
            break
        count += 1
    try:
        # The WAL first: should the power fail in between, the next start finds the pair still damaged, not mixed up.
        if _wal(path).exists():
            _wal(path).rename(_wal(aside))
        path.rename(aside)
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        _marker(path).unlink(missing_ok=True)
        for old in sorted(path.parent.glob(f"{path.stem}.damaged-*{path.suffix}"))[:-MAX_DAMAGED_FILES]:
            old.unlink()
            _wal(old).unlink(missing_ok=True)
    except OSError as error:
        raise JournalFailed(f"{path} is damaged and can't be moved aside: {error}; move it by hand") from error
    return aside


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file's content is bad, not the disk's room or the rights to it."""
    return _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def explain(error: sqlite3.Error, path: Path) -> JournalFull | JournalFailed:
    """Translate SQLite's error into what an operator can act on."""
    code = _primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return JournalFull(f"the disk with {path.parent} is full: make room on it")
    if is_damage(error):
        return JournalFailed(f"{path} is damaged ({error}): restart the bridge, it moves the file aside")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return JournalFailed(f"can't write {path} ({error}): check that the bridge's user may write there")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalFailed(f"{path} is held by another program ({error}): close it")
    if code == sqlite3.SQLITE_IOERR:
        return JournalFailed(f"the disk with {path} failed ({error}): check its health and room")
    return JournalFailed(f"{path}: {error}")


def _open_checked(path: Path, migrations: Sequence[Migration]) -> tuple[sqlite3.Connection, int]:
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        # Nobody else writes, so no shared memory file is needed, and no stranger can hold a checkpoint up.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # later it would only write to the head
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise JournalFailed(f"{path}: this file system can't hold SQLite's WAL (journal mode is {mode!r})")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        _check(connection, path)
        found = migrate(connection, path, migrations)
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection, found


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise SQLite's own error for a damaged file. A large one is looked through in part, unless a bad page was met:
    damage that stays unseen here is met by the statement that reads it, and the next start checks everything."""
    if path.stat().st_size <= FULL_CHECK_LIMIT_BYTES or _marker(path).exists():
        _run_checks(connection, ["PRAGMA quick_check(1)"])
        _marker(path).unlink(missing_ok=True)
        return
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    end = time.monotonic() + CHECK_DEADLINE_MS / 1000
    connection.set_progress_handler(lambda: time.monotonic() >= end, CHECK_STEPS)
    try:
        # The newest tables first, and that of the jobs, the longest by far, last.
        _run_checks(connection, [f'PRAGMA quick_check("{table}")' for table in tables[::-1] if table != "job_data"])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
    finally:
        connection.set_progress_handler(None, 0)


def _run_checks(connection: sqlite3.Connection, checks: Sequence[str]) -> None:
    for check in checks:
        answer = connection.execute(check).fetchone()[0]
        if answer != "ok":
            error = sqlite3.DatabaseError(answer)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error


def _highest_numbers(path: Path) -> dict[str, int]:
    """What can still be read of the damaged file's counters."""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            rows = connection.execute("SELECT name, seq FROM sqlite_sequence WHERE seq BETWEEN 0 AND ?", (MAX_NUMBER,))
            return {str(name): int(number) for name, number in rows}
        finally:
            connection.close()
    except (sqlite3.Error, ValueError, TypeError):
        return {}  # then the clock alone has to do, see below


def _continue_numbers(connection: sqlite3.Connection, highest: dict[str, int], now: int) -> None:
    """Start the counters of a replaced journal above those of the damaged one.

    A till asks for scans after a number, and a hub refuses a kick whose number it has seen. Counted less than once a
    second, the seconds since the epoch are above any number given so far.
    """
    with_numbers = ("jobs", "scans", "kicks", "events")
    rows = [(table, max(highest.get(table, 0), now)) for table in with_numbers]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", rows)
    connection.execute("COMMIT")


def _older(found: int, migrations: Sequence[Migration]) -> int | None:
    return found if found < len(migrations) else None


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".check")
