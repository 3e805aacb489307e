"""A job's bytes cut into messages, so that the hub learns where it may pause.

A message shorter than a full one ends where an ESC/POS command ends; there the hub stops when the link goes down, and
there it opens a drawer that hangs on the printer. A message is cut short only where that costs the line next to
nothing, seen over the bytes since the last one; a picture is one command, and its messages stay full.
"""

from __future__ import annotations

import asyncio
from typing import Final

from host_bridge.escpos.commands import CommandParser
from hublink.frame import PAYLOAD_BYTES_MAX

WORTH: Final = 32  # bytes since the last end for each that a message lacks: 2 parts in 1000 of the line, at 15 a frame
_SKIPPED_AT_ONCE_BYTES: Final = 65_536  # of what the hub has already; then others have their turn


class Pieces:
    """The messages of one session's part of a job."""

    def __init__(self, data: bytes, full_bytes: int = PAYLOAD_BYTES_MAX) -> None:
        """`full_bytes`: what one message carries to this hub, as its HELLO said."""
        self.offset = 0
        self._data = data
        self._full_bytes = full_bytes
        self._parser = CommandParser()
        self._parsed = 0
        self._whole_to = 0  # where the last command ends that was looked at
        self._last_end = 0  # where the last message was cut short

    async def skip(self, offset: int) -> None:
        """Begin there: the hub has what is before."""
        while self._parsed < offset:
            self._parse(min(offset, self._parsed + _SKIPPED_AT_ONCE_BYTES))
            await asyncio.sleep(0)
        self.offset = offset
        self._last_end = offset

    def next(self) -> bytes:
        """The next message; empty behind the last."""
        full = self.offset + self._full_bytes
        end = min(full, len(self._data))
        if full <= len(self._data):
            self._parse(full - 1)
            if self._is_worth_it(full):
                self._last_end = end = self._whole_to
        piece = self._data[self.offset : end]
        self.offset = end
        return piece

    def _is_worth_it(self, full: int) -> bool:
        lost = full - self._whole_to
        return self.offset < self._whole_to and lost * WORTH <= self._whole_to - self._last_end

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
