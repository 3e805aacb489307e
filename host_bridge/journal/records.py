"""What the journal keeps: jobs, scans, kicks and events, as plain records."""

from __future__ import annotations

import enum

import msgspec

TRACE_KIND = "link_trace"  # of an event: the last frames of a link that failed


class JobState(enum.StrEnum):
    """The life of a job; the last four are final."""

    QUEUED = "queued"
    SENDING = "sending"
    PRINTED = "printed"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.SENDING)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One receipt from the till. Its bytes are kept apart: see ``Journal.job_data``."""

    job_id: str  # 16 hex digits; the same 8 bytes name the job on the link
    state: JobState
    source: str  # the till interface it came by: "raw", "api", ...
    size_bytes: int
    sha256: str
    created_at: float  # seconds since the epoch, the till's clock
    updated_at: float
    reason: str | None = None  # why it is in this state, a code: "printer_power", "hub_restarted", ...
    boot_id: str | None = None  # the life of the hub that its bytes were sent to
    sent_bytes: int = 0  # bytes the hub is known to have taken
    warning: str | None = None


class ScanState(enum.StrEnum):
    WAITING = "waiting"  # journaled, not yet acknowledged by a till
    DELIVERED = "delivered"
    EXPIRED = "expired"


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """One decoded barcode. ``sequence`` counts through all lives of the hub and never repeats."""

    sequence: int
    hub_id: str
    boot_id: str
    hub_sequence: int  # the hub's own count, unique within (hub_id, boot_id)
    data: str  # UTF-8 where it is UTF-8, otherwise Latin-1; ``raw`` below is exact
    raw: bytes
    symbology: str | None  # AIM identifier, for example "]E0"
    check_digit_ok: bool | None  # None where the symbology has none
    repeat: bool  # the same code again within 400 ms
    read_at: float  # seconds since the epoch
    state: ScanState


class KickState(enum.StrEnum):
    REQUESTED = "requested"
    OPENED = "opened"  # the switch says so
    UNVERIFIED = "unverified"  # pulse given; the drawer has no switch
    FAILED = "failed"


class Kick(msgspec.Struct, frozen=True, kw_only=True):
    kick_id: int
    source: str
    drawer: int  # 1 or 2
    state: KickState
    created_at: float
    updated_at: float
    reason: str | None = None  # "link_down", "expired", "drawer_stuck", "duty", ...


class JournalEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth telling a technician later: a fault, a lost link, a restart."""

    event_id: int
    at: float
    kind: str
    detail: dict[str, object]
