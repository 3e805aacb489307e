"""Text on the hub's stream between the frames: MicroPython's prints, prompts and tracebacks, kept as log lines."""

from __future__ import annotations

import codecs
import logging
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

LINES_KEPT = 200
LINE_LIMIT_CHARS = 500
TRACEBACK_LIMIT_LINES = 60
# What of it is logged. A hub says some lines a start; one that never stops must not fill the disk of the till.
LOG_WINDOW_S = 60.0
LOG_LINES = 100  # a window
LOG_TRACEBACKS = 10  # a window, of their own: chatter must not hide why the program ended
_TRACEBACK_HEAD = "Traceback (most recent call last):"
# The prompt waits without a line end; the two others are what a board says when it enters its REPL.
_REPL_SIGNS = (">>> ", "MicroPython v", "raw REPL")
_SIGN_CHARS = max(len(sign) for sign in _REPL_SIGNS)


class Console:
    """Collects text into lines, and the lines of a traceback into one record."""

    def __init__(self, name: str = "hub", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._line_budget = _Budget(LOG_LINES, monotonic)
        self._traceback_budget = _Budget(LOG_TRACEBACKS, monotonic)
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
        self._tell_left_out()

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
        elif line.strip() and self._may_log(self._line_budget):
            log.info("%s says: %s", self._name, line)

    def _end_traceback(self) -> None:
        ended, self._traceback = self._traceback, []
        if ended and self._may_log(self._traceback_budget):
            log.error("%s reports an exception:\n%s", self._name, "\n".join(ended))

    def _may_log(self, budget: _Budget) -> bool:
        may = budget.spend()
        if may:
            self._tell_left_out()
        return may

    def _tell_left_out(self) -> None:
        """Where they would stand: before the next that is logged, or at the end."""
        if lines := self._line_budget.take_left_out():
            log.info("%s says more: %d lines left out", self._name, lines)
        if tracebacks := self._traceback_budget.take_left_out():
            log.error("%s reports more: %d exceptions left out", self._name, tracebacks)


class _Budget:
    """So many in a window of time; those that are too many are counted."""

    def __init__(self, limit: int, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._begun_at = monotonic()
        self._spent = 0
        self._left_out = 0

    def spend(self) -> bool:
        """Whether one more is within it."""
        now = self._monotonic()
        if now - self._begun_at >= LOG_WINDOW_S:
            self._begun_at, self._spent = now, 0
        within = self._spent < self._limit
        self._spent += within
        self._left_out += not within
        return within

    def take_left_out(self) -> int:
        """How many were too many since this was asked last."""
        left_out, self._left_out = self._left_out, 0
        return left_out
