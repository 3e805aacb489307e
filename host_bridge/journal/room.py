"""Room on the disk: refuse new jobs early enough, and keep a reserve for the running ones."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from host_bridge.journal.errors import JournalFull

RESERVE_BYTES = 4 << 20  # some ten thousand changes of state


class DiskRoom:
    """Watches the free room beside the journal and holds a reserve file that is given up when the disk is full."""

    def __init__(self, path: Path, min_free_bytes: int, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._folder = path.parent
        self._reserve = path.with_name(path.name + ".reserve")
        self._min_free_bytes = min_free_bytes
        self._reserve_bytes = reserve_bytes
        self._laid_in = self._reserve.exists()
        self._looked_at: float | None = None
        self.refusal: JournalFull | None = None  # as of the last look; read by the event loop's thread too
        self.on_change: Callable[[], None] = lambda: None  # there is room again, or none; called in the worker's thread

    def look_due(self, interval_ms: int) -> bool:
        return self._looked_at is None or time.monotonic() - self._looked_at >= interval_ms / 1000

    def look(self) -> None:
        """Measure the free room and lay in the reserve again when there is enough."""
        self._looked_at = time.monotonic()
        free = self._free_bytes()
        if free is None:
            self._remember(None)  # it can't be known here; a write that fails will say so
            return
        if not self._laid_in and free >= self._kept_bytes():
            self._lay_in()
            free = self._free_bytes() or 0
        self._remember(self._refusal(free) if free < max(1, self._kept_bytes()) else None)

    def require(self, size_bytes: int) -> None:
        """Raise JournalFull if so many bytes more would take the room kept free."""
        free = self._free_bytes()
        if free is None or free - size_bytes >= self._kept_bytes():
            return
        refusal = self._refusal(free)
        if free < self._kept_bytes():
            self._remember(refusal)  # for jobs of any size
        raise refusal

    def refuse(self, error: JournalFull) -> None:
        """Remember until the next look that a write failed for want of room, whatever the figures say."""
        self._remember(error)

    def release(self) -> bool:
        """Give the reserve up; False if there is none left."""
        self._laid_in = False
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def _remember(self, refusal: JournalFull | None) -> None:
        changed = (refusal is None) != (self.refusal is None)
        self.refusal = refusal
        if changed:
            self.on_change()

    def _kept_bytes(self) -> int:
        """What new jobs must leave; once the reserve is given up, its room belongs to the running jobs."""
        return self._min_free_bytes + (0 if self._laid_in else self._reserve_bytes)

    def _lay_in(self) -> None:
        try:
            # Random bytes: a file system that compresses would keep no room for zeros.
            with self._reserve.open("wb") as file:
                file.write(os.urandom(self._reserve_bytes))
                file.flush()
                os.fsync(file.fileno())
            self._laid_in = True
        except OSError:
            self.release()  # the room went while it was written; the next look tries again

    def _free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return None

    def _refusal(self, free: int) -> JournalFull:
        return JournalFull(
            f"the disk with {self._folder} has {free} bytes left, "
            f"new jobs must leave {self._kept_bytes()} (journal.min_free_bytes and a reserve): make room on it"
        )
