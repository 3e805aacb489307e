"""What a raw connection's bytes mean: enquiries, kicks, and where one job ends and the next begins. No I/O, no clock.

A job is one connection, or what lies between a cut and the next data on a connection that stays open. What follows a
cut and leaves no mark on paper (ESC @, a line feed) belongs to the job just ended when nothing more comes, and to the
next one when something does.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from host_bridge.escpos.commands import Command, CommandParser
from host_bridge.escpos.compose import FOREIGN_MAGIC

MAX_FIRST_LINE_BYTES: Final = 8192  # how much of a first line is looked at for a web request
MAX_PROOFS: Final = 64  # requests for proof of printing that one job can carry

Verdict = Literal["job", "web", "document"]

_METHODS: Final = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT ", b"DELETE ", b"PATCH ", b"TRACE ")
_WORD: Final = re.compile(rb"[A-Za-z]{1,16}")
_CONTROL: Final = re.compile(rb"[\x00-\x1f]")
_REQUEST_LINE: Final = re.compile(rb"[A-Za-z]{1,16} [^\x00-\x1f]* HTTP/\d")
_STUN_COOKIE: Final = b"\x21\x12\xa4\x42"  # RFC 8489: what a page's WebRTC sends to a "TURN server"

CUTS: Final = frozenset({"GS V", "ESC i", "ESC m"})


def _names(**families: str) -> frozenset[str]:
    """ESC="@ p" -> {"ESC @", "ESC p"}; the manual's names, functions written together with their command ("c3")."""
    return frozenset(
        f"{introducer} {command if command == 'SP' else ' '.join(command)}"
        for introducer, commands in families.items()
        for command in commands.split()
    )


# Alone they change nothing that anybody could see: no job.
SETTINGS: Final = frozenset({"unknown", "CR", "CAN"}) | _names(
    ESC="@ SP ! $ % - 2 3 7 9 < ? D E F G L M R S T U V W \\ a c0 c1 c2 c3 c4 c5 c6 r t {",
    FS="! & (A - . C S W",
    GS="! # $ (D (K B E H L P T W \\ b f h j w z0",
)
# They move paper or make a noise, but leave no mark on it: a job if alone, part of the job just ended after a cut.
FEEDS: Final = CUTS | {"LF", "FF", "HT", "DLE DC4", "GS FF"} | _names(ESC="J K d e B C (A")

# Not for a shared printer: peripheral select would silence it, DLE ENQ and power-off act on somebody else's receipt.
_IGNORED: Final = frozenset({"NUL", "ESC =", "DLE ENQ", "GS ENQ"})
_ENQUIRIES: Final = frozenset({"DLE EOT", "GS I", "GS a"})
_PROOFS: Final = frozenset({"GS r", "ESC u", "ESC v"})
_CLEAR_BUFFER: Final = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
_PROCESS_ID_HEADER: Final = b"\x1d(H\x06\x0000"

MIN_ON_MS: Final = 10
MAX_ON_MS: Final = 510  # the longest pulse that ESC p can ask for, and a solenoid stands


class Enquiry(NamedTuple):
    """To be answered at once; no part of the job."""

    command: Command


class KickRequest(NamedTuple):
    """The drawer, at once; no part of the job."""

    drawer: int  # 1 or 2
    on_ms: int


class ProofRequest(NamedTuple):
    """To be answered once what this connection sent before is on paper; nothing of it is waiting here."""

    command: Command


class FinishedJob(NamedTuple):
    """The bytes to print, and what to answer once they are on paper."""

    data: bytes
    proofs: tuple[Command, ...]


Step = Enquiry | KickRequest | ProofRequest | FinishedJob


def judge_first_bytes(data: bytes, *, final: bool) -> Verdict | None:
    """Tell a till from a browser and from a file sent by mistake, before any byte is acted on.

    None: it takes more bytes to tell. ``final``: no more will come, decide.
    """
    undecided: Verdict | None = "job" if final else None
    if data[:1] == b"\x16":  # TLS ClientHello
        if len(data) < 3:
            return undecided
        return "web" if data[1] == 3 and data[2] <= 4 else "job"
    if data[:2] in (b"\x00\x01", b"\x00\x03") or data == b"\x00":
        if len(data) < 8:
            return undecided
        return "web" if data[4:8] == _STUN_COOKIE else "job"
    for magic, _ in FOREIGN_MAGIC:
        if data.startswith(magic):
            return "document"
        if magic.startswith(data):
            return undecided
    return _judge_first_line(data, undecided)


def _judge_first_line(data: bytes, undecided: Verdict | None) -> Verdict | None:
    word = _WORD.match(data)
    if word is None:
        return "job"
    if _REQUEST_LINE.match(data, 0, MAX_FIRST_LINE_BYTES):
        return "web"
    if word.end() == len(data):
        return undecided
    if data[word.end()] != 0x20 or _CONTROL.search(data, 0, MAX_FIRST_LINE_BYTES):
        return "job"
    if len(data) < MAX_FIRST_LINE_BYTES:
        return undecided
    return "web" if data.upper().startswith(_METHODS) else "job"


def kick_of(command: Command) -> KickRequest | None:
    """The drawer kick that a command asks for: ESC p m t1 t2 (units of 2 ms) or DLE DC4 1 m t (units of 100 ms)."""
    data = command.data
    if command.name == "ESC p":
        connector, on_ms = data[2], 2 * data[3]
    elif command.name == "DLE DC4" and data[2] == 1:
        connector, on_ms = data[3], 100 * data[4]
    else:
        return None
    if connector not in (0, 1, 48, 49):
        return None
    return KickRequest(1 + (connector & 1), min(max(on_ms, MIN_ON_MS), MAX_ON_MS))


class JobCollector:
    """Sort one connection's commands, and put its jobs together."""

    def __init__(self) -> None:
        self._parser = CommandParser()
        self._job = bytearray()
        self._tail = bytearray()  # after a cut: whose it is will show
        self._proofs: list[Command] = []
        self._worth = False  # something in the job shows on paper or in the printer
        self._ended = False  # by a cut

    def feed(self, data: bytes) -> list[Step]:
        """Take bytes; return what is to be done, in order."""
        steps: list[Step] = []
        for command in self._parser.feed(data):
            self._sort(command, steps)
        return steps

    def finish(self) -> FinishedJob | None:
        """End the job here, tail included. An incomplete last command is dropped; None if there is nothing to print."""
        self._job += self._tail
        self._tail.clear()
        self._parser = CommandParser()
        return self._take()

    @property
    def size_bytes(self) -> int:
        return len(self._job) + len(self._tail) + self._parser.pending_bytes

    @property
    def has_work(self) -> bool:
        """Whether bytes are here that a client could miss."""
        return self._worth or self.inside_command

    @property
    def ended(self) -> bool:
        """A cut was the last thing that left a mark."""
        return self._ended

    @property
    def inside_command(self) -> bool:
        return self._parser.missing_bytes > 0

    @property
    def unfinished(self) -> str:
        """The command under way, in words for a log."""
        parser = self._parser
        return f"{parser.pending_name} at byte {parser.pending_offset} lacks {parser.missing_bytes} bytes"

    @property
    def proof_waiting(self) -> bool:
        return bool(self._proofs)

    def _sort(self, command: Command, steps: list[Step]) -> None:
        name = command.name
        if name in _IGNORED:
            return
        if name in _ENQUIRIES:
            steps.append(Enquiry(command))
        elif name in _PROOFS or (name == "GS ( H" and command.data.startswith(_PROCESS_ID_HEADER)):
            self._ask_for_proof(command, steps)
        elif name == "ESC p" or (name == "DLE DC4" and command.data[2] != 3):
            self._realtime(command, steps)
        else:
            self._collect(command, steps)

    def _ask_for_proof(self, command: Command, steps: list[Step]) -> None:
        if not self._worth:
            steps.append(ProofRequest(command))
        elif len(self._proofs) < MAX_PROOFS:
            self._proofs.append(command)

    def _realtime(self, command: Command, steps: list[Step]) -> None:
        """ESC p and DLE DC4 but its function 3, a buzzer, which may wait. Function 2, power-off, is dropped."""
        if kick := kick_of(command):
            steps.append(kick)
        elif command.data[:3] == b"\x10\x14\x07":
            steps.append(Enquiry(command))
        elif command.data == _CLEAR_BUFFER:
            self._clear()
            steps.append(Enquiry(command))

    def _collect(self, command: Command, steps: list[Step]) -> None:
        leaves_mark = command.name not in SETTINGS and command.name not in FEEDS
        if self._ended:
            if not leaves_mark:
                self._tail += command.data
                return
            head = bytes(self._tail)
            self._tail.clear()
            if job := self._take():
                steps.append(job)
            self._job += head
        self._job += command.data
        self._worth = self._worth or command.name not in SETTINGS
        self._ended = command.name in CUTS

    def _take(self) -> FinishedJob | None:
        job = FinishedJob(bytes(self._job), tuple(self._proofs)) if self._worth else None
        self._clear()
        return job

    def _clear(self) -> None:
        self._job.clear()
        self._tail.clear()
        self._proofs.clear()
        self._worth = self._ended = False
