"""A job's bytes cut into messages, so that the hub learns where it may pause.

A message shorter than a full one ends where an ESC/POS command ends; there the hub stops when the link goes down, and
there it opens a drawer that hangs on the printer. That costs a few bytes in each BOUNDARY_EVERY_BYTES; a picture is one
command, and its messages stay full.
"""

from __future__ import annotations

import asyncio
from typing import Final

from host_bridge.escpos.commands import CommandParser

PIECE_BYTES: Final = 240  # what one frame carries
BOUNDARY_EVERY_BYTES: Final = 960  # of a text; more seldom and a kick waits, more often and frames get short
_SKIPPED_AT_ONCE_BYTES: Final = 65_536  # of what the hub has already; then others have their turn


class Pieces:
    """The messages of one session's part of a job."""

    def __init__(self, data: bytes) -> None:
        self.offset = 0
        self._data = data
        self._parser = CommandParser()
        self._parsed = 0
        self._whole_to = 0  # where the last command ends that was looked at
        self._boundary_due = BOUNDARY_EVERY_BYTES

    async def skip(self, offset: int) -> None:
        """Begin there: the hub has what is before."""
        while self._parsed < offset:
            self._parse(min(offset, self._parsed + _SKIPPED_AT_ONCE_BYTES))
            await asyncio.sleep(0)
        self.offset = offset
        self._boundary_due = offset

    def next(self) -> bytes:
        """The next message; empty behind the last."""
        full = self.offset + PIECE_BYTES
        end = min(full, len(self._data))
        if full <= len(self._data):
            self._parse(full - 1)
            if full >= self._boundary_due and self.offset < self._whole_to < full:
                end = self._whole_to
                self._boundary_due = end + BOUNDARY_EVERY_BYTES
        piece = self._data[self.offset : end]
        self.offset = end
        return piece

    def _parse(self, end: int) -> None:
        """Text is cut at its lines' ends only: a character may have several bytes."""
        if end <= self._parsed:
            return
        commands = self._parser.feed(self._data[self._parsed : end])
        self._parsed = end
        for command in reversed(commands):
            if command.name != "text":
                self._whole_to = command.offset + len(command.data)
                break
