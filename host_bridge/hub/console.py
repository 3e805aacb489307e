"""Text on the hub's stream between the frames: MicroPython's prints, prompts and tracebacks, kept as log lines."""

from __future__ import annotations

import codecs
import logging
from collections import deque

log = logging.getLogger(__name__)

LINES_KEPT = 200
LINE_LIMIT_CHARS = 500
TRACEBACK_LIMIT_LINES = 60
_TRACEBACK_HEAD = "Traceback (most recent call last):"
# The prompt waits without a line end; the two others are what a board says when it enters its REPL.
_REPL_SIGNS = (">>> ", "MicroPython v", "raw REPL")
_SIGN_CHARS = max(len(sign) for sign in _REPL_SIGNS)


class Console:
    """Collects text into lines, and the lines of a traceback into one record."""

    def __init__(self, name: str = "hub") -> None:
        self._name = name
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""
        self._traceback: list[str] = []
        self._recent = ""
        self.repl_seen = False

    @property
    def lines(self) -> list[str]:
        """The last lines, oldest first."""
        return list(self._lines)

    def feed(self, data: bytes) -> None:
        """Take text as it came, in pieces of any size."""
        text = self._decoder.decode(data).replace("\r", "")
        recent = self._recent + text
        self.repl_seen = self.repl_seen or any(sign in recent for sign in _REPL_SIGNS)
        self._recent = recent[-(_SIGN_CHARS - 1) :]
        *complete, self._unfinished = (self._unfinished + text).split("\n")
        for line in complete:
            self._take(line)
        while len(self._unfinished) > LINE_LIMIT_CHARS:
            self._take(self._unfinished[:LINE_LIMIT_CHARS])
            self._unfinished = self._unfinished[LINE_LIMIT_CHARS:]

    def forget_repl(self) -> None:
        """A frame came: whatever was printed before, the program runs."""
        self.repl_seen = False
        self._recent = ""

    def flush(self) -> None:
        """No more text is to be expected: log what stands unfinished."""
        unfinished, self._unfinished = self._unfinished, ""
        if unfinished:
            self._take(unfinished)
        self._end_traceback()

    def _take(self, line: str) -> None:
        line = "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in line[:LINE_LIMIT_CHARS])
        if line.strip():
            self._lines.append(line)
        if line.startswith(_TRACEBACK_HEAD):
            self._end_traceback()
            self._traceback = [line]
        elif self._traceback:
            self._traceback.append(line)
            # the frames of a traceback are indented; the exception's line, which ends it, is not
            if not line.startswith(" ") or len(self._traceback) >= TRACEBACK_LIMIT_LINES:
                self._end_traceback()
        elif line.strip():
            log.info("%s says: %s", self._name, line)

    def _end_traceback(self) -> None:
        if self._traceback:
            log.error("%s reports an exception:\n%s", self._name, "\n".join(self._traceback))
            self._traceback = []
