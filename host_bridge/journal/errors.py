"""What the journal refuses, and why."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from host_bridge.journal.records import Job, JobState, Kick


class JournalError(Exception):
    """Any reason for which the journal could not do what was asked."""


class JournalFull(JournalError):
    """No room: the disk is (nearly) full, or the journal has reached its size with jobs that are still open."""


class JournalFailed(JournalError):
    """The disk or the file let the journal down. Nothing of the call was kept, unless a subclass says otherwise."""


class JournalTimeout(JournalFailed):
    """The disk did not answer in time. The call may or may not take effect later; a job added so is undone."""


class JournalInUse(JournalError):
    """Another bridge works on this state directory."""

    def __init__(self, lock: Path) -> None:
        super().__init__(
            f"another bridge is running on {lock.parent} (it holds {lock.name}); "
            "stop it first, or give this one its own --state-dir"
        )


class SchemaTooNew(JournalError):
    """The file was written by a newer program."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            f"{path} has schema version {found}, this program knows versions up to {known}: "
            "install the newer counterhub again, or move the file away to begin an empty journal"
        )
        self.found = found
        self.known = known


class NotAJournal(JournalError):
    """The file is a sound SQLite database, but not one of ours."""


class IdempotencyMismatch(JournalError):
    """The key was used before, for something else."""


class UnknownRecord(JournalError):
    """No job or kick has this number."""


class IllegalTransition(JournalError):
    """The record is in another state than the caller thought, or its state can't be left that way."""

    def __init__(self, current: Job | Kick, wanted: str, expected: Collection[JobState] | None = None) -> None:
        name = f"job {current.job_id}" if isinstance(current, Job) else f"kick {current.kick_id}"
        thought = "" if expected is None else f" (expected it to be {' or '.join(sorted(expected)) or 'nothing'})"
        super().__init__(f"{name} is {current.state} and can't become {wanted}{thought}")
        self.current = current
