"""Why no session comes up on a port that opened, told by what the link has counted and when."""

from __future__ import annotations

from collections.abc import Mapping

GARBAGE_MIN_BYTES = 32  # fewer stray bytes than this are noise of plugging in, not a damaged stream
# A hub that has said HELLO for so long, and each was answered, doesn't get the answers. One in an earlier bridge's
# session says none yet: our first frame ends that session, or the hub gives it up for silence.
UNANSWERED_MS = 1500
UNANSWERED_HELLOS = 3  # fewer come from one that is busy, and may have the first answer before it


class Hearing:
    """What was heard of a hub. All times are in milliseconds of one clock, which never steps back."""

    def __init__(self, statistics: Mapping[str, int], *, silent_ms: int, no_answer_ms: int) -> None:
        self._now = statistics  # the link's own, which grow
        self._silent_ms = silent_ms
        self._no_answer_ms = no_answer_ms
        self._since_ms = 0.0
        self._frame_ms = 0.0
        self._hello_ms: float | None = None  # when the first HELLO came
        self._at_first: Mapping[str, int] = {}
        self._at_last_frame: Mapping[str, int] = {}

    def begin(self, now_ms: float) -> None:
        """From here on counts how long there has been no session; on standby, no sign of life."""
        self._since_ms = now_ms
        self._hello_ms = None
        self._at_first = self._at_last_frame = dict(self._now)

    def note(self, now_ms: float) -> bool:
        """Bytes came; return whether a valid frame was among them. What came before that tells nothing any more."""
        if self._now["frames_in"] == self._at_last_frame.get("frames_in"):
            return False
        self._frame_ms = now_ms
        if self._hello_ms is None and self._count(self._at_first, "hellos"):
            self._hello_ms = now_ms
        self._at_last_frame = dict(self._now)
        return True

    def waited_ms(self, now_ms: float) -> float:
        return now_ms - self._since_ms

    @property
    def frames(self) -> int:
        """How many valid frames came while there was no session."""
        return self._count(self._at_first, "frames_in")

    def why_no_session(self, repl_seen: bool, now_ms: float) -> tuple[str, str]:
        """Return code and detail; an empty code while frames come and there is still hope."""
        if not self.frames or repl_seen or now_ms - self._frame_ms >= self._silent_ms - 1:
            return self.why_unheard(repl_seen)
        damaged = self._count(self._at_first, "error_checksum", "error_length")
        if damaged > self.frames:
            return (
                "checksum_errors",
                f"{damaged} of {damaged + self.frames} frames came damaged: baud rate, cable, ground?",
            )
        if self._is_unanswered(now_ms) or self.waited_ms(now_ms) >= self._no_answer_ms - 1:
            return (
                "no_answer",
                "the hub is heard, but it doesn't answer: does the line from the bridge to the hub work?",
            )
        return "", ""

    def why_unheard(self, repl_seen: bool) -> tuple[str, str]:
        """Why no valid frame comes (any more), by what has come since the last one."""
        before = self._at_last_frame
        if repl_seen:
            return "repl", "MicroPython's prompt was seen: the hub's program is not running"
        if self._count(before, "error_version"):
            return "version_mismatch", "the hub frames its messages in a newer version than this bridge can read"
        seen_bytes = self._count(before, "bytes_in")
        damaged = self._count(before, "error_checksum", "error_length")
        if damaged or seen_bytes - self._count(before, "text_bytes") >= GARBAGE_MIN_BYTES:
            return "checksum_errors", f"{seen_bytes} bytes came and no valid frame: baud rate, cable, ground?"
        return "silent", f"no HELLO within {self._silent_ms} ms"

    def _is_unanswered(self, now_ms: float) -> bool:
        if self._hello_ms is None or self._count(self._at_first, "hellos") < UNANSWERED_HELLOS:
            return False
        return now_ms - self._hello_ms >= UNANSWERED_MS

    def _count(self, before: Mapping[str, int], *names: str) -> int:
        return sum(self._now.get(name, 0) - before.get(name, 0) for name in names)
