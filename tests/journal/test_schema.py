"""The journal's file: created, migrated, refused, replaced."""

from __future__ import annotations

import contextlib
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from host_bridge.journal import (
    Journal,
    JournalFailed,
    JournalInUse,
    JournalLimits,
    NotAJournal,
    SchemaTooNew,
    schema,
)
from host_bridge.journal.schema import MIGRATIONS, SCHEMA_VERSION, open_database

LIMITS = JournalLimits(min_free_bytes=0)
FIXTURE = Path(__file__).with_name("version1.sql")
NEXT = (*MIGRATIONS, ("ALTER TABLE kicks ADD COLUMN clerk TEXT", "UPDATE kicks SET clerk = 'unknown'"))
NOON = 1_700_000_000.0


def write_version_1(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(FIXTURE.read_text(encoding="utf-8"))
    connection.close()


def columns(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    query = "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    return sorted(connection.execute(query).fetchall())


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_a_new_file_has_the_newest_schema_and_the_settings_that_the_promises_need(tmp_path):
    connection, opened = open_database(tmp_path / "journal.db", clock=lambda: NOON)
    assert opened == schema.Opened(created=True)
    wanted = {
        "user_version": SCHEMA_VERSION,
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "auto_vacuum": 2,
        "busy_timeout": schema.BUSY_TIMEOUT_MS,
        "locking_mode": "exclusive",
    }
    assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted
    connection.close()


def test_the_fixture_is_what_version_1_wrote(tmp_path):
    """Should this fail, a published migration was edited: add a new one instead."""
    write_version_1(tmp_path / "old.db")
    old = sqlite3.connect(tmp_path / "old.db")
    new, _ = open_database(tmp_path / "new.db", clock=lambda: NOON, migrations=MIGRATIONS[:1])
    assert columns(old) == columns(new)
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name"
    assert old.execute(indexes).fetchall() == new.execute(indexes).fetchall()
    old.close()
    new.close()


async def test_a_journal_of_version_1_is_read_by_this_program(tmp_path):
    path = tmp_path / "journal.db"
    write_version_1(path)
    journal = await Journal.open(path, LIMITS, clock=lambda: 1000.0)
    assert journal.opened.migrated_from == (None if SCHEMA_VERSION == 1 else 1)
    [job] = await journal.jobs(10)
    assert (job.job_id, job.state, await journal.job_data(job.job_id)) == ("00112233aabbccdd", "printed", b"receipt")
    again, replayed = await journal.add_job(b"receipt", "api", "order-1")
    assert (again.job_id, replayed) == (job.job_id, True)
    [scan] = await journal.waiting_scans()
    assert (scan.sequence, scan.data, scan.check_digit_ok) == (7, "4006381333931", True)
    [event] = await journal.events(10)
    assert event.detail == {"reason": "silent"}
    assert (await journal.abandon_open_kicks("bridge_restarted")) == 1
    await journal.close()


async def test_an_older_schema_is_migrated_once_and_keeps_its_rows(tmp_path):
    path = tmp_path / "journal.db"
    write_version_1(path)
    for migrated_from in (1, None):
        journal = await Journal.open(path, LIMITS, migrations=NEXT)
        assert (journal.opened.created, journal.opened.migrated_from) == (False, migrated_from)
        assert (await journal.jobs(10))[0].job_id == "00112233aabbccdd"
        await journal.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT clerk FROM kicks").fetchall() == [("unknown",)]
    connection.close()
    assert version(path) == len(NEXT)


@pytest.mark.parametrize(
    "broken",
    [
        ("ALTER TABLE kicks ADD COLUMN clerk TEXT", "DROP TABLE events", "SELECT nothing FROM nowhere"),
        ("DROP TABLE events", "INSERT INTO job_data (number, data) VALUES (999, x'00')"),
    ],
    ids=["statement fails", "leaves an orphan"],
)
def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path, broken):
    path = tmp_path / "journal.db"
    write_version_1(path)
    with pytest.raises(JournalFailed):
        open_database(path, clock=lambda: NOON, migrations=(*MIGRATIONS[:1], broken))
    assert version(path) == 1
    connection, opened = open_database(path, clock=lambda: NOON, migrations=MIGRATIONS[:1])
    assert opened == schema.Opened(created=False)
    assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert "clerk" not in [row[1] for row in connection.execute("PRAGMA table_info(kicks)")]
    connection.close()


async def test_a_newer_schema_is_refused_with_both_versions_and_a_remedy(tmp_path):
    path = tmp_path / "journal.db"
    await (await Journal.open(path, LIMITS, migrations=NEXT)).close()
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew, match=rf"version {len(NEXT)}, .* up to {SCHEMA_VERSION}: install the newer"):
        await Journal.open(path, LIMITS)
    assert path.read_bytes() == before
    await (await Journal.open(path, LIMITS, migrations=NEXT)).close()  # and the lock was let go


async def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "journal.db"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE songs (title)")
    foreign.commit()
    foreign.close()
    with pytest.raises(NotAJournal, match="--state-dir"):
        await Journal.open(path, LIMITS)
    foreign = sqlite3.connect(path)
    assert foreign.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]
    foreign.close()


async def test_the_second_bridge_on_a_state_directory_is_refused_until_the_first_is_gone(tmp_path):
    path = tmp_path / "journal.db"
    first = await Journal.open(path, LIMITS)
    with pytest.raises(JournalInUse, match=r"another bridge is running on .*--state-dir"):
        await Journal.open(path, LIMITS)
    await first.add_job(b"still works", "raw")
    await first.close()
    await (await Journal.open(path, LIMITS)).close()


async def test_a_place_that_can_not_hold_a_journal_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalFailed, match="file"):
        await Journal.open(tmp_path / "file" / "journal.db", LIMITS)
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(JournalFailed, match=r"journal\.db"):
        await Journal.open(tmp_path / "journal.db", LIMITS)


async def filled(path: Path) -> None:
    journal = await Journal.open(path, LIMITS, clock=lambda: NOON)
    for number in range(40):
        await journal.add_job(bytes([number]) * 5000, "raw")
        await journal.add_scan("hub", "boot", number, b"123", None, None, False, NOON)
    await journal.close()


def overwrite(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * length)


@pytest.mark.parametrize(
    ("start", "length"), [(0, 16), (0, 4096), (4096, 100_000), (32, 8)], ids=["magic", "head", "pages", "free list"]
)
async def test_a_damaged_file_is_moved_aside_and_the_bridge_starts(tmp_path, caplog, start, length):
    path = tmp_path / "journal.db"
    await filled(path)
    overwrite(path, start, length)
    damaged = path.read_bytes()
    journal = await Journal.open(path, LIMITS, clock=lambda: NOON)
    assert journal.opened.created and journal.opened.moved_aside is not None and journal.opened.damage
    assert journal.opened.moved_aside.read_bytes() == damaged
    assert str(journal.opened.moved_aside) in caplog.text, "a technician is told where it is"
    [event] = await journal.events(10)
    assert event.kind == "journal_damaged"
    assert event.detail == {"moved_to": str(journal.opened.moved_aside), "damage": journal.opened.damage}
    job, _ = await journal.add_job(b"new", "raw")
    assert await journal.open_jobs() == [job]
    await journal.close()
    journal = await Journal.open(path, LIMITS, clock=lambda: NOON)
    assert journal.opened == schema.Opened(created=False)
    await journal.close()


async def test_numbers_never_start_again_when_a_damaged_file_is_replaced(tmp_path):
    """A till asks for the scans after a number, and a hub refuses a kick that it has seen."""
    path = tmp_path / "journal.db"
    await filled(path)
    overwrite(path, 0, 16)
    journal = await Journal.open(path, LIMITS, clock=lambda: NOON)
    scan, _ = await journal.add_scan("hub", "boot", 1, b"123", None, None, False, NOON)
    kick, _ = await journal.add_kick("api", 1)
    assert scan.sequence > 40
    assert NOON < kick.kick_id < 1 << 32
    await journal.close()


async def test_only_the_newest_damaged_files_are_kept(tmp_path):
    path = tmp_path / "journal.db"
    for day in range(schema.MAX_DAMAGED_FILES + 2):
        path.write_bytes(b"this is not a database at all, " * 200)
        journal = await Journal.open(path, LIMITS, clock=partial(float, NOON + day * 86_400))
        newest = journal.opened.moved_aside
        await journal.close()
    kept = sorted(tmp_path.glob("journal.damaged-*.db"))
    assert len(kept) == schema.MAX_DAMAGED_FILES
    assert kept[-1] == newest


async def test_damage_met_while_running_is_found_at_the_next_start_even_in_a_large_file(tmp_path, mocker):
    mocker.patch.object(schema, "FULL_CHECK_LIMIT_BYTES", 0)  # every file counts as large
    path = tmp_path / "journal.db"
    await filled(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'job_data'"
        root = connection.execute(query).fetchone()[0]
    overwrite(path, (root - 1) * 4096, 4096)
    journal = await Journal.open(path, LIMITS)
    assert journal.opened == schema.Opened(created=False)
    with pytest.raises(JournalFailed, match="restart the bridge"):
        await journal.add_job(b"new", "raw")
    assert (await journal.jobs(1))[0].size_bytes == 5000
    await journal.close()
    journal = await Journal.open(path, LIMITS)
    assert journal.opened.moved_aside is not None
    await journal.add_job(b"new", "raw")
    await journal.close()


async def test_a_large_file_is_looked_through_for_a_bounded_time_only(tmp_path, mocker):
    path = tmp_path / "journal.db"
    await filled(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").fetchone()[0]
    overwrite(path, (root - 1) * 4096, 4096)
    mocker.patch.object(schema, "FULL_CHECK_LIMIT_BYTES", 0)  # every file counts as large
    mocker.patch.object(schema, "CHECK_STEPS", 1)
    mocker.patch.object(schema, "CHECK_DEADLINE_MS", 0)
    journal = await Journal.open(path, LIMITS)
    assert journal.opened == schema.Opened(created=False), "nothing was looked at"
    with pytest.raises(JournalFailed, match="restart the bridge"):
        await journal.jobs(1)
    await journal.close()
    journal = await Journal.open(path, LIMITS)
    assert journal.opened.moved_aside is not None, "a bad page was met: now everything is looked at"
    await journal.close()


async def test_an_empty_file_is_a_new_journal(tmp_path):
    (tmp_path / "journal.db").touch()
    journal = await Journal.open(tmp_path / "journal.db", LIMITS)
    assert journal.opened == schema.Opened(created=True)
    await journal.close()
