"""How a printer proves that a job is on paper: its process id response, or GS r, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from host_bridge.devices.link import DeviceLink

_TRY_ID = b"TEST"
_ANSWER_MS = 1000  # a printer with nothing to print answers within a few milliseconds


class Proof(Protocol):
    """One way to prove a job."""

    wanted: bool  # False: there is no proof to be had

    def request(self, token: bytes) -> bytes:
        """The bytes that ask the printer, sent behind the job's last."""

    def fits(self, token: bytes, reply: bytes) -> bool:
        """Whether this reply proves this job."""


def _process_id(token: bytes) -> bytes:
    """Four printable characters, as the manual wants them (GS ( H: 32 <= d <= 126)."""
    return token.hex()[-4:].encode()


class ProcessId:
    """GS ( H function 48: the printer repeats an id once what came before it is printed."""

    wanted = True

    def request(self, token: bytes) -> bytes:
        return b"\x1d\x28\x48\x06\x00\x30\x30" + _process_id(token)

    def fits(self, token: bytes, reply: bytes) -> bool:
        return reply == b"\x37\x22" + _process_id(token) + b"\0"


class PaperSensor:
    """GS r 1: answered in the order of the print stream, so once what came before it is printed."""

    wanted = True

    def request(self, token: bytes) -> bytes:
        return b"\x1d\x72\x01"

    def fits(self, token: bytes, reply: bytes) -> bool:
        return len(reply) == 1


class NoProof:
    """A printer that can't be asked: its jobs end unconfirmed."""

    wanted = False

    def request(self, token: bytes) -> bytes:
        return b""

    def fits(self, token: bytes, reply: bytes) -> bool:
        return False


class ProofFinder:
    """Which proof this printer gives: configured, or tried out once in each life of the printer."""

    def __init__(self, confirm: str, link: DeviceLink) -> None:
        self._link = link
        known: dict[str, Proof] = {"process_id": ProcessId(), "gs_r": PaperSensor(), "none": NoProof()}
        self._configured = known.get(confirm)
        self._found: Proof | None = None
        self._reply: asyncio.Future[bytes] | None = None

    def forget(self) -> None:
        """The printer may be another one now."""
        self._found = None

    async def find(self) -> Proof | None:
        """The proof to use; None if the link went down meanwhile."""
        if self._configured or self._found:
            return self._configured or self._found
        reply = await self._ask(b"\x1d\x28\x48\x06\x00\x30\x30" + _TRY_ID)
        if reply == b"\x37\x22" + _TRY_ID + b"\0":
            self._found = ProcessId()
            return self._found
        reply = await self._ask(b"\x1d\x72\x01")
        if not self._link.is_up:
            return None
        if reply is not None and len(reply) == 1:
            self._found = PaperSensor()
            return self._found
        return NoProof()  # not remembered: asked again for the next job

    def on_reply(self, reply: bytes) -> None:
        if self._reply and not self._reply.done():
            self._reply.set_result(reply)

    async def _ask(self, query: bytes) -> bytes | None:
        """What the printer answers; None if nothing."""
        self._reply = asyncio.get_running_loop().create_future()
        try:
            if not self._link.send("printer_query", query):
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_MS / 1000):
                    return await self._reply
            return None
        finally:
            self._reply = None
