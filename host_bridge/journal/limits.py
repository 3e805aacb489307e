"""How much the journal keeps."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class JournalLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the journal keeps, and when it refuses new jobs. Open jobs and waiting scans are never removed."""

    max_age_days: Annotated[
        int, Meta(ge=1, le=3650, description="Finished jobs, scans, kicks and events older than this are removed.")
    ] = 30
    max_bytes: Annotated[
        int,
        Meta(ge=32 << 20, le=1 << 40, description="Size of the journal's file; the oldest finished jobs make room."),
    ] = 512 << 20
    max_events: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="Events kept for the technician; fewer if they would take an eighth of max_bytes.",
        ),
    ] = 100_000
    min_free_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1 << 40,
            description="New jobs are refused when the disk has less room than this; running ones go on.",
        ),
    ] = 64 << 20
