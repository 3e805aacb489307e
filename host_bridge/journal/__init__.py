"""The journal: what must outlive a pulled cable, a killed bridge and a rebooted till."""

from host_bridge.journal.errors import (
    IdempotencyMismatch,
    IllegalTransition,
    JournalError,
    JournalFailed,
    JournalFull,
    JournalInUse,
    JournalTimeout,
    NotAJournal,
    SchemaTooNew,
    UnknownRecord,
)
from host_bridge.journal.journal import Journal
from host_bridge.journal.limits import JournalLimits
from host_bridge.journal.pruning import Pruned
from host_bridge.journal.records import Job, JobState, JournalEvent, Kick, KickState, Scan, ScanState
from host_bridge.journal.schema import Opened
from host_bridge.journal.store import QueueSize

__all__ = [
    "IdempotencyMismatch",
    "IllegalTransition",
    "Job",
    "JobState",
    "Journal",
    "JournalError",
    "JournalEvent",
    "JournalFailed",
    "JournalFull",
    "JournalInUse",
    "JournalLimits",
    "JournalTimeout",
    "Kick",
    "KickState",
    "NotAJournal",
    "Opened",
    "Pruned",
    "QueueSize",
    "Scan",
    "ScanState",
    "SchemaTooNew",
    "UnknownRecord",
]
