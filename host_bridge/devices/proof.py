"""How a printer proves that a job is on paper: by its process id response, or GS r, or not at all.

That alone does not tell that the paper has all of it: a printer that was without power for a moment in the middle has
forgotten what was in its buffer, prints the rest and answers as if nothing had been. So where it can the enquiry is
kept in the printer's own memory before the job begins, as a macro (GS :), and only called (GS ^) behind the job. A
macro outlives ESC @, but not the printer's power. Behind the call stands an enquiry of the usual kind: if only this one
is answered the printer has forgotten. See docs/decisions/0021.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from host_bridge.devices.link import DeviceLink
from host_bridge.escpos.commands import CommandParser

log = logging.getLogger(__name__)

_TRY_TOKEN = b"counter?"
_ANSWER_MS = 1000  # a printer with nothing to print answers within a few milliseconds
_ARM_MS = 3000  # a printer that is known to answer, on a slow line, beside a busy till
_QUIET_MS = 300  # nothing more follows an answer that should have come with it
_CLEAR_MS = 200  # what is sent so soon behind DLE DC4 8 may be forgotten as well
_ARM_ATTEMPTS = 2
_FORGOTTEN_LIMIT = 3  # jobs in a row: then it is not the power, but something in the receipts
_PARSED_BYTES_MAX = 1 << 20  # looked through for macros; a longer job that may have some is taken to have them
_DEFINE: Final = b"\x1d:"  # GS :, before and behind what the macro is made of
_CALL: Final = b"\x1d^\x01\x00\x00"  # GS ^: once, without waiting
# GS ^ ends a definition that is under way, be it from an attempt that was cut off; and runs nothing, no times.
_END_DEFINITION: Final = b"\x1d^\x00\x00\x00"
_INITIALIZE: Final = b"\x1b@"
# DLE DC4 8, in real time: forget what is buffered or half received
_CLEAR: Final = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
_KIND_JOB, _KIND_END, _KIND_READY = b"", b"#", b"*"  # what a process id is about

Verdict = Literal["printed", "printer_power", "wrong_proof"]


class Proof(msgspec.Struct, frozen=True):
    """One way to ask: the enquiry, with `{id}` where the job's id stands. `remembered`: by a macro defined before."""

    prefix: bytes
    with_id: bool = False
    remembered: bool = False

    @property
    def wanted(self) -> bool:
        """False: there is no proof to be had; the printer's jobs end unconfirmed."""
        return bool(self.prefix)

    def request(self, token: bytes) -> bytes:
        """The bytes that ask the printer, sent behind the job's last."""
        if not self.remembered:
            return self.enquiry(token)
        return _CALL + (self.enquiry(token, _KIND_END) if self.with_id else b"")

    def enquiry(self, token: bytes, kind: bytes = _KIND_JOB) -> bytes:
        return self.prefix + (_process_id(token, kind) if self.with_id else b"")

    def macro(self, token: bytes) -> bytes:
        """The bytes that make the printer remember the job's enquiry; behind them one that tells that it does."""
        return _END_DEFINITION + _DEFINE + self.enquiry(token) + _DEFINE + self.enquiry(token, _KIND_READY)


# GS ( H function 48: the printer repeats an id once what came before it is printed.
PROCESS_ID = Proof(b"\x1d\x28\x48\x06\x00\x30\x30", with_id=True)
# GS r 1: answered in the order of the print stream, so once what came before it is printed.
PAPER_SENSOR = Proof(b"\x1d\x72\x01")
NO_PROOF = Proof(b"")


def verdict(token: bytes, reply: bytes) -> Verdict:
    """What the printer's answers to a job's proof say, whichever way it was asked."""
    if len(reply) == 1 or _answer(token, _KIND_JOB) in reply:
        return "printed"
    return "printer_power" if _answer(token, _KIND_END) in reply else "wrong_proof"


def _process_id(token: bytes, kind: bytes) -> bytes:
    """Four printable characters, as the manual wants them (GS ( H: 32 <= d <= 126)."""
    return (kind + token.hex()[-4:].encode())[:4]


def _answer(token: bytes, kind: bytes) -> bytes:
    return b"\x37\x22" + _process_id(token, kind) + b"\0"


class _Memory(msgspec.Struct):
    """What was found out about this printer's macros; None: not yet."""

    kept: bool | None = None
    kept_over_initialize: bool | None = None  # ESC @, with which most receipts begin
    answers_while_defining: int = 0  # a printer obeys what it puts into a macro


class ProofFinder:
    """Which proof this printer gives: configured, or tried out once in each life of the printer."""

    def __init__(self, confirm: str, link: DeviceLink, *, remember: bool = True) -> None:
        self._link = link
        known = {"process_id": PROCESS_ID, "gs_r": PAPER_SENSOR, "none": NO_PROOF}
        self._configured = known.get(confirm)
        self._remember = remember
        self._found: Proof | None = None
        self._memory = _Memory()
        self._armed: tuple[Proof, bytes] | None = None  # the job whose enquiry the printer was made to remember last
        self.busy_until = 0.0  # the loop's time to which it may still print a job that was given up waiting for
        self._forgotten = 0  # jobs in a row over which the printer forgot its macro
        self._replies: list[bytes] = []
        self._enough: Callable[[list[bytes]], bool] | None = None
        self._replied = asyncio.Event()

    def forget(self) -> None:
        """The printer may be another one now."""
        self._found = None
        self._memory = _Memory()

    async def find(self, token: bytes, data: bytes) -> Proof | None:
        """The proof to use for a job, which the printer is made to remember if it can; None: the link went down."""
        proof = self._configured or self._found or await self._try_proofs()
        if proof is None or not proof.wanted or not self._remember:
            return proof
        if not await self._remembers(proof, data):
            return proof if self._link.is_up else None
        return await self._arm(proof, token)

    def on_reply(self, reply: bytes) -> None:
        self._replies.append(reply)
        if self._enough and self._enough(self._replies):
            self._replied.set()

    def judged(self, outcome: Verdict) -> None:
        """What became of a job; so a macro that the receipts themselves undo is not relied on for long."""
        self._forgotten = self._forgotten + 1 if outcome == "printer_power" else 0
        if self._forgotten == _FORGOTTEN_LIMIT:
            log.warning(
                "the printer forgot its macro over %d jobs in a row, without a sign that it lost its power: "
                "it is not relied on any more until the printer is switched off and on",
                _FORGOTTEN_LIMIT,
            )
            self._memory = _Memory(kept=False, kept_over_initialize=False)

    async def has_forgotten(self, token: bytes) -> bool:
        """Whether the printer has lost its memory since it was made to remember this job's enquiry; asked when no
        answer came to it for so long that it can't be printing any more."""
        if not self._armed or self._armed[1] != token:
            return False
        proof, self._armed = self._armed[0], None
        if not await self._clear():
            return False
        query = _CALL + proof.enquiry(token, _KIND_READY)
        if not proof.with_id:
            return len(await self._ask(query, _lone(2))) == 1
        ids = await self._ids(query)
        return _process_id(token, _KIND_READY) in ids and _process_id(token, _KIND_JOB) not in ids

    async def _try_proofs(self) -> Proof | None:
        if PROCESS_ID.enquiry(_TRY_TOKEN)[-4:] in await self._ids(PROCESS_ID.enquiry(_TRY_TOKEN)):
            self._found = PROCESS_ID
            return self._found
        replies = await self._ask(PAPER_SENSOR.enquiry(_TRY_TOKEN), _lone(1))
        if not self._link.is_up:
            return None
        if _lone(1)(replies):
            self._found = PAPER_SENSOR
            return self._found
        return NO_PROOF  # not remembered: asked again for the next job

    # -- the printer's memory ------------------------------------------------------------------------------------

    async def _remembers(self, proof: Proof, data: bytes) -> bool:
        """Whether a macro would be there when the job is through, if the printer keeps its power."""
        if _has_macros(data):
            return False
        initializes = _INITIALIZE in data
        memory = self._memory
        if memory.kept is None or (initializes and memory.kept_over_initialize is None):
            if initializes and not data.startswith(_INITIALIZE):
                return False  # to try it out would lose settings that the job relies on
            await self._try_memory(proof, initializes)
        return bool(memory.kept_over_initialize if initializes else memory.kept)

    async def _try_memory(self, proof: Proof, initialize: bool) -> None:
        """Define a macro and call it, with ESC @ between where the job is to begin with one anyway."""
        memory = self._memory
        defining = await self._answers(proof, proof.macro(_TRY_TOKEN))
        call = (_INITIALIZE if initialize else b"") + _CALL + proof.enquiry(_TRY_TOKEN, _KIND_READY)
        calling = await self._answers(proof, call)
        if not self._link.is_up or memory is not self._memory:
            return
        kept = defining >= 0 and calling == 1
        memory.answers_while_defining = defining
        memory.kept = kept or bool(memory.kept)
        if initialize:
            memory.kept_over_initialize = kept

    async def _answers(self, proof: Proof, query: bytes) -> int:
        """How often the macro's enquiry was answered, beside the enquiry behind it; -1 if that was not."""
        if not proof.with_id:
            return len(await self._ask(query, lambda replies: False, _QUIET_MS)) - 1
        wanted, end = _process_id(_TRY_TOKEN, _KIND_JOB), _process_id(_TRY_TOKEN, _KIND_READY)
        ids = await self._ids(query)
        return ids.count(wanted) if end in ids else -1

    async def _clear(self) -> bool:
        """Have the printer forget what it is in the middle of, which may swallow all questions."""
        if not self._link.send("printer_query", _CLEAR):
            return False
        await asyncio.sleep(_CLEAR_MS / 1000)
        return self._link.is_up

    async def _arm(self, proof: Proof, token: bytes) -> Proof | None:
        """Make the printer remember this job's enquiry. Of one that does not say so the proof without."""
        clock = asyncio.get_running_loop().time
        attempts = 0
        while attempts < _ARM_ATTEMPTS:
            query = proof.macro(token)
            if proof.with_id:
                armed = _process_id(token, _KIND_READY) in await self._ids(query, _ARM_MS)
            else:
                wanted = _lone(self._memory.answers_while_defining + 1)
                armed = wanted(await self._ask(query, wanted, _ARM_MS))
            if armed:
                self._armed = proof, token
                return msgspec.structs.replace(proof, remembered=True)
            if clock() >= self.busy_until:
                attempts += 1
                if not await self._clear():
                    return None
        return proof

    # -- asking --------------------------------------------------------------------------------------------------

    async def _ids(self, query: bytes, timeout_ms: int = _ANSWER_MS) -> list[bytes]:
        """The process ids that the printer answered, up to the one with which the query ends."""
        last = b"\x37\x22" + query[-4:] + b"\0"
        replies = await self._ask(query, lambda replies: last in replies, timeout_ms)
        return [reply[2:6] for reply in replies if reply.startswith(b"\x37\x22")]

    async def _ask(
        self, query: bytes, enough: Callable[[list[bytes]], bool], timeout_ms: int = _ANSWER_MS
    ) -> list[bytes]:
        """What the printer answers, until it is enough or the time is over."""
        self._replies, self._enough = [], enough
        self._replied.clear()
        try:
            if self._link.send("printer_query", query):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout_ms / 1000):
                        await self._replied.wait()
            return self._replies
        finally:
            self._replies, self._enough = [], None


def _lone(count: int) -> Callable[[list[bytes]], bool]:
    """So many answers to GS r, which are one byte each."""
    return lambda replies: sum(len(reply) == 1 for reply in replies) >= count


def _has_macros(data: bytes) -> bool:
    """The till uses macros itself. The parser is asked only where the bytes occur: in a picture they are none."""
    if b"\x1d:" not in data and b"\x1d^" not in data:
        return False
    if len(data) > _PARSED_BYTES_MAX:
        return True
    return any(command.name in ("GS :", "GS ^") for command in CommandParser().feed(data))
