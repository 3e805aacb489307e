"""Which hub was served last: what decides between two that are plugged in.

Kept beside the journal and not in it: this is no promise to a till. Without it a person is asked, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "last-hub"
FILE_LIMIT_BYTES = 64
_HUB_ID = re.compile("[0-9a-f]{16}")


class LastHub:
    """The file in one hub's state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._newest: str | None = None  # still to be written
        self._writing: asyncio.Task[None] | None = None

    async def read(self) -> str | None:
        """The hub's id; None if there was none, or if the file can't be used."""
        try:
            text = await asyncio.to_thread(self._read)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            log.warning("%s can't be read (%s): which hub was served last is not known", self._path, error)
            return None
        return text if _HUB_ID.fullmatch(text) else None

    def remember(self, hub_id: str) -> None:
        """Write it down, without holding anything up; what is no longer the newest is never written."""
        self._newest = hub_id
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_newest())

    async def settle(self) -> None:
        """Wait for what is still being written."""
        if self._writing is not None:
            await asyncio.wait((self._writing,))

    async def _write_newest(self) -> None:
        while (hub_id := self._newest) is not None:
            self._newest = None
            try:
                await asyncio.to_thread(self._write, hub_id)
            except OSError as error:
                log.warning("which hub is served could not be written to %s: %s", self._path, error)

    def _read(self) -> str:
        with self._path.open("rb") as file:
            return file.read(FILE_LIMIT_BYTES).decode("ascii").strip()

    def _write(self, hub_id: str) -> None:
        """The whole new id or the whole old one, whenever the power goes."""
        fresh = self._path.with_name(FILE + ".new")
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{hub_id}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
